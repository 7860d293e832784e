/** The model, its scores, loss, gradients and updates against numbers computed by the published code. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../../src/data/batches.js";
import { startEngine } from "../../src/engine/index.js";
import { allScores } from "../../src/match/attentionScore.js";
import { encodeCaptions, encodeImages, scaleWeights, type Model } from "../../src/model/ams.js";
import { encodeTokens } from "../../src/model/bert.js";
import { noDropout } from "../../src/model/dropout.js";
import { encodePixels } from "../../src/model/vit.js";
import { objective } from "../../src/train/objective.js";
import { applyAdam, clipGradients, createAdam, globalNorm } from "../../src/train/optimiser.js";
import { recipeOf } from "../../src/train/recipe.js";
import { goldenJson, goldenTensors, largestDifference, tensorOf, tinyModel } from "../golden.js";

type Matrix = number[][];
interface TestScores {
  scale: Record<string, Matrix>;
  total: Matrix;
}
interface GoldenScores {
  train: Record<string, { scale: Record<string, Matrix> }>;
  test: Record<string, Record<string, TestScores>>;
}
interface GoldenRun {
  lr: number;
  /** Before each of the steps 0..5. */
  loss: number[];
  grad_norm: number[];
  /** After each step. */
  b: number[][];
  state_after_each_scale_step0: { thres: number; thres_safe: number }[];
  no_gradient: string[];
}

const modes = [
  ["faithful", false],
  ["fixed", true],
] as const;

before(async () => {
  await startEngine("auto");
});

function inputs(): { pixels: tf.Tensor4D; ids: tf.Tensor2D; mask: tf.Tensor2D } {
  const stored = goldenTensors("tiny/inputs");
  return {
    pixels: tensorOf(stored, "pixels") as tf.Tensor4D,
    ids: tensorOf(stored, "ids") as tf.Tensor2D,
    mask: tensorOf(stored, "mask") as tf.Tensor2D,
  };
}

function goldenBatch(): Batch {
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

/** The published recipe in evaluation mode (the golden steps were made without dropout). */
const recipe = { ...recipeOf("ams-published"), dropout: 0 };

function gradientsOf(model: Model): ReturnType<typeof objective> {
  const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
  return objective({ model, recipe, batch: goldenBatch(), auxiliary, stepSeed: 1, keepPatches: 1 });
}

describe("features", () => {
  test("hidden states of both encoders equal the published code's", () => {
    const model = tinyModel();
    const golden = goldenTensors("tiny/activations");
    const { pixels, ids, mask } = inputs();
    const wanted = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    const images = encodePixels(model.parameters, model.config.image, pixels, wanted);
    const texts = encodeTokens(model.parameters, model.config.text, ids, mask, wanted, noDropout);
    wanted.forEach((l, i) => {
      for (const [prefix, found] of [
        ["img", images[i]],
        ["txt", texts[i]],
      ] as const) {
        const expected = golden.get(`${prefix}.hidden.${l}`)?.data as Float32Array;
        const off = largestDifference((found as tf.Tensor).dataSync(), expected);
        assert.ok(off <= 1e-5, `${prefix} layer ${l} is off by ${off}`);
      }
    });
  });

  test("projected features of all six scales equal the published code's", () => {
    const model = tinyModel();
    const golden = goldenTensors("tiny/activations");
    const { pixels, ids, mask } = inputs();
    const images = encodeImages(model, pixels);
    const captions = encodeCaptions(model, ids, mask);
    for (let k = 0; k < 6; k++) {
      for (const [prefix, found] of [
        ["img", images[k]],
        ["txt", captions[k]],
      ] as const) {
        const off = largestDifference(
          (found as tf.Tensor).dataSync(),
          golden.get(`${prefix}.feat.${k + 1}`)?.data as Float32Array,
        );
        assert.ok(off <= 2e-6, `${prefix} scale ${k + 1} is off by ${off}`);
      }
    }
  });
});

describe("scores", () => {
  const scores = goldenJson<GoldenScores>("tiny/scores");

  function scoresOf(text: (k: number) => number, threshold: number, propagate: boolean): Float32Array[] {
    const model = tinyModel();
    const { pixels, ids, mask } = inputs();
    const images = encodeImages(model, pixels);
    const captions = encodeCaptions(model, ids, mask);
    return images.map((image, k) => {
      const words = captions[text(k)] as tf.Tensor3D;
      const all = allScores(image, words, tf.ones([6, 30]), { threshold, propagate });
      return all.scores.dataSync() as Float32Array;
    });
  }

  test("training scores of every scale, with the published text of scale 1 and with its own", () => {
    const published = scoresOf((k) => (k === 0 ? 1 : k), 0, false);
    const corrected = scoresOf((k) => k, 0, false);
    const golden = scores.train["f32"]?.scale as Record<string, Matrix>;
    published.forEach((found, k) => {
      assert.ok(largestDifference(found, (golden[String(k + 1)] as Matrix).flat()) <= 2e-6, `scale ${k + 1}`);
    });
    assert.ok(largestDifference(corrected[0] as Float32Array, (golden["1_fixed"] as Matrix).flat()) <= 2e-6);
  });

  test("evaluation scores of every scale and their sum at both thresholds", () => {
    for (const [name, golden] of Object.entries(scores.test["f64"] as Record<string, TestScores>)) {
      const threshold = Number(/[\d.]+/.exec(name)?.[0]);
      const found = scoresOf((k) => k, threshold, true);
      const total = new Float64Array(36);
      found.forEach((scale, k) => {
        assert.ok(largestDifference(scale, (golden.scale[String(k + 1)] as Matrix).flat()) <= 2e-6, `scale ${k + 1}`);
        scale.forEach((value, p) => (total[p]! += value));
      });
      assert.ok(largestDifference(total, golden.total.flat()) <= 5e-6, `total at threshold ${threshold}`);
    }
  });
});

for (const [mode, firstScaleText] of modes) {
  describe(`training, first scale ${mode}`, () => {
    test("the gradient of every parameter equals the published code's", () => {
      const model = tinyModel({ firstScaleText });
      const { gradients } = gradientsOf(model);
      const golden = goldenTensors(`tiny/grads_${mode}_f64`);
      for (const [name, { data }] of golden) {
        const found = gradients.get(name);
        assert.ok(found, `no gradient for ${name}`);
        const most = (data as Float32Array).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        const off = largestDifference(found.dataSync(), data);
        // Key biases have an analytic gradient of zero: what is there is rounding noise.
        const limit = name.endsWith("key.bias") ? 1e-4 : 2e-5 * most;
        assert.ok(off <= limit, `${name} is off by ${off}, its largest value is ${most}`);
      }
      for (const [name, gradient] of gradients) {
        if (golden.has(name)) continue;
        const most = Math.max(...Array.from(gradient.dataSync(), Math.abs));
        assert.equal(most, 0, `${name} has a gradient, in the published code it has none`);
      }
    });

    for (const lr of [1e-3, 2e-5]) {
      test(`five Adam steps at rate ${lr} give the published losses, norms, scale weights and parameters`, () => {
        const { runs } = goldenJson<{ runs: Record<string, GoldenRun> }>("tiny/steps");
        const run = runs[`${mode}/f32/lr=${lr === 1e-3 ? "0.001" : "2e-05"}`];
        assert.ok(run);
        const model = tinyModel({ firstScaleText });
        const adam = createAdam();
        for (let step = 0; step <= 5; step++) {
          const { loss, gradients } = gradientsOf(model);
          const norm = globalNorm(gradients);
          assertClose(loss, run.loss[step], 1e-5, `loss of step ${step}`);
          assertClose(norm, run.grad_norm[step], step === 0 ? 1e-5 : 1e-3, `gradient norm of step ${step}`);
          if (step === 5) break;
          clipGradients(gradients, norm, recipe.clip);
          const options = { learningRate: lr, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
          applyAdam(adam, model.parameters, gradients, options);
          assert.ok(largestDifference(scaleWeights(model), run.b[step] as number[]) <= 2e-5, `s_k after step ${step}`);
          if (step === 0 || step === 4)
            compareParameters(model, `tiny/adam_${mode}_f32_lr${lr === 1e-3 ? "0.001" : "2e-05"}_step${step + 1}`);
        }
      });
    }
  });
}

function assertClose(found: number, expected: number | undefined, relative: number, what: string): void {
  assert.ok(
    expected !== undefined && Math.abs(found - expected) <= relative * Math.abs(expected),
    `${what} is ${found}, not ${expected}`,
  );
}

function compareParameters(model: Model, file: string): void {
  for (const [name, { data }] of goldenTensors(file)) {
    // The gradient of a key bias is analytically zero, so that Adam turns its rounding noise into steps.
    if (name.endsWith("key.bias")) continue;
    const found = model.parameters.get(name);
    assert.ok(found, `no parameter ${name}`);
    const off = largestDifference(found.dataSync(), data);
    assert.ok(off <= 2e-5, `${name} of ${file} is off by ${off}`);
  }
}
