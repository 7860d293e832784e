/** JavaScript ahead of TensorFlow: the same numbers as one op after the other, failures told, nothing lost at the end of a process. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { nativeOps, startEngine } from "../../src/engine/index.js";
import { callKey, keptValues, type Known } from "../../src/engine/native/ahead.js";
import type { NativeBackend } from "../../src/engine/native/backend.js";
import { dataTypes, type Binding, type OpAttribute } from "../../src/engine/native/binding.js";
import { refusal } from "../../src/engine/refusals.js";
import { AmsError } from "../../src/errors.js";
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

describe("ahead of TensorFlow", { skip: refusal("native")?.found }, () => {
  let binding: Binding;
  before(async () => {
    await nativeHere();
    await startEngine("native", { threads: 2 });
    ({ binding } = tf.backend() as NativeBackend);
  });

  test("ten steps with dropout give the losses of one op after the other, to the bit", async () => {
    const ahead = await trainingLosses("tiny", "native", 10);
    const { executeOp } = binding;
    let [ops, waits] = [0, 0];
    binding.executeOp = (...given) => {
      const made = executeOp(...given);
      ops++;
      if (binding.settle()) waits++;
      return made;
    };
    try {
      assert.deepEqual(await trainingLosses("tiny", "native", 10), ahead);
    } finally {
      binding.executeOp = executeOp;
    }
    // Nearly all that is not an update of the weights was queued: else this compared nothing.
    assert.ok(waits > ops / 3, `${String(waits)} of ${String(ops)} ops were queued`);
  });

  /** Rows by number, without tfjs's own look at the numbers: one that is not there is an error that TensorFlow finds when it computes. */
  const rows = (...numbers: number[]): tf.Tensor => {
    const inputs = [tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor1d(numbers, "int32"), tf.scalar(0, "int32")];
    const [float, int] = [{ type: "float32" }, { type: "int32" }] as const;
    const attributes = { Tparams: float, Tindices: int, Taxis: int, batch_dims: { int: 0 } };
    return nativeOps()!.executeOp("GatherV2", attributes, inputs, 1)[0]!;
  };

  test("what fails in the queue is told when its result is read, and what comes after is none the worse", () => {
    const tensors = binding.getNumOfTensors();
    tf.tidy(() => {
      tf.square(rows(0, 1)).dataSync(); // both are known from now on
      const wrong = rows(0, 7);
      const after = tf.square(wrong);
      assert.throws(
        () => after.dataSync(),
        (error: unknown) => error instanceof AmsError && /indices\[1\] = 7 is not in \[0, 2\)$/.test(error.message),
      );
      assert.throws(() => wrong.dataSync(), /is not in \[0, 2\)/);
      assert.deepEqual([...rows(1, 0).dataSync()], [3, 4, 1, 2]);
      assert.deepEqual([...tf.square(rows(1, 0)).dataSync()], [9, 16, 1, 4]);
    });
    assert.equal(binding.getNumOfTensors(), tensors);
  });

  test("or by the next op that has to wait, which says that it was not itself", () => {
    tf.tidy(() => {
      rows(0, 1).dataSync();
      rows(0, 7);
      const fresh = tf.tensor2d(new Float32Array(3 * 5), [3, 5]);
      assert.throws(
        () => tf.transpose(fresh),
        (error: unknown) =>
          error instanceof AmsError &&
          /is not in \[0, 2\)/.test(error.message) &&
          /shortly before/.test(error.where ?? ""),
      );
      assert.deepEqual(tf.transpose(fresh).shape, [5, 3]);
    });
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
      for (let i = 0; i < 30; i++) tf.matMul(x, x);
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
