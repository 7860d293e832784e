/** What TensorFlow's compiler must get right before formulas are compiled. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Formula } from "../formula.js";

/** All that a formula can be written in, on the rows of a 2 x 2 table. */
export const compilerProof: Formula = (m, x) => [
  m.add(m.softmax(x), m.sum(m.exp(m.sub(x, m.max(x, -1))), -1)),
  m.mul(m.erf(x), m.rsqrt(m.add(m.square(x), 1))),
  m.div(m.sqrt(m.maximum(x, 0.5)), m.add(m.above(x, 0), m.mean(m.square(x), 0))),
];

/** What it is applied to, and its results, worked out in float64. */
export const compilerProofInput = [
  [0.5, -1],
  [2, 0.25],
];
export const compilerProofResults = [
  [2.04070464, 1.40555568, 2.02572675, 1.32182114],
  [0.46554924, -0.59587945, 0.44512165, 0.26807598],
  [0.22627417, 1.33102453, 0.45254834, 0.46178402],
];

/** Whether results are those of the proof, to 1e-5. */
export function isProved(results: tf.Tensor[]): boolean {
  return compilerProofResults.every((expected, i) => {
    const values = results[i]?.dataSync() ?? [];
    return expected.every((number, j) => Math.abs((values[j] ?? NaN) - number) <= 1e-5);
  });
}
