/**
 * Whether runs of the toy training have the loss that the published code's runs have.
 *
 * Two runs from the same weights in the same order part after some 20 steps by rounding alone, and under dropout at once, so that only the
 * distribution over seeds can agree. The statistic of a run is ln(mean loss of steps 81 to 400): the first epoch, a fall from 28 in which
 * single steps decide, is left out; the logarithm makes it a relative difference. Groups of three seeds agree when
 *
 * - Welch's t of the two groups is below 4.6 (two-sided 1 % at four degrees of freedom): no difference is shown, and
 * - their means differ by less than 0.1, half of what dropout 0.1 adds to the published code's loss (0.20): they are shown to be near.
 *
 * The second keeps a wide spread from passing for agreement.
 */

/** ln(mean loss after the first epoch of 80 steps). */
export function lateLoss(losses: readonly number[]): number {
  return Math.log(mean(losses.slice(80, 400)));
}

export interface Agreement {
  /** Mean of our statistic minus mean of theirs. */
  difference: number;
  t: number;
  agree: boolean;
}

/** Compares the statistic of runs (at least two each) with that of the published runs. */
export function agreement(ours: readonly number[], theirs: readonly number[]): Agreement {
  const difference = mean(ours) - mean(theirs);
  const t = difference / Math.sqrt(variance(ours) / ours.length + variance(theirs) / theirs.length);
  return { difference, t, agree: Math.abs(t) < 4.6 && Math.abs(difference) < 0.1 };
}

export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Of a sample: over n - 1. */
export function variance(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1);
}
