/** TensorFlow through its C library: memory, errors, direct ops, files. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import {
  currentEngine,
  engineReport,
  measureMatmul,
  nativeOps,
  startEngine,
  type PassedOver,
  type StartOptions,
} from "../../src/engine/index.js";
import type { NativeBackend } from "../../src/engine/native/backend.js";
import { configProto } from "../../src/engine/native/binding.js";
import { findLibraries, nativeFolder, recordName } from "../../src/engine/native/files.js";
import { createNativeOps, type NativeOps } from "../../src/engine/native/ops.js";
import { refusal } from "../../src/engine/refusals.js";
import { surroundings } from "../../src/engine/surroundings.js";
import { AmsError } from "../../src/errors.js";
import { compileFrom, eagerMaths, formula, type Formula, type Maths } from "../../src/engine/formula.js";
import { compilerProof, compilerProofInput, isProved } from "../../src/engine/native/proof.js";
import { seededDropout } from "../../src/model/dropout.js";
import { nativeHere } from "./setup.js";

const run = promisify(execFile);
const closeTo = (got: ArrayLike<number>, wanted: number[], tolerance = 1e-6): void => {
  assert.equal(got.length, wanted.length);
  wanted.forEach((number, i) => {
    assert.ok(
      Math.abs((got[i] ?? NaN) - number) <= tolerance,
      `[${String(i)}]: ${String(got[i])} is not ${String(number)}`,
    );
  });
};

describe("the native engine", { skip: refusal("native")?.found }, () => {
  let ops: NativeOps;
  let tensors: () => number;

  before(async () => {
    await nativeHere();
    await startEngine("native");
    ops = nativeOps() as NativeOps;
    const { binding } = tf.backend() as NativeBackend;
    tensors = () => binding.getNumOfTensors();
  });

  test("says what it is", () => {
    const engine = currentEngine();
    assert.ok(engine !== undefined);
    assert.equal(engine.name, "native");
    assert.match(engine.detail, /^TensorFlow 2\.16\.2 on \d+ CPU threads$/);
    assert.equal(engine.passedOver, undefined);
  });

  test("is kept by another start, and refuses other threads in the same process", async () => {
    assert.equal((await startEngine()).name, "native");
    assert.equal((await startEngine("native")).name, "native");
    await assert.rejects(startEngine("native", { threads: 7 }), (error: AmsError) => /restart/.test(error.hint ?? ""));
    await assert.rejects(startEngine("native", { threads: 100_000 }), /cannot have 100000 threads/);
  });

  test("holds as many tensors after 1,000 training steps as before", () => {
    const weights = tf.tidy(() => tf.variable(tf.randomNormal([8, 8], 0, 1, "float32", 1)));
    const [m, v] = [0, 1].map(() => tf.tidy(() => tf.variable(tf.zeros([8, 8])))) as [tf.Variable, tf.Variable];
    const x = tf.randomNormal([4, 8], 0, 1, "float32", 2);
    const step = (number: number): void => {
      tf.tidy(() => {
        const loss = (): tf.Scalar => tf.mean(tf.square(tf.matMul(x as tf.Tensor2D, weights as tf.Tensor2D)));
        const { grads } = tf.variableGrads(loss, [weights]);
        const gradient = tf.mul(grads[weights.name] as tf.Tensor, ops.randomUniform([8, 8], [1, number]));
        ops.adam(weights, m, v, gradient, { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: number });
      });
    };
    step(1);
    // Adam's six scalars are kept until the next step.
    const [inTensorFlow, inTfjs] = [tensors(), tf.memory().numTensors];
    for (let number = 2; number <= 1001; number++) step(number);
    assert.equal(tensors(), inTensorFlow);
    assert.equal(tf.memory().numTensors, inTfjs);
    const before = tensors();
    tf.dispose([weights, m, v, x]);
    // Three variables with a resource each, and x.
    assert.equal(before - tensors(), 7);
  });

  test("throws TensorFlow's words on bad shapes and goes on", () => {
    const backend = tf.backend() as NativeBackend;
    const before = tensors();
    const [a, b] = [tf.ones([2, 3]), tf.ones([2, 3])];
    assert.throws(
      () => ops.executeOp("MatMul", { T: { type: "float32" } }, [a, b], 1),
      (error: unknown) =>
        error instanceof AmsError &&
        /Matrix size-incompatible/.test(error.message) &&
        error.where === "MatMul" &&
        error.hint !== undefined,
    );
    assert.throws(() => ops.executeOp("NoSuchOp", {}, [], 1), /NoSuchOp/);
    assert.throws(() => tf.matMul(a, b), /Matrix size-incompatible/);
    assert.throws(() => backend.binding.tensorDataSync(-5), /there is no tensor -5/);
    assert.throws(() => backend.binding.createTensor([3], 1, new Float32Array(2)), /needs 12 bytes, got 8/);
    tf.dispose([a, b]);
    assert.equal(tensors(), before);
    closeTo(tf.add(1, 2).dataSync(), [3]);
  });

  test("multiplies in bfloat16: inputs and product rounded to 8 bits, any transposition, nothing left behind", () => {
    const [tfjs, before] = [tf.memory().numTensors, tensors()];
    tf.tidy(() => {
      // 257 = 1.00000001b * 2^8 has a bit too many and becomes 256, 259 becomes 260; small whole numbers stay.
      const a = tf.tensor2d([257, 259, 1, 2], [2, 2]);
      const one = tf.tensor2d([1, 0, 0, 1], [2, 2]);
      closeTo(ops.matMulBfloat16(a, one, false, false).dataSync(), [256, 260, 1, 2], 0);
      closeTo(ops.matMulBfloat16(a, one, true, false).dataSync(), [256, 1, 260, 2], 0);
      const x = tf.reshape(tf.range(0, 12), [2, 2, 3]);
      const y = tf.reshape(tf.range(0, 12), [2, 2, 3]);
      closeTo(ops.matMulBfloat16(x, y, false, true).dataSync(), [...tf.matMul(x, y, false, true).dataSync()], 1);
    });
    assert.deepEqual([tf.memory().numTensors, tensors()], [tfjs, before]);
    const [a, b] = [tf.ones([2, 3]), tf.ones([2, 3])];
    const held = tensors();
    assert.throws(() => ops.matMulBfloat16(a, b, false, false), /Matrix size-incompatible/);
    assert.equal(tensors(), held + 2); // the values of a and b, which went to TensorFlow for the first time
    tf.dispose([a, b]);
    assert.equal(tensors(), before);
  });

  test("updates by Adam as PyTorch does, in place", () => {
    const options = { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const start = [1, -2, 3];
    const w = tf.variable(tf.tensor1d(start));
    const [m, v] = [tf.variable(tf.zeros([3])), tf.variable(tf.zeros([3]))];
    const expected = start.map((value) => ({ value, m: 0, v: 0 }));
    for (let step = 1; step <= 5; step++) {
      const gradient = [0.1 * step, -0.5, 1 / step];
      ops.adam(w, m, v, tf.tensor1d(gradient), { ...options, step });
      expected.forEach((one, i) => {
        const g = gradient[i] as number;
        one.m = 0.9 * one.m + 0.1 * g;
        one.v = 0.999 * one.v + 0.001 * g * g;
        one.value -= (options.lr * (one.m / (1 - 0.9 ** step))) / (Math.sqrt(one.v / (1 - 0.999 ** step)) + 1e-8);
      });
      closeTo(
        w.dataSync(),
        expected.map(({ value }) => value),
        3e-7,
      );
    }
    closeTo(
      m.dataSync(),
      expected.map((one) => one.m),
      1e-7,
    );
    closeTo(
      v.dataSync(),
      expected.map((one) => one.v),
      1e-7,
    );
  });

  test("leaves a copy of a variable as it was when the variable is updated", () => {
    const w = tf.variable(tf.tensor1d([1, 1]));
    const [m, v] = [tf.variable(tf.zeros([2])), tf.variable(tf.zeros([2]))];
    const options = { lr: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    ops.adam(w, m, v, tf.tensor1d([1, -1]), { ...options, step: 1 });
    const reshaped = tf.reshape(w, [2, 1]);
    const doubled = tf.mul(w, 2);
    ops.adam(w, m, v, tf.tensor1d([1, -1]), { ...options, step: 2 });
    closeTo(reshaped.dataSync(), [0.5, 1.5]);
    closeTo(doubled.dataSync(), [1, 3]);
    closeTo(w.dataSync(), [0, 2]);
    w.assign(tf.tensor1d([10, 10]));
    ops.adam(w, m, v, tf.tensor1d([1, -1]), { ...options, step: 3 });
    closeTo(w.dataSync(), [9.5, 10.5]);
    assert.throws(() => {
      ops.adam(w, m, v, tf.zeros([3]), { ...options, step: 4 });
    }, /variable and gradient/);
    closeTo(w.dataSync(), [9.5, 10.5]);
  });

  test("draws dropout masks that depend on the seed and the place alone", () => {
    const draw = (seed: number, place: number): Float32Array =>
      seededDropout(0.2, seed)([100, 100], place)!.dataSync() as Float32Array;
    const mask = draw(3, 4);
    assert.deepEqual(draw(3, 4), mask);
    assert.notDeepEqual(draw(3, 5), mask);
    assert.notDeepEqual(draw(4, 4), mask);
    assert.deepEqual([...new Set(mask)].sort(), [0, 1.25]);
    const kept = mask.filter((value) => value > 0).length / mask.length;
    assert.ok(Math.abs(kept - 0.8) < 0.015, `kept ${String(kept)}`);
  });

  test("compiles formulas: all that they are written in, several results, shapes that broadcast", () => {
    const everything = formula("everything", (m, x, y) => {
      const positive = m.add(m.square(x), 1);
      return [
        m.add(m.mul(m.exp(m.sub(x, m.max(x, -1))), m.above(x, y)), m.erf(m.div(2, positive))),
        m.mul(m.sqrt(positive), m.rsqrt(m.maximum(positive, m.mean(positive, 0)))),
        m.sum(m.mul(x, y), 1),
      ];
    });
    const x = tf.randomNormal([3, 4, 5], 0, 1, "float32", 1);
    const y = tf.randomNormal([5], 0, 1, "float32", 2);
    const run = (from: number): tf.Tensor[] => {
      const before = compileFrom(from);
      const results = everything(x, y);
      compileFrom(before);
      return results;
    };
    tf.dispose(run(0)); // x and y come to TensorFlow
    const [inTensorFlow, inTfjs] = [tensors(), tf.memory().numTensors];
    const [compiled, eager] = [run(0), run(Infinity)];
    assert.deepEqual(
      compiled.map(({ shape }) => shape),
      [
        [3, 4, 5],
        [3, 4, 5],
        [3, 1, 5],
      ],
    );
    compiled.forEach((result, i) => {
      closeTo(result.dataSync(), Array.from(eager[i]!.dataSync()));
    });
    tf.dispose([compiled, eager]);
    assert.deepEqual([tensors(), tf.memory().numTensors], [inTensorFlow, inTfjs]);
    assert.throws(() => {
      const before = compileFrom(0);
      try {
        everything(x, tf.zeros([3]));
      } finally {
        compileFrom(before);
      }
    }, AmsError);
    tf.dispose([x, y]);
  });

  test("compiles formulas only where the compiler gets all that they are written in right", () => {
    type Wrong<T> = Record<string, (...inputs: unknown[]) => T>;
    const results = (write: Formula): tf.Tensor[] => write(eagerMaths, tf.tensor2d(compilerProofInput));
    assert.ok(tf.tidy(() => isProved(results(compilerProof))));
    for (const op of Object.keys(eagerMaths) as (keyof Maths<tf.Tensor>)[]) {
      const bent: Formula = (m, x) => {
        const wrong = (...inputs: unknown[]): typeof x =>
          m.mul((m as unknown as Wrong<typeof x>)[op]!(...inputs), 1.001);
        return compilerProof({ ...m, [op]: wrong }, x);
      };
      assert.ok(!tf.tidy(() => isProved(results(bent))), op);
    }
    assert.ok(!isProved([]));
  });

  test("compiles a bounded number of shapes, which TensorFlow keeps for good", () => {
    const few = createNativeOps(tf.backend() as NativeBackend, 2);
    const twice: Formula = (m, x) => [m.mul(x, 2)];
    const run = (size: number): number[] | undefined => {
      const [result] = few.run("twice", twice, [tf.ones([size])]) ?? [];
      return result && Array.from(result.dataSync());
    };
    tf.tidy(() => {
      assert.deepEqual([run(1), run(2), run(3)], [[2], [2, 2], undefined]);
      assert.deepEqual([run(2), few.compiled], [[2, 2], 2]);
    });
  });

  test("runs any TensorFlow op by name", () => {
    const a = tf.tensor3d([1, 2, 3, 4], [1, 2, 2]);
    const [product] = ops.executeOp(
      "Einsum",
      { equation: { string: "bid,bjd->bij" }, N: { int: 2 }, T: { type: "float32" } },
      [a, a],
      1,
    );
    closeTo(product?.dataSync() as Float32Array, [5, 11, 11, 25]);
    closeTo(ops.halfSquaredNorm(tf.tensor1d([3, 4])).dataSync(), [12.5]);
  });

  test("keeps strings, short and long", () => {
    const words = ["a", "", "ein Wort mit Umlauten: äöü, länger als zweiundzwanzig Bytes"];
    const before = tensors();
    const text = tf.tensor1d(words, "string");
    const joined = tf.concat([text, text]);
    assert.deepEqual(Array.from(joined.dataSync() as unknown as string[]), [...words, ...words]);
    assert.deepEqual(Array.from(text.dataSync() as unknown as string[]), words);
    tf.dispose([text, joined]);
    assert.equal(tensors(), before);
  });

  test("asks a GPU for memory as it is needed, and for no more threads than asked", () => {
    const hex = (threads?: number): string => Buffer.from(configProto(threads)).toString("hex");
    assert.equal(hex(), "32022001"); // gpu_options { allow_growth: true }
    assert.equal(hex(2), "1002280232022001"); // intra_op and inter_op threads before it
    assert.equal(hex(300), "10ac0228ac0232022001");
  });

  test("lets a GPU round products to TF32 only on request", async () => {
    const { binding } = tf.backend() as NativeBackend;
    assert.equal(binding.tensorFloat32(), false);
    await startEngine("native", { tf32: true });
    assert.equal(binding.tensorFloat32(), true);
    // Rounded products would fail the proof: it is made without.
    const { tensorDataSync } = binding;
    const during: boolean[] = [];
    binding.tensorDataSync = (id) => {
      during.push(binding.tensorFloat32());
      return tensorDataSync(id);
    };
    await startEngine("native", { tf32: true });
    binding.tensorDataSync = tensorDataSync;
    assert.deepEqual(new Set(during), new Set([false]));
    assert.equal(binding.tensorFloat32(), true);
    await startEngine("native", { tf32: false });
    assert.equal(binding.tensorFloat32(), false);
  });

  test("computes the same bits on every run", () => {
    const once = (): Float32Array =>
      tf.tidy(() => {
        const x = ops.randomUniform([64, 96], [1, 2]);
        const w = tf.sin(tf.reshape(tf.range(0, 96 * 64), [96, 64]));
        const f = (weights: tf.Tensor): tf.Scalar =>
          tf.sum(tf.square(tf.softmax(tf.matMul(tf.gather(x, [5, 5, 1, 63]), weights))));
        return tf.grad(f)(w).dataSync() as Float32Array;
      });
    const first = once();
    for (let i = 0; i < 10; i++) assert.deepEqual(once(), first);
  });

  test("multiplies matrices at more than a plain engine's speed", async () => {
    const rate = await measureMatmul();
    assert.ok(rate > 5, `${rate.toFixed(1)} GFLOP/s`);
  });

  test("appears in the doctor's report as installed and running", async () => {
    // Whether this machine has an NVIDIA driver is another test's matter.
    const report = await engineReport({ ...surroundings(), nvidia: undefined });
    assert.deepEqual(
      report.map(({ name, ok }) => [name, ok]),
      [
        ["Node", true],
        ["native engine", true],
        ["GPU engine", true],
        ["WebGPU engine", true],
        ["Python with pip", true],
        ["engine in use", true],
      ],
    );
  });
});

describe("without whole TensorFlow files", { skip: refusal("native")?.found }, () => {
  const script = (choice: string, options: StartOptions): string => `
    const { startEngine, engineReport } = require(${JSON.stringify(path.resolve(__dirname, "../../src/engine/index.js"))});
    startEngine(${JSON.stringify(choice)}, ${JSON.stringify(options)}).then(async (info) => console.log(JSON.stringify({ info, report: await engineReport() })),
      (error) => console.log(JSON.stringify({ message: error.message, hint: error.hint })));`;
  const startIn = async (home: string, choice: string, options: StartOptions = {}) => {
    const { stdout, stderr } = await run(process.execPath, ["-e", script(choice, options)], {
      env: { ...process.env, AMS_HOME: home },
    });
    assert.equal(stderr, "");
    return JSON.parse(stdout) as {
      info?: { name: string; passedOver?: PassedOver[]; remark?: string };
      report?: { name: string; ok: boolean; found: string; hint?: string }[];
      message?: string;
      hint?: string;
    };
  };
  const temporary = (): string => mkdtempSync(path.join(tmpdir(), "ams-engine-"));

  test("auto takes WASM and says why, once, with the command that mends it", async () => {
    const home = temporary();
    const { info, report } = await startIn(home, "auto");
    assert.equal(info?.name, "wasm");
    assert.deepEqual(info.passedOver?.[0], {
      name: "native",
      found: "TensorFlow's libraries are not installed",
      hint: "run: ams engine install",
    });
    const gpus = [{ name: "NVIDIA A100-SXM4-80GB", megabytes: 81920, compute: 8 }];
    const machine = {
      ...surroundings(),
      platform: "linux" as const,
      arch: "x64",
      glibc: "2.36",
      nvidia: { driver: "570.86.10", gpus },
    };
    const withGpu = await startIn(home, "auto", { machine });
    assert.equal(withGpu.info?.remark, "an NVIDIA GPU is here: ams engine install --gpu");
    assert.equal(report?.[1]?.ok, false);
    assert.equal(report[1].hint, "run: ams engine install");
    rmSync(home, { recursive: true });
  });

  test("native asked for by name is refused with the command that mends it", async () => {
    const home = temporary();
    assert.deepEqual(await startIn(home, "native"), {
      message: "TensorFlow's libraries are not installed",
      hint: "run: ams engine install",
    });
    rmSync(home, { recursive: true });
  });

  test("the GPU asked for by name is refused with the command that installs it", async () => {
    const home = temporary();
    const gpus = [{ name: "NVIDIA A100-SXM4-80GB", megabytes: 81920, compute: 8 }];
    const machine = {
      ...surroundings(),
      platform: "linux" as const,
      arch: "x64",
      nvidia: { driver: "570.86.10", gpus },
    };
    assert.match((await startIn(home, "gpu", { machine })).hint ?? "", /ams engine install --gpu/);
    rmSync(home, { recursive: true });
  });

  test("a library that was cut short is refused before it is loaded", async () => {
    await nativeHere();
    const home = temporary();
    const folder = path.join(home, "engine", path.basename(nativeFolder()));
    mkdirSync(folder, { recursive: true });
    const { framework, cc } = findLibraries(nativeFolder(), "");
    for (const name of [recordName, "LICENSE", "THIRD_PARTY_NOTICES.txt"]) {
      cpSync(path.join(nativeFolder(), name), path.join(folder, name));
    }
    cpSync(framework, path.join(folder, path.basename(framework)));
    symlinkSync(cc, path.join(folder, path.basename(cc)));
    truncateSync(path.join(folder, path.basename(framework)), 1_000_000);
    const { message, hint } = await startIn(home, "native");
    assert.match(message ?? "", /libtensorflow_framework\.so\.2 has 1000000 bytes instead of \d+/);
    assert.match(hint ?? "", /^delete .* and run: ams engine install$/);
    rmSync(home, { recursive: true });
  });

  test("a damaged record of the installation is refused with what to do", async () => {
    const home = temporary();
    const folder = path.join(home, "engine", path.basename(nativeFolder()));
    mkdirSync(folder, { recursive: true });
    for (const text of ["{", "null", "{}"]) {
      writeFileSync(path.join(folder, recordName), text);
      const { message, hint } = await startIn(home, "native");
      assert.match(message ?? "", /^the record of TensorFlow's installation is damaged: /);
      assert.match(hint ?? "", /^delete .* and run: ams engine install$/);
    }
    rmSync(home, { recursive: true });
  });

  test("a file that is no library is refused with the loader's words", async () => {
    const home = temporary();
    const folder = path.join(home, "engine", path.basename(nativeFolder()));
    mkdirSync(folder, { recursive: true });
    const record = JSON.parse(readFileSync(path.join(nativeFolder(), recordName), "utf8")) as {
      files: Record<string, number>;
    };
    for (const name of Object.keys(record.files)) {
      writeFileSync(path.join(folder, name), "not a library\n");
      record.files[name] = 14;
    }
    writeFileSync(path.join(folder, recordName), JSON.stringify(record));
    assert.match(
      (await startIn(home, "native")).message ?? "",
      /could not be loaded: .*(invalid ELF header|too short)/,
    );
    const { info, report } = await startIn(home, "auto");
    assert.equal(info?.name, "wasm");
    // The doctor does not call ready what has just failed to start, and sends to the command that mends it.
    const lines = new Map(report?.map((check) => [check.name, check]));
    for (const name of ["native engine", "engine in use"]) {
      assert.equal(lines.get(name)?.ok, false, name);
      assert.match(lines.get(name)?.hint ?? "", /^run: ams engine install \(it checks every file/);
    }
    assert.match(lines.get("native engine")?.found ?? "", /could not be loaded/);
    rmSync(home, { recursive: true });
  });
});
