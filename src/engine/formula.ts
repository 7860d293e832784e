/**
 * Formulas over tensors that an engine may run in one pass. A chain of small ops reads and writes its arrays once per op; TensorFlow's
 * compiler (XLA) turns the chain into one loop, which is three to seven times as fast on a CPU. Where it is not there, the same
 * formula runs op by op.
 */
import * as tf from "@tensorflow/tfjs-core";
import { nativeOps } from "./start.js";

/** What formulas are written in. Shapes broadcast; numbers are scalars. `T` is a tensor, or its place in a recorded formula. */
export interface Maths<T> {
  add(a: T | number, b: T | number): T;
  sub(a: T | number, b: T | number): T;
  mul(a: T | number, b: T | number): T;
  div(a: T | number, b: T | number): T;
  maximum(a: T | number, b: T | number): T;
  /** 1 where a > b, else 0. */
  above(a: T | number, b: T | number): T;
  exp(x: T): T;
  erf(x: T): T;
  square(x: T): T;
  sqrt(x: T): T;
  rsqrt(x: T): T;
  /** Over an axis, which stays with length 1. */
  sum(x: T, axis: number): T;
  mean(x: T, axis: number): T;
  max(x: T, axis: number): T;
  /** Over the last axis. */
  softmax(x: T): T;
}

export type Formula = <T>(maths: Maths<T>, ...inputs: T[]) => T[];

/** Op by op, on any engine. */
export const eagerMaths: Maths<tf.Tensor> = {
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(a, b),
  div: (a, b) => tf.div(a, b),
  maximum: (a, b) => tf.maximum(a, b),
  above: (a, b) => tf.cast(tf.greater(a, b), "float32"),
  exp: (x) => tf.exp(x),
  erf: (x) => tf.erf(x),
  square: (x) => tf.square(x),
  sqrt: (x) => tf.sqrt(x),
  rsqrt: (x) => tf.rsqrt(x),
  sum: (x, axis) => tf.sum(x, axis, true),
  mean: (x, axis) => tf.mean(x, axis, true),
  max: (x, axis) => tf.max(x, axis, true),
  softmax: (x) => tf.softmax(x),
};

/** Below this many numbers a call costs more than the arithmetic, and compiling would never pay. */
let leastSize = 2 ** 14;

/** For tests: compiles formulas of any size (0), or from another size on; returns what was in force. */
export function compileFrom(size: number): number {
  const before = leastSize;
  leastSize = size;
  return before;
}

/**
 * Makes a function of a formula. float32 tensors in, float32 tensors out, in the formula's order; no gradient of its own.
 * @param name unique among formulas; letters and underscores
 */
export function formula(name: string, write: Formula): (...inputs: tf.Tensor[]) => tf.Tensor[] {
  return (...inputs) => {
    const native = nativeOps();
    const compiles = native?.compiles === true && inputs.some(({ size }) => size >= leastSize);
    const compiled = compiles ? native.run(name, write, inputs) : undefined;
    return compiled ?? tf.tidy(() => write(eagerMaths, ...inputs));
  };
}
