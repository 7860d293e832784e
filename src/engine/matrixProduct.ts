/** Products of matrices with a choice of precision: float32, or bfloat16 inputs on TensorFlow, which is twice as fast. */
import * as tf from "@tensorflow/tfjs-core";
import type { NativeBackend } from "./native/backend.js";
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

/** a [M, K] x b [K, N] -> [M, N], either one transposed on request; inputs rounded to bfloat16 when that is in force. */
export function matrixProduct(
  a: tf.Tensor,
  b: tf.Tensor,
  transposeA = false,
  transposeB = false,
  wanted: Precision = precision,
): tf.Tensor2D {
  if (wanted === "float32" || nativeOps() === undefined) {
    return tf.matMul(a, b, transposeA, transposeB);
  }
  // tfjs has no such type: these tensors live below it, and only the float32 result gets a name there.
  const backend = tf.backend() as unknown as NativeBackend;
  const { binding } = backend;
  const { TF_ATTR_TYPE, TF_ATTR_BOOL, TF_FLOAT } = binding;
  const bfloat16 = 14;
  const type = (name: string, value: number): { name: string; type: number; value: number } => ({
    name,
    type: TF_ATTR_TYPE,
    value,
  });
  const flag = (name: string, value: boolean): { name: string; type: number; value: boolean } => ({
    name,
    type: TF_ATTR_BOOL,
    value,
  });
  const cast = (id: number, from: number, to: number): ReturnType<typeof binding.executeOp>[number] =>
    binding.executeOp("Cast", [type("SrcT", from), type("DstT", to), flag("Truncate", false)], [id], 1)[0]!;
  const halves = backend.getInputTensorIds([a, b]).map((id) => cast(id, TF_FLOAT, bfloat16).id);
  const attributes = [type("T", bfloat16), flag("transpose_a", transposeA), flag("transpose_b", transposeB)];
  const [product] = binding.executeOp("MatMul", attributes, halves, 1);
  const result = cast(product!.id, bfloat16, TF_FLOAT);
  for (const id of [...halves, product!.id]) binding.deleteTensor(id);
  return backend.createOutputTensor(result) as tf.Tensor2D;
}
