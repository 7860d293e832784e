/**
 * Every gradient that AMS needs, on every engine: value and gradient side by side, against the formula and its finite
 * differences in float64, and the whole model's against the published code's.
 */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { compileFrom } from "../../src/engine/formula.js";
import { startEngine, type EngineName } from "../../src/engine/index.js";
import { findAdapter } from "../../src/engine/webgpu/start.js";
import { pairScores } from "../../src/match/attentionScore.js";
import { hardestHinge } from "../../src/match/losses.js";
import { attention, embed, gelu, layerNorm } from "../../src/model/layers.js";
import { applyDropout, seededDropout } from "../../src/model/dropout.js";
import { halfDepth, sizes } from "../../src/model/config.js";
import { createParameters } from "../../src/model/parameters.js";
import { Random } from "../../src/random.js";
import { objective, type ObjectiveInput } from "../../src/train/objective.js";
import { recipeOf, type Recipe } from "../../src/train/recipe.js";
import { goldenBatch, goldenJson, goldenTensors, largestDifference, tinyModel } from "../golden.js";
import * as reference from "./references.js";
import { missing, tensorflow } from "./setup.js";

/** A function of tensors beside the same function of flat float64 arrays. */
interface Piece {
  name: string;
  shapes: number[][];
  range?: [number, number];
  run: (...inputs: tf.Tensor[]) => tf.Tensor;
  formula: (...inputs: number[][]) => number[];
  /** Elements of the first input that have no gradient by definition. */
  without?: (index: number) => boolean;
}

/** A process can hold one TensorFlow: where there is a GPU it is tried, else the CPU. */
const engines: EngineName[] = [tensorflow, "webgpu", "wasm", "plain"];
/** TensorFlow twice: formulas op by op, as arrays as small as these are computed, and compiled. */
const ways = engines.flatMap((engine): { engine: EngineName; from: number; name: string }[] => [
  { engine, from: Infinity, name: engine },
  ...(engine === tensorflow ? [{ engine, from: 0, name: `${engine}, with compiled formulas,` }] : []),
]);
const mask = [1, 1, 0];
const margin = 0.2;

/** The hinge of the hardest negatives by tfjs's own max: its gradient must go to the hardest one alone. */
function hinge(S: tf.Tensor): tf.Tensor {
  const [batch] = S.shape as [number];
  const others = tf.sub(S, tf.mul(tf.eye(batch), 1e9));
  const right = tf.sum(tf.mul(S, tf.eye(batch)), 1);
  const side = (axis: number): tf.Tensor => tf.sum(tf.relu(tf.sub(tf.add(tf.max(others, axis), margin), right)));
  return tf.reshape(tf.add(side(1), side(0)), [1]);
}

const [rate, place] = [0.4, 3];
const dropout = seededDropout(rate, 11);

/** The mask that the engine draws for a shape: every engine has random numbers of its own. Some are dropped, the others scaled up. */
function drawn(shape: number[]): number[] {
  const mask = tf.tidy(() => Array.from(dropout(shape, place)!.dataSync()));
  assert.deepEqual(new Set(mask), new Set([0, Math.fround(1 / Math.fround(1 - rate))]));
  return mask;
}

const pieces: Piece[] = [
  { name: "gelu (erf)", shapes: [[3, 5]], range: [-3, 3], run: (x) => gelu(x), formula: (x) => reference.gelu(x) },
  {
    name: "layer norm",
    shapes: [[3, 8], [8], [8]],
    run: (x, gain, bias) => layerNorm(x, gain, bias),
    formula: reference.layerNorm,
  },
  {
    name: "softmax attention with a hidden token",
    shapes: [
      [1, 1, 4, 3],
      [1, 1, 4, 3],
      [1, 1, 4, 3],
    ],
    range: [-2, 2],
    run: (q, k, v) => attention(q, k, v, { bias: tf.tensor4d([0, 0, 0, -1e4], [1, 1, 1, 4]) }),
    formula: (q, k, v) => reference.attention(q, k, v, [0, 0, 0, -1e4]),
  },
  ...[0, -1e4].map((hidden): Piece => ({
    name: `softmax attention with dropout${hidden === 0 ? "" : " and a hidden token"}`,
    shapes: [
      [1, 1, 4, 3],
      [1, 1, 4, 3],
      [1, 1, 4, 3],
    ],
    range: [-2, 2],
    run: (q, k, v) =>
      attention(q, k, v, {
        ...(hidden !== 0 && { bias: tf.tensor4d([0, 0, 0, hidden], [1, 1, 1, 4]) }),
        dropout: dropout([1, 1, 4, 4], place),
      }),
    formula: (q, k, v) => reference.attention(q, k, v, [0, 0, 0, hidden], drawn([1, 1, 4, 4])),
  })),
  {
    name: "dropout",
    shapes: [[4, 5]],
    run: (x) => applyDropout(x, dropout, place),
    formula: (x) => {
      const mask = drawn([4, 5]);
      return x.map((value, i) => value * mask[i]!);
    },
  },
  {
    name: "gather of word vectors, one twice, the pad without a gradient",
    shapes: [[5, 3]],
    run: (table) => embed(table, tf.tensor1d([4, 0, 2, 4], "int32")),
    formula: (table) => reference.embed(table, [4, 0, 2, 4], 3),
    without: (index) => index < 3,
  },
  ...[0, 0.3].map((threshold): Piece => ({
    name: `masked attention of the score, threshold ${threshold}`,
    shapes: [
      [1, 4, 5],
      [1, 3, 5],
    ],
    run: (v, w) => pairScores(v as tf.Tensor3D, w as tf.Tensor3D, tf.tensor2d([mask]), { threshold, propagate: false }),
    formula: (v, w) => [reference.pairScore(v, w, mask, 5, threshold)],
  })),
  {
    name: "hardest negative",
    shapes: [[4, 4]],
    run: hinge,
    formula: (S) => [reference.hardestNegatives(S, 4, margin)],
  },
];

for (const { engine, from, name } of ways) {
  describe(`on the engine ${name}`, () => {
    const before = compileFrom(Infinity);
    after(() => compileFrom(before));
    /** Starts the engine; false, and the test skipped, where it is missing, or a software renderer where that is `slow`. */
    const started = async (t: TestContext, slow?: string): Promise<boolean> => {
      const reason = await missing(engine);
      const skipped =
        reason ?? (slow !== undefined && engine === "webgpu" && (await findAdapter()).software ? slow : undefined);
      if (skipped !== undefined) {
        t.skip(skipped);
        return false;
      }
      await startEngine(engine);
      compileFrom(from);
      return true;
    };
    for (const piece of pieces) {
      test(`${piece.name}: value and gradient`, async (t) => {
        if (!(await started(t))) return;
        compare(piece);
      });
    }

    test("the hinge of the library has the gradient of the hinge by max", async (t) => {
      if (!(await started(t))) return;
      const random = Random.stream(1, "hinge");
      const S = Float32Array.from({ length: 36 }, () => random.uniform(-1, 1));
      const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => tf.sum(hinge(x)))(tf.tensor2d(S, [6, 6]));
      const own = hardestHinge(S, 6, margin);
      assert.ok(Math.abs((value.dataSync()[0] ?? NaN) - own.loss) < 1e-5);
      assert.deepEqual(Array.from(grad.dataSync()), Array.from(own.gradient));
    });

    test("the gradient of a network with dropout is the slope of its loss", async (t) => {
      if (!(await started(t, "takes long on a software renderer; its pieces were compared there"))) return;
      compareAlongGradient(0.3);
    });

    const modes = [
      ["fixed", true],
      ["faithful", false],
    ] as const;
    // The slowest computes one of the two, which differ in one caption's features only.
    for (const [mode, firstScaleText] of engine === "plain" ? modes.slice(0, 1) : modes) {
      test(`loss and gradient of the whole model equal the published code's, ${mode}`, async (t) => {
        if (!(await started(t, "takes minutes on a software renderer; the shallow model stands for it"))) return;
        compareModel(mode, firstScaleText);
      });
    }
  });
}

test("loss and gradient of a shallow model are the same on WebGPU and on WASM", async (t) => {
  const reason = await missing("webgpu");
  if (reason !== undefined) {
    t.skip(reason);
    return;
  }
  const wanted = await shallow("wasm");
  const found = await shallow("webgpu");
  assert.ok(Math.abs(found.loss - wanted.loss) <= 1e-5 * wanted.loss, `${found.loss} is not ${wanted.loss}`);
  assert.deepEqual([...found.gradients.keys()], [...wanted.gradients.keys()]);
  assert.ok(wanted.gradients.size > 40);
  for (const [name, values] of wanted.gradients) {
    const most = Math.max(...values.map(Math.abs));
    const off = largestDifference(found.gradients.get(name)!, values);
    assert.ok(
      off <= Math.max(1e-4 * most, name.endsWith("key.bias") ? 1e-4 : 0),
      `${name} is off by ${off} of ${most}`,
    );
  }
});

/** A step of the tiny model with three layers, on two pairs. */
function shallowInput(recipe: Recipe): ObjectiveInput {
  const config = halfDepth(halfDepth(sizes.tiny));
  const model = { ...tinyModel(), config, parameters: createParameters(config, 5) };
  const { pixels, ids, mask: words, pairs, ...rest } = goldenBatch();
  const firstTwo = <T extends { slice(from: number, to: number): T; length: number }>(x: T): T =>
    x.slice(0, x.length / 3);
  const batch = {
    pixels: firstTwo(pixels),
    ids: firstTwo(ids),
    mask: firstTwo(words),
    pairs: firstTwo(pairs),
    ...rest,
  };
  const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
  return { model, recipe, batch, auxiliary, stepSeed: 1, keepPatches: 1 };
}

async function shallow(engine: EngineName): Promise<{ loss: number; gradients: Map<string, Float32Array> }> {
  await startEngine(engine);
  const { loss, gradients } = objective(shallowInput({ ...recipeOf("ams-published"), dropout: 0 }));
  return { loss, gradients: new Map([...gradients].map(([name, g]) => [name, g.dataSync() as Float32Array])) };
}

/**
 * The loss of a network with dropout, along its gradient: there it must change by the gradient's length. (Of pooled features: the score
 * of AMS has thresholds, at which it jumps.)
 */
function compareAlongGradient(rate: number): void {
  const recipe = { ...recipeOf("scenes-pretrain"), dropout: rate, labels: 0, precision: "float32" as const };
  const input = shallowInput(recipe);
  const { parameters } = input.model;
  const { loss, gradients } = objective(input);
  assert.notEqual(loss, objective({ ...input, recipe: { ...recipe, dropout: 0 } }).loss);
  const directions = [...parameters].flatMap(([name, variable]) => {
    const gradient = gradients.get(name);
    return gradient === undefined ? [] : [{ variable, start: tf.clone(variable), gradient }];
  });
  const length = Math.sqrt(reference.sum(directions.map(({ gradient }) => tf.sum(tf.square(gradient)).dataSync()[0]!)));
  const moved = (by: number): number => {
    for (const { variable, start, gradient } of directions) {
      variable.assign(tf.tidy(() => tf.add(start, tf.mul(gradient, by / length))));
    }
    return objective(input).loss;
  };
  const step = 3e-3;
  const slope = (moved(step) - moved(-step)) / (2 * step);
  assert.ok(Math.abs(slope / length - 1) <= 2e-3, `the slope is ${slope}, the gradient ${length} long`);
}

function compare({ name, shapes, range: [low, high] = [-1, 1], run, formula, without }: Piece): void {
  const random = Random.stream(7, name);
  // Numbers that float32 holds exactly: both sides start from the same.
  const inputs = shapes.map((shape) =>
    Array.from({ length: tf.util.sizeFromShape(shape) }, () => Math.fround(random.uniform(low, high))),
  );
  const expected = formula(...inputs);
  const weights = expected.map(() => Math.fround(random.uniform(-1, 1)));
  const weighted = (arrays: number[][]): number => reference.dot(formula(...arrays), weights);
  tf.tidy(() => {
    const tensors = inputs.map((values, i) => tf.tensor(values, shapes[i]));
    const value = run(...tensors);
    close(`${name}: value`, value.dataSync(), expected);
    const by = tf.tensor(weights, value.shape);
    const gradients = tf.grads((...x: tf.Tensor[]) => tf.sum(tf.mul(run(...x), by)))(tensors);
    gradients.forEach((gradient, which) => {
      const differences = inputs[which]!.map((_, i) => {
        if (which === 0 && without?.(i) === true) return 0;
        const step = 1e-5;
        const moved = (by: number): number =>
          weighted(inputs.map((values, k) => (k === which ? values.map((v, j) => (j === i ? v + by : v)) : values)));
        return (moved(step) - moved(-step)) / (2 * step);
      });
      close(`${name}: gradient by input ${which}`, gradient.dataSync(), differences);
    });
  });
}

function close(what: string, found: ArrayLike<number>, expected: number[]): void {
  const scale = Math.max(1, ...expected.map(Math.abs));
  const off = largestDifference(found, expected);
  assert.ok(off <= 5e-6 * scale, `${what} is off by ${off}; its largest number is ${scale}`);
}

function compareModel(mode: string, firstScaleText: boolean): void {
  const golden = goldenTensors(`tiny/grads_${mode}_f64`);
  const model = tinyModel({ firstScaleText });
  const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
  const { loss, gradients } = objective({
    model,
    recipe: { ...recipeOf("ams-published"), dropout: 0 },
    batch: goldenBatch(),
    auxiliary,
    stepSeed: 1,
    keepPatches: 1,
  });
  const { runs } = goldenJson<{ runs: Record<string, { loss: number[] }> }>("tiny/steps");
  const published = runs[`${mode}/f64/lr=0.001`]!.loss[0]!;
  assert.ok(Math.abs(loss - published) <= 2e-6 * published, `the loss is ${loss}, the published code's ${published}`);
  let [error, length] = [0, 0];
  for (const [name, { data }] of golden) {
    const found = gradients.get(name);
    assert.ok(found, `no gradient for ${name}`);
    const values = found.dataSync();
    const most = Math.max(...Array.from(data, Math.abs));
    // Key biases have an analytic gradient of zero: what is there is rounding noise.
    const limit = name.endsWith("key.bias") ? 1e-4 : 2e-5 * most;
    const off = largestDifference(values, data);
    assert.ok(off <= limit, `${name} is off by ${off}, its largest value is ${most}`);
    data.forEach((wanted, i) => {
      error += (values[i]! - wanted) ** 2;
      length += wanted ** 2;
    });
  }
  const relative = Math.sqrt(error / length);
  assert.ok(relative <= 1e-5, `all gradients together are off by ${relative}`);
  tf.dispose([...gradients.values(), ...model.parameters.values(), auxiliary.logScale]);
}
