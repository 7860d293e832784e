/** Recomputation and micro-batches: less memory, the same update; nothing is left behind, also after an interrupt. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import type { Model } from "../../src/model/ams.js";
import { halfDepth, sizes } from "../../src/model/config.js";
import { createParameters } from "../../src/model/parameters.js";
import { quirks } from "../../src/model/quirks.js";
import type { Frugality } from "../../src/train/memory.js";
import { objective, objectiveParts, type ObjectiveInput } from "../../src/train/objective.js";
import { recipeOf, type Recipe } from "../../src/train/recipe.js";
import { goldenBatch, largestDifference, tinyModel } from "../golden.js";

let model: Model;

before(async () => {
  await startEngine("auto");
  // A quarter of the depth: three layers have all that twelve have, in a fraction of the time.
  const config = halfDepth(halfDepth(sizes.tiny));
  model = { ...tinyModel(), config, parameters: createParameters(config, 3) };
});

function input(recipe: Recipe, frugality: Frugality = {}, keepPatches = 1): ObjectiveInput {
  const auxiliary = { logScale: tf.tidy(() => tf.variable(tf.scalar(1.5))) };
  return { model, recipe, batch: goldenBatch(), auxiliary, stepSeed: 7, keepPatches, ...frugality };
}

/** Loss and gradients as plain numbers. */
function numbers(given: ObjectiveInput): { loss: number; gradients: Map<string, Float32Array> } {
  const { loss, gradients } = objective(given);
  const values = [...gradients].map(([name, g]) => [name, g.dataSync() as Float32Array] as const);
  tf.dispose([...gradients.values()]);
  given.auxiliary.logScale.dispose();
  return { loss, gradients: new Map(values) };
}

const ways: [string, Frugality][] = [
  ["recomputation", { recompute: true }],
  ["micro-batches of 2", { microBatch: 2 }],
  ["micro-batches of 4, the last one smaller", { microBatch: 4 }],
  ["micro-batches of 1 with recomputation", { microBatch: 1, recompute: true }],
];

const cases: [string, Recipe, number][] = [
  ["the published recipe with dropout", { ...recipeOf("ams-published"), dropout: 0.1 }, 1],
  ["the corrected recipe with dropout", { ...recipeOf("ams-corrected"), dropout: 0.1 }, 1],
  ["InfoNCE over AMS scores", { ...recipeOf("scenes-contrast"), dropout: 0.2 }, 1],
  [
    "pooled InfoNCE with half of the patches",
    { ...recipeOf("scenes-pretrain"), precision: "float32", labels: 0, dropout: 0.1 },
    0.5,
  ],
];

for (const [what, recipe, keepPatches] of cases) {
  describe(what, () => {
    for (const [how, frugality] of ways) {
      test(`${how}: loss and every gradient are those of the whole batch`, () => {
        model.quirks = recipe.quirks;
        const float32: Recipe = { ...recipe, precision: "float32" };
        const whole = numbers(input(float32, {}, keepPatches));
        const frugal = numbers(input(float32, frugality, keepPatches));
        assert.ok(Math.abs(frugal.loss - whole.loss) <= 1e-5 * Math.abs(whole.loss), `${frugal.loss}, ${whole.loss}`);
        assert.deepEqual([...frugal.gradients.keys()].sort(), [...whole.gradients.keys()].sort());
        for (const [name, gradient] of whole.gradients) {
          const most = gradient.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          const off = largestDifference(frugal.gradients.get(name) as Float32Array, gradient);
          // Key biases have an analytic gradient of zero: what is there is rounding noise.
          const limit = name.endsWith("key.bias") ? 1e-4 : Math.max(2e-5 * most, 3e-7);
          assert.ok(off <= limit, `${name} is off by ${off}, its largest value is ${most}`);
        }
        model.quirks = quirks.published;
      });
    }

    test("dropout changes the loss: the masks above were in force", () => {
      model.quirks = recipe.quirks;
      const dropped = numbers(input(recipe, {}, keepPatches)).loss;
      const plain = numbers(input({ ...recipe, dropout: 0 }, {}, keepPatches)).loss;
      assert.ok(Math.abs(dropped - plain) > 1e-4 * Math.abs(plain), `${dropped} and ${plain}`);
      model.quirks = quirks.published;
    });
  });
}

test("no tensor is left behind, however far a step came", () => {
  const recipe = recipeOf("ams-published");
  for (const frugality of [{}, { recompute: true }, { microBatch: 4 }, { microBatch: 4, recompute: true }]) {
    const before = tf.memory().numTensors;
    let parts = 0;
    for (let wanted = 1; parts < wanted; wanted += 7) {
      const given = input(recipe, frugality);
      const run = objectiveParts(given);
      let next = run.next();
      for (parts = 1; next.done !== true && parts < wanted; parts++) next = run.next();
      if (next.done === true) tf.dispose([...next.value.gradients.values()]);
      else run.return(undefined as never);
      given.auxiliary.logScale.dispose();
      assert.equal(tf.memory().numTensors, before, `after ${parts} parts with ${JSON.stringify(frugality)}`);
      if (next.done === true) break;
    }
  }
});
