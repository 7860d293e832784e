/** Search in two stages: pooled vectors choose candidates out of the whole gallery, the exact score orders them. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import type { Item } from "../data/dataset.js";
import { AmsError } from "../errors.js";
import { tokenise } from "../evaluate/encode.js";
import { scoreSource } from "../evaluate/evaluate.js";
import { captionVectors, imageVectors } from "../evaluate/pooled.js";
import { scoreAll } from "../evaluate/scorer.js";
import type { Model } from "../model/ams.js";
import { galleryOf, type GalleryIndex } from "./gallery.js";
import { makeHits, type Hit, type Hits } from "./hits.js";

export type Query = { text: string } | { image: string };

export interface SearchOptions {
  /** Hits to return (default 5). */
  k?: number;
  /** Candidates that get the exact score (default 50, at least k). */
  candidates?: number;
}

/**
 * A text finds images of the gallery, an image file finds captions. The vectors of a gallery (the same array of items) are kept
 * for the next query until the model's weights change. Throws AmsError for an empty query, an empty gallery or an unreadable image.
 */
export async function search(
  model: Model,
  gallery: Item[] | GalleryIndex,
  query: Query,
  options: number | SearchOptions,
  context: Context,
): Promise<Hits> {
  const start = performance.now();
  const { k = 5, candidates = 50 } = typeof options === "number" ? { k: options } : options;
  if (!Number.isInteger(k) || k < 1)
    throw new AmsError(`search returns at least one hit, not ${String(k)}`, {
      where: "option k",
      hint: "give a whole number from 1",
    });
  const index = Array.isArray(gallery) ? galleryOf(model, gallery) : gallery;
  const size = "text" in query ? index.items.length : index.captions.length;
  if (size === 0)
    throw new AmsError("there is nothing to search in: the gallery is empty", {
      where: "text" in query ? "images of the gallery" : "captions of the gallery",
      hint: "choose a split with images and captions",
    });
  const count = Math.min(size, Math.max(k, candidates));
  const hits = "text" in query ? await findImages(model, index, query, count, context) : await findCaptions(model, index, query, count, context); // prettier-ignore
  return makeHits({
    query,
    hits: hits.sort((a, b) => b.score - a.score).slice(0, k),
    gallery: size,
    candidates: count,
    seconds: (performance.now() - start) / 1000,
  });
}

async function findImages(
  model: Model,
  index: GalleryIndex,
  query: { text: string },
  count: number,
  context: Context,
): Promise<Hit[]> {
  if (query.text.trim() === "")
    throw new AmsError("the query is empty", {
      where: "the text to search for",
      hint: 'for example: "two red cars on the beach"',
    });
  const tokens = tokenise(model.tokenizer, [query.text], model.config.maxLength);
  if (tokens.truncated > 0) {
    context.note(`the query has more than ${String(model.config.maxLength - 2)} word pieces; its end is not used`);
  }
  const near = await nearest(await index.images(context), await captionVectors(model, tokens, context), count);
  const items = near.map(({ place }) => index.items[place]!);
  const scores = await scoreAll(
    scoreSource(model, items, tokens, context),
    { threshold: model.thresholds.safe },
    context,
  );
  return near.map(({ pooled }, i) => ({ item: items[i]!, score: scores[i]!, pooled }));
}

async function findCaptions(
  model: Model,
  index: GalleryIndex,
  query: { image: string },
  count: number,
  context: Context,
): Promise<Hit[]> {
  const asked: Item = { id: "query", image: query.image, captions: [] };
  const near = await nearest(await index.texts(context), await imageVectors(model, [asked], context), count);
  const captions = near.map(({ place }) => index.captions[place]!);
  const tokens = tokenise(model.tokenizer, captions.map(({ text }) => text), model.config.maxLength); // prettier-ignore
  const scores = await scoreAll(
    scoreSource(model, [asked], tokens, context),
    { threshold: model.thresholds.safe },
    context,
  );
  return near.map(({ pooled }, i) => {
    const { item, text } = captions[i]!;
    return { item: index.items[item]!, caption: text, score: scores[i]!, pooled };
  });
}

/** The `count` rows of `vectors` with the largest dot product with the query [1, D], best first. Disposes of the query. */
async function nearest(
  vectors: Float32Array,
  query: tf.Tensor2D,
  count: number,
): Promise<{ place: number; pooled: number }[]> {
  const asked = await query.data();
  query.dispose();
  const width = asked.length;
  const found = Array.from({ length: vectors.length / width }, (_, place) => {
    let pooled = 0;
    for (let d = 0; d < width; d++) pooled += vectors[place * width + d]! * asked[d]!;
    return { place, pooled };
  });
  return found.sort((a, b) => b.pooled - a.pooled || a.place - b.place).slice(0, count);
}
