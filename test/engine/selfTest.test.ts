/** The proof of an engine notices one op that computes wrongly, whichever it is. */
import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { proveEngine } from "../../src/engine/selfTest.js";

before(async () => {
  await startEngine("plain");
});

let mend: (() => void) | undefined;
afterEach(() => mend?.());

/** Lets a kernel of the engine give zeros where `when` says so; `mend` ends that. */
function falsify(kernelName: string, when: (call: Parameters<tf.KernelFunc>[0]) => boolean): void {
  const backendName = tf.getBackend();
  const { kernelFunc } = tf.getKernel(kernelName, backendName);
  const put = (chosen: tf.KernelFunc): void => {
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({ kernelName, backendName, kernelFunc: chosen });
  };
  put((call) => {
    const output = kernelFunc(call) as tf.TensorInfo;
    if (when(call)) (tf.backend().readSync(output.dataId) as Float32Array).fill(0); // the plain engine gives its own array
    return output;
  });
  mend = () => {
    put(kernelFunc);
    mend = undefined;
  };
}

const attribute = ({ attrs }: Parameters<tf.KernelFunc>[0], name: string): boolean =>
  (attrs as Record<string, unknown>)[name] === true;

for (const [what, kernel, when, message] of [
  [
    "the product with the transposed first matrix",
    tf.BatchMatMul,
    (call) => attribute(call, "transposeA"),
    /^wrong its gradient/,
  ],
  ["the sum over rows of one number", tf.UnsortedSegmentSum, () => true, /^wrong gather's gradient/],
  [
    "the product with the transposed second matrix",
    tf.BatchMatMul,
    (call) => attribute(call, "transposeB"),
    /^wrong batched product/,
  ],
  ["the exponential", tf.Exp, () => true, /^wrong cross-entropy/],
] as [string, string, (call: Parameters<tf.KernelFunc>[0]) => boolean, RegExp][]) {
  test(`${what} alone`, () => {
    assert.doesNotThrow(proveEngine);
    falsify(kernel, when);
    assert.throws(proveEngine, (error: Error) => message.test(error.message));
    mend?.();
    assert.doesNotThrow(proveEngine);
  });
}
