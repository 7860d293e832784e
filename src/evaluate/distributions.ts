/** How the scores of true pairs and of wrong ones are distributed. */
import type { Evaluation } from "./evaluation.js";

/** A histogram with its moments. */
export interface Distribution {
  count: number;
  mean: number;
  /** Unbiased; 0 for one value. */
  deviation: number;
  /** Values in each bin. */
  bins: number[];
}

/** Scores of right and wrong pairs over common bins. */
export interface Distributions {
  /** Bin k holds values of edges[k] up to edges[k + 1] (the last one included). */
  edges: number[];
  /** Captions with their own image. */
  positive: Distribution;
  /** Captions with every other image. */
  negative: Distribution;
  /** Captions with their highest-scoring other image. */
  hardest: Distribution;
  /** Share of (true pair, wrong pair of the same caption) in which the true one scores higher, ties half: 1 when all ranks are first. */
  separation: number;
}

/** Histograms over one set of bins. Scores [images, captions], row-major. */
export function scoreDistributions(
  { scores, owner, ranks }: Pick<Evaluation, "scores" | "owner" | "ranks">,
  bins = 60,
): Distributions {
  const [images, captions] = [ranks.i2t.length, owner.length];
  const positives = Float64Array.from(owner, (image, c) => scores[image * captions + c]!);
  const hardest = new Float64Array(captions).fill(-Infinity);
  let [low, high, wins] = [Infinity, -Infinity, 0];
  for (let i = 0; i < images; i++) {
    for (let c = 0; c < captions; c++) {
      const score = scores[i * captions + c]!;
      low = Math.min(low, score);
      high = Math.max(high, score);
      if (owner[c] === i) continue;
      hardest[c] = Math.max(hardest[c]!, score);
      wins += score < positives[c]! ? 1 : score === positives[c] ? 0.5 : 0;
    }
  }
  const edges = edgesOf(low, high, bins);
  const negative = collect(edges);
  for (let i = 0; i < images; i++) {
    for (let c = 0; c < captions; c++) if (owner[c] !== i) negative.add(scores[i * captions + c]!);
  }
  return {
    edges,
    positive: distributionOf(positives, edges),
    negative: negative.finish(),
    hardest: distributionOf(images > 1 ? hardest : [], edges),
    separation: wins / Math.max(1, captions * (images - 1)),
  };
}

/** `bins` equal parts of [low, high]; of a single value one around it. */
export function edgesOf(low: number, high: number, bins: number): number[] {
  const width = high > low ? (high - low) / bins : 1 / bins;
  const start = high > low ? low : low - 0.5;
  return Array.from({ length: bins + 1 }, (_, k) => (k === bins && high > low ? high : start + k * width));
}

export function distributionOf(values: Iterable<number>, edges: readonly number[]): Distribution {
  const all = collect(edges);
  for (const value of values) all.add(value);
  return all.finish();
}

/** Welford's running mean and variance beside the counts of bins. */
function collect(edges: readonly number[]): { add(value: number): void; finish(): Distribution } {
  const bins = new Array<number>(edges.length - 1).fill(0);
  const [low, width] = [edges[0]!, (edges.at(-1)! - edges[0]!) / bins.length];
  let [count, mean, square] = [0, 0, 0];
  return {
    add(value) {
      count++;
      const off = value - mean;
      mean += off / count;
      square += off * (value - mean);
      const bin = Math.min(bins.length - 1, Math.max(0, Math.floor((value - low) / width)));
      bins[bin]!++;
    },
    finish: () => ({
      count,
      mean: count === 0 ? NaN : mean,
      deviation: count < 2 ? 0 : Math.sqrt(square / (count - 1)),
      bins,
    }),
  };
}
