/** What each scale does for the score: recalls of every scale alone, and of all scales but one. */
import { recallIntervals, type Interval, type Measured } from "./bootstrap.js";
import { recalls, type Recalls } from "./recall.js";

/** Recalls of a ranking with their intervals. */
export type ScaleSummary = Pick<Recalls, "i2t" | "t2i" | "rsum" | "ties"> & {
  /** 95 % bootstrap intervals over images, in the order of `measures`. */
  intervals: Measured<Interval>;
};

/** What one scale does alone, and what the others do without it. */
export interface ScaleRecalls {
  /** From "1", the shallowest. */
  scale: string;
  /** s_k, its weight in the sum. */
  weight: number;
  /** Ranked by this scale alone. */
  alone: ScaleSummary;
  /** Ranked by the sum without it; absent where it is the only one. */
  without?: ScaleSummary;
}

/**
 * `plane(k)` gives the unweighted scores of scale k, [images, captions] row-major, one at a time: only two matrices are held at once beside
 * `total`, the weighted sum. Leaving one out is total - s_k S_k, computed in float64.
 */
export function scaleRecalls(
  plane: (k: number) => Float32Array,
  weights: readonly number[],
  total: Float32Array,
  images: number,
  owner: Int32Array,
): ScaleRecalls[] {
  const summary = (scores: Float32Array | Float64Array): ScaleSummary => {
    const { i2t, t2i, rsum, ties, ranks } = recalls(scores, images, owner);
    return { i2t, t2i, rsum, ties, intervals: recallIntervals({ ranks, owner }) };
  };
  return weights.map((weight, k) => {
    const scores = plane(k);
    const alone = summary(scores);
    const scale = String(k + 1);
    if (weights.length === 1) return { scale, weight, alone };
    const rest = Float64Array.from(total, (value, p) => value - weight * scores[p]!);
    return { scale, weight, alone, without: summary(rest) };
  });
}
