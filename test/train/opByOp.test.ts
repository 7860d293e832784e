/** The forecast of memory against the arrays that a step holds when formulas run op by op, as on a GPU. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { compileFrom } from "../../src/engine/formula.js";
import { startEngine } from "../../src/engine/index.js";
import type { NativeBackend } from "../../src/engine/native/backend.js";
import { dataTypes, type TensorMetadata } from "../../src/engine/native/binding.js";
import { refusal } from "../../src/engine/refusals.js";
import { sizes } from "../../src/model/config.js";
import { createParameters } from "../../src/model/parameters.js";
import { packageRoot } from "../../src/paths.js";
import { forecastMemory, type Frugality } from "../../src/train/memory.js";
import { objective } from "../../src/train/objective.js";
import { applyAdam, createAdam } from "../../src/train/optimiser.js";
import { recipeOf } from "../../src/train/recipe.js";
import { tinyModel } from "../golden.js";
import { nativeHere } from "../engine/setup.js";

const { small } = sizes;
const batchSize = 32;
const recipe = { ...recipeOf("ams-published"), batchSize };

/** Most bytes that TensorFlow's tensors had together while `f` ran, with those that were there before; `f` gets what starts the count anew. */
function mostBytes(f: (restart: () => void) => void): number {
  const { binding } = tf.backend() as NativeBackend;
  const original = { ...binding };
  const width: Record<number, number> = { [dataTypes.TF_FLOAT]: 4, [dataTypes.TF_INT32]: 4, [dataTypes.TF_BOOL]: 1 };
  const memories = new Map<number, { bytes: number; users: number }>();
  let [now, most] = [0, 0];
  const made = ({ id, shape, dtype }: TensorMetadata): void => {
    const bytes = (width[dtype] ?? 0) * tf.util.sizeFromShape(shape);
    memories.set(id, { bytes, users: 1 });
    now += bytes;
    most = Math.max(most, now);
  };
  binding.createTensor = (shape, dtype, values) => {
    const id = original.createTensor(shape, dtype, values);
    made({ id, shape, dtype });
    return id;
  };
  binding.executeOp = (name, attributes, inputs, outputs) => {
    const results = original.executeOp(name, attributes, inputs, outputs);
    const shared = ["Reshape", "ExpandDims", "Identity"].includes(name) ? memories.get(inputs[0]!) : undefined;
    if (shared === undefined) results.forEach(made);
    else {
      shared.users++;
      memories.set(results[0]!.id, shared);
    }
    return results;
  };
  binding.deleteTensor = (id) => {
    original.deleteTensor(id);
    const memory = memories.get(id);
    memories.delete(id);
    if (memory !== undefined && --memory.users === 0) now -= memory.bytes;
  };
  try {
    f(() => (most = now));
    return most;
  } finally {
    Object.assign(binding, original);
  }
}

describe("op by op", { skip: refusal("native")?.found }, () => {
  const compiled = compileFrom(Infinity);
  before(async () => {
    await nativeHere();
    await startEngine("native");
  });
  after(() => compileFrom(compiled));

  const ways: [string, Frugality][] = [
    ["as it is", {}],
    ["with --recompute", { recompute: true }],
  ];
  for (const [name, frugality] of ways) {
    test(`the arrays of a step ${name} are forecast within a tenth`, (t) => {
      const measured = mostBytes((restart) => {
        const { image, text, maxLength } = small;
        const model = { ...tinyModel(), config: small, parameters: createParameters(small, 5) };
        const whole = (value: (i: number) => number): Int32Array =>
          Int32Array.from({ length: batchSize * maxLength }, (_, i) => value(i));
        const batch = {
          pixels: Float32Array.from({ length: batchSize * 3 * image.pixels ** 2 }, (_, i) => Math.sin(i)),
          ids: whole((i) => 1 + (i % (text.vocabulary - 1))),
          mask: whole(() => 1),
          pairs: Array.from({ length: batchSize }, (_, item) => ({ item, caption: 0 })),
          crops: [],
          skipped: [],
        };
        const [adam, auxiliary] = [createAdam(), { logScale: tf.variable(tf.scalar(0)) }];
        for (const stepSeed of [1, 2]) {
          // The second step is counted: Adam's means exist by then.
          restart();
          const input = { model, recipe, batch, auxiliary, stepSeed, keepPatches: 1, ...frugality };
          const { gradients } = objective(input);
          const options = { learningRate: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
          applyAdam(adam, model.parameters, gradients, options);
          tf.dispose([...gradients.values()]);
        }
      });
      const { total, process } = forecastMemory(small, recipe, frugality);
      const told = `forecast ${((total - process) / 1e6).toFixed(1)} MB, counted ${(measured / 1e6).toFixed(1)} MB`;
      t.diagnostic(told);
      assert.ok(Math.abs((total - process) / measured - 1) <= 0.1, told);
    });
  }
});

test("the manual names the forecast of the published size and batch", () => {
  const { total, process } = forecastMemory(sizes.base, recipe);
  const manual = readFileSync(path.join(packageRoot(), "docs", "gpu.md"), "utf8");
  assert.ok(manual.includes(`${((total - process) / 1e9).toFixed(1)} GB of arrays`));
});
