/** One vector per image and per caption: pooled features of all scales side by side, whose dot product is the pooled score. */
import * as tf from "@tensorflow/tfjs-core";
import { breathe, type Context } from "../context.js";
import type { Item } from "../data/dataset.js";
import { pool } from "../match/pooledScore.js";
import type { Model } from "../model/ams.js";
import { captionFeatures, imageEncoder, type OnBad, type Tokens } from "./encode.js";
import { timeLeft } from "./progress.js";

const block = 64;

/** Unit vectors of each scale, joined and divided by the root of their number: dot product = mean of the cosines. */
export function joinScales(scales: tf.Tensor2D[]): tf.Tensor2D {
  return tf.mul(tf.concat(scales, 1), 1 / Math.sqrt(scales.length));
}

/** Pooled vectors of items' images -> [items, scales * E]. */
export async function imageVectors(
  model: Model,
  items: readonly Item[],
  context: Context,
  onBad?: OnBad,
): Promise<tf.Tensor2D> {
  const encode = imageEncoder(model, items, context.signal, onBad);
  return inBlocks("encoding images", items.length, context, async (start, end) => {
    const features = await encode(start, end);
    const vectors = tf.tidy(() => joinScales(features.map((scale) => pool(scale))));
    tf.dispose(features);
    return vectors;
  });
}

/**
 * Pooled vectors of tokenised captions -> [captions, scales * E]. Captions of like length are encoded together: a block is as long as
 * its longest.
 */
export async function captionVectors(model: Model, tokens: Tokens, context: Context): Promise<tf.Tensor2D> {
  const order = Int32Array.from(tokens.lengths.keys()).sort((a, b) => tokens.lengths[a]! - tokens.lengths[b]!);
  const sorted = await inBlocks("encoding captions", order.length, context, (start, end) => {
    const captions = order.subarray(start, end);
    return tf.tidy(() => {
      const features = captionFeatures(model, tokens, captions);
      const words = features[0]?.shape[1] ?? 0;
      const counts = (c: number, w: number): number => Number(!model.quirks.padWords || w < tokens.lengths[c]!);
      const mask = Array.from(captions, (c) => Array.from({ length: words }, (_, w) => counts(c, w)));
      return joinScales(features.map((scale) => pool(scale, tf.tensor2d(mask))));
    });
  });
  const places = new Int32Array(order.length);
  order.forEach((caption, place) => (places[caption] = place));
  const vectors = tf.tidy(() => tf.gather(sorted, tf.tensor1d(places, "int32")));
  sorted.dispose();
  return vectors;
}

async function inBlocks(
  label: string,
  count: number,
  context: Context,
  encode: (start: number, end: number) => Promise<tf.Tensor2D> | tf.Tensor2D,
): Promise<tf.Tensor2D> {
  const parts: tf.Tensor2D[] = [];
  const time = timeLeft(count);
  try {
    for (let start = 0; start < count; start += block) {
      context.signal.throwIfAborted();
      const end = Math.min(start + block, count);
      parts.push(await encode(start, end));
      await breathe();
      context.progress({
        label,
        done: time.advance(end - start),
        total: count,
        note: time.note(label.slice("encoding ".length)),
      });
    }
    return tf.tidy(() => tf.concat(parts, 0));
  } finally {
    tf.dispose(parts);
  }
}
