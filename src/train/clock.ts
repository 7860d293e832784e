/** How long a training still takes: steps and validations are timed apart, since they cost differently. */

export interface Clock {
  /** Seconds from now to the end, for `step` steps done and the 0-based epoch; NaN before the first step. */
  left(step: number, epoch: number): number;
  /** Times a validation; the first one is only foreseen once it has begun. */
  validating<T>(work: () => Promise<T>): Promise<T>;
}

/** @param now milliseconds, growing */
export function createClock(
  { step: first, totalSteps, totalEpochs }: { step: number; totalSteps: number; totalEpochs: number },
  now: () => number = () => performance.now(),
): Clock {
  const began = now();
  let validations = 0;
  let validated = 0;
  let since: number | undefined;
  return {
    left(step, epoch) {
      const time = now();
      const current = since === undefined ? 0 : time - since;
      const perStep = (time - began - validated - current) / (step - first);
      const perValidation = validations === 0 ? current : validated / validations;
      const toCome = Math.max(0, totalEpochs - epoch) * perValidation - Math.min(current, perValidation);
      return step === first ? NaN : ((totalSteps - step) * perStep + Math.max(0, toCome)) / 1000;
    },
    async validating(work) {
      since = now();
      try {
        return await work();
      } finally {
        validated += now() - since;
        validations++;
        since = undefined;
      }
    },
  };
}
