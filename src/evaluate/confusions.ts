/** The hardest confusions: queries whose best wrong answer scores highest above the right one. */
import { AmsError } from "../errors.js";
import type { Evaluation } from "./evaluation.js";

/** A query that is answered wrongly. Images are rows of the scores, captions columns. */
export interface Confusion {
  direction: "t2i" | "i2t";
  /** The image of the query: the one that asks, or whose caption asks. */
  image: number;
  /** The caption that asks (t2i), or the best of the image's own (i2t). */
  caption: number;
  /** The image that is found instead, or whose caption is found. */
  wrongImage: number;
  /** The caption that is found (i2t); of t2i the one that asks. */
  wrongCaption: number;
  score: number;
  wrongScore: number;
  /** wrongScore - score, at least 0. */
  margin: number;
  /** Of the right answer, from 0. */
  rank: number;
}

/** What confusions are found in. */
export type Confusable = Pick<Evaluation, "scores" | "owner" | "ranks">;

/** All queries whose right answer is not first, the largest margin first; of equal margins the earlier query. */
export function hardestConfusions(
  evaluation: Confusable,
  direction: "t2i" | "i2t" = "t2i",
  count = Infinity,
): Confusion[] {
  const { scores, owner, ranks } = evaluation;
  const [images, captions] = [ranks.i2t.length, owner.length];
  const found: Confusion[] = [];
  const at = (image: number, caption: number): number => scores[image * captions + caption]!;
  if (direction === "t2i") {
    for (let c = 0; c < captions; c++) {
      const rank = ranks.t2i[c]!;
      if (rank < 1) continue;
      const image = owner[c]!;
      let wrong = -1;
      for (let i = 0; i < images; i++) if (i !== image && (wrong < 0 || at(i, c) > at(wrong, c))) wrong = i;
      const [score, wrongScore] = [at(image, c), at(wrong, c)];
      found.push({ direction, image, caption: c, wrongImage: wrong, wrongCaption: c, score, wrongScore, margin: wrongScore - score, rank }); // prettier-ignore
    }
  } else {
    for (let i = 0; i < images; i++) {
      const rank = ranks.i2t[i]!;
      if (rank < 1) continue;
      let [own, wrong] = [-1, -1];
      for (let c = 0; c < captions; c++) {
        if (owner[c] === i) own = own < 0 || at(i, c) > at(i, own) ? c : own;
        else wrong = wrong < 0 || at(i, c) > at(i, wrong) ? c : wrong;
      }
      const [score, wrongScore] = [at(i, own), at(i, wrong)];
      found.push({ direction, image: i, caption: own, wrongImage: owner[wrong]!, wrongCaption: wrong, score, wrongScore, margin: wrongScore - score, rank }); // prettier-ignore
    }
  }
  return found.sort((a, b) => b.margin - a.margin).slice(0, count);
}

/** Which images are taken for each other. */
export interface ConfusionMatrix {
  /** Rows of the scores, the most confused first. */
  images: number[];
  /**
   * `[images, images]`: by how much image j (column) scores above image i (row) for that caption of i which is nearest to being confused.
   * 0 on the diagonal; above 0 image j is found before the right one.
   */
  margins: number[][];
}

/** The images that take part in the hardest confusions of captions, with all their margins. Throws AmsError where nothing is confused. */
export function confusionMatrix(evaluation: Confusable, count = 12): ConfusionMatrix {
  const { scores, owner } = evaluation;
  const captions = owner.length;
  const images: number[] = [];
  for (const { image, wrongImage } of hardestConfusions(evaluation)) {
    for (const i of [image, wrongImage]) if (!images.includes(i) && images.length < count) images.push(i);
    if (images.length === count) break;
  }
  if (images.length === 0) {
    throw new AmsError("nothing is confused: every caption finds its own image first", {
      where: `${evaluation.ranks.i2t.length} images, ${captions} captions`,
      hint: "evaluate on more images, or on a harder split",
    });
  }
  const margins = images.map((i) => {
    const own = Array.from(owner.keys()).filter((c) => owner[c] === i);
    const margin = (j: number) => (c: number) => scores[j * captions + c]! - scores[i * captions + c]!;
    return images.map((j) => (own.length === 0 ? NaN : Math.max(...own.map(margin(j)))));
  });
  return { images, margins };
}
