/** Products of matrices with a choice of precision: float32, or bfloat16 inputs on TensorFlow, which is twice as fast. */
import * as tf from "@tensorflow/tfjs-core";
import { nativeOps } from "./start.js";

export type Precision = "float32" | "bfloat16";

let precision: Precision = "float32";

/** Runs `f` with products of the given precision. bfloat16 has 8 bits of mantissa; other engines than TensorFlow ignore it. */
export function withPrecision<T>(wanted: Precision, f: () => T): T {
  const before = precision;
  precision = wanted;
  try {
    return f();
  } finally {
    precision = before;
  }
}

/** The precision in force: gradient functions, which run later, capture it with their forward pass. */
export function currentPrecision(): Precision {
  return precision;
}

/** What a wanted precision comes to on the engine in use. */
export function precisionHere(wanted: Precision): Precision {
  return nativeOps() === undefined ? "float32" : wanted;
}

/**
 * a [..., M, K] x b [..., K, N] -> [..., M, N] with equal leading axes, either one transposed on request; inputs rounded to bfloat16
 * when that is in force.
 */
export function matrixProduct(
  a: tf.Tensor,
  b: tf.Tensor,
  transposeA = false,
  transposeB = false,
  wanted: Precision = precision,
): tf.Tensor {
  const native = nativeOps();
  if (native !== undefined && wanted === "bfloat16") return native.matMulBfloat16(a, b, transposeA, transposeB);
  // tfjs takes BatchMatMul for everything, which is a sixth slower at the products of a weight's gradient.
  if (native !== undefined && a.rank === 2) return native.matMul(a, b, transposeA, transposeB);
  return tf.matMul(a, b, transposeA, transposeB);
}
