/** Search in two stages: pooled vectors choose candidates out of the whole gallery, the exact score orders them. */
import * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import { describeBad } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import { AmsError } from "../errors.js";
import { imageEncoder, tokenise } from "../evaluate/encode.js";
import { isNarrower, scoreSource } from "../evaluate/evaluate.js";
import { captionVectors, imageVectors } from "../evaluate/pooled.js";
import { scoreAll, type ScoreSource } from "../evaluate/scorer.js";
import { encodeImages, encodeUnprojected, type Model } from "../model/ams.js";
import { regions } from "../model/config.js";
import { galleryOf, type FoundImage, type Gallery } from "./gallery.js";
import { makeHits, type Hit, type Hits } from "./hits.js";
import { linkWords, strongestLinks } from "./links.js";

/** What is searched for: by a text, or by the path of a picture. */
export type Query = { text: string } | { image: string };

/** How far a search looks. */
export interface SearchOptions {
  /** Hits to return (default 5). */
  k?: number;
  /** Candidates that get the exact score (default 50, at least k). */
  candidates?: number;
}

/**
 * A text finds images of the gallery, an image file finds captions. The vectors of a list of items (the same array) are kept in memory
 * for the next query until the model's weights change; those of an index (`openGallery`) come from the disk, and so do, where it keeps them, the
 * features for the exact score. Images of the gallery that cannot be read are noted and left out. Throws
 * AmsError for an empty query, an empty gallery, and an image that cannot be read and asks.
 */
export async function search(
  model: Model,
  gallery: Item[] | Gallery,
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
  const what = "text" in query ? "images" : "captions";
  const size = await index.size(what);
  if (size === 0)
    throw new AmsError(`there is nothing to search in: the gallery has no ${what}`, {
      where: `${what} of the gallery`,
      hint: "choose a split with images and captions, or an index of one",
    });
  const count = Math.min(size, Math.max(k, candidates));
  const { hits, candidates: scored } = "text" in query ? await findImages(model, index, query, { count, k }, context) : await findCaptions(model, index, query, { count, k }, context); // prettier-ignore
  return makeHits({ query, hits, gallery: size, candidates: scored, seconds: (performance.now() - start) / 1000 });
}

interface Counts {
  /** Candidates. */
  count: number;
  /** Hits. */
  k: number;
}

interface FoundHits {
  hits: Hit[];
  candidates: number;
}

async function findImages(
  model: Model,
  index: Gallery,
  query: { text: string },
  { count, k }: Counts,
  context: Context,
): Promise<FoundHits> {
  if (query.text.trim() === "")
    throw new AmsError("the query is empty", {
      where: "the text to search for",
      hint: 'for example: "two red cars on the beach"',
    });
  const tokens = tokenise(model.tokenizer, [query.text], model.config.maxLength);
  if (tokens.truncated > 0) {
    context.note(`the query has more than ${String(model.config.maxLength - 2)} word pieces; its end is not used`);
  }
  const asked = await vectorOf(captionVectors(model, tokens, context));
  const near = await index.nearestImages(asked, count, context);
  const items = near.map(({ item }) => item);
  const lost = new Set<number>(); // since they were encoded for the index
  const source = scoreSource(model, items, tokens, context, (i, image) => {
    lost.add(i);
    context.note(`left out: ${describeBad(image)}`);
  });
  // One thread: the pairs are few, and starting threads takes longer than scoring them.
  const scores = await scoreAll(
    withKept(source, model, near),
    { threshold: model.thresholds.safe, threads: 1 },
    context,
  );
  const ranked = near
    .map((found, i) => ({ ...found, score: scores[i]! }))
    .filter((_, i) => !lost.has(i))
    .sort((a, b) => b.score - a.score);
  const best = ranked.slice(0, k);
  const features = await featuresOf(model, best, context);
  const words = linkWords(model, query.text);
  const hits = best.map(({ item, score, pooled }, i) => ({ item, score, pooled, links: strongestLinks(model, features[i]!, words) })); // prettier-ignore
  return { hits, candidates: ranked.length };
}

async function findCaptions(
  model: Model,
  index: Gallery,
  query: { image: string },
  { count, k }: Counts,
  context: Context,
): Promise<FoundHits> {
  const asked: Item = { id: "query", image: query.image, captions: [] };
  const near = await index.nearestCaptions(await vectorOf(imageVectors(model, [asked], context)), count, context);
  const tokens = tokenise(model.tokenizer, near.map(({ text }) => text), model.config.maxLength); // prettier-ignore
  const [features] = await featuresOf(model, [{ item: asked }], context);
  const kept = [{ item: asked, features: features! }];
  const source = withKept(scoreSource(model, [asked], tokens, context), model, kept);
  const scores = await scoreAll(source, { threshold: model.thresholds.safe, threads: 1 }, context);
  const ranked = near.map(({ item, text, pooled }, i) => ({ item, caption: text, score: scores[i]!, pooled }));
  const best = ranked.sort((a, b) => b.score - a.score).slice(0, k);
  return {
    hits: best.map((hit) => ({ ...hit, links: strongestLinks(model, features!, linkWords(model, hit.caption)) })),
    candidates: near.length,
  };
}

/** A source that takes features that are kept instead of encoding their images. */
export function withKept(
  source: ScoreSource,
  model: Model,
  images: readonly Pick<FoundImage, "features">[],
): ScoreSource {
  if (images.some(({ features }) => features === undefined)) return source;
  const R = regions(model.config);
  const encode = (start: number, end: number): tf.Tensor3D[] => {
    const part = images.slice(start, end).map(({ features }) => features!);
    return model.config.scales.map((_, k) => {
      const each = part[0]![k]!.length;
      const all = new Float32Array(each * part.length);
      part.forEach((scales, i) => {
        all.set(scales[k]!, i * each);
      });
      return tf.tensor3d(all, [part.length, R, each / R]);
    });
  };
  return { ...source, encodeImages: encode };
}

/** Features of images per scale [R, F]: those that are kept, else encoded, one image at a time. */
async function featuresOf(
  model: Model,
  images: readonly Pick<FoundImage, "item" | "features">[],
  context: Context,
): Promise<Float32Array[][]> {
  const missing = images.filter(({ features }) => features === undefined).map(({ item }) => item);
  const way = isNarrower(model) ? encodeUnprojected : encodeImages;
  const encode = imageEncoder(model, missing, context.signal, undefined, way);
  const found: Float32Array[][] = [];
  for (let i = 0; i < missing.length; i++) {
    context.signal.throwIfAborted();
    const scales = await encode(i, i + 1);
    found.push(scales.map((scale) => scale.dataSync<"float32">().slice()));
    tf.dispose(scales);
  }
  return images.map(({ features }) => features ?? found.shift()!);
}

async function vectorOf(vectors: Promise<tf.Tensor2D>): Promise<Float32Array> {
  const tensor = await vectors;
  try {
    return await tensor.data<"float32">();
  } finally {
    tensor.dispose();
  }
}
