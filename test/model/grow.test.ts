/** Growing a model keeps what it computes, and half-depth models share their layers between scales. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { encodeCaptions, encodeImages, type Model } from "../../src/model/ams.js";
import { halfDepth, sizes } from "../../src/model/config.js";
import { grow } from "../../src/model/grow.js";
import { createParameters } from "../../src/model/parameters.js";
import { largestDifference, tinyModel } from "../golden.js";

before(async () => {
  await startEngine("auto");
});

function modelOf(config: Model["config"]): Model {
  return { ...tinyModel(), config, parameters: createParameters(config, 9) };
}

test("halving twice puts two scales on each of three layers", () => {
  assert.deepEqual(halfDepth(sizes.tiny).scales, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(halfDepth(halfDepth(sizes.tiny)).scales, [1, 1, 2, 2, 3, 3]);
});

for (const [name, small, large] of [
  ["six layers to twelve", halfDepth(sizes.tiny), sizes.tiny],
  ["three layers to six", halfDepth(halfDepth(sizes.tiny)), halfDepth(sizes.tiny)],
] as const) {
  test(`${name}: features of every scale stay what they were`, () => {
    const before = modelOf(small);
    const after = grow(before, large);
    const pixels = tf.randomUniform<tf.Rank.R4>([2, 3, 32, 32], -1, 1, "float32", 3);
    const ids = tf.tensor2d(
      [
        [101, 5, 9, 102],
        [101, 7, 102, 0],
      ],
      [2, 4],
      "int32",
    );
    const mask = tf.tensor2d(
      [
        [1, 1, 1, 1],
        [1, 1, 1, 0],
      ],
      [2, 4],
      "int32",
    );
    for (const [old, grown, limit] of [
      [encodeImages(before, pixels), encodeImages(after, pixels), 1e-6],
      [encodeCaptions(before, ids, mask), encodeCaptions(after, ids, mask), 1e-5],
    ] as const) {
      old.forEach((features, k) => {
        const off = largestDifference(features.dataSync(), (grown[k] as tf.Tensor).dataSync());
        assert.ok(off <= limit, `scale ${k + 1} moved by ${off}`);
      });
    }
  });
}
