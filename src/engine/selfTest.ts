/** Proof that an engine computes: a small forward pass and its gradients against numbers worked out by hand. */
import * as tf from "@tensorflow/tfjs-core";

/**
 * softmax cross-entropy of a 2x3 linear map, its value and its gradient, a gather, and a batched transposed product.
 * @throws Error when a number is wrong; whatever the engine throws when it cannot compute.
 */
export function proveEngine(): void {
  tf.tidy(() => {
    // logits = x w = [[1, 2, 3]]; loss = log(e^1 + e^2 + e^3) - 3; dloss/dw = x^T (softmax - onehot(2))
    const x = tf.tensor2d([1, 2], [1, 2]);
    const w = tf.tensor2d([1, 0, 1, 0, 1, 1], [2, 3]);
    const loss = (weights: tf.Tensor): tf.Scalar => {
      const logits = tf.matMul(x, weights);
      return tf.sum(tf.sub(tf.logSumExp(logits, 1), tf.sum(tf.mul(logits, tf.tensor2d([0, 0, 1], [1, 3])), 1)));
    };
    const { value, grads } = tf.valueAndGrads(loss)([w]);
    expectClose("cross-entropy", value, [0.4076059644]);
    expectClose(
      "its gradient",
      grads[0] as tf.Tensor,
      [0.0900306, 0.2447285, -0.334759, 0.1800611, 0.4894569, -0.6695181],
    );
    const table = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
    const rows = (t: tf.Tensor): tf.Scalar => tf.sum(tf.square(tf.gather(t, tf.tensor1d([2, 0, 2], "int32"))));
    expectClose("gather's gradient", tf.grad(rows)(table), [2, 4, 0, 0, 20, 24]);
    const a = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
    expectClose("batched product", tf.matMul(a, a, false, true), [5, 11, 11, 25, 61, 83, 83, 113]);
  });
}

function expectClose(what: string, got: tf.Tensor, expected: number[]): void {
  const values = got.dataSync();
  const wrong = expected.findIndex(
    (number, i) => !(Math.abs((values[i] ?? NaN) - number) <= 1e-5 * Math.max(1, Math.abs(number))),
  );
  if (wrong >= 0 || values.length !== expected.length) {
    throw new Error(`wrong ${what}: got [${Array.from(values).join(", ")}], expected [${expected.join(", ")}]`);
  }
}
