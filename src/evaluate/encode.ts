/** Features of a split's images and captions, block by block, with pixels loaded ahead of the encoder. */
import * as tf from "@tensorflow/tfjs-core";
import { loadPixels, loadReadable } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import type { BadImage } from "../data/imageWorker.js";
import { blockLength, type Tokenizer } from "../data/tokens.js";
import { encodeCaptions, encodeImages, imageInput, type Model } from "../model/ams.js";
import { inputOf } from "../model/config.js";

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

/** Features of chosen captions, per scale [n, W, E]; W is that of the longest, or a few more, where pads do not count, else all tokens. */
export function captionFeatures(model: Model, tokens: Tokens, captions: Int32Array): tf.Tensor3D[] {
  const words = model.quirks.padWords
    ? blockLength(
        captions.reduce((most, c) => Math.max(most, tokens.lengths[c]!), 1),
        tokens.maxLength,
      )
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

/** Is told an image that cannot be read; where it throws, so does the encoder. */
export type OnBad = (item: number, image: BadImage) => void;

/**
 * Features of images start .. end-1 of a list of items, per scale [n, R, E]. Loads the block after it meanwhile. An image
 * that cannot be read is an error, or, where `onBad` is given, told there and encoded as zeros. `encode` is what makes features of pixels.
 */
export function imageEncoder(
  model: Model,
  items: readonly Item[],
  signal: AbortSignal,
  onBad?: OnBad,
  encode: (model: Model, pixels: tf.Tensor) => tf.Tensor3D[] = encodeImages,
): (start: number, end: number) => Promise<tf.Tensor3D[]> {
  const side = inputOf(model.config);
  const loading = new Map<string, Promise<Float32Array>>();
  const readable = async (files: string[], start: number): Promise<Float32Array> => {
    const { pixels, bad } = await loadReadable(files, side, signal);
    for (const image of bad) onBad?.(start + image.index, image);
    return pixels;
  };
  const load = (start: number, end: number): Promise<Float32Array> => {
    const key = `${String(start)}-${String(end)}`;
    const files = items.slice(start, end).map((item) => item.image);
    const pixels = loading.get(key) ?? (onBad === undefined ? loadPixels(files, side, signal) : readable(files, start));
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
    return tf.tidy(() => encode(model, imageInput(model.config, values, end - start)));
  };
}
