/** The pointing game: is the strongest patch of a noun phrase inside one of the phrase's boxes? Per scale. */
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { breathe, type Context } from "../context.js";
import type { Box, Dataset, Item } from "../data/dataset.js";
import { displaySymbol, renderTable, type MimeBundle } from "../display.js";
import { AmsError } from "../errors.js";
import { attentionMaps, type AttentionMap } from "../match/maps.js";
import { patchGrid, type Model } from "../model/ams.js";
import { captionFeatures, imageEncoder, tokenise } from "./encode.js";
import { timeLeft } from "./progress.js";

export interface PointingOptions {
  /** Default "test". */
  split?: string;
  /** The first so many images (default 100). */
  images?: number;
  /** The first so many captions of each (default 1). */
  captionsPerImage?: number;
}

export interface PointingScale {
  /** "1" .. "6", and "sum" for the scales' similarities added. */
  scale: string;
  hits: number;
  /** Percent of phrases. */
  accuracy: number;
}

export interface Pointing {
  split: string;
  images: number;
  phrases: number;
  scales: PointingScale[];
  /** Percent that a patch drawn by chance would hit: the mean share of patch centres in a phrase's boxes. */
  chance: number;
  [displaySymbol](): MimeBundle;
}

export interface PointingView {
  /** Patches per side; region 0 is [CLS], then patches row by row. */
  grid: number;
  /** Size of the image that the boxes are measured in; the model saw all of it, made square. */
  imageWidth: number;
  imageHeight: number;
}

/**
 * Whether the patch with the largest mean similarity to the given words (rows of `relevance` [W, 1 + grid^2]) has its
 * centre inside one of the boxes. [CLS] is no patch. The first of equal patches counts.
 */
export function pointsInside(
  relevance: Float32Array,
  words: readonly number[],
  boxes: readonly Box[],
  view: PointingView,
): boolean {
  const patches = view.grid ** 2;
  let [best, strongest] = [0, -Infinity];
  for (let p = 0; p < patches; p++) {
    const sum = words.reduce((total, w) => total + relevance[w * (patches + 1) + 1 + p]!, 0);
    if (sum > strongest) [best, strongest] = [p, sum];
  }
  return centreInside(best, boxes, view);
}

function centreInside(patch: number, boxes: readonly Box[], { grid, imageWidth, imageHeight }: PointingView): boolean {
  const x = (((patch % grid) + 0.5) / grid) * imageWidth;
  const y = ((Math.floor(patch / grid) + 0.5) / grid) * imageHeight;
  return boxes.some((box) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height);
}

/** Plays the game on a split with phrases and boxes. Throws AmsError where no caption has phrases with boxes. */
export async function pointing(
  model: Model,
  dataset: Dataset,
  options: PointingOptions,
  context: Context,
): Promise<Pointing> {
  const { split = "test", images = 100, captionsPerImage = 1 } = options;
  const items = (dataset.splits[split] ?? []).slice(0, images);
  const grid = patchGrid(model.config);
  const scales = [...model.config.scales.map((_, k) => String(k + 1)), "sum"];
  const hits = scales.map(() => 0);
  let [phrases, chance] = [0, 0];
  const encode = imageEncoder(model, items, context.signal);
  const time = timeLeft(items.length);
  for (const [i, item] of items.entries()) {
    context.signal.throwIfAborted();
    const { width, height } = await sharp(item.image).metadata();
    const view = { grid, imageWidth: width, imageHeight: height };
    const features = await encode(i, i + 1);
    try {
      for (const { words, boxes, relevance } of phraseMaps(model, item, features, captionsPerImage)) {
        phrases++;
        chance +=
          Array.from({ length: grid ** 2 }, (_, p) => Number(centreInside(p, boxes, view))).reduce((a, b) => a + b) /
          grid ** 2;
        relevance.forEach((map, k) => (hits[k]! += Number(pointsInside(map, words, boxes, view))));
      }
    } finally {
      tf.dispose(features);
    }
    context.progress({ label: "pointing", done: time.advance(1), total: items.length, note: time.note("images") });
    await breathe();
  }
  if (phrases === 0) {
    throw new AmsError(`no phrase of ${dataset.name}'s split "${split}" has boxes`, {
      where: `${items.length} images in ${dataset.root}`,
      hint: "the pointing game needs phrases with boxes: the scenes have them, and Flickr30K Entities",
    });
  }
  const result: Pointing = {
    split,
    images: items.length,
    phrases,
    scales: scales.map((scale, k) => ({ scale, hits: hits[k]!, accuracy: (100 * hits[k]!) / phrases })),
    chance: (100 * chance) / phrases,
    [displaySymbol]: () => show(result),
  };
  return result;
}

interface PhraseMaps {
  /** The phrase's tokens. */
  words: number[];
  boxes: Box[];
  /** Similarities [W, R] of every scale, and their sum. */
  relevance: Float32Array[];
}

function phraseMaps(model: Model, item: Item, image: tf.Tensor3D[], captionsPerImage: number): PhraseMaps[] {
  return item.captions.slice(0, captionsPerImage).flatMap(({ text, phrases = [] }) => {
    const { spans, mask } = model.tokenizer.encode(text, model.config.maxLength);
    const known = phrases.flatMap(({ start, end, objects }) => {
      const boxes = objects.flatMap((index) => item.objects?.[index]?.box ?? []);
      const words = spans.flatMap((span, w) => (span !== null && span[0] < end && span[1] > start ? [w] : []));
      return boxes.length > 0 && words.length > 0 ? [{ boxes, words }] : [];
    });
    if (known.length === 0) return [];
    let maps: AttentionMap[] = [];
    tf.tidy(() => {
      const tokens = tokenise(model.tokenizer, [text], model.config.maxLength);
      const caption = captionFeatures(model, tokens, Int32Array.of(0)).map((scale) =>
        tf.squeeze<tf.Tensor2D>(scale, [0]),
      );
      const regions = image.map((scale) => tf.squeeze<tf.Tensor2D>(scale, [0]));
      const words = caption[0]?.shape[0] ?? 0;
      const counted = model.quirks.padWords ? mask.subarray(0, words) : new Int32Array(words).fill(1);
      maps = attentionMaps(regions, caption, counted, { threshold: model.thresholds.safe, propagate: true });
    });
    const relevance = maps.map((map) => map.relevance);
    const sum = Float32Array.from({ length: relevance[0]?.length ?? 0 }, (_, k) =>
      relevance.reduce((s, map) => s + map[k]!, 0),
    );
    return known.map((phrase) => ({ ...phrase, relevance: [...relevance, sum] }));
  });
}

function show({ split, images, phrases, scales, chance }: Pointing): MimeBundle {
  const { text, html } = renderTable({
    columns: ["scale", "hits", "accuracy"],
    rows: [
      ...scales.map(({ scale, hits, accuracy }) => [scale, hits, accuracy.toFixed(1)]),
      ["chance", "", chance.toFixed(1)],
    ],
    caption: `pointing game on ${split}: ${String(phrases)} phrases of ${String(images)} images, percent`,
  });
  return { "text/plain": text, "text/html": html };
}
