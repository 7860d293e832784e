/**
 * A training step at the published size and batch on a GPU: img/s, peak memory, the first step's compile time, and how far loss and
 * gradients are from the CPU engine's.
 *
 *     npx ams engine install --gpu && npx ams engine install && npm run build
 *     node build/bench/gpu.js                                                  # 17 GB of arrays on the GPU (24 GB should do), 16 GB beside it
 *     node build/bench/gpu.js --batch 8 --recompute                            # 4 GB of arrays
 *     node build/bench/gpu.js --engine webgpu                                  # any GPU with Vulkan, Metal or Direct3D 12
 *     node build/bench/gpu.js --engine native --against wasm --size tiny --batch 4    # tries this program itself, without a GPU
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { EngineName } from "../src/engine/index.js";
import { sizes, type SizeName } from "../src/model/config.js";
import { readSafetensors } from "../src/model/safetensors.js";
import { packageRoot } from "../src/paths.js";
import { forecastMemory } from "../src/train/memory.js";
import { recipeOf } from "../src/train/recipe.js";
import type { GpuResult, GpuTask } from "./gpuWorker.js";
import { median } from "./median.js";

interface Measured extends GpuResult {
  /** Largest use of the GPU's memory by everyone while it ran, above what was used before, in bytes; undefined without nvidia-smi. */
  gpuPeak?: number;
}

interface Agreement {
  /** |difference| / |value|. */
  loss: number;
  /** L2 norm of the difference of all gradients together, over that of the gradients. */
  gradients: number;
  /** The tensor with the largest difference relative to its own largest value. */
  worst: { name: string; difference: number };
}

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "gpu" },
    against: { type: "string", default: "native" },
    size: { type: "string", default: "base" },
    batch: { type: "string", default: "32" },
    steps: { type: "string", default: "10" },
    recompute: { type: "boolean", default: false },
    out: { type: "string", default: path.join(packageRoot(), "bench", "results") },
  },
});

async function main(): Promise<void> {
  const [engine, against] = [values.engine, values.against] as [EngineName, EngineName];
  const common = { size: values.size as SizeName, recompute: values.recompute };
  const batch = Number(values.batch);
  const folder = mkdtempSync(path.join(tmpdir(), "ams-bench-"));
  try {
    // The published size with four pairs is what a machine of 16 GB can hold beside the GPU.
    const few = { ...common, batch: Math.min(batch, 4), steps: 0, dropout: 0 };
    const file = (name: string): string => path.join(folder, `${name}.safetensors`);
    const modes = engine === "gpu" ? [false, true] : [false];
    console.log(`${against}: loss and gradients of ${few.batch} pairs`);
    const truth = await run({ ...few, engine: against, tf32: false, gradients: file("truth") });
    const results: Record<string, { speed: Measured; agreement: Agreement }> = {};
    for (const tf32 of modes) {
      const name = `${engine}${engine === "gpu" ? (tf32 ? " TF32" : " float32") : ""}`;
      console.log(`${name}: loss and gradients of ${few.batch} pairs`);
      const found = await run({ ...few, engine, tf32, gradients: file(name) });
      const agreement = {
        loss: Math.abs(found.losses[0]! - truth.losses[0]!) / Math.abs(truth.losses[0]!),
        ...compareFiles(file(name), file("truth")),
      };
      console.log(`${name}: ${Number(values.steps) + 1} steps of ${batch} pairs`);
      const speed = await run({ ...common, engine, tf32, batch, steps: Number(values.steps), dropout: 0.1 });
      results[name] = { speed, agreement };
    }
    report(results, truth, batch);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a task in a process of its own, and looks at the GPU's memory meanwhile. */
async function run(task: GpuTask): Promise<Measured> {
  const before = gpuMemoryUsed();
  const child = spawn(process.execPath, [path.join(__dirname, "gpuWorker.js"), JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let peak = before;
  const timer = setInterval(() => {
    if (before === undefined) return;
    execFile("nvidia-smi", memoryQuery, (error, text) => {
      if (error === null) peak = Math.max(peak ?? 0, sumOfLines(text));
    });
  }, 200);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`the process of the engine ${task.engine} ended with ${String(code)}`);
  const result = JSON.parse(output.trim().split("\n").at(-1) ?? "") as GpuResult;
  return { ...result, ...(before !== undefined && peak !== undefined && { gpuPeak: (peak - before) * 2 ** 20 }) };
}

const memoryQuery = ["--query-gpu=memory.used", "--format=csv,noheader,nounits"];

function gpuMemoryUsed(): number | undefined {
  try {
    return sumOfLines(
      execFileSync("nvidia-smi", memoryQuery, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return undefined; // no NVIDIA GPU: there is nothing to ask
  }
}

function sumOfLines(text: string): number {
  return text
    .trim()
    .split("\n")
    .reduce((sum, line) => sum + Number(line), 0);
}

function compareFiles(found: string, wanted: string): Omit<Agreement, "loss"> {
  const [mine, theirs] = [found, wanted].map((file) => readSafetensors(file).tensors);
  let [error, length] = [0, 0];
  let worst = { name: "", difference: 0 };
  for (const [name, { data }] of theirs!) {
    const other = mine!.get(name)?.data;
    if (other?.length !== data.length) throw new Error(`no gradient of that shape for ${name}`);
    let [most, off] = [0, 0];
    data.forEach((value, i) => {
      const difference = other[i]! - value;
      error += difference ** 2;
      length += value ** 2;
      most = Math.max(most, Math.abs(value));
      off = Math.max(off, Math.abs(difference));
    });
    // Key biases have an analytic gradient of zero: rounding noise cannot agree.
    if (most > 0 && off / most > worst.difference && !name.endsWith("key.bias"))
      worst = { name, difference: off / most };
  }
  return { gradients: Math.sqrt(error / length), worst };
}

function report(
  results: Record<string, { speed: Measured; agreement: Agreement }>,
  truth: Measured,
  batch: number,
): void {
  const gigabytes = (bytes: number | undefined): string => (bytes === undefined ? "-" : (bytes / 1e9).toFixed(1));
  const recipe = { ...recipeOf("ams-published"), batchSize: batch };
  const forecast = forecastMemory(sizes[values.size as SizeName], recipe, { recompute: values.recompute });
  const table = Object.entries(results).map(([name, { speed, agreement }]) => {
    const step = median(speed.seconds.slice(1));
    return {
      engine: name,
      "GFLOP/s": Math.round(speed.gflops),
      "first step, s": speed.seconds[0]!.toFixed(1),
      "step, s": step.toFixed(3),
      "img/s": (batch / step).toFixed(1),
      "GPU memory, GB": gigabytes(speed.gpuPeak),
      "its arrays by forecast, GB": gigabytes(forecast.total - forecast.process),
      "process, GB": gigabytes(speed.resident),
      "loss off by": agreement.loss.toExponential(1),
      "gradients off by": agreement.gradients.toExponential(1),
    };
  });
  const [first] = Object.values(results);
  console.log(`\nsize ${values.size}, batch ${batch}, ${first!.speed.detail}; compared with ${truth.detail}`);
  if (first!.speed.remark !== undefined) console.log(first!.speed.remark);
  console.table(table);
  mkdirSync(values.out, { recursive: true });
  const device = first!.speed.device.replace(/[^A-Za-z0-9]+/g, "-").toLowerCase();
  const file = path.join(values.out, `gpu-${device}-${values.size}-${batch}.json`);
  const command = ["node", "build/bench/gpu.js", ...process.argv.slice(2)].join(" ");
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(
    file,
    JSON.stringify({ command, date, size: values.size, batch, table, results, truth }, null, 2) + "\n",
  );
  console.log(`saved: ${path.relative(process.cwd(), file)}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
