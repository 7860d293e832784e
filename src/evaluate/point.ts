/** Where a phrase points: the patch with the largest mean similarity to its words, and whether that lies in a box. */
import type { Box } from "../data/dataset.js";

/** How patches lie on an image. */
export interface PointingView {
  /** Patches per side; region 0 is [CLS], then patches row by row. */
  grid: number;
  /** Size of the image that the boxes are measured in; the model saw all of it, made square. */
  imageWidth: number;
  imageHeight: number;
}

/**
 * The patch (row by row, from 0) with the largest mean similarity to the given words, which are rows of `relevance`
 * [W, 1 + grid^2]. [CLS] is no patch. The first of equal patches counts.
 */
export function pointedPatch(relevance: ArrayLike<number>, words: readonly number[], grid: number): number {
  const patches = grid ** 2;
  let [best, strongest] = [0, -Infinity];
  for (let p = 0; p < patches; p++) {
    const sum = words.reduce((total, w) => total + relevance[w * (patches + 1) + 1 + p]!, 0);
    if (sum > strongest) [best, strongest] = [p, sum];
  }
  return best;
}

/** Whether the pointed patch has its centre inside one of the boxes. */
export function pointsInside(
  relevance: ArrayLike<number>,
  words: readonly number[],
  boxes: readonly Box[],
  view: PointingView,
): boolean {
  return centreInside(pointedPatch(relevance, words, view.grid), boxes, view);
}

/** Whether the centre of a patch (0-based, row by row) lies in one of the boxes, in pixels of the image. */
export function centreInside(
  patch: number,
  boxes: readonly Box[],
  { grid, imageWidth, imageHeight }: PointingView,
): boolean {
  const x = (((patch % grid) + 0.5) / grid) * imageWidth;
  const y = ((Math.floor(patch / grid) + 0.5) / grid) * imageHeight;
  return boxes.some((box) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height);
}

/** The tokens that stand in the phrase [start, end) of the caption. */
export function phraseWords(
  spans: readonly (readonly [number, number] | null)[],
  { start, end }: { start: number; end: number },
): number[] {
  return spans.flatMap((span, w) => (span !== null && span[0] < end && span[1] > start ? [w] : []));
}
