/** JavaScript ahead of TensorFlow: the same numbers as one op after the other, failures told, nothing lost at the end of a process. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { ahead, nativeOps, partsAhead, startEngine } from "../../src/engine/index.js";
import { callKey, keptValues, type Known } from "../../src/engine/native/ahead.js";
import type { NativeBackend } from "../../src/engine/native/backend.js";
import { dataTypes, type Binding, type OpAttribute } from "../../src/engine/native/binding.js";
import { refusal } from "../../src/engine/refusals.js";
import { AmsError } from "../../src/errors.js";
import { finish } from "../../src/parts.js";
import { packageRoot } from "../../src/paths.js";
import { nativeHere } from "./setup.js";
import { trainingLosses } from "./trainingLosses.js";

const run = promisify(execFile);

describe("what decides the shapes of an op's results", () => {
  const float = (...shape: number[]): Known => ({ shape, dtype: dataTypes.TF_FLOAT });
  const whole = (...values: number[]): Known => ({
    shape: [values.length],
    dtype: dataTypes.TF_INT32,
    ...keptValues(values),
  });
  const key = (name: string, inputs: Known[], attributes: OpAttribute[] = []): string | undefined =>
    callKey(name, attributes, inputs, false);
  const flag = (value: unknown): OpAttribute[] => [{ name: "keep_dims", type: 3, value }];

  test("shapes, types and attributes tell calls apart", () => {
    const keys = [
      key("Add", [float(2, 3), float(3)]),
      key("Add", [float(2), float(3, 3)]),
      key("Add", [float(2, 33), float()]),
      key("Mul", [float(2, 3), float(3)]),
      key("Add", [
        { shape: [2, 3], dtype: dataTypes.TF_INT32 },
        { shape: [3], dtype: dataTypes.TF_INT32 },
      ]),
      key("Sum", [float(2, 3), whole(1)], flag(true)),
      key("Sum", [float(2, 3), whole(1)], flag(false)),
    ];
    assert.ok(!keys.includes(undefined));
    assert.equal(new Set(keys).size, keys.length);
    assert.equal(key("Add", [float(2, 3), float(3)]), keys[0]);
  });

  test("so do the values of axes and shapes, and of nothing else", () => {
    assert.notEqual(key("Reshape", [float(6), whole(2, 3)]), key("Reshape", [float(6), whole(3, 2)]));
    assert.notEqual(
      key("ConcatV2", [float(2, 2), float(2, 2), whole(0)]),
      key("ConcatV2", [float(2, 2), float(2, 2), whole(1)]),
    );
    const seeds = [whole(1, 2), whole(3, 4)].map((seed) => key("StatelessRandomUniform", [whole(5), seed]));
    assert.ok(seeds[0] !== undefined && seeds[0] === seeds[1]);
  });

  test("an axis that was computed, a long list, and ops whose results depend on more are not known", () => {
    const computed: Known = { shape: [1], dtype: dataTypes.TF_INT32 };
    assert.equal(key("Sum", [float(2, 3), computed]), undefined);
    assert.equal(key("Reshape", [float(6), whole(...new Array<number>(17).fill(1))]), undefined);
    for (const name of ["Where", "Range", "UniqueV2", "ReadVariableOp", "DecodeJpeg"]) {
      assert.equal(key(name, [float(2)]), undefined, name);
    }
    // A function of this project's own has results by its inputs' shapes.
    assert.ok(callKey("layer_norm", [], [float(2)], true) !== undefined);
  });
});

/** Every op that is queued, in calls whose results' shapes depend on values, axes, types and broadcasting. */
function calls(): [string, () => tf.Tensor | tf.Tensor[]][] {
  const x = tf.reshape(tf.range(0, 120), [4, 6, 5]);
  const whole = (...values: number[]): tf.Tensor1D => tf.tensor1d(values, "int32");
  const list: [string, () => tf.Tensor | tf.Tensor[]][] = [];
  const each = <A>(name: string, given: A[], call: (one: A) => tf.Tensor | tf.Tensor[]): void => {
    for (const one of given) list.push([`${name} ${JSON.stringify(one)}`, () => call(one)]);
  };
  const pairs: [number[], number[]][] = [[[2, 3], [3]], [[3], [2, 3]], [[2, 1], [1, 3]], [[], [2, 2]], [[0, 3], [1, 3]]]; // prettier-ignore
  for (const name of [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "squaredDifference",
    "pow",
    "floorDiv",
    "equal",
    "notEqual",
    "less",
    "lessEqual",
    "greater",
    "greaterEqual",
  ] as const)
    // prettier-ignore
    for (const type of ["float32", "int32"] as const)
      each(`${name} ${type}`, pairs, ([a, b]) => tf[name](tf.ones(a, type), tf.ones(b, type)));
  for (const name of [
    "abs",
    "neg",
    "exp",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "sigmoid",
    "tanh",
    "relu",
    "sign",
    "erf",
    "softmax",
    "logSoftmax",
    "zerosLike",
  ] as const)
    // prettier-ignore
    each(name, [[3], [2, 3]], (shape) => tf[name](tf.ones(shape)));
  for (const name of ["logicalAnd", "logicalOr"] as const)
    each(name, pairs, ([a, b]) => tf[name](tf.ones(a, "bool"), tf.ones(b, "bool")));
  each("logicalNot", [[2], [3]], (shape) => tf.logicalNot(tf.ones(shape, "bool")));
  for (const name of ["sum", "mean", "max", "min"] as const)
    for (const keep of [true, false])
      each(`${name} ${keep}`, [[0], [1], [2], [0, 2], [0, 1, 2]], (axes) => tf[name](x, axes, keep));
  each("argMax", [0, 1, 2], (axis) => tf.argMax(x, axis));
  each("reshape", [[120], [4, 30], [30, 4], [-1, 2]], (shape) => tf.reshape(x, shape));
  each("transpose", [[0, 2, 1], [2, 1, 0], [1, 0, 2]], (perm) => tf.transpose(x, perm)); // prettier-ignore
  each("expandDims", [0, 1, 2, 3], (axis) => tf.expandDims(x, axis));
  each("tile", [[1, 2, 3], [3, 2, 1], [0, 1, 1]], (times) => tf.tile(x, times)); // prettier-ignore
  each("pad", [[[0, 1], [2, 0], [0, 0]], [[1, 0], [0, 2], [0, 0]]] as [number, number][][], (pads) => tf.pad(x, pads)); // prettier-ignore
  each("oneHot", [3, 7, 4], (depth) => tf.oneHot(whole(0, 1, 2), depth));
  each("concat", [0, 1, 2], (axis) => tf.concat([x, x], axis));
  each("fill", [[], [0], [3], [3, 2], [2, 3]], (shape) => tf.fill(shape, 2));
  each("gather", [0, 1, 2], (axis) => tf.gather(x, whole(0, 1, 3), axis));
  each("gather in rows", [1, 2], (axis) => tf.gather(x, tf.tensor2d([0, 1, 2, 3, 0, 1, 2, 3], [4, 2], "int32"), axis, 1)); // prettier-ignore
  each("slice", [[[0, 0, 0], [-1, 2, -1]], [[1, 0, 0], [-1, 2, -1]], [[3, 5, 4], [1, 1, 1]]], ([from, size]) => tf.slice(x, from as number[], size)); // prettier-ignore
  each("stridedSlice", [[[0, 0, 0], [4, 6, 5], [2, 3, 1]], [[3, 5, 4], [0, 0, 0], [-1, -2, -1]], [[0, 0, 0], [4, 6, 5], [1, 1, 2]]], ([from, to, step]) => tf.stridedSlice(x, from as number[], to as number[], step)); // prettier-ignore
  each("split", [[[1, 3], 0], [[3, 1], 0], [[2, 4], 1], [[4, 2], 1]] as [number[], number][], ([sizes, axis]) => tf.split(x, sizes, axis)); // prettier-ignore
  each("unsortedSegmentSum", [3, 5], (count) => tf.unsortedSegmentSum(tf.ones([4, 2]), whole(0, 1, 0, 2), count));
  each("where", [[[4, 1, 1], [4, 6, 5], [5]], [[5], [4, 6, 1], [1]]], ([c, a, b]) => tf.where(tf.ones(c as number[], "bool"), tf.ones(a as number[]), tf.ones(b!))); // prettier-ignore
  each("stack", [0, 1, 2], (axis) => tf.stack([tf.ones([2, 3]), tf.zeros([2, 3])], axis));
  each("cast", ["float32", "int32", "bool"] as const, (type) => tf.cast(x, type));
  each("matMul", [[[2, 3], [3, 4]], [[5, 1, 2, 3], [4, 3, 2]]], ([a, b]) => tf.matMul(tf.ones(a!), tf.ones(b!))); // prettier-ignore
  each("einsum", ["ij,jk->ik", "ij,jk->i", "ij,jk->"], (equation) => tf.einsum(equation, tf.ones([3, 3]), tf.ones([3, 3]))); // prettier-ignore
  each("randomUniform", [[3], [2, 3], []], (shape) => nativeOps()!.randomUniform(shape, [1, 2]));
  each("halfSquaredNorm", [[3], [2, 3]], (shape) => nativeOps()!.halfSquaredNorm(tf.ones(shape)));
  return list;
}

describe("ahead of TensorFlow", { skip: refusal("native")?.found }, () => {
  let binding: Binding;
  before(async () => {
    await nativeHere();
    await startEngine("native", { threads: 2 });
    ({ binding } = tf.backend() as NativeBackend);
  });

  test("a queued op's results have the shapes and types that they were said to have", () => {
    const queued = new Set<string>();
    for (let round = 0; round < 2; round++)
      tf.tidy(() => {
        for (const [name, call] of calls()) {
          const results = [call()].flat(); // whatever the inputs need is computed, and known in the second round
          tf.dispose(results);
          binding.settle();
          binding.queued(() => {
            for (const result of [call()].flat()) {
              const values = result.dataSync();
              assert.equal(values.length, result.size, `${name}: ${result.shape.join(" x ")}`);
              const types = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;
              assert.ok(values instanceof types[result.dtype as keyof typeof types], `${name}: ${result.dtype}`);
            }
          });
          if (binding.settle()) queued.add(name);
        }
      });
    assert.deepEqual(
      calls().filter(([name]) => !queued.has(name)).map(([name]) => name),
      [],
      "every one was queued, else it told nothing",
    ); // prettier-ignore
  });

  test("a shape that its owner changes later is nobody's shape", () => {
    tf.tidy(() => {
      const shape = [4];
      const numbers = tf.tensor([1, 2, 3, 4], shape);
      binding.queued(() => {
        tf.square(tf.tensor([1, 2])).dataSync();
        tf.square(numbers).dataSync();
        shape[0] = 2;
        assert.deepEqual(tf.square(numbers).shape, [4]);
      });
    });
  });

  test("ten steps with dropout give the losses of one op after the other, to the bit", async () => {
    const waits = async (work: () => Promise<unknown>): Promise<number> => {
      const { settle } = binding;
      let count = 0;
      binding.settle = () => {
        const waited = settle();
        if (waited) count++;
        return waited;
      };
      try {
        await work();
      } finally {
        binding.settle = settle;
      }
      return count;
    };
    let ahead: number[] = [];
    assert.ok((await waits(async () => (ahead = await trainingLosses("tiny", "native", 10)))) >= 20);
    const { queued } = binding;
    binding.queued = (work) => work();
    try {
      assert.equal(await waits(async () => assert.deepEqual(await trainingLosses("tiny", "native", 10), ahead)), 0);
    } finally {
      binding.queued = queued;
    }
  });

  /** Rows by number, without tfjs's own look at the numbers: one that is not there is an error that TensorFlow finds when it computes. */
  const rows = (...numbers: number[]): tf.Tensor => {
    const inputs = [tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor1d(numbers, "int32"), tf.scalar(0, "int32")];
    const [float, int] = [{ type: "float32" }, { type: "int32" }] as const;
    const attributes = { Tparams: float, Tindices: int, Taxis: int, batch_dims: { int: 0 } };
    return nativeOps()!.executeOp("GatherV2", attributes, inputs, 1)[0]!;
  };
  const isToldFailure = (error: unknown): boolean =>
    error instanceof AmsError && /indices\[1\] = 7 is not in \[0, 2\)$/.test(error.message);

  test("what fails in the queue is thrown by the end of the work, and what comes after is none the worse", () => {
    const tensors = binding.getNumOfTensors();
    tf.tidy(() => {
      tf.square(rows(0, 1)).dataSync(); // both are known from now on
      const work = (...numbers: number[]) => ahead(() => tf.tidy(() => tf.square(rows(...numbers))));
      work(0, 1);
      for (let n = 0; n < 20; n++) assert.throws(() => work(0, 7), isToldFailure);
      assert.throws(() => ahead(() => tf.tidy(() => tf.square(rows(0, 7)).dataSync())), isToldFailure);
      assert.deepEqual([...work(1, 0).dataSync()], [9, 16, 1, 4]);
      assert.deepEqual([...tf.square(rows(1, 0)).dataSync()], [9, 16, 1, 4]);
    });
    assert.equal(binding.getNumOfTensors(), tensors);
  });

  test("an error of JavaScript's ends the work, and its queue is forgotten", () => {
    tf.tidy(() => {
      ahead(() => rows(0, 1));
      const work = (): void =>
        ahead(() => {
          rows(0, 7);
          throw new Error("mine");
        });
      assert.throws(work, { message: "mine" });
      assert.deepEqual([...tf.square(rows(1, 0)).dataSync()], [9, 16, 1, 4]);
    });
  });

  test("outside of such work everything is computed at once", () => {
    tf.tidy(() => {
      const x = tf.ones([3, 3]);
      for (let n = 0; n < 3; n++) tf.matMul(x, x);
      assert.equal(binding.settle(), false);
    });
  });
});

describe("parts ahead of the engine", () => {
  /** A queue that writes down what is asked of it; the wait for mark number `fails` throws. */
  function recorder(fails = -1) {
    const asked: string[] = [];
    let marks = 0;
    const queue = {
      queued: <T>(work: () => T): T => work(),
      settle: () => false,
      mark: () => {
        const n = ++marks;
        asked.push(`mark ${n}`);
        return () => {
          asked.push(`wait ${n}`);
          if (n === fails) throw new Error("failed");
        };
      },
      giveUp: () => asked.push("give up"),
    };
    return { asked, queue };
  }
  /** Parts of `ms` each; `asked` is told of each, and of the end. */
  function* parts(count: number, ms: number, asked: string[]): Generator<void, string> {
    try {
      for (let n = 1; n <= count; n++) {
        asked.push(`part ${n}`);
        for (const end = performance.now() + ms; performance.now() < end;);
        yield;
      }
      return "done";
    } finally {
      asked.push("freed");
    }
  }
  const waits = (asked: string[]): string[] => asked.filter((line) => line.startsWith("wait"));

  test("slow ones are waited for one by one, quick ones after more and more, at the end all", () => {
    const slow = recorder();
    assert.equal(finish(partsAhead(parts(4, 60, slow.asked), slow.queue)), "done");
    assert.deepEqual(slow.asked.slice(0, 8), ["part 1", "mark 1", "part 2", "mark 2", "wait 1", "part 3", "mark 3", "wait 2"]); // prettier-ignore
    assert.deepEqual(slow.asked.slice(-3), ["mark 5", "wait 4", "wait 5"]);
    const quick = recorder();
    finish(partsAhead(parts(100, 0, quick.asked), quick.queue));
    // After 1, 2, 4, 8, 16, 16, ... parts, and at the end; a machine that stands still in between has them looked after sooner.
    assert.ok(waits(quick.asked).length < 30, waits(quick.asked).join());
  });

  test("an end and a failure give up the queue and free what the parts hold", () => {
    const ended = recorder();
    const running = partsAhead(parts(4, 60, ended.asked), ended.queue);
    running.next();
    running.next();
    running.return("");
    assert.deepEqual(ended.asked.slice(-3), ["give up", "freed", "wait 2"]);
    const failed = recorder(1);
    assert.throws(() => finish(partsAhead(parts(4, 60, failed.asked), failed.queue)), { message: "failed" });
    assert.deepEqual(failed.asked.slice(-3), ["give up", "freed", "wait 2"]);
  });
});

describe("a process that ends while TensorFlow computes", { skip: refusal("native")?.found }, () => {
  /** Products of some 50 ms each, of which all but the first are queued. */
  const products = `
    const tf = require("@tensorflow/tfjs-core");
    const { startEngine } = require("./build/src/engine/index.js");
    startEngine("native", { threads: 2 }).then(() => {
      const x = tf.ones([1500, 1500]);
      tf.matMul(x, x).dataSync();
      tf.backend().binding.queued(() => {
        for (let i = 0; i < 30; i++) tf.matMul(x, x);
      });
      END
    });`;
  const ends = async (code: string): Promise<unknown> => {
    try {
      await run(process.execPath, ["-e", code], { cwd: packageRoot() });
      return 0;
    } catch (error) {
      const { code: status, signal } = error as { code: unknown; signal: unknown };
      return signal ?? status;
    }
  };

  test("ends with its own code", async () => {
    await nativeHere();
    assert.equal(await ends(products.replace("END", "process.exit(7);")), 7);
  });

  test("so does one whose worker thread had it compute", async () => {
    await nativeHere();
    const worker = products.replace("END", "require('node:worker_threads').parentPort.postMessage('queued');");
    const main = `
      const { Worker } = require("node:worker_threads");
      new Worker(${JSON.stringify(worker)}, { eval: true }).on("message", () => process.exit(7));`;
    assert.equal(await ends(main), 7);
  });
});
