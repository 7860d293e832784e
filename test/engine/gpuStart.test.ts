/** What the engine says and sets when it starts on a GPU, tried with a GPU of our own making on TensorFlow for the CPU. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { EngineInfo } from "../../src/engine/index.js";
import { gpuFolder, nativeFolder } from "../../src/engine/native/files.js";
import { refusal } from "../../src/engine/refusals.js";
import { nativeHere } from "./setup.js";

const skip = refusal("native")?.found;
const home = mkdtempSync(path.join(tmpdir(), "ams-gpu-start-"));

before(async () => {
  if (skip !== undefined || !(await nativeHere())) return;
  const folder = path.join(home, "engine", path.basename(gpuFolder()));
  mkdirSync(path.dirname(folder));
  symlinkSync(nativeFolder(), folder);
});
after(() => {
  rmSync(home, { recursive: true });
});

/** TensorFlow starts once in a process, so that every start has one of its own. */
async function startOn(
  gpus: { name: string; compute: number }[],
  environment: NodeJS.ProcessEnv = {},
): Promise<{ info: EngineInfo; cache?: string }> {
  const source = (file: string): string => JSON.stringify(path.resolve(__dirname, "../../src/engine", file));
  const program = `
    const backends = require(${source("native/backend.js")});
    const { registerNative } = backends;
    let cache;
    Object.defineProperty(backends, "registerNative", { value: (...given) => {
      // CUDA reads it in TensorFlow's first call: in the C environment, which Node shows on its main thread.
      cache = process.env.CUDA_CACHE_MAXSIZE;
      const backend = registerNative(...given);
      backend.binding.devices.push({ name: "/job:localhost/replica:0/task:0/device:GPU:0", type: "GPU", bytes: 80e9 });
      backend.binding.useGpu = () => undefined;
      return backend;
    } });
    const { surroundings } = require(${source("surroundings.js")});
    const gpus = ${JSON.stringify(gpus.map((gpu) => ({ ...gpu, megabytes: 81920 })))};
    const machine = { ...surroundings(), platform: "linux", arch: "x64", glibc: "2.36", nvidia: { driver: "570.86.10", gpus } };
    require(${source("index.js")}).startEngine("gpu", { machine }).then((info) => {
      console.log(JSON.stringify({ info, cache }));
      process.exit(0);
    });`;
  const { CUDA_CACHE_MAXSIZE: _, CUDA_VISIBLE_DEVICES: __, ...rest } = process.env;
  const env = { ...rest, AMS_HOME: home, ...environment };
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { env });
  return JSON.parse(stdout) as { info: EngineInfo; cache?: string };
}

const A100 = { name: "NVIDIA A100-SXM4-80GB", compute: 8 };
const H100 = { name: "NVIDIA H100 80GB HBM3", compute: 9 };

test("the engine on a GPU says its name, its memory, and that two runs agree to rounding only", { skip }, async () => {
  const { info, cache } = await startOn([A100]);
  assert.equal(info.name, "gpu");
  assert.equal(info.device, A100.name);
  assert.ok(info.detail.endsWith(` on ${A100.name}`), info.detail);
  assert.equal(info.memoryLimit, 80e9);
  assert.equal(info.memory, "80.0 GB, taken as it is needed");
  assert.equal(info.tf32, false);
  assert.match(info.remark ?? "", /^sums on a GPU .* two runs with one seed agree to rounding, not to the bit$/);
  // Room to keep all kernels that the driver compiles.
  assert.equal(cache, "4294967295");
});

test(
  "a GPU that is newer than TensorFlow's code is announced as slow at first; a cache of one's own size stays",
  { skip },
  async () => {
    const { info, cache } = await startOn([H100], { CUDA_CACHE_MAXSIZE: "1000000" });
    assert.match(
      info.remark ?? "",
      /^NVIDIA H100 .* first run takes minutes longer.*; sums on a GPU .* not to the bit$/,
    );
    assert.equal(cache, "1000000");
  },
);
