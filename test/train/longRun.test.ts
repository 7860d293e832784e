/** What a training of hours rests on: memory stays flat over 200 steps, an interrupt ends a step soon, and nothing is lost. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { compileFrom } from "../../src/engine/formula.js";
import { startEngine } from "../../src/engine/index.js";
import type { NativeBackend } from "../../src/engine/native/backend.js";
import { nativeOps } from "../../src/engine/start.js";
import { sizes, type ModelConfig } from "../../src/model/config.js";
import { recipes } from "../../src/train/recipe.js";
import { trainStep } from "../../src/train/step.js";
import type { Training } from "../../src/train/training.js";
import { largestDifference } from "../golden.js";
import { batchOfNumbers, smallSize, trainingOfNumbers, watchTurns } from "./numbers.js";

before(async () => {
  await startEngine("auto", { threads: 1 });
});

const never = new AbortController().signal;

const { image, text } = sizes.tiny;
const layers = 2; // each step is short, and has all that a step has
const shallow: ModelConfig = {
  ...sizes.tiny,
  image: { ...image, layers },
  text: { ...text, layers },
  scales: [1, 2],
};

/** Tensors of tfjs, their bytes, and on the native engine TensorFlow's tensors too. */
function held(): (number | undefined)[] {
  const { binding } = tf.backend() as Partial<NativeBackend>;
  return [tf.memory().numTensors, tf.memory().numBytes, binding?.getNumOfTensors()];
}

for (const name of Object.keys(recipes)) {
  test(`six steps of ${name} leave the number of tensors as it was`, async () => {
    const state = trainingOfNumbers(shallow, name);
    const { config } = state.model;
    const step = async (n: number): Promise<void> => {
      const frugality = n % 2 === 0 ? { recompute: true, microBatch: 3 } : {};
      const record = await trainStep(state, batchOfNumbers(config, 4, n), "run", { ...frugality, signal: never });
      assert.ok(record !== undefined);
    };
    // The means of Adam, a queue and its vectors are made in the first steps.
    for (let n = 0; n < 4; n++) await step(n);
    const atFirst = held();
    for (let n = 4; n < 10; n++) await step(n);
    assert.deepEqual(held(), atFirst);
  });
}

test("200 steps leave the number of tensors and the process's memory as they were", async () => {
  const config = shallow;
  const state = trainingOfNumbers(config);
  const step = async (n: number): Promise<void> => {
    const frugality = n % 4 === 0 ? { recompute: true, microBatch: 2 } : {};
    await trainStep(state, batchOfNumbers(config, 4, n), "run", { ...frugality, signal: never });
  };
  for (let n = 0; n < 50; n++) await step(n);
  const atFirst = held();
  const resident = process.memoryUsage.rss();
  for (let n = 50; n < 200; n++) await step(n);
  assert.deepEqual(held(), atFirst);
  const growth = (process.memoryUsage.rss() - resident) / 1e6;
  // A leak of a step's activations alone would be more than 100 MB by now; the heap breathes by some ten.
  assert.ok(growth < 60, `grew by ${growth.toFixed(0)} MB`);
});

test("captions of other lengths and other numbers of pairs come in few shapes, for each of which TensorFlow compiles", async (t) => {
  const native = nativeOps();
  if (native === undefined) {
    t.skip("no TensorFlow");
    return;
  }
  const before = compileFrom(0);
  try {
    const state = trainingOfNumbers(shallow, "scenes-contrast");
    const step = async (n: number, longest: number): Promise<void> => {
      const batch = batchOfNumbers(shallow, 8, n);
      const { maxLength } = shallow;
      // Each caption has a length of its own, up to the longest.
      batch.mask = batch.mask.map((_, i) => Number(i % maxLength < longest - (Math.floor(i / maxLength) % 3)));
      await trainStep(state, batch, "run", { signal: never });
    };
    for (const longest of [5, 12]) await step(longest, longest);
    const atFirst = native.compiled;
    for (let n = 0; n < 4; n++) for (const longest of [6, 7, 8, 9, 10, 11]) await step(n, longest);
    // Lengths are those of the first steps; the pairs with a gradient may have needed blocks of another size.
    assert.ok(
      native.compiled <= atFirst + 12,
      `${String(native.compiled - atFirst)} shapes more than ${String(atFirst)}`,
    );
  } finally {
    compileFrom(before);
  }
});

test("an interrupt within a step changes nothing, and the step made again is the one that was meant", async () => {
  const batch = batchOfNumbers(smallSize, 16, 1);
  const values = ({ model }: Training): Float32Array =>
    Float32Array.from([...model.parameters.values()].flatMap((v) => [...v.dataSync()]));
  const [interrupted, straight] = [trainingOfNumbers(smallSize), trainingOfNumbers(smallSize)];
  const start = values(interrupted);
  const tensors = tf.memory().numTensors;

  const controller = new AbortController();
  setImmediate(() => {
    controller.abort();
  });
  const record = await trainStep(interrupted, batch, "run", { signal: controller.signal });
  assert.equal(record, undefined);
  assert.equal(interrupted.progression.step, 0);
  assert.equal(largestDifference(values(interrupted), start), 0);
  assert.equal(tf.memory().numTensors, tensors);

  const again = await trainStep(interrupted, batch, "run", { signal: never });
  const once = await trainStep(straight, batch, "run", { signal: never });
  assert.equal(again?.loss, once?.loss);
  assert.equal(largestDifference(values(interrupted), values(straight)), 0);
});

test("the event loop gets its turn within a second of computing, at the small size with 32 pairs", async () => {
  const state = trainingOfNumbers(smallSize);
  const batch = batchOfNumbers(smallSize, 32, 1);
  await trainStep(state, batch, "run", { signal: never }); // Adam's means are made in the first step
  const gap = watchTurns();
  const record = await trainStep(state, batch, "run", { signal: never });
  assert.equal(record?.step, 2);
  // Processor time of one thread: what an idle machine would take.
  const { cpu } = gap();
  assert.ok(cpu > 50 && cpu < 1000, `${cpu.toFixed(0)} ms`);
});
