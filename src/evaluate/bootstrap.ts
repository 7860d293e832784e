/** A bootstrap interval of rSum: how much the sum of recalls would move with another draw of test images. */
import { Random } from "../random.js";
import type { Recalls } from "./recall.js";

/**
 * The 95 % percentile interval of rSum over images, from seeded resamples.
 *
 * Each resample draws the images (with all their captions as queries) with replacement and averages the hits at 1, 5, 10 that
 * were counted once. The gallery stays fixed: a resampled image meets the same competitors, never a copy of itself. So the
 * interval speaks of the choice of queries, not of the size or difficulty of the gallery, nor of the training's seed.
 */
export function rsumInterval(
  ranks: Recalls["ranks"],
  owner: Int32Array,
  { resamples = 1000, seed = 1 }: { resamples?: number; seed?: number } = {},
): [number, number] {
  const images = ranks.i2t.length;
  const imageHits = new Float64Array(images); // hits at 1 + at 5 + at 10: the three recalls share their denominator
  const captionHits = new Float64Array(images);
  const captions = new Int32Array(images);
  const hits = (rank: number): number => Number(rank < 1) + Number(rank < 5) + Number(rank < 10);
  for (let i = 0; i < images; i++) if (ranks.i2t[i]! >= 0) imageHits[i] = hits(ranks.i2t[i]!);
  for (let c = 0; c < owner.length; c++) {
    const image = owner[c]!;
    captions[image]!++;
    captionHits[image]! += hits(ranks.t2i[c]!);
  }
  const random = Random.stream(seed, "bootstrap");
  const sums = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let [asking, found, asked, foundCaptions] = [0, 0, 0, 0];
    for (let draw = 0; draw < images; draw++) {
      const i = random.int(images);
      if (captions[i]! > 0) asking++;
      found += imageHits[i]!;
      asked += captions[i]!;
      foundCaptions += captionHits[i]!;
    }
    sums[r] = (100 * found) / Math.max(asking, 1) + (100 * foundCaptions) / Math.max(asked, 1);
  }
  sums.sort();
  return [quantile(sums, 0.025), quantile(sums, 0.975)];
}

/** Quantile of sorted numbers with linear interpolation (NumPy's default rule). */
export function quantile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}
