/** What the model retrieves now: a few captions of the validation images with their best hits, for the display of a training. */
import path from "node:path";
import type { Evaluation } from "../evaluate/index.js";
import { galleryOf, galleryView, type GalleryView } from "../plot/gallery.js";

/** Captions shown, the same after every validation; hits of each; pixels of their pictures, for sharp screens twice what is shown. */
const captions = 3;
const hits = 4;
const pixels = 112;

/** The best images of a few captions, evenly spread. Where a picture cannot be shown, its file's name stands for it. */
export async function retrievalSamples(evaluation: Evaluation, epoch: number): Promise<GalleryView> {
  const title = `After epoch ${String(epoch + 1)}: what captions of ${evaluation.split} find among ${String(evaluation.images)} images`;
  const rows = galleryOf(evaluation, { count: captions, k: hits });
  try {
    return await galleryView(title, rows, pixels);
  } catch {
    const named = rows.map((row) => ({
      ...row,
      hits: row.hits.map(({ image, ...hit }) => ({
        ...hit,
        text: typeof image === "string" ? path.basename(image) : "",
      })),
    }));
    return galleryView(title, named, pixels);
  }
}
