/** The pointing game: is the strongest patch of a noun phrase inside one of the phrase's boxes? Per scale and kind of phrase. */
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { breathe, type Context } from "../context.js";
import { badImageError } from "../data/batches.js";
import type { Box, Dataset, Item, Phrase } from "../data/dataset.js";
import { displaySymbol, renderTable, type MimeBundle } from "../display.js";
import { AmsError } from "../errors.js";
import { attentionMaps, type AttentionMap } from "../match/maps.js";
import { scaleSum } from "../match/scaleSum.js";
import { patchGrid, scaleWeights, type Model } from "../model/ams.js";
import { captionFeatures, imageEncoder, tokenise } from "./encode.js";
import { centreInside, phraseWords, pointsInside, type PointingView } from "./point.js";
import { timeLeft } from "./progress.js";

/** Which phrases are asked where they point. */
export interface PointingOptions {
  /** Default "test". */
  split?: string;
  /** The first so many images (default 100). */
  images?: number;
  /** The first so many captions of each (default 1). */
  captionsPerImage?: number;
  /** What an unreadable image does: "stop" (default) is an error, "skip" leaves it out. */
  onBadImage?: "stop" | "skip";
}

/** The pointing game at one scale. */
export interface PointingScale {
  /** "1" .. "6", and "sum" for the scales' similarities added with the model's weights s_k. */
  scale: string;
  hits: number;
  /** Percent of phrases. */
  accuracy: number;
}

/** The game over some of the phrases. */
export interface PointingScore {
  phrases: number;
  scales: PointingScale[];
  /** Percent that a patch drawn by chance would hit: the mean share of patch centres in a phrase's boxes. */
  chance: number;
}

export interface Pointing extends PointingScore {
  split: string;
  images: number;
  /** The same by kind of phrase, the most frequent first ("other" where the data names none). */
  types: (PointingScore & { type: string })[];
  /** What `--json` prints. */
  toJSON(): Record<string, unknown>;
  /** What it looks like, by mime type. */
  [displaySymbol](): MimeBundle;
}

/** Plays the game on a split with phrases and boxes. Throws AmsError where no caption has phrases with boxes. */
export async function pointing(
  model: Model,
  dataset: Dataset,
  options: PointingOptions,
  context: Context,
): Promise<Pointing> {
  const { split = "test", images = 100, captionsPerImage = 1, onBadImage = "stop" } = options;
  const items = (dataset.splits[split] ?? []).slice(0, images);
  const withBoxes = (item: Item): boolean =>
    item.captions
      .slice(0, captionsPerImage)
      .some(({ phrases = [] }) => phrases.some((phrase) => boxesOf(item, phrase).length > 0));
  if (!items.some(withBoxes)) throw noBoxes(dataset, split, items);
  const grid = patchGrid(model.config);
  const scales = [...model.config.scales.map((_, k) => String(k + 1)), "sum"];
  const counts = new Map<string, Count>();
  const bad = new Set<number>();
  const encode = imageEncoder(model, items, context.signal, (k, image) => {
    if (onBadImage !== "skip") throw badImageError(image, items[k]!);
    bad.add(k);
  });
  const time = timeLeft(items.length);
  for (const [i, item] of items.entries()) {
    context.signal.throwIfAborted();
    const features = await encode(i, i + 1);
    try {
      if (bad.has(i)) continue; // the recalls beside it tell which
      const { width, height } = await sharp(item.image).metadata();
      const view: PointingView = { grid, imageWidth: width, imageHeight: height };
      for (const { words, boxes, relevance, type } of phraseMaps(model, item, features, captionsPerImage)) {
        const count = counts.get(type) ?? { phrases: 0, chance: 0, hits: scales.map(() => 0) };
        counts.set(type, count);
        count.phrases++;
        const centres = Array.from({ length: grid ** 2 }, (_, p) => Number(centreInside(p, boxes, view)));
        count.chance += centres.reduce((a, b) => a + b) / grid ** 2;
        relevance.forEach((map, k) => (count.hits[k]! += Number(pointsInside(map, words, boxes, view))));
      }
    } finally {
      tf.dispose(features);
    }
    context.progress({ label: "pointing", done: time.advance(1), total: items.length, note: time.note("images") });
    await breathe();
  }
  if (counts.size === 0) throw noBoxes(dataset, split, items);
  const types = [...counts].map(([type, count]) => ({ type, ...scored(count, scales) }));
  types.sort((a, b) => b.phrases - a.phrases || a.type.localeCompare(b.type));
  const whole = scored(sumOf([...counts.values()]), scales);
  const result: Pointing = {
    split,
    images: items.length - bad.size,
    ...whole,
    types,
    toJSON: () => ({ split, images: items.length - bad.size, ...whole, types }),
    [displaySymbol]: () => show(result),
  };
  return result;
}

function noBoxes({ name, root, boxesRead }: Dataset, split: string, items: Item[]): AmsError {
  const where = `${items.length} images in ${root}`;
  const message = `no phrase of ${name}'s split "${split}" has boxes`;
  if (boxesRead === undefined) {
    return new AmsError(message, {
      where,
      hint: "the pointing game needs phrases with boxes: the scenes have them, and flickr30k with --boxes (Flickr30K Entities)",
    });
  }
  const ids = new Set(items.map(({ id }) => id));
  const images = boxesRead.imagesWithout.filter((id) => ids.has(id)).length;
  const captions = boxesRead.captionsWithout.filter(({ id }) => ids.has(id)).length;
  return new AmsError(message, {
    where: `${where}: ${images} without Annotations/ID.xml or Sentences/ID.txt, ${captions} captions that differ from their sentences`,
    hint: "give the folder of Flickr30K Entities that belongs to these images and captions",
  });
}

interface Count {
  phrases: number;
  chance: number;
  /** Per scale, then of their sum. */
  hits: number[];
}

function sumOf(counts: Count[]): Count {
  return counts.reduce((a, b) => ({
    phrases: a.phrases + b.phrases,
    chance: a.chance + b.chance,
    hits: a.hits.map((hits, k) => hits + b.hits[k]!),
  }));
}

function scored({ phrases, chance, hits }: Count, scales: string[]): PointingScore {
  return {
    phrases,
    scales: scales.map((scale, k) => ({ scale, hits: hits[k]!, accuracy: (100 * hits[k]!) / phrases })),
    chance: (100 * chance) / phrases,
  };
}

interface PhraseMaps {
  /** The phrase's tokens. */
  words: number[];
  boxes: Box[];
  type: string;
  /** Similarities [W, R] of every scale, and their sum with the model's weights. */
  relevance: Float32Array[];
}

function phraseMaps(model: Model, item: Item, image: tf.Tensor3D[], captionsPerImage: number): PhraseMaps[] {
  const weights = scaleWeights(model);
  return item.captions.slice(0, captionsPerImage).flatMap(({ text, phrases = [] }) => {
    const { spans, mask } = model.tokenizer.encode(text, model.config.maxLength);
    const known = phrases.flatMap((phrase) => {
      const boxes = boxesOf(item, phrase);
      const words = phraseWords(spans, phrase);
      return boxes.length > 0 && words.length > 0 ? [{ boxes, words, type: phrase.type ?? "other" }] : [];
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
    const sum = scaleSum(relevance, weights);
    return known.map((phrase) => ({ ...phrase, relevance: [...relevance, sum] }));
  });
}

function boxesOf(item: Item, { objects }: Phrase): Box[] {
  return objects.flatMap((index) => item.objects?.[index]?.box ?? []);
}

function show({ split, images, types, ...whole }: Pointing): MimeBundle {
  const rows = [{ type: "all", ...whole }, ...(types.length > 1 ? types : [])];
  const { text, html } = renderTable({
    columns: ["phrases of", "number", "chance", ...whole.scales.map(({ scale }) => scale)],
    rows: rows.map(({ type, phrases, chance, scales }) => [
      type,
      phrases,
      chance.toFixed(1),
      ...scales.map(({ accuracy }) => accuracy.toFixed(1)),
    ]),
    caption: `pointing game on ${split}: phrases of ${String(images)} images whose strongest patch lies in one of their boxes, per scale, in percent`,
  });
  return { "text/plain": text, "text/html": html };
}
