/** Bootstrap over images: how much recalls, and differences between two evaluations, would move with another draw of test images. */
import { Random } from "../random.js";
import type { Recalls } from "./recall.js";

/** What is compared: the six recalls and their sum, in percent. */
export const measures = ["i2t R@1", "i2t R@5", "i2t R@10", "t2i R@1", "t2i R@5", "t2i R@10", "rSum"] as const;

/** One number a measure, in the order of `measures`. */
export type Measured<T> = readonly [T, T, T, T, T, T, T];

/** The bounds of a 95 % interval, in percent. */
export type Interval = [low: number, high: number];

/** "65.1-70.2" */
export const intervalText = ([low, high]: Interval): string => `${low.toFixed(1)}-${high.toFixed(1)}`;

/** Ranks from 0 of every query (-1: asks nothing), and the image of each caption. */
export interface Ranked {
  ranks: Recalls["ranks"];
  owner: Int32Array;
}

/** How intervals are drawn; the defaults give every evaluation the same ones each time. */
export interface BootstrapOptions {
  /** Default 1,000. */
  resamples?: number;
  /** Default 1. */
  seed?: number;
}

/**
 * The 95 % percentile intervals over images, from seeded resamples.
 *
 * Each resample draws the images (with all their captions as queries) with replacement and averages the hits at 1, 5, 10 that
 * were counted once. The gallery stays fixed: a resampled image meets the same competitors, never a copy of itself. So the
 * interval speaks of the choice of queries, not of the size or difficulty of the gallery, nor of the training's seed.
 * Several galleries (folds) are resampled each by itself and averaged.
 */
export function recallIntervals(
  ranked: Ranked | readonly Ranked[],
  options: BootstrapOptions = {},
): Measured<Interval> {
  const samples = resample([hitsOf(ranked)], options)[0]!;
  return map((m) => intervalOf(samples[m]!));
}

/**
 * The 95 % intervals of R@K for K = 1 .. `most`, [K - 1], from the resamples of `recallIntervals`: at 1, 5 and 10 they are the same.
 */
export function curveIntervals(
  { ranks, owner }: Ranked,
  most: number,
  { resamples = 1000, seed = 1 }: BootstrapOptions = {},
): { i2t: Interval[]; t2i: Interval[] } {
  const images = ranks.i2t.length;
  const random = Random.stream(seed, "bootstrap");
  const asked = { i2t: queriesByImage(ranks.i2t, (image) => image, images), t2i: queriesByImage(ranks.t2i, (c) => owner[c]!, images) }; // prettier-ignore
  const ways = (["i2t", "t2i"] as const).map((way) => ({
    queries: asked[way],
    found: new Float64Array(most),
    samples: Array.from({ length: most }, () => new Float64Array(resamples)),
  }));
  for (let r = 0; r < resamples; r++) {
    const drawn = Int32Array.from({ length: images }, () => random.int(images));
    for (const { queries, found, samples } of ways) {
      found.fill(0);
      let count = 0;
      for (const image of drawn) {
        const own = queries[image]!;
        count += own.length;
        for (const rank of own) if (rank < most) found[rank]!++;
      }
      let sum = 0;
      found.forEach((n, k) => (samples[k]![r] = (100 * (sum += n)) / Math.max(count, 1)));
    }
  }
  const [i2t, t2i] = ways.map(({ samples }) => samples.map(intervalOf)) as [Interval[], Interval[]];
  return { i2t, t2i };
}

/** The ranks of the queries that belong to each image, without those that ask nothing. */
function queriesByImage(ranks: Int32Array, imageOf: (query: number) => number, images: number): number[][] {
  const queries = Array.from({ length: images }, (): number[] => []);
  ranks.forEach((rank, query) => {
    if (rank >= 0) queries[imageOf(query)]!.push(rank);
  });
  return queries;
}

/** The 95 % interval of a share of n that are independent of each other, in percent (E. B. Wilson 1927). */
export function wilson(hits: number, n: number): Interval {
  if (n === 0) return [0, 100];
  const [z, share] = [1.96, hits / n];
  const middle = share + z ** 2 / (2 * n);
  const half = z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
  const scale = 100 / (1 + z ** 2 / n);
  return [scale * (middle - half), scale * (middle + half)];
}

/** The interval of rSum alone. */
export function rsumInterval(ranks: Recalls["ranks"], owner: Int32Array, options: BootstrapOptions = {}): Interval {
  return recallIntervals({ ranks, owner }, options)[6];
}

/** How a measure differs between two evaluations of the same queries. */
export interface Difference {
  /** Of the second evaluation minus the first, in percentage points. */
  difference: number;
  /** 95 % of the resamples lie between these. */
  interval: Interval;
  /** Two-sided: twice the share of resamples on the other side of zero, at most 1. */
  p: number;
  /** The interval leaves zero out. */
  real: boolean;
}

/**
 * Paired bootstrap: every resample draws the same images for both evaluations, so that what makes a query hard for both cancels. Source:
 * Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13. Both have the same images and captions, in the same order.
 */
export function pairedDifferences(
  a: Ranked | readonly Ranked[],
  b: Ranked | readonly Ranked[],
  { resamples = 5000, seed = 1 }: BootstrapOptions = {},
): Measured<Difference> {
  const hits = [hitsOf(a), hitsOf(b)];
  const [first, second] = resample(hits, { resamples, seed }) as [Float64Array[], Float64Array[]];
  const [from, to] = hits.map((groups) => measuresOf(groups.map(totals))) as [number[], number[]];
  return map((m) => {
    const moved = second[m]!.map((value, r) => value - first[m]![r]!);
    const below = moved.reduce((n, d) => n + Number(d <= 0), 0);
    const above = moved.reduce((n, d) => n + Number(d >= 0), 0);
    const interval = intervalOf(moved);
    return {
      difference: to[m]! - from[m]!,
      interval,
      p: Math.min(1, (2 * (Math.min(below, above) + 1)) / (resamples + 1)),
      real: interval[0] > 0 || interval[1] < 0,
    };
  });
}

/** A row an image: [asks, hits at 1, 5, 10; its captions, their hits at 1, 5, 10]. */
type Hits = Float64Array;
const width = 8;

function hitsOf(ranked: Ranked | readonly Ranked[]): Hits[] {
  const groups: readonly Ranked[] = "ranks" in ranked ? [ranked] : ranked;
  return groups.map(({ ranks, owner }) => {
    const hits = new Float64Array(width * ranks.i2t.length);
    const count = (at: number, rank: number): void => {
      hits[at]!++;
      [1, 5, 10].forEach((k, i) => (hits[at + 1 + i]! += Number(rank < k)));
    };
    ranks.i2t.forEach((rank, image) => {
      if (rank >= 0) count(width * image, rank);
    });
    ranks.t2i.forEach((rank, caption) => {
      count(width * owner[caption]! + width / 2, rank);
    });
    return hits;
  });
}

/** Measures of every resample, [evaluation][measure][resample]; each evaluation has the same groups of as many images. */
function resample(evaluations: Hits[][], { resamples = 1000, seed = 1 }: BootstrapOptions): Float64Array[][] {
  const random = Random.stream(seed, "bootstrap");
  const samples = evaluations.map(() => measures.map(() => new Float64Array(resamples)));
  const groups = evaluations[0]!;
  const sums = evaluations.map(() => groups.map(() => new Float64Array(width)));
  for (let r = 0; r < resamples; r++) {
    groups.forEach((hits, g) => {
      const images = hits.length / width;
      for (const sum of sums) sum[g]!.fill(0);
      for (let draw = 0; draw < images; draw++) {
        const row = width * random.int(images);
        for (let e = 0; e < evaluations.length; e++) {
          const [from, to] = [evaluations[e]![g]!, sums[e]![g]!];
          for (let k = 0; k < width; k++) to[k]! += from[row + k]!;
        }
      }
    });
    sums.forEach((groupSums, e) => {
      measuresOf(groupSums).forEach((value, m) => (samples[e]![m]![r] = value));
    });
  }
  return samples;
}

function totals(hits: Hits): Float64Array {
  const sum = new Float64Array(width);
  hits.forEach((value, k) => (sum[k % width]! += value));
  return sum;
}

/** Sums of hits of each group -> the seven measures, averaged over the groups. */
function measuresOf(groups: readonly Float64Array[]): number[] {
  const recalls = [1, 2, 3, 5, 6, 7].map((k) => {
    const queries = k < 4 ? 0 : 4;
    return groups.reduce((sum, hits) => sum + (100 * hits[k]!) / Math.max(hits[queries]!, 1), 0) / groups.length;
  });
  return [...recalls, recalls.reduce((a, b) => a + b)];
}

function intervalOf(values: Float64Array): Interval {
  const sorted = values.slice().sort();
  return [quantile(sorted, 0.025), quantile(sorted, 0.975)];
}

function map<T>(of: (measure: number) => T): Measured<T> {
  return measures.map((_, m) => of(m)) as unknown as Measured<T>;
}

/** Quantile of sorted numbers with linear interpolation (NumPy's default rule). */
export function quantile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
