/** Recall at 1, 5, 10, median and mean rank of a score matrix, both ways, with the pinned tie rule. */
import { AmsError } from "../errors.js";

/** One direction of retrieval: recalls in percent, ranks counted from 1. */
export interface Direction {
  r1: number;
  r5: number;
  r10: number;
  medr: number;
  meanr: number;
}

/** Recalls both ways. */
export interface Recalls {
  /** An image looks for any of its captions. */
  i2t: Direction;
  /** A caption looks for its image. */
  t2i: Direction;
  /** Sum of the six recalls, in percent (at most 600). */
  rsum: number;
  /** Queries (of both directions) whose best true item has exactly the score of a wrong one. */
  ties: number;
  /** Rank from 0 of the true item of every query; -1 for an image without captions, which asks nothing. */
  ranks: { i2t: Int32Array; t2i: Int32Array };
}

/**
 * Ranks every true item by counting the wrong items that score higher (no sort).
 *
 * `scores` is [images, captions], row-major; `owner[c]` is the image of caption c; an image may own any number of
 * captions. A wrong item with an equal score counts as higher (the pessimistic rule), so constant scores get no recall.
 * Captions of the same image are never wrong for each other. Throws AmsError for scores that are NaN or infinite and for sizes that disagree.
 * Specification: section 8 of the model's description; medians are floor(median) + 1.
 */
export function recalls(scores: Float32Array | Float64Array, images: number, owner: Int32Array): Recalls {
  const captions = owner.length;
  checkScores(scores, images, owner);
  const best = new Float64Array(images).fill(-Infinity);
  const owned = new Int32Array(images);
  const truth = new Float64Array(captions);
  for (let c = 0; c < captions; c++) {
    const image = owner[c]!;
    const score = scores[image * captions + c]!;
    truth[c] = score;
    owned[image]!++;
    if (score > best[image]!) best[image] = score;
  }
  const i2t = new Int32Array(images).fill(-1);
  const t2i = new Int32Array(captions);
  const tied = new Uint8Array(captions);
  let ties = 0;
  for (let i = 0; i < images; i++) {
    const start = i * captions;
    const own = best[i]!;
    let above = 0;
    let equal = 0;
    for (let c = 0; c < captions; c++) {
      const score = scores[start + c]!;
      if (owner[c] === i) continue;
      if (score > own) above++;
      else if (score === own) equal++;
      if (score > truth[c]!) t2i[c]!++;
      else if (score === truth[c]) {
        t2i[c]!++;
        tied[c] = 1;
      }
    }
    if (owned[i] === 0) continue;
    i2t[i] = above + equal;
    if (equal > 0) ties++;
  }
  for (const flag of tied) ties += flag;
  const i2tDirection = direction(i2t.filter((rank) => rank >= 0));
  const t2iDirection = direction(t2i);
  const rsum = [i2tDirection, t2iDirection].reduce((sum, { r1, r5, r10 }) => sum + (r1 + r5 + r10), 0);
  return { i2t: i2tDirection, t2i: t2iDirection, rsum, ties, ranks: { i2t, t2i } };
}

/** Recalls in percent, floor(median) + 1 and mean + 1 of ranks from 0. */
export function direction(ranks: Int32Array): Direction {
  const recall = (k: number): number => (100 * ranks.reduce((n, rank) => n + (rank < k ? 1 : 0), 0)) / ranks.length;
  const sorted = Int32Array.from(ranks).sort();
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const sum = ranks.reduce((total, rank) => total + rank, 0);
  return { r1: recall(1), r5: recall(5), r10: recall(10), medr: Math.floor(median) + 1, meanr: sum / ranks.length + 1 };
}

function checkScores(scores: Float32Array | Float64Array, images: number, owner: Int32Array): void {
  const captions = owner.length;
  if (images < 1 || captions < 1) {
    throw new AmsError(
      `recalls need at least one image and one caption, got ${String(images)} and ${String(captions)}`,
    );
  }
  if (scores.length !== images * captions) {
    throw new AmsError(
      `${String(scores.length)} scores do not fill ${String(images)} images x ${String(captions)} captions`,
      { hint: "give scores as [images, captions], row-major, and one owner per caption" },
    );
  }
  for (let c = 0; c < captions; c++) {
    const image = owner[c]!;
    if (image < 0 || image >= images) {
      throw new AmsError(
        `caption ${String(c)} belongs to image ${String(image)}, but there are ${String(images)} images`,
        {
          where: `owner[${String(c)}]`,
          hint: "owner holds the row of each caption's image, counted from 0",
        },
      );
    }
  }
  for (let k = 0; k < scores.length; k++) {
    if (!Number.isFinite(scores[k])) {
      throw new AmsError(`a score is ${Number.isNaN(scores[k]) ? "not a number" : "infinite"}`, {
        where: `image ${String(Math.floor(k / captions))}, caption ${String(k % captions)}`,
        hint: "check the model's weights (a training that diverged); in a matrix of your own give pairs that were left out a low finite score",
      });
    }
  }
}
