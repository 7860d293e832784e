/** The score: its written-out gradient against finite differences, its masks, its maps. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { allScores, pairScores } from "../../src/match/attentionScore.js";
import { attentionMaps } from "../../src/match/maps.js";
import { Random } from "../../src/random.js";
import { largestDifference } from "../golden.js";

before(async () => {
  await startEngine("auto");
});

/** Regions, words and a mask with pads, mild enough that no mask flips under a small change. */
function sample(seed: number): { V: tf.Tensor3D; W: tf.Tensor3D; mask: tf.Tensor2D } {
  const random = new Random(seed);
  const values = (n: number, scale: number): Float32Array =>
    Float32Array.from({ length: n }, () => scale * random.normal());
  return {
    V: tf.tensor3d(values(2 * 5 * 6, 0.4), [2, 5, 6]),
    W: tf.tensor3d(values(2 * 4 * 6, 0.4), [2, 4, 6]),
    mask: tf.tensor2d([1, 1, 1, 0, 1, 1, 0, 0], [2, 4]),
  };
}

describe("pair scores", () => {
  for (const options of [
    { threshold: 0, propagate: false },
    { threshold: 0.05, propagate: true },
  ]) {
    test(`gradient with pads equals finite differences (threshold ${options.threshold}, propagation ${options.propagate})`, () => {
      const { V, W, mask } = sample(7);
      const score = (v: tf.Tensor, w: tf.Tensor): tf.Scalar =>
        tf.sum(tf.mul(pairScores(v as tf.Tensor3D, w as tf.Tensor3D, mask, options), tf.tensor1d([1, -2])));
      const gradients = tf.grads(score)([V, W]);
      [V, W].forEach((input, which) => {
        const analytic = (gradients[which] as tf.Tensor).dataSync();
        const numeric = Array.from(analytic, (_, i) => {
          const step = 2e-3;
          const at = (delta: number): number => {
            const values = Float32Array.from(input.dataSync());
            values[i]! += delta;
            const moved = tf.tensor3d(values, input.shape);
            return score(which === 0 ? moved : V, which === 1 ? moved : W).dataSync()[0] as number;
          };
          return (at(step) - at(-step)) / (2 * step);
        });
        const most = Math.max(...numeric.map(Math.abs));
        assert.ok(most > 0.01);
        assert.ok(
          largestDifference(analytic, numeric) <= 0.01 * most,
          `input ${which}: ${largestDifference(analytic, numeric)} of ${most}`,
        );
      });
    });
  }

  test("pads change nothing when they are masked", () => {
    const { V, W, mask } = sample(3);
    const options = { threshold: 0, propagate: true };
    const whole = pairScores(V, W, mask, options).dataSync();
    const cut = pairScores(
      tf.slice(V, [1, 0, 0]),
      tf.slice(W, [1, 0, 0], [1, 2, 6]),
      tf.ones([1, 2]),
      options,
    ).dataSync();
    assert.ok(Math.abs(whole[1]! - cut[0]!) < 1e-6);
  });

  test("scores of all pairs are those of single pairs", () => {
    const { V, W, mask } = sample(11);
    const options = { threshold: 0.02, propagate: true };
    const all = allScores(V, W, mask, options).scores.dataSync();
    const pairs = pairScores(
      tf.gather(V, tf.tensor1d([0, 0, 1, 1], "int32")),
      tf.gather(W, tf.tensor1d([0, 1, 0, 1], "int32")),
      tf.gather(mask, tf.tensor1d([0, 1, 0, 1], "int32")),
      options,
    ).dataSync();
    assert.ok(largestDifference(all, pairs) < 1e-6);
  });
});

test("attention maps: weights of matched words sum to one, unmatched words have none, the score is the pair's", () => {
  const { V, W, mask } = sample(5);
  const [image, caption] = [
    tf.reshape(tf.slice(V, [0, 0, 0], [1, 5, 6]), [5, 6]),
    tf.reshape(tf.slice(W, [0, 0, 0], [1, 4, 6]), [4, 6]),
  ];
  const options = { threshold: 0.6, propagate: false };
  const [map] = attentionMaps([image as tf.Tensor2D], [caption as tf.Tensor2D], [1, 1, 1, 0], options);
  assert.ok(map);
  for (let i = 0; i < map.words; i++) {
    const sum = map.weights.subarray(i * map.regions, (i + 1) * map.regions).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - (map.matched[i] === true ? 1 : 0)) < 1e-5);
  }
  assert.ok(map.matched.includes(true) && map.matched.includes(false), "the sample has words of both kinds");
  assert.ok(Math.abs(map.score - pairScores(V, W, mask, options).dataSync()[0]!) < 1e-6);
});
