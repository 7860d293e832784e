/** The five splits and the rule that keeps pairs of classes out of training. */
import { Random } from "../../random.js";

/** The splits of the drawn scenes. */
export const sceneSplits = ["train", "val", "test", "test-pairs", "test-style"] as const;

/** A split of the drawn scenes. */
export type SceneSplit = (typeof sceneSplits)[number];

/** Scenes of each split unless told otherwise. */
export const defaultCounts: Record<SceneSplit, number> = {
  train: 5000,
  val: 500,
  test: 1000,
  "test-pairs": 1000,
  "test-style": 1000,
};

/** The part of all pairs of classes that is only ever seen together in `test-pairs`. */
export const heldOutShare = 0.15;

const known = new Map<string, boolean>();

/**
 * Whether two classes may never be together outside `test-pairs`. Decided by the two nouns alone, so that a model trained
 * on one seed can be tested on another.
 */
export function isHeldOutPair(first: string, second: string): boolean {
  const name = first < second ? `${first}|${second}` : `${second}|${first}`;
  let heldOut = known.get(name);
  if (heldOut === undefined) {
    heldOut = Random.stream(0, `pair/${name}`).next() < heldOutShare;
    known.set(name, heldOut);
  }
  return heldOut;
}
