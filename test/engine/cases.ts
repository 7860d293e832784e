/** Ops that transformers are made of, on random inputs: each engine must agree with plain JavaScript on value and gradient. */
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "../../src/random.js";

export interface Case {
  name: string;
  shapes: number[][];
  run: (...inputs: tf.Tensor[]) => tf.Tensor;
  /** Inputs are drawn from here; default [-1, 1]. */
  range?: [number, number];
  /** False where the op has no gradient. */
  gradient?: boolean;
}

const four = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

/** [m, k] or, transposed, [k, m], after leading dimensions. */
const matrix = (lead: number[], rows: number, columns: number, transposed: boolean): number[] =>
  transposed ? [...lead, columns, rows] : [...lead, rows, columns];

const products = [[], [3], [2, 3]].flatMap((lead) =>
  four.map(([ta, tb]): Case => ({
    name: `matMul of rank ${String(lead.length + 2)}${ta ? ", a transposed" : ""}${tb ? ", b transposed" : ""}`,
    shapes: [matrix(lead, 4, 5, ta), matrix(lead, 5, 6, tb)],
    run: (a, b) => tf.matMul(a, b, ta, tb),
  })),
);

const unary: [string, (x: tf.Tensor) => tf.Tensor, [number, number]?][] = [
  ["exp", tf.exp],
  ["log", tf.log, [0.1, 3]],
  ["sqrt", tf.sqrt, [0.1, 3]],
  ["rsqrt", tf.rsqrt, [0.1, 3]],
  ["square", tf.square],
  ["reciprocal", tf.reciprocal, [0.5, 2]],
  ["tanh", tf.tanh],
  ["sigmoid", tf.sigmoid],
  ["erf", tf.erf, [-3, 3]],
  ["relu", tf.relu],
  ["leakyRelu", (x) => tf.leakyRelu(x, 0.1)],
  ["abs", tf.abs],
  ["neg", tf.neg],
  ["clip", (x) => tf.clipByValue(x, -0.5, 0.5)],
  ["softmax", (x) => tf.softmax(x)],
  ["logSoftmax", (x) => tf.logSoftmax(x)],
  ["logSumExp", (x) => tf.logSumExp(x, -1)],
  ["sum over middle axes", (x) => tf.sum(x, [1, 2])],
  ["sum of everything", (x) => tf.sum(x)],
  ["mean over the last axis, kept", (x) => tf.mean(x, -1, true)],
  ["max over an axis", (x) => tf.max(x, 2)],
  ["min over an axis", (x) => tf.min(x, 1)],
  ["reshape", (x) => tf.reshape(x, [6, 20])],
  ["slice", (x) => tf.slice(x, [0, 1, 2, 0], [2, 1, 2, 3])],
  ["tile", (x) => tf.tile(x, [1, 2, 1, 3])],
  [
    "pad",
    (x) =>
      tf.pad(x, [
        [0, 0],
        [1, 2],
        [0, 1],
        [0, 0],
      ]),
  ],
  ["expandDims", (x) => tf.expandDims(x, 1)],
  ["transpose of rank 4", (x) => tf.transpose(x, [2, 0, 3, 1])],
  ["unstack and add", (x) => tf.addN(tf.unstack(x, 1))],
  ["split and multiply", (x) => tf.split(x, 2, 2).reduce((a, b) => tf.mul(a, b))],
  ["cumsum", (x) => tf.cumsum(x, 3)],
  ["reverse", (x) => tf.reverse(x, [1])],
  ["L2 normalisation", (x) => tf.div(x, tf.sqrt(tf.add(tf.sum(tf.square(x), -1, true), 1e-8)))],
];

const binary: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][] = [
  ["add with broadcasting", tf.add],
  ["sub with broadcasting", tf.sub],
  ["mul with broadcasting", tf.mul],
  ["div with broadcasting", (a, b) => tf.div(a, tf.add(b, 2))],
];

export const cases: Case[] = [
  ...products,
  {
    name: "matMul with a broadcast batch",
    shapes: [
      [1, 3, 4],
      [5, 4, 2],
    ],
    run: (a, b) => tf.matMul(a, b),
    gradient: false,
  },
  ...unary.map(([name, run, range]): Case => ({
    name,
    shapes: [[2, 3, 4, 5]],
    run: (x) => run(x),
    ...(range && { range }),
  })),
  ...binary.map(([name, run]): Case => ({
    name,
    shapes: [
      [2, 3, 4],
      [3, 1],
    ],
    run: (a, b) => run(a, b),
  })),
  { name: "transpose of rank 6", shapes: [[1, 2, 3, 2, 2, 3]], run: (x) => tf.transpose(x, [0, 2, 4, 1, 3, 5]) },
  {
    name: "transpose of rank 6, all axes moved",
    shapes: [[3, 2, 3, 2, 2, 3]],
    run: (x) => tf.transpose(x, [5, 3, 1, 0, 2, 4]),
  },
  {
    name: "concat",
    shapes: [
      [2, 3],
      [2, 4],
      [2, 1],
    ],
    run: (...x) => tf.concat(x, 1),
  },
  {
    name: "stack",
    shapes: [
      [2, 3],
      [2, 3],
    ],
    run: (...x) => tf.stack(x, 1),
  },
  { name: "pow", shapes: [[5]], run: (x) => tf.pow(x, 3), range: [0.5, 2] },
  {
    name: "gather of repeated rows",
    shapes: [[7, 3]],
    run: (x) =>
      tf.gather(
        x,
        tf.tensor2d(
          [
            [6, 0, 6],
            [2, 2, 2],
          ],
          [2, 3],
          "int32",
        ),
      ),
  },
  {
    name: "gather along the second axis",
    shapes: [[3, 7]],
    run: (x) => tf.gather(x, tf.tensor1d([1, 1, 5], "int32"), 1),
  },
  {
    name: "oneHot",
    shapes: [],
    run: () => tf.cast(tf.oneHot(tf.tensor1d([2, 0, 3], "int32"), 4), "float32"),
    gradient: false,
  },
  { name: "topk values", shapes: [[3, 8]], run: (x) => tf.topk(x, 3).values, gradient: false },
  { name: "topk indices", shapes: [[3, 8]], run: (x) => tf.topk(x, 3).indices, gradient: false },
  { name: "argMax", shapes: [[3, 8]], run: (x) => tf.argMax(x, 1), gradient: false },
  { name: "argMin", shapes: [[3, 8]], run: (x) => tf.argMin(x, 0), gradient: false },
  { name: "cast to int32", shapes: [[9]], run: (x) => tf.cast(tf.mul(x, 5), "int32"), gradient: false },
  { name: "cast to bool", shapes: [[9]], run: (x) => tf.cast(tf.relu(x), "bool"), gradient: false },
  {
    name: "round of whole numbers",
    shapes: [],
    run: () => tf.round(tf.tensor1d([1, -2, 3], "int32")),
    gradient: false,
  },
  { name: "step", shapes: [[9]], run: (x) => tf.step(x), gradient: false },
  {
    name: "floor and round",
    shapes: [[9]],
    run: (x) => tf.add(tf.floor(tf.mul(x, 4)), tf.round(x)),
    gradient: false,
  },
  {
    name: "comparisons and logic",
    shapes: [[9], [9]],
    run: (a, b) => tf.logicalOr(tf.logicalAnd(tf.less(a, b), tf.greaterEqual(a, 0)), tf.logicalNot(tf.equal(a, a))),
    gradient: false,
  },
  {
    name: "layer norm",
    shapes: [[2, 5, 8], [8], [8]],
    run: (x, scale, shift) => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const variance = tf.mean(tf.square(centred), -1, true);
      return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-6))), scale), shift);
    },
  },
  {
    name: "an attention head with a mask",
    shapes: [
      [2, 3, 5, 4],
      [2, 3, 5, 4],
      [2, 3, 5, 4],
    ],
    run: (q, k, v) => {
      const mask = tf.tensor4d([0, 0, 0, -1e4, -1e4], [1, 1, 1, 5]);
      return tf.matMul(tf.softmax(tf.add(tf.mul(tf.matMul(q, k, false, true), 0.5), mask)), v);
    },
  },
];

/** Numbers of one case: the value, then the gradient of a weighted sum of it by each input. */
export function compute({
  name,
  shapes,
  run,
  range = [-1, 1],
  gradient = true,
}: Case): { name: string; values: number[] }[] {
  const random = Random.stream(1, name);
  const draw = (shape: number[], [low, high]: [number, number]): tf.Tensor =>
    tf.tensor(
      Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.uniform(low, high)),
      shape,
    );
  return tf.tidy(() => {
    const inputs = shapes.map((shape) => draw(shape, range));
    const value = run(...inputs);
    const results = [{ name: `shape ${value.shape.join("x")} ${value.dtype}`, values: Array.from(value.dataSync()) }];
    if (!gradient) return results;
    const weights = draw(value.shape, [-1, 1]);
    const gradients = tf.grads((...x: tf.Tensor[]) => tf.sum(tf.mul(run(...x), weights)))(inputs);
    return [
      ...results,
      ...gradients.map((g, i) => ({
        name: `gradient ${String(i)} ${g.shape.join("x")}`,
        values: Array.from(g.dataSync()),
      })),
    ];
  });
}
