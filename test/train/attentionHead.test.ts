import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { scoreBatch } from "../../src/match/batchScores.js";
import { pairScores } from "../../src/match/attentionScore.js";
import { contrast } from "../../src/match/losses.js";
import { parameter } from "../../src/model/parameters.js";
import { finish } from "../../src/parts.js";
import { attentionHead, pairBlocks } from "../../src/train/attentionHead.js";
import { recipeOf } from "../../src/train/recipe.js";
import { largestDifference, tinyModel } from "../golden.js";

describe("the loss over scores", () => {
  before(async () => {
    await startEngine("plain");
  });
  after(() => {
    tf.disposeVariables();
  });

  test("is differentiated in blocks of few sizes, the last at most a third too large", () => {
    const used = new Set<number>();
    for (let pairs = 1; pairs <= 1024; pairs++) {
      const blocks = pairBlocks(pairs, 100);
      const last = blocks.pop()!;
      for (const size of blocks) assert.equal(size, 128);
      const left = pairs - 128 * blocks.length;
      assert.ok(left > 0 && left <= last && last - left <= Math.max(3, last / 3), `${String(pairs)}: ${String(last)}`);
      used.add(last);
    }
    assert.equal(used.size, 10);
    assert.deepEqual(pairBlocks(95, 95 * 128), [96]);
    // The published size: 577 regions and 30 tokens of 1,024 numbers, half a gigabyte at once.
    assert.deepEqual(pairBlocks(95, 607 * 1024), [48, 48]);
    assert.deepEqual(pairBlocks(9, 1e9), [8, 4]);
  });

  test("has the gradient of all pairs, whatever their number is rounded up to", () => {
    const [size, regions, words, width] = [5, 4, 3, 8]; // 25 pairs in 32 places
    const recipe = { ...recipeOf("ams-published"), loss: "contrast" as const };
    const model = tinyModel();
    const unit = (shape: [number, number, number], seed: number): tf.Tensor3D => {
      const x = tf.randomNormal(shape, 0, 1, "float32", seed);
      return tf.div(x, tf.norm(x, 2, -1, true));
    };
    const images = unit([size, regions, width], 1);
    const captions = unit([size, words, width], 2);
    const mask = tf.ones<tf.Rank.R2>([size, words]);
    const batch = { pairs: Array.from({ length: size }, (_, item) => ({ item, caption: 0 })) };
    const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
    const options = { threshold: 0, propagate: false };

    const weight = parameter(model.parameters, "b1").dataSync()[0]!;
    const scored = scoreBatch([images], [captions], mask, [weight], options, model.thresholds);
    const factors = tf.tensor1d(Float32Array.from(contrast(scored.total, size, 1).gradient));
    const each = Array.from({ length: size * size }, (_, p) => p);
    const rows = tf.tensor1d(each.map((p) => Math.floor(p / size)), "int32"); // prettier-ignore
    const columns = tf.tensor1d(each.map((p) => p % size), "int32"); // prettier-ignore
    const sum = (v: tf.Tensor, w: tf.Tensor): tf.Scalar =>
      tf.sum(
        tf.mul(
          pairScores(
            tf.gather(v as tf.Tensor3D, rows),
            tf.gather(w as tf.Tensor3D, columns),
            tf.ones([size ** 2, words]),
            options,
          ),
          tf.mul(factors, weight),
        ),
      );
    const [dImages, dCaptions] = tf.grads(sum)([images, captions]);

    const given = { model, recipe, batch, auxiliary };
    const head = finish(attentionHead(given, { words: mask }, { images: [images], captions: [captions] }, new Map()));
    assert.ok(largestDifference(head.images[0]!.dataSync(), dImages!.dataSync()) < 1e-6);
    assert.ok(largestDifference(head.captions[0]!.dataSync(), dCaptions!.dataSync()) < 1e-6);
    assert.ok(Math.max(...dImages!.dataSync().map(Math.abs)) > 1e-3);
  });
});
