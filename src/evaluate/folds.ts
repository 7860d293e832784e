/** Folds of a gallery: the images in equal parts, each ranked by itself, results averaged (MS-COCO's "1K" of 5,000 images). */
import { AmsError } from "../errors.js";
import { recallIntervals, type Interval, type Measured, type Ranked } from "./bootstrap.js";
import { recalls, type Direction, type Recalls } from "./recall.js";

/** Means over equal parts of a gallery, each ranked by itself. */
export interface Folds {
  count: number;
  /** Images of a fold (of the smallest one, where they do not divide evenly). */
  images: number;
  /** Means over the folds. */
  i2t: Direction;
  t2i: Direction;
  rsum: number;
  /** Queries tied within their fold, of all folds. */
  ties: number;
  /** 95 % bootstrap intervals over images, resampled within each fold, in the order of `measures`. */
  intervals: Measured<Interval>;
  each: (Pick<Recalls, "i2t" | "t2i" | "rsum" | "ties"> & Ranked)[];
}

/** Images [start, end) and the captions that are theirs, of each part. Throws AmsError for a part without captions. */
export function partsOf(
  images: number,
  owner: Int32Array,
  count: number,
): { start: number; end: number; columns: number[] }[] {
  return Array.from({ length: count }, (_, f) => {
    const [start, end] = [f, f + 1].map((bound) => Math.round((bound * images) / count)) as [number, number];
    const columns = Array.from(owner.keys()).filter((c) => owner[c]! >= start && owner[c]! < end);
    if (columns.length > 0) return { start, end, columns };
    throw new AmsError(`${count} folds of ${images} images leave a fold without captions`, {
      where: `fold ${f + 1}, ${end > start ? `images ${start} to ${end - 1}` : "no image"}`,
      hint: `ask for fewer folds: at most ${images}, with a caption in each`,
    });
  });
}

/**
 * Consecutive parts of the images with their captions (Karpathy's and VSE++'s protocol): fold f has the images
 * from round(f n / count) on. Scores [images, captions], row-major. Throws AmsError for a part without captions.
 */
export function foldsOf(scores: Float32Array | Float64Array, images: number, owner: Int32Array, count: number): Folds {
  const captions = owner.length;
  const each = partsOf(images, owner, count).map(({ start, end, columns }) => {
    const part = new Float64Array((end - start) * columns.length);
    for (let i = start, k = 0; i < end; i++) for (const c of columns) part[k++] = scores[i * captions + c]!;
    const owned = Int32Array.from(columns, (c) => owner[c]! - start);
    return { ...recalls(part, end - start, owned), owner: owned };
  });
  const mean = (of: (fold: (typeof each)[number]) => number): number =>
    each.reduce((sum, fold) => sum + of(fold), 0) / count;
  const direction = (way: "i2t" | "t2i"): Direction => ({
    r1: mean((fold) => fold[way].r1),
    r5: mean((fold) => fold[way].r5),
    r10: mean((fold) => fold[way].r10),
    medr: mean((fold) => fold[way].medr),
    meanr: mean((fold) => fold[way].meanr),
  });
  return {
    count,
    images: Math.min(...each.map(({ ranks }) => ranks.i2t.length)),
    i2t: direction("i2t"),
    t2i: direction("t2i"),
    rsum: mean(({ rsum }) => rsum),
    ties: each.reduce((sum, { ties }) => sum + ties, 0),
    intervals: recallIntervals(each),
    each,
  };
}
