/**
 * The scorer against the published evaluation's formula in PyTorch, alternating in one run: time a pair at equal results, and peak memory.
 *
 *     npm run build && node build/bench/evaluate.js            # base feature sizes, six scales; needs .ams/pytorch (npm test makes it), 9 GB
 *     node build/bench/evaluate.js --rounds 5 --threads 2
 *     node build/bench/evaluate.js --only time                 # or memory
 *     node build/bench/evaluate.js --threads 1 --also-threads 2   # the times with two threads beside those with one
 */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { readDoubles, writeSafetensors, type StoredTensor } from "../src/model/safetensors.js";
import { amsHome, packageRoot } from "../src/paths.js";
import { Random } from "../src/random.js";
import type { EvaluateCase } from "./evaluateWorker.js";
import { median } from "./median.js";

const { values: given } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    "also-threads": { type: "string" },
    rounds: { type: "string", default: "4" },
    images: { type: "string", default: "24" },
    captions: { type: "string", default: "192" },
    theirs: { type: "string", default: "8" },
    gallery: { type: "string", default: "200" },
    only: { type: "string" },
  },
});
const numbers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, Number(value)]));
const { threads = 2, rounds = 4, images = 24, captions = 192, theirs = 8, gallery = 200 } = numbers;
const [scales, regions, words, width, embed] = [6, 577, 30, 768, 1024];
const python = path.join(amsHome(), "pytorch", "bin", "python");
const script = path.join(packageRoot(), "bench", "evaluate_torch.py");
const worker = path.join(__dirname, "evaluateWorker.js");

/** Features with similarities of a trained model's size: every word is partly one of the regions. */
function writeFeatures(file: string): void {
  const random = new Random(1);
  const normals = (count: number, spread: number): Float32Array =>
    Float32Array.from({ length: count }, () => spread * random.normal());
  const tensors: [string, StoredTensor][] = [];
  for (let k = 1; k <= scales; k++) {
    const hidden = normals(images * regions * width, 1 / Math.sqrt(width));
    const weight = normals(embed * width, Math.sqrt(2 / (embed + width)));
    const bias = normals(embed, 0.02);
    const text = normals(captions * words * embed, 0.6 / Math.sqrt(embed));
    const like = Array.from({ length: 64 }, () => {
      const from = random.int(images * regions) * width;
      return bias.map((b, e) =>
        hidden.subarray(from, from + width).reduce((v, h, d) => v + weight[e * width + d]! * h, b),
      );
    });
    for (let w = 0; w < captions * words; w++) {
      const region = random.choice(like);
      for (let e = 0; e < embed; e++) text[w * embed + e]! += 0.4 * region[e]!;
    }
    tensors.push([`hidden_${k}`, { shape: [images, regions, width], data: hidden }]);
    tensors.push([`weight_${k}`, { shape: [embed, width], data: weight }]);
    tensors.push([`bias_${k}`, { shape: [embed], data: bias }]);
    tensors.push([`words_${k}`, { shape: [captions, words, embed], data: text }]);
  }
  writeSafetensors(file, tensors);
}

interface Measured {
  ms: number;
  cpu: number;
  peak: number;
}

/** A process that measures once for every line. */
function open(child: ChildProcessWithoutNullStreams): { once: () => Promise<Measured>; end: () => void } {
  child.stderr.resume();
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]() as AsyncIterator<string, undefined>;
  const next = async (): Promise<Measured> => {
    const line = await lines.next();
    if (line.done === true) throw new Error("a measuring process ended early");
    return JSON.parse(line.value) as Measured;
  };
  const ready = next();
  return {
    once: async () => {
      await ready;
      child.stdin.write("once\n");
      return next();
    },
    end: () => child.stdin.end(),
  };
}

/** Both sides with so many threads each. */
async function timing(threads: number): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-bench-evaluate-"));
  const [features, published, own] = ["features", "published", "own"].map((name) => path.join(folder, `${name}.safetensors`)) as [string, string, string]; // prettier-ignore
  try {
    writeFeatures(features);
    const task: EvaluateCase = { kind: "time", threads, images, captions, features, out: own };
    const torch = open(spawn(python, [script, "time", features, String(threads), String(theirs), published]));
    const ams = open(spawn(process.execPath, [worker, JSON.stringify(task)]));
    const rows: { torch: Measured; ams: Measured }[] = [];
    for (let round = 0; round <= rounds; round++) {
      const row = { torch: await torch.once(), ams: await ams.once() };
      if (round > 0) rows.push(row); // the first one warms up
    }
    torch.end();
    ams.end();
    const [wanted, found] = [published, own].map((file) => readDoubles(file).get("scores")!.data) as [Float64Array, Float64Array]; // prettier-ignore
    let off = 0;
    for (let i = 0; i < images; i++) {
      for (let c = 0; c < theirs; c++)
        off = Math.max(off, Math.abs(wanted[i * theirs + c]! - found[i * captions + c]!));
    }
    const least = (side: "torch" | "ams", what: "ms" | "cpu", pairs: number): number =>
      (1000 * Math.min(...rows.map((row) => row[side][what]))) / (pairs * scales);
    const theirPairs = images * theirs;
    const ourPairs = images * captions;
    const microseconds = {
      published: least("torch", "ms", theirPairs),
      ams: least("ams", "ms", ourPairs),
      publishedCpu: least("torch", "cpu", theirPairs),
      amsCpu: least("ams", "cpu", ourPairs),
    };
    return {
      images,
      captions,
      publishedCaptions: theirs,
      rounds,
      microsecondsPerPairAndScale: microseconds,
      ratio: microseconds.ams / microseconds.published,
      medianRatioOfRounds: median(rows.map((row) => row.ams.ms / ourPairs / (row.torch.ms / theirPairs))),
      cpuRatio: microseconds.amsCpu / microseconds.publishedCpu,
      largestDifference: off,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Peaks of whole processes. The engine alone takes some 0.4 GB: the larger the gallery, the smaller its share. */
function memory(): Record<string, unknown> {
  const texts = 5 * gallery;
  const run = (command: string, args: string[]): Record<string, number> => {
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, number>;
  };
  const published = run(python, [script, "memory", ...[gallery, texts, threads].map(String)]);
  const limit = 100e6;
  const task: EvaluateCase = { kind: "memory", threads, images: gallery, captions: texts, memory: limit };
  const ams = run(process.execPath, [worker, JSON.stringify(task)]);
  return {
    images: gallery,
    captions: texts,
    memoryOption: limit,
    published,
    ams,
    ratio: ams["peak"]! / published["peak"]!,
  };
}

async function main(): Promise<void> {
  if (!existsSync(python)) throw new Error("no PyTorch: `npm test -- --only pytorch` makes its environment");
  const result: Record<string, unknown> = {
    machine: `${cpus()[0]?.model ?? "?"}, ${cpus().length} processors, ${threads} threads, Node ${process.version}`,
    sizes: { scales, regions, words, width, embed },
  };
  if (given.only !== "memory") result["time"] = await timing(threads);
  const also = numbers["also-threads"];
  if (given.only !== "memory" && also !== undefined) result[`timeWith${also}Threads`] = await timing(also);
  if (given.only !== "time") result["memory"] = memory();
  console.log(JSON.stringify(result, null, 2));
  const folder = path.join(packageRoot(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const which = given.only === undefined ? "" : `-${given.only}`;
  writeFileSync(path.join(folder, `evaluate${which}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

void main();
