/** The golden numbers of the published code as tensors and models. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../src/data/batches.js";
import type { Tokenizer } from "../src/data/tokens.js";
import type { Model } from "../src/model/ams.js";
import { sizes } from "../src/model/config.js";
import { createParameters } from "../src/model/parameters.js";
import { quirks, type Quirks } from "../src/model/quirks.js";
import { readSafetensors, type StoredTensor } from "../src/model/safetensors.js";
import { assignParameters } from "../src/model/store.js";
import { fixture } from "./fixtures.js";

export function goldenTensors(name: string): Map<string, StoredTensor> {
  return readSafetensors(fixture(`golden/${name}.safetensors`)).tensors;
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the file's form
export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(fixture(`golden/${name}.json`), "utf8")) as T;
}

export function tensorOf(tensors: Map<string, StoredTensor>, name: string): tf.Tensor {
  const found = tensors.get(name);
  assert.ok(found, `no golden tensor ${name}`);
  return tf.tensor(found.data, found.shape, found.data instanceof Int32Array ? "int32" : "float32");
}

/** Its captions come as ids: a tokenizer that refuses to be used. */
const noTokenizer: Tokenizer = {
  vocabularySize: 120,
  words: [],
  encode: () => {
    throw new Error("the tiny model has no tokenizer");
  },
};

/** The tiny model with the published code's weights (float32, eval mode). */
export function tinyModel(switches: Partial<Quirks> = {}, prefix = "tiny/weights"): Model {
  const tensors = new Map<string, StoredTensor>();
  for (const part of ["img", "txt"]) {
    for (const [name, tensor] of goldenTensors(`${prefix}_${part}`)) tensors.set(`${part}.${name}`, tensor);
  }
  for (let k = 1; k <= 6; k++) tensors.set(`b${k}`, { shape: [1], data: Float32Array.of(1) });
  const parameters = createParameters(sizes.tiny, 0);
  assignParameters(parameters, tensors, sizes.tiny, prefix);
  return {
    config: sizes.tiny,
    parameters,
    thresholds: { mined: 0, safe: 0 },
    quirks: { ...quirks.published, ...switches },
    recipe: "ams-published",
    tokenizer: noTokenizer,
  };
}

/** The largest absolute difference of two arrays of equal length. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= most)) most = difference;
  }
  return most;
}

/** The six images with their captions on which the golden losses and gradients were computed. */
export function goldenBatch(): Batch {
  const stored = goldenTensors("tiny/inputs");
  return {
    pixels: stored.get("pixels")?.data as Float32Array,
    ids: stored.get("ids")?.data as Int32Array,
    mask: stored.get("mask")?.data as Int32Array,
    pairs: [0, 1, 2, 3, 4, 5].map((item) => ({ item, caption: 0 })),
    crops: [],
    skipped: [],
  };
}
