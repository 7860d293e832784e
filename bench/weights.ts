/**
 * Memory and time for a checkpoint of the published code at its real size (about 820 MB): written from random weights, read
 * again in a process of its own. `node build/bench/weights.js [FOLDER]`; Linux (reads /proc/self/status).
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { startEngine } from "../src/engine/index.js";
import { buildModel } from "../src/model/build.js";
import { writePublished } from "../src/model/weights/publishedWrite.js";
import { packageRoot } from "../src/paths.js";

/** Highest and present resident memory in MB. */
function memory(): { peak: number; now: number } {
  const status = readFileSync("/proc/self/status", "utf8");
  const value = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1000;
  return { peak: value("VmHWM"), now: value("VmRSS") };
}

interface Measured {
  what: string;
  engine: string;
  seconds: number;
  /** Of the process before: Node and the engine's libraries. */
  before: number;
  peak: number;
}

async function measure(what: string, engine: string, file: string): Promise<Measured> {
  await startEngine(engine as "auto");
  const before = memory().now;
  const started = process.hrtime.bigint();
  if (what === "read") {
    const model = await buildModel({ checkpoint: file });
    for (const variable of model.parameters.values()) variable.dataSync().at(0);
  } else {
    writePublished(await buildModel({ size: "base" }), file);
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return { what, engine, seconds, before, peak: memory().peak };
}

function inProcess(...args: string[]): Measured {
  const { status, stdout, stderr } = spawnSync(process.execPath, [__filename, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Measured;
}

async function main(): Promise<void> {
  const [what, engine, file] = process.argv.slice(2);
  if (engine !== undefined && file !== undefined) {
    console.log(JSON.stringify(await measure(what ?? "", engine, file)));
    return;
  }
  const folder = mkdtempSync(path.join(what ?? tmpdir(), "ams-weights-"));
  try {
    const checkpoint = path.join(folder, "model_best.pth.tar");
    const rows = [inProcess("write", "auto", checkpoint)];
    const megabytes = statSync(checkpoint).size / 1e6;
    for (const name of ["auto", "plain"]) rows.push(inProcess("read", name, checkpoint));
    console.log(`a checkpoint of ${megabytes.toFixed(0)} MB`);
    console.table(
      rows.map(({ what, engine, seconds, before, peak }) => ({
        what,
        engine,
        seconds: seconds.toFixed(1),
        "MB before": before.toFixed(0),
        "peak MB": peak.toFixed(0),
        "above / file": ((peak - before) / megabytes).toFixed(2),
      })),
    );
    const results = path.join(packageRoot(), "bench", "results");
    mkdirSync(results, { recursive: true });
    const report = { date: new Date().toISOString(), cpu: cpus()[0]?.model, node: process.version, megabytes, rows };
    writeFileSync(path.join(results, "weights.json"), `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

void main();
