/** Features of a split's images and captions, block by block, with pixels loaded ahead of the encoder. */
import * as tf from "@tensorflow/tfjs-core";
import { loadPixels } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import type { Tokenizer } from "../data/tokens.js";
import { encodeCaptions, encodeImages, type Model } from "../model/ams.js";

export interface Tokens {
  /** [captions, maxLength] */
  ids: Int32Array;
  mask: Int32Array;
  /** Tokens of each caption, [CLS] and [SEP] included. */
  lengths: Int32Array;
  maxLength: number;
  /** How many captions were cut at `maxLength`. */
  truncated: number;
}

export function tokenise(tokenizer: Tokenizer, texts: readonly string[], maxLength: number): Tokens {
  const ids = new Int32Array(texts.length * maxLength);
  const mask = new Int32Array(texts.length * maxLength);
  const lengths = new Int32Array(texts.length);
  let truncated = 0;
  texts.forEach((text, c) => {
    const encoded = tokenizer.encode(text, maxLength);
    ids.set(encoded.ids, c * maxLength);
    mask.set(encoded.mask, c * maxLength);
    lengths[c] = encoded.mask.reduce((sum, one) => sum + one, 0);
    if (encoded.truncated) truncated++;
  });
  return { ids, mask, lengths, maxLength, truncated };
}

/** Features of chosen captions, per scale [n, W, E]; W is the longest of them where pads do not count, else all tokens. */
export function captionFeatures(model: Model, tokens: Tokens, captions: Int32Array): tf.Tensor3D[] {
  const words = model.quirks.padWords
    ? captions.reduce((most, c) => Math.max(most, tokens.lengths[c]!), 1)
    : tokens.maxLength;
  const rows = (values: Int32Array): tf.Tensor2D => {
    const chosen = new Int32Array(captions.length * words);
    captions.forEach((c, i) => {
      chosen.set(values.subarray(c * tokens.maxLength, c * tokens.maxLength + words), i * words);
    });
    return tf.tensor2d(chosen, [captions.length, words], "int32");
  };
  return tf.tidy(() => encodeCaptions(model, rows(tokens.ids), rows(tokens.mask)));
}

/** Features of images start .. end-1 of a list of items, per scale [n, R, E]. Loads the block after it meanwhile. */
export function imageEncoder(
  model: Model,
  items: readonly Item[],
  signal: AbortSignal,
): (start: number, end: number) => Promise<tf.Tensor3D[]> {
  const side = model.config.image.pixels;
  const loading = new Map<string, Promise<Float32Array>>();
  const load = (start: number, end: number): Promise<Float32Array> => {
    const key = `${String(start)}-${String(end)}`;
    const pixels = loading.get(key) ?? loadPixels(items.slice(start, end).map((item) => item.image), side, signal); // prettier-ignore
    pixels.catch(() => undefined); // reported when the block's turn comes
    loading.set(key, pixels);
    return pixels;
  };
  return async (start, end) => {
    const pixels = load(start, end);
    const next = Math.min(2 * end - start, items.length);
    if (end < next) void load(end, next);
    const values = await pixels;
    loading.delete(`${String(start)}-${String(end)}`);
    return tf.tidy(() => encodeImages(model, tf.tensor4d(values, [end - start, 3, side, side])));
  };
}
