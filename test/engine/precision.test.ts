/** bfloat16 products: values and gradients against loops that round, and where in a training step they are made. */
import assert from "node:assert/strict";
import { before, describe, mock, test, type TestContext } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { withPrecision, type Precision } from "../../src/engine/matrixProduct.js";
import { nativeOps } from "../../src/engine/start.js";
import { halfDepth, sizes } from "../../src/model/config.js";
import { attention, linear } from "../../src/model/layers.js";
import { createParameters } from "../../src/model/parameters.js";
import { Random } from "../../src/random.js";
import type { Frugality } from "../../src/train/memory.js";
import { objective } from "../../src/train/objective.js";
import { recipeOf } from "../../src/train/recipe.js";
import { goldenBatch, tinyModel } from "../golden.js";
import { missing, tensorflow } from "./setup.js";

let reason: string | undefined;
before(async () => {
  reason = await missing(tensorflow);
  if (reason === undefined) await startEngine(tensorflow);
});

const random = new Random(11);
const values = (count: number): number[] => Array.from({ length: count }, () => 2 * random.next() - 1);

/** The nearest number of 8 bits of mantissa, ties to the even one. */
function rounded(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  bits[0] = ((bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000) >>> 0;
  return new Float32Array(bits.buffer)[0]!;
}

/** a [m, k] x b [k, n] in float64, inputs and product rounded. */
function product(a: number[][], b: number[][]): number[][] {
  return a.map((row) => b[0]!.map((_, j) => rounded(row.reduce((sum, x, k) => sum + rounded(x) * rounded(b[k]![j]!), 0)))); // prettier-ignore
}
const transposed = (a: number[][]): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!));
const rowsOf = (flat: number[], width: number): number[][] =>
  Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));

/** Sums of float32 may round to the neighbour: one unit of the eighth bit. */
function close(actual: tf.Tensor, expected: number[]): void {
  const found = actual.dataSync();
  assert.equal(found.length, expected.length);
  expected.forEach((x, i) => {
    assert.ok(Math.abs(found[i]! - x) <= Math.abs(x) * 2 ** -7 + 1e-6, `${i}: ${found[i]!} is not ${x}`);
  });
}

const skipped = (t: TestContext): boolean => {
  if (reason !== undefined) t.skip(reason);
  return reason !== undefined;
};

describe("products in bfloat16", () => {
  test("a linear layer's value and its three gradients are products of rounded inputs", (t) => {
    if (skipped(t)) return;
    const [x, w, b, dy] = [values(6 * 40), values(5 * 40), values(5), values(6 * 5)];
    const made = tf.tidy(() =>
      withPrecision("bfloat16", () => {
        const inputs = [tf.tensor2d(x, [6, 40]), tf.tensor2d(w, [5, 40]), tf.tensor1d(b)];
        const gradients = tf.grads((...[xs, ws, bs]) => linear(xs!, ws!, bs!))(inputs, tf.tensor2d(dy, [6, 5]));
        return [linear(inputs[0]!, inputs[1]!, inputs[2]!), ...gradients];
      }),
    );
    const [X, W, D] = [rowsOf(x, 40), rowsOf(w, 40), rowsOf(dy, 5)];
    const sums = product(X, transposed(W)).map((row) => row.map((sum, j) => sum + b[j]!));
    const found = made[0]!.dataSync();
    // The bias is added in float32, so that the product's own rounding is what may differ.
    sums.flat().forEach((sum, i) => {
      assert.ok(Math.abs(found[i]! - sum) <= Math.abs(sum - b[i % 5]!) * 2 ** -7 + 1e-6);
    });
    close(made[1]!, product(D, W).flat());
    close(made[2]!, product(transposed(D), X).flat());
    transposed(D).forEach((column, j) => {
      assert.ok(
        Math.abs(made[3]!.dataSync()[j]! - column.reduce((a, c) => a + c, 0)) < 1e-5,
        "a bias adds up in float32",
      );
    });
    // It is bfloat16: float32 gives other numbers.
    const exact = D.map((row) => W[0]!.map((_, k) => row.reduce((sum, d, j) => sum + d * W[j]![k]!, 0))).flat();
    const off = exact.map((value, i) => Math.abs(value - made[1]!.dataSync()[i]!));
    assert.ok(Math.max(...off) > 1e-4);
    tf.dispose(made);
  });

  test("attention's value and gradients are those of float32 within the rounding", (t) => {
    if (skipped(t)) return;
    const [q, k, v, dy] = [1, 2, 3, 4].map(() => values(2 * 2 * 9 * 8));
    const run = (precision: Precision): tf.Tensor[] =>
      tf.tidy(() =>
        withPrecision(precision, () => {
          const inputs = [q, k, v].map((flat) => tf.tensor4d(flat!, [2, 2, 9, 8]));
          const f = (...[qs, ks, vs]: tf.Tensor[]): tf.Tensor => attention(qs!, ks!, vs!, {});
          return [f(...inputs), ...tf.grads(f)(inputs, tf.tensor4d(dy!, [2, 2, 9, 8]))];
        }),
      );
    const [exact, coarse] = [run("float32"), run("bfloat16")];
    ["value", "dq", "dk", "dv"].forEach((name, i) => {
      const share = distance(coarse[i]!.dataSync(), exact[i]!.dataSync());
      assert.ok(share < 0.02, `${name} is off by ${share}`);
      assert.ok(share > 1e-4, `${name} was computed in float32`);
    });
    tf.dispose([exact, coarse]);
  });
});

/** ||a - b|| / ||b|| */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

interface Step {
  loss: number;
  flat: Map<string, Float32Array>;
  products: number;
}

describe("a training step in bfloat16", () => {
  const config = halfDepth(halfDepth(sizes.tiny));
  const step = (precision: Precision, depth = config, frugality: Frugality = {}): Step => {
    const model = { ...tinyModel(), config: depth, parameters: createParameters(depth, 3) };
    const recipe = { ...recipeOf("ams-published"), dropout: 0, precision };
    const auxiliary = { logScale: tf.tidy(() => tf.variable(tf.scalar(1.5))) };
    const spy = mock.method(nativeOps()!, "matMulBfloat16");
    try {
      const { loss, gradients } = objective({ ...{ model, recipe, batch: goldenBatch(), auxiliary, stepSeed: 7, keepPatches: 1 }, ...frugality }); // prettier-ignore
      const flat = new Map([...gradients].map(([name, gradient]) => [name, gradient.dataSync() as Float32Array]));
      tf.dispose([...gradients.values()]);
      return { loss, flat, products: spy.mock.callCount() };
    } finally {
      spy.mock.restore();
      auxiliary.logScale.dispose();
    }
  };

  test("makes all products of a layer in it, forward and back: 6 linear ones with 3 each, 2 and 5 of attention", (t) => {
    if (skipped(t)) return;
    assert.equal(step("float32").products, 0);
    const { products } = step("bfloat16");
    assert.equal(step("bfloat16", halfDepth(sizes.tiny)).products - products, 2 * 3 * (6 * 3 + 2 + 5));
    // What recomputation makes again: the forward products of 2 x 3 layers and of 12 projections.
    assert.equal(step("bfloat16", config, { recompute: true }).products - products, 2 * 3 * (6 + 2) + 12);
  });

  test("has float32's loss and gradients within the rounding, however memory is saved", (t) => {
    if (skipped(t)) return;
    const [exact, coarse] = [step("float32"), step("bfloat16")];
    assert.notEqual(coarse.loss, exact.loss);
    assert.ok(Math.abs(coarse.loss / exact.loss - 1) < 0.01, `${coarse.loss} beside ${exact.loss}`);
    const recomputed = step("bfloat16", config, { recompute: true });
    const inParts = step("bfloat16", config, { microBatch: 3 });
    assert.deepEqual([recomputed.loss, inParts.loss], [coarse.loss, coarse.loss]);
    for (const [name, gradient] of coarse.flat) {
      // A key's bias changes no attention: its gradient is rounding alone.
      if (!name.endsWith("key.bias")) {
        const share = distance(gradient, exact.flat.get(name)!);
        assert.ok(share < 0.1, `${name} is off by ${share}`);
      }
      assert.deepEqual(recomputed.flat.get(name), gradient, `${name}, recomputed`);
      // A weight's gradient is the sum of rounded products, one a micro-batch.
      const share = distance(inParts.flat.get(name)!, gradient);
      assert.ok(share < 0.01, `${name} in micro-batches is off by ${share}`);
    }
  });
});
