/** A GPU that computes wrong numbers: its libraries' CPU is used instead, and the warning says so. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { mock, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import * as backends from "../../src/engine/native/backend.js";
import { gpuFolder, nativeFolder } from "../../src/engine/native/files.js";
import { refusal } from "../../src/engine/refusals.js";
import { surroundings } from "../../src/engine/surroundings.js";
import { nativeHere } from "./setup.js";

test("a GPU that fails its proof leaves the CPU to the native engine", { skip: refusal("native")?.found }, async () => {
  await nativeHere();
  const libraries = nativeFolder();
  const before = process.env["AMS_HOME"];
  const home = mkdtempSync(path.join(tmpdir(), "ams-proof-"));
  process.env["AMS_HOME"] = home;
  const { registerNative } = backends;
  const calls: boolean[] = [];
  // TensorFlow for the CPU with a GPU of our own making, on which every number is read as zero.
  const fake = mock.method(backends, "registerNative", (...args: Parameters<typeof registerNative>) => {
    const backend = registerNative(...args);
    const { binding } = backend;
    if (binding.devices.some(({ type }) => type === "GPU")) return backend;
    binding.devices.push({ name: "/device:GPU:0", type: "GPU", bytes: 80e9 });
    const { tensorDataSync } = binding;
    let onGpu = true;
    binding.useGpu = (on) => {
      calls.push(on);
      onGpu = on;
    };
    binding.tensorDataSync = (id) => {
      const data = tensorDataSync(id);
      return onGpu && data instanceof Float32Array ? data.fill(0) : data;
    };
    return backend;
  });
  try {
    mkdirSync(path.dirname(gpuFolder()), { recursive: true });
    symlinkSync(libraries, gpuFolder());
    const gpus = [{ name: "NVIDIA A100-SXM4-80GB", megabytes: 81920, compute: 8 }];
    const machine = {
      ...surroundings(),
      platform: "linux" as const,
      arch: "x64",
      glibc: "2.36",
      nvidia: { driver: "570.86.10", gpus },
    };
    const info = await startEngine("auto", { machine });
    assert.equal(info.name, "native");
    assert.equal(info.device, "CPU");
    assert.equal(info.memoryLimit, undefined);
    assert.equal(info.passedOver?.[0]?.name, "gpu");
    assert.match(info.passedOver[0].found, /^the engine gpu does not compute correctly: wrong cross-entropy/);
    assert.match(info.detail, /of the libraries for GPUs on \d+ CPU threads/);
    assert.deepEqual(calls, [true, false]);
    assert.deepEqual([...tf.matMul(tf.ones([2, 3]), tf.ones([3, 1])).dataSync()], [3, 3]);
    // It has proved itself: what was asked for is not changed behind anybody's back.
    await assert.rejects(startEngine("gpu", { machine }), /already runs as engine native/);
  } finally {
    fake.mock.restore();
    if (before === undefined) Reflect.deleteProperty(process.env, "AMS_HOME");
    else process.env["AMS_HOME"] = before;
    rmSync(home, { recursive: true });
  }
});
