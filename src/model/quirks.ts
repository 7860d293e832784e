/** Where the published code does something that its description does not say: each a switch with two values. */

/** `true` = as described; `false` = as the published code does. */
export interface Quirks {
  /** Scale 1 is scored in training with the text features of scale 1 (published: of scale 2; fc_1 of the text never trains). */
  firstScaleText: boolean;
  /** The scale weights s_k are restored from a checkpoint (published: lost, all 1). */
  restoreScaleWeights: boolean;
  /** The mined thresholds are restored from a checkpoint (published: 0 when testing). */
  restoreThresholds: boolean;
  /** Training scores use the mined threshold t (published: a literal 0). */
  trainThreshold: boolean;
  /** Pads are left out of means, norms, propagation and mining (published: pads count as words). */
  padWords: boolean;
  /** Two captions of one image in a batch are not negatives of each other (published: they are). */
  sameImageNegatives: boolean;
  /** Training uses the propagation of section 3 for its negative branch too (published: only evaluation does). */
  evaluationPropagation: boolean;
  /** A resumed training goes on with its epoch, rate and Adam state (published: starts anew with the weights). */
  resumeSchedule: boolean;
}

function all(value: boolean): Quirks {
  return {
    firstScaleText: value,
    restoreScaleWeights: value,
    restoreThresholds: value,
    trainThreshold: value,
    padWords: value,
    sameImageNegatives: value,
    evaluationPropagation: value,
    resumeSchedule: value,
  };
}

/** All quirks as published, and all of them put right. */
export const quirks = { published: all(false), corrected: all(true) };

/** Every switch by itself, as options name it: `padWords=corrected`. */
export const quirkNames = Object.keys(quirks.published) as (keyof Quirks)[];

/** `["padWords=corrected"]` -> `{ padWords: true }`; of two that disagree the last counts. */
export function quirkSwitches(written: readonly string[]): Partial<Quirks> {
  return Object.fromEntries(written.map((one) => [one.replace(/=.*/, ""), one.endsWith("=corrected")]));
}
