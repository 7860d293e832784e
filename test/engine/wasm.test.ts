/** The fallback: WASM trains, and its replaced kernels are right and fast. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { nativeOps, startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";

describe("the WASM engine", () => {
  before(async () => {
    await startEngine("wasm");
  });

  test("has no TensorFlow ops", () => {
    assert.equal(nativeOps(), undefined);
  });

  test("trains an embedding with attention and a linear layer: the loss falls and no tensor is left", () => {
    const variables = [
      [20, 8],
      [8, 8],
      [8, 4],
    ].map((shape, i) => tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.5, "float32", i))));
    const [table, attention, output] = variables as [tf.Variable, tf.Variable, tf.Variable];
    const ids = tf.tensor2d([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8], [4, 3], "int32");
    const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 3], "int32"), 4);
    const optimizer = tf.train.adam(0.05);
    const loss = (): tf.Scalar => {
      const words = tf.gather(table, ids) as tf.Tensor3D; // [4, 3, 8]
      const keys = tf.reshape(tf.matMul(tf.reshape(words, [12, 8]), attention as tf.Tensor2D), [4, 3, 8]);
      const mixed = tf.matMul(tf.softmax(tf.matMul(words, keys, false, true)), words);
      const logits = tf.matMul(tf.mean<tf.Tensor2D>(mixed, 1), output);
      return tf.neg(tf.mean<tf.Scalar>(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), 1)));
    };
    const step = (): number => {
      const value = optimizer.minimize(loss, true) as tf.Scalar;
      const [number] = value.dataSync();
      value.dispose();
      return number as number;
    };
    const first = step();
    const tensors = tf.memory().numTensors;
    let last = first;
    for (let i = 0; i < 60; i++) last = step();
    assert.ok(last < 0.2 * first, `from ${String(first)} to ${String(last)}`);
    assert.equal(tf.memory().numTensors, tensors);
  });

  test("broadcasts batches on both sides of a product", () => {
    const [a, b] = [tf.randomNormal([2, 1, 3, 4], 0, 1, "float32", 1), tf.randomNormal([5, 4, 2], 0, 1, "float32", 2)];
    const got = tf.matMul(a, b);
    const tiled = tf.matMul(tf.tile(a, [1, 5, 1, 1]), tf.tile(tf.expandDims(b, 0), [2, 1, 1, 1]));
    assert.deepEqual(got.shape, [2, 5, 3, 2]);
    assert.deepEqual(got.dataSync(), tiled.dataSync());
  });

  test("adds only the segments that exist", () => {
    const sums = tf.unsortedSegmentSum(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]), tf.tensor1d([1, -1, 1], "int32"), 3);
    assert.deepEqual(Array.from(sums.dataSync()), [0, 0, 6, 8, 0, 0]);
  });

  test("multiplies a transposed batch about as fast as single matrices", () => {
    // CPU time, not elapsed time: other programs may have the cores.
    const microseconds = (work: () => tf.Tensor): number => {
      const times = Array.from({ length: 4 }, () => {
        const started = process.cpuUsage();
        work().dispose();
        return process.cpuUsage(started).user;
      });
      return Math.min(...times);
    };
    const [single, batch] = [tf.ones([256, 256]), tf.ones([8, 256, 256])] as [tf.Tensor2D, tf.Tensor3D];
    const ratio =
      microseconds(() => tf.matMul(batch, batch, true, true)) / (8 * microseconds(() => tf.matMul(single, single)));
    // The stock kernel takes 10 to 80 times as long.
    assert.ok(ratio < 5, `${ratio.toFixed(1)} times as long`);
  });
});

test("an engine that does not exist is refused with the list of those that do", async () => {
  await assert.rejects(
    startEngine("cuda" as "gpu"),
    (error: unknown) =>
      error instanceof AmsError &&
      error.lines().length === 3 &&
      error.hint === "choose one of: auto, gpu, native, webgpu, wasm, plain",
  );
});

test("a tensor for which WebAssembly has no memory is an error that says so", async () => {
  await startEngine("wasm");
  const { wasm } = tf.backend() as unknown as { wasm: { _malloc: (bytes: number) => number } };
  const { _malloc } = wasm;
  // 0 is C's answer when there is no memory; -1 lies beyond what there is.
  for (const answer of [0, -1]) {
    wasm._malloc = () => answer;
    try {
      assert.throws(
        () => tf.tensor1d([1, 2, 3]).dataSync(),
        (error: unknown) =>
          error instanceof AmsError &&
          /^WebAssembly has no memory left for a tensor \[3\] of float32/.test(error.message),
      );
      assert.throws(() => tf.add(tf.ones([2]), 1).dataSync(), /no memory left/);
    } finally {
      wasm._malloc = _malloc;
    }
  }
  assert.deepEqual([...tf.add([1, 2], 1).dataSync()], [2, 3]);
});
