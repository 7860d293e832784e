/** Ensembles: the mean of the scores of several models for the same images and captions. */
import { AmsError } from "../errors.js";
import { makeEvaluation, type Evaluation, type Member } from "./evaluation.js";

/** Means of several models' scores, gathered one model at a time. */
export interface Ensemble {
  /** Adds a model's evaluation; its scores are not held. Throws AmsError for one of another gallery. */
  add(name: string, evaluation: Evaluation): void;
  /** The evaluation of the means. */
  finish(options?: { folds?: number | undefined }): Evaluation;
}

/** Means in float64 of scores as they are: models of one training recipe have scores of one size. */
export function openEnsemble(): Ensemble {
  const members: Member[] = [];
  let first: Evaluation | undefined;
  let sum = new Float64Array(0);
  let seconds = 0;
  return {
    add(name, evaluation) {
      first ??= evaluation;
      if (members.length === 0) sum = new Float64Array(evaluation.scores.length);
      const same =
        evaluation.owner.length === first.owner.length &&
        evaluation.images === first.images &&
        evaluation.owner.every((image, c) => image === first?.owner[c]);
      if (!same) {
        throw new AmsError(
          `the scores of an ensemble belong to different galleries: ${difference(first, evaluation)}`,
          {
            where: `${members[0]?.name ?? ""}, ${name}`,
            hint: "evaluate all of them on the same images and captions, in the same order",
          },
        );
      }
      evaluation.scores.forEach((score, p) => (sum[p]! += score));
      const { i2t, t2i, rsum } = evaluation;
      members.push({ name, i2t, t2i, rsum });
      seconds += evaluation.seconds;
    },
    finish({ folds } = {}) {
      if (first === undefined) throw new Error("an ensemble without members");
      const { dataset, split, images, owner, items, scoredBy } = first;
      const scores = sum.map((score) => score / members.length);
      const name = members.map((member) => member.name).join(" + ");
      return makeEvaluation({ dataset, split, images, scores, owner, items, scoredBy, seconds, name, folds, members });
    },
  };
}

/** What tells two galleries apart: their sizes, or the first caption with another image. */
function difference(a: Evaluation, b: Evaluation): string {
  const size = (e: Evaluation): string => `${e.images} images x ${e.captions} captions`;
  if (size(a) !== size(b)) return `${size(a)}, ${size(b)}`;
  const caption = a.owner.findIndex((image, c) => image !== b.owner[c]);
  return `caption ${caption} belongs to image ${a.owner[caption]} in one, to image ${b.owner[caption]} in the other (counted from 0)`;
}
