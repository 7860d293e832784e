/** FNE's negatives: what is known of right and wrong pairs' scores, and how likely a candidate is drawn. Source: FNE, ACM MM 2023. */
import type { Random } from "../random.js";
import type { SameImage } from "./losses.js";

/** Mean and squared differences of values that come one after the other. */
export interface RunningMoments {
  count: number;
  mean: number;
  /** Sum over the values of (value - mean at that time, the value included)^2. */
  squares: number;
}

export interface PairStatistics {
  /** Scores of right pairs that rank first in their row and in their column. */
  positives: RunningMoments;
  /** The hardest wrong scores of those rows and columns. */
  negatives: RunningMoments;
}

export interface SamplingOptions {
  margin: number;
  /** More values than this, of both kinds, say something. */
  enough: number;
  /** Wrong pairs for a right one. */
  prior: number;
  /** From this probability of being a negative on, the distance alone decides. */
  certain: number;
}

export const noStatistics: PairStatistics = {
  positives: { count: 0, mean: 0, squares: 0 },
  negatives: { count: 0, mean: 0, squares: 0 },
};

function added({ count, mean, squares }: RunningMoments, value: number): RunningMoments {
  const now = mean + (value - mean) / (count + 1);
  return { count: count + 1, mean: now, squares: squares + (value - now) ** 2 };
}

/** squares / (count - 1). */
export function varianceOf({ count, squares }: RunningMoments): number {
  return squares / (count - 1);
}

/** The statistics after a batch with the scores S [B, B], row by row. */
export function collectStatistics(
  before: PairStatistics,
  S: ArrayLike<number>,
  batch: number,
  same: SameImage,
): PairStatistics {
  let { positives, negatives } = before;
  for (let i = 0; i < batch; i++) {
    let [row, column] = [-Infinity, -Infinity];
    for (let j = 0; j < batch; j++) {
      if (j === i) continue;
      if (!same(i, j)) row = Math.max(row, S[i * batch + j]!);
      if (!same(j, i)) column = Math.max(column, S[j * batch + i]!);
    }
    const own = S[i * batch + i]!;
    if (own <= row || own <= column || row === -Infinity) continue;
    positives = added(positives, own);
    negatives = added(added(negatives, row), column);
  }
  return { positives, negatives };
}

/**
 * The probability that a pair of score s is right: N(s; m+, v+) / (N(s; m+, v+) + prior N(s; m-, v-)), by logarithms so that
 * neither density runs out of numbers.
 */
export function probabilityRight(s: number, { positives, negatives }: PairStatistics, prior: number): number {
  const log = (moments: RunningMoments): number => {
    const variance = Math.max(varianceOf(moments), 1e-12);
    return -((s - moments.mean) ** 2) / (2 * variance) - Math.log(variance) / 2;
  };
  return 1 / (1 + prior * Math.exp(log(negatives) - log(positives)));
}

/**
 * How likely each candidate is drawn, up to a factor: exp(-0.5 (s - own)^2); with enough statistics exp(-0.5 p) where 1 - p < certain
 * (p: the probability of being right), and 0 for s <= m+ - margin. 0 for candidates of the same image.
 */
export function samplingWeights(
  scores: ArrayLike<number>,
  own: number,
  same: (candidate: number) => boolean,
  statistics: PairStatistics,
  options: SamplingOptions,
): Float64Array {
  const { margin, enough, prior, certain } = options;
  const known = statistics.positives.count > enough && statistics.negatives.count > enough;
  const easy = known ? statistics.positives.mean - margin : -Infinity;
  return Float64Array.from({ length: scores.length }, (_, j) => {
    const s = scores[j]!;
    if (same(j) || s <= easy) return 0;
    const p = known ? probabilityRight(s, statistics, prior) : 0;
    return known && 1 - p < certain ? Math.exp(-0.5 * p) : Math.exp(-0.5 * (s - own) ** 2);
  });
}

/** A candidate drawn by the weights; where all are 0 the one with the highest score that is not of the same image, or -1. */
export function drawNegative(
  weights: Float64Array,
  scores: ArrayLike<number>,
  same: (candidate: number) => boolean,
  random: Random,
): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total > 0) {
    let left = random.next() * total;
    let last = -1;
    for (let j = 0; j < weights.length; j++) {
      if (weights[j] === 0) continue;
      last = j;
      left -= weights[j]!;
      if (left < 0) return j;
    }
    return last; // rounding
  }
  let hardest = -1;
  for (let j = 0; j < scores.length; j++) {
    if (!same(j) && (hardest < 0 || scores[j]! > scores[hardest]!)) hardest = j;
  }
  return hardest;
}
