/**
 * Speed and memory of the engines against eager PyTorch, alternating within one run.
 *
 *     npm run build && node build/bench/engine.js            # all cases; needs .ams/torch (see below), 12 GB, about ten minutes
 *     node build/bench/engine.js block small                 # only the cases whose name contains one of these words
 *     node build/bench/engine.js --threads 1 --rounds 3      # on a busy machine: processor times of one thread still compare
 *
 * PyTorch once: python3 -m venv .ams/torch && .ams/torch/bin/pip install torch==2.13.0 numpy
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { openTokenizer } from "../src/data/tokens.js";
import { sizes } from "../src/model/config.js";
import { amsHome, packageRoot } from "../src/paths.js";
import { forecastMemory } from "../src/train/memory.js";
import { recipeOf } from "../src/train/recipe.js";
import { vocabularyOf, type WorkerCase } from "./engineWorker.js";
import { median as middle } from "./median.js";

interface Contender {
  name: string;
  start: () => ChildProcessWithoutNullStreams;
  /** What AMS foretells for `ams train`, for whole steps; its loader and data set are 0.1 GB of it. */
  forecast?: number;
}

interface Case {
  name: string;
  rounds: number;
  /** The first one is what the others are compared with. */
  contenders: Contender[];
}

interface Row {
  case: string;
  contender: string;
  /** Best and median of the rounds after the first one (which warms up). */
  milliseconds: number;
  median: number;
  /** Of the best times, to the first contender's. */
  ratio: number;
  /** Of the medians: where it is far from `ratio`, rounds differed and neither says much. */
  medianRatio: number;
  /** Least processor time of a round, in milliseconds: with one thread it hardly depends on what else the machine does. */
  cpu: number;
  cpuRatio: number;
  /** Of the whole process, in GB (1e9 bytes). */
  peak: number;
  forecast?: number;
}

const { values: chosenOptions, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: "2" }, rounds: { type: "string" } },
});
const threads = Number(chosenOptions.threads);
if (!(Number.isInteger(threads) && threads > 0))
  throw new Error(`--threads takes a number, not ${chosenOptions.threads}`);

function ours(name: string, given: Partial<WorkerCase> & Pick<WorkerCase, "kind" | "size" | "batch">): Contender {
  const complete: WorkerCase = { engine: "native", threads, precision: "float32", ...given };
  const recipe = { ...recipeOf("ams-published"), batchSize: given.batch };
  return {
    name,
    start: () => spawn(process.execPath, [path.join(__dirname, "engineWorker.js"), JSON.stringify(complete)]),
    ...(given.kind === "step" && complete.engine === "native"
      ? { forecast: forecastMemory(configOf(given.size), recipe, given.frugality).total }
      : {}),
  };
}

let smallVocabulary = 0;

function configOf(size: WorkerCase["size"]): (typeof sizes)["base"] {
  const config = sizes[size];
  return size === "base" ? config : { ...config, text: { ...config.text, vocabulary: smallVocabulary } };
}

function torch(name: string, what: string): Contender {
  const python = path.join(amsHome(), "torch", "bin", "python");
  if (!existsSync(python)) {
    throw new Error("no PyTorch: python3 -m venv .ams/torch && .ams/torch/bin/pip install torch==2.13.0 numpy");
  }
  const file = path.join(packageRoot(), "bench", "engine_torch.py");
  return { name, start: () => spawn(python, [file, what, String(threads), String(smallVocabulary)]) };
}

function cases(): Case[] {
  const block = (kind: "forward" | "both"): Contender[] => [
    torch("PyTorch", `${kind}/base/4`),
    ours("AMS float32", { kind, size: "base", batch: 4 }),
    ours("AMS bfloat16", { kind, size: "base", batch: 4, precision: "bfloat16" }),
  ];
  const step = (size: "base" | "small", batch: number): Contender[] => [
    torch("PyTorch as published: 12 layers", `published/${size}/${batch}`),
    torch("PyTorch, layer 12 skipped", `step/${size}/${batch}`),
    ours("AMS float32", { kind: "step", size, batch }),
    ours("AMS bfloat16", { kind: "step", size, batch, precision: "bfloat16" }),
  ];
  const engine = (name: "plain" | "wasm" | "native"): Contender =>
    ours(`AMS ${name}`, { kind: "both", size: "small", batch: 4, engine: name });
  return [
    { name: "ViT block forward, base, batch 4", rounds: 12, contenders: block("forward") },
    { name: "ViT block forward + backward, base, batch 4", rounds: 10, contenders: block("both") },
    { name: "training step, small, batch 32", rounds: 20, contenders: step("small", 32) },
    { name: "training step, base, batch 4", rounds: 4, contenders: step("base", 4) },
    {
      name: "saving memory: training step, base, batch 4",
      rounds: 3,
      contenders: [
        ours("AMS float32", { kind: "step", size: "base", batch: 4 }),
        ours("--recompute", { kind: "step", size: "base", batch: 4, frugality: { recompute: true } }),
        ours("--micro-batch 1", { kind: "step", size: "base", batch: 4, frugality: { microBatch: 1 } }),
      ],
    },
    {
      name: "engines: ViT block forward + backward, small, batch 4",
      rounds: 4,
      contenders: [engine("plain"), engine("wasm"), engine("native")],
    },
    {
      name: "published batch: training step, base, batch 32",
      rounds: 2,
      contenders: [
        ours("AMS bfloat16 --recompute --micro-batch 8", {
          kind: "step",
          size: "base",
          batch: 32,
          precision: "bfloat16",
          frugality: { recompute: true, microBatch: 8 },
        }),
      ],
    },
  ];
}

/** Runs a case: one round of every contender in turn, as often as asked for. */
async function measure({ name, contenders, ...usual }: Case): Promise<Row[]> {
  const rounds = Number(chosenOptions.rounds ?? usual.rounds);
  const running = contenders.map(({ start, ...rest }) => {
    const child = start();
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { ...rest, child, lines, errors: () => errors, times: [] as number[], cpu: [] as number[], peak: 0 };
  });
  for (let round = 0; round < rounds; round++) {
    for (const contender of running) {
      contender.child.stdin.write("go\n");
      const line = await contender.lines.next();
      if (line.done === true) throw new Error(`${name}, ${contender.name}: ${contender.errors()}`);
      const { ms, cpu, peak } = JSON.parse(line.value) as { ms: number; cpu: number; peak: number };
      if (round > 0 || rounds === 1) {
        contender.times.push(ms);
        contender.cpu.push(cpu);
      }
      contender.peak = peak;
    }
  }
  for (const { child } of running) child.stdin.end();
  const best = running.map(({ times }) => Math.min(...times));
  const bestCpu = running.map(({ cpu }) => Math.min(...cpu));
  const medians = running.map(({ times }) => middle(times));
  return running.map(({ name: contender, peak, forecast }, i) => ({
    case: name,
    contender,
    milliseconds: best[i]!,
    median: medians[i]!,
    ratio: best[i]! / best[0]!,
    medianRatio: medians[i]! / medians[0]!,
    cpu: bestCpu[i]!,
    cpuRatio: bestCpu[i]! / bestCpu[0]!,
    peak: peak / 1e9,
    ...(forecast === undefined ? {} : { forecast: forecast / 1e9 }),
  }));
}

function table(rows: Row[]): string {
  const lines = rows.map(({ contender, milliseconds, median, ratio, medianRatio, cpu, cpuRatio, peak, forecast }) =>
    [
      contender,
      milliseconds.toFixed(0),
      ratio.toFixed(2),
      median.toFixed(0),
      medianRatio.toFixed(2),
      cpu.toFixed(0),
      cpuRatio.toFixed(2),
      peak.toFixed(2),
      forecast?.toFixed(2) ?? "",
    ].join(" | "),
  );
  return [
    `### ${rows[0]?.case ?? ""}`,
    "",
    "| | best ms | ratio | median ms | ratio | CPU ms | ratio | peak GB | forecast GB |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ...lines.map((line) => `| ${line} |`),
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  smallVocabulary = (await openTokenizer(vocabularyOf("small"))).vocabularySize;
  const words = positionals;
  const chosen = cases().filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (chosen.length === 0) {
    throw new Error(`no case has one of "${words.join('", "')}" in its name; there are: ${cases().map(({ name }) => name).join(", ")}`); // prettier-ignore
  }
  const folder = path.join(packageRoot(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, ["engine", ...process.argv.slice(2)].join("-").replaceAll(/\W+/g, "-"));
  const header = {
    command: ["node build/bench/engine.js", ...process.argv.slice(2).map((word) => `"${word}"`)].join(" "),
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, ${threads} threads, node ${process.version}`,
  };
  const rows: Row[] = [];
  let text = `# Engine: speed and memory\n\n\`${header.command}\`, ${header.date}, ${header.machine}\n\n`;
  for (const one of chosen) {
    const found = await measure(one);
    rows.push(...found);
    console.log(table(found));
    text += `${table(found)}\n`;
    writeFileSync(`${file}.json`, `${JSON.stringify({ ...header, rows }, null, 2)}\n`);
    writeFileSync(`${file}.md`, text);
  }
}

void main();
