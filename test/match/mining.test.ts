/** Threshold mining against the published code, after every caption of nine batches. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { allScores } from "../../src/match/attentionScore.js";
import { mineThresholds } from "../../src/match/mining.js";
import { goldenJson, goldenTensors, tensorOf } from "../golden.js";

interface MiningCase {
  options: { alpha: number; thres: number; thres_safe: number };
  f32: { state: { thres: number; thres_safe: number }[] };
}

before(async () => {
  await startEngine("auto");
});

describe("mining", () => {
  const { cases } = goldenJson<{ cases: Record<string, MiningCase> }>("tiny/mining");
  const tensors = goldenTensors("tiny/mining");
  for (const [name, { options, f32 }] of Object.entries(cases)) {
    test(name.replaceAll("_", " "), () => {
      const images = tensorOf(tensors, `${name}.images`) as tf.Tensor3D;
      const captions = tensorOf(tensors, `${name}.captions`) as tf.Tensor3D;
      const all = allScores(images, captions, tf.ones([12, 30]), { threshold: 0, propagate: false });
      const [scores, strongest] = [all.scores.dataSync(), all.strongest.dataSync()];
      f32.state.forEach((golden, last) => {
        const count = last + 1; // captions so far
        const columns = (from: ArrayLike<number>, width: number): number[] =>
          Array.from({ length: 12 * count * width }, (_, k) => {
            const [b, rest] = [Math.floor(k / (count * width)), k % (count * width)];
            return from[b * 12 * width + rest]!;
          });
        const input = {
          images: 12,
          captions: count,
          words: 30,
          scores: columns(scores, 1),
          strongest: columns(strongest, 30),
        };
        const found = mineThresholds(input, { mined: options.thres, safe: options.thres_safe }, options.alpha);
        assert.ok(
          Math.abs(found.mined - golden.thres) <= 2e-6,
          `t after ${count}: ${found.mined}, not ${golden.thres}`,
        );
        assert.ok(
          Math.abs(found.safe - golden.thres_safe) <= 2e-6,
          `tSafe after ${count}: ${found.safe}, not ${golden.thres_safe}`,
        );
      });
    });
  }
});

test("pads are no words of a mask that leaves them out", () => {
  const images = 8;
  const scores = Array.from({ length: 64 }, (_, k) => (k % 9 === 0 ? 1 : 0.1 * (k % 5)));
  const strongest = Array.from({ length: 64 * 30 }, (_, k) => ((k * 37) % 101) / 101);
  const input = { scores, strongest, images, captions: images, words: 30 };
  const everything = mineThresholds({ ...input, wordMask: new Array<number>(240).fill(1) }, { mined: 0, safe: 0 });
  assert.deepEqual(everything, mineThresholds(input, { mined: 0, safe: 0 }));
  // With 20 words each, 8 captions have 160: fewer than 200, so nothing is mined.
  const mask = Array.from({ length: 240 }, (_, k) => (k % 30 < 20 ? 1 : 0));
  assert.deepEqual(mineThresholds({ ...input, wordMask: mask }, { mined: 0.4, safe: 0.3 }), { mined: 0, safe: 0 });
});
