/** WebGPU: values are read at once or awaited, in any order; what is missing is said. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { describe, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as tf from "@tensorflow/tfjs-core";
import { currentEngine, startEngine, type PassedOver } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { chromiumFolders, noWebgpuHere } from "./setup.js";

const engineModule = path.resolve(__dirname, "../../src/engine/index.js");

/** Starts an engine in a process of its own after `first` -> its info, or the error's lines. */
async function startElsewhere(choice: string, first = "", environment: NodeJS.ProcessEnv = {}) {
  const script = `${first}
    require(${JSON.stringify(engineModule)}).startEngine(${JSON.stringify(choice)}).then(
      (info) => console.log(JSON.stringify({ info })), (error) => console.log(JSON.stringify({ lines: error.lines() })));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["-e", script], {
    env: { ...process.env, ...environment },
  });
  return {
    stderr,
    ...(JSON.parse(stdout) as { info?: { name: string; passedOver?: PassedOver[] }; lines?: string[] }),
  };
}

describe("the WebGPU engine", () => {
  const started = async (t: TestContext): Promise<boolean> => {
    const reason = await noWebgpuHere();
    if (reason !== undefined) t.skip(reason);
    else await startEngine("webgpu");
    return reason === undefined;
  };

  test("says what it is, and leaves no browser's globals behind", async (t) => {
    if (!(await started(t))) return;
    assert.match(currentEngine()?.detail ?? "", /^WebGPU \(Dawn\) on /);
    assert.equal((globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu, undefined);
    assert.ok(!("window" in globalThis));
  });

  test("reads values at once while other values are awaited", async (t) => {
    if (!(await started(t))) return;
    const [a, b] = [1, 2].map((seed) => tf.randomUniform([64, 64], -1, 1, "float32", seed)) as [
      tf.Tensor2D,
      tf.Tensor2D,
    ];
    const [ab, ba] = [tf.matMul(a, b), tf.matMul(b, a)];
    const awaited = ab.data(); // under way, not waited for
    const now = ba.dataSync();
    const again = tf.matMul(b, a);
    assert.deepEqual(again.dataSync(), now);
    const later = await awaited;
    assert.deepEqual(tf.matMul(a, b).dataSync(), later);
    assert.notDeepEqual(now, later);
    assert.deepEqual(Array.from(tf.complex([1, 2], [3, 4]).dataSync()), [1, 3, 2, 4]);
  });

  test("a hundred values read within one turn of the event loop leave no memory behind until the next", async (t) => {
    if (!(await started(t))) return;
    const read = (): unknown => tf.tidy(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync());
    read();
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const held = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = held();
    for (let i = 0; i < 100; i++) read();
    const grown = (held() - before) / 1e6;
    assert.ok(grown < 10, `grew by ${grown.toFixed(0)} MB`);
  });

  test("holds as many tensors after twenty gradients as before", async (t) => {
    if (!(await started(t))) return;
    const w = tf.variable(tf.ones([8, 8]));
    const step = (): void => {
      tf.tidy(() => {
        const { grads } = tf.variableGrads(
          () => tf.mean(tf.square(tf.matMul(w as tf.Tensor2D, w as tf.Tensor2D))),
          [w],
        );
        w.assign(tf.sub(w, tf.mul(grads[w.name]!, 1e-4)));
      });
      w.dataSync();
    };
    step();
    const backend = tf.backend();
    const before = [tf.memory().numTensors, backend.numDataIds()];
    for (let i = 0; i < 20; i++) step();
    assert.deepEqual([tf.memory().numTensors, backend.numDataIds()], before);
  });

  test("is passed over by auto where it is only software, and says so", async (t) => {
    const reason = await noWebgpuHere();
    if (reason !== undefined || !/SwiftShader/.test(currentEngine()?.device ?? "")) {
      t.skip(reason ?? "a graphics processor is here");
      return;
    }
    const environment = { LD_LIBRARY_PATH: chromiumFolders.join(":"), AMS_HOME: path.join(__dirname, "nowhere") };
    const { info } = await startElsewhere("auto", "", environment);
    assert.equal(info?.name, "wasm");
    const webgpu = info.passedOver?.find(({ name }) => name === "webgpu");
    assert.match(webgpu?.found ?? "", /^WebGPU finds only a software renderer \(SwiftShader/);
  });

  test("without a graphics processor says which driver to install, and nothing on stderr", async () => {
    const { lines, stderr } = await startElsewhere("webgpu", "", {
      VK_ICD_FILENAMES: "/nowhere.json",
      LD_LIBRARY_PATH: "",
    });
    assert.equal(lines?.[0], "WebGPU finds no graphics processor");
    assert.equal(lines.length, 3);
    assert.equal(stderr, "");
  });

  test("without its package says how to get it", async () => {
    const hide = `const Module = require("node:module");
      require("node:module").register("data:text/javascript," + encodeURIComponent(
        "export async function resolve(name, context, next) { if (name === 'webgpu') { const error = new Error('Cannot find package webgpu'); error.code = 'ERR_MODULE_NOT_FOUND'; throw error; } return next(name, context); }"));`;
    const { lines } = await startElsewhere("webgpu", hide);
    assert.equal(lines?.[0], "the package webgpu is not installed, or not for this machine");
    assert.match(lines[2] ?? "", /npm install webgpu/);
  });
});

test("an engine that computes wrongly is refused, and the one before stays", async () => {
  await startEngine("wasm");
  const { kernelFunc } = tf.getKernel(tf.Exp, "cpu");
  const swap = (f: tf.KernelFunc): void => {
    tf.unregisterKernel(tf.Exp, "cpu");
    tf.registerKernel({ kernelName: tf.Exp, backendName: "cpu", kernelFunc: f });
  };
  const { kernelFunc: negative } = tf.getKernel(tf.Neg, "cpu");
  swap(negative);
  try {
    await assert.rejects(startEngine("plain"), (error: unknown) => {
      assert.ok(error instanceof AmsError);
      assert.match(error.message, /^the engine plain does not compute correctly: wrong /);
      assert.equal(error.lines().length, 3);
      return true;
    });
    assert.equal(currentEngine()?.name, "wasm");
    assert.equal(tf.getBackend(), "wasm");
  } finally {
    swap(kernelFunc);
  }
  assert.equal((await startEngine("plain")).name, "plain");
});
