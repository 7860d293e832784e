/**
 * The kernel beside other JavaScript kernels, in one run: from the start of the process to the first result, small cells later
 * on, the same after a hundred cells, Tab, and memory.
 *
 *     node build/bench/kernel.js [--rounds 3] [--only ams,tslab]
 *
 * tslab, Deno and (where it can be built) IJavascript come from npm (see kernelPeers.ts).
 * Rounds are interleaved, so that what else the machine does meets all alike. The numbers are medians; processor time stands
 * beside the wall's where other work makes that long.
 */
import { spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { renderTable } from "../src/display.js";
import { packageRoot } from "../src/paths.js";
import { findKernels, startPeer, type Kernel } from "./kernelPeers.js";
import { median } from "./median.js";

interface Measured {
  firstResultMs: number;
  /** Processor time of all its threads until then. */
  firstResultCpuMs: number;
  cellMs: number;
  /** Processor time of one of the early cells. */
  cellCpuMs: number;
  cellAfterHundredMs: number;
  completeMs: number;
  memoryMb: number;
}

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" }, only: { type: "string" } } });
const rounds = Number(values.rounds);

/** Small cells that every kernel understands: plain JavaScript without top-level await. */
const cells = (i: number): string[] => [
  `const list${String(i)} = [1, 2, ${String(i)}];`,
  `list${String(i)}.map((x) => x * 2)`,
  `function next${String(i)}(n = 1) { return n + 1 }`,
  `next${String(i)}(3)`,
  `class Box${String(i)} { size = ${String(i)} }`,
  `console.log("out")`,
  `({ a: ${String(i)}, b: "text" })`,
  `let sum${String(i)} = 0; for (const x of list${String(i)}) sum${String(i)} += x; sum${String(i)}`,
];

async function measure(kernel: Kernel): Promise<Measured> {
  const start = performance.now();
  const client = await startPeer(kernel);
  const child = client.process;
  const run = async (code: string): Promise<number> => {
    const begin = performance.now();
    const id = await client.send("shell", "execute_request", {
      ...{ code, silent: false, store_history: true, allow_stdin: false, user_expressions: {}, stop_on_error: true },
    });
    const mine = (message: { parent: { msg_id?: string } }): boolean => message.parent.msg_id === id;
    const reply = await client.wait((message) => message.channel === "shell" && mine(message), 60_000);
    if (reply.content["status"] !== "ok")
      throw new Error(`${kernel.name}: ${code}: ${JSON.stringify(reply.content)} ${client.log()}`);
    await client.wait((message) => message.content["execution_state"] === "idle" && mine(message), 60_000);
    return performance.now() - begin;
  };
  const series = async (from: number, to: number): Promise<number[]> => {
    const times: number[] = [];
    for (let i = from; i < to; i++) for (const code of cells(i)) times.push(await run(code));
    return times;
  };
  try {
    // The first cell is asked for again until its output arrives: a subscription takes a moment, and not all kernels greet.
    let firstResultMs = NaN;
    while (Number.isNaN(firstResultMs)) {
      const id = await client.send("shell", "execute_request", { code: "1 + 1", silent: false, allow_stdin: false });
      await client.wait(({ channel, parent }) => channel === "shell" && parent.msg_id === id, 60_000);
      await client
        .wait(({ content, parent }) => content["execution_state"] === "idle" && parent.msg_id === id, 500)
        .then(() => (firstResultMs = performance.now() - start))
        .catch(() => undefined);
    }
    const firstResultCpuMs = cpuOf(child);
    const early = await series(0, 4);
    const middle = cpuOf(child);
    const following = await series(4, 13);
    const cellCpuMs = (cpuOf(child) - middle) / following.length;
    const late = await series(13, 16);
    const completions: number[] = [];
    for (let i = 0; i < 5; i++) {
      const begin = performance.now();
      await client.request("shell", "complete_request", { code: `list${String(i)}.`, cursor_pos: 6 });
      completions.push(performance.now() - begin);
    }
    return {
      firstResultMs,
      firstResultCpuMs,
      cellMs: median(early),
      cellCpuMs,
      cellAfterHundredMs: median(late),
      completeMs: median(completions),
      memoryMb: memoryOf(child),
    };
  } finally {
    await client.kill();
  }
}

/** Resident memory of a process and what it started (ijskernel starts another Node), in MB. */
function memoryOf({ pid = 0 }: ChildProcess): number {
  const { stdout } = spawnSync("ps", ["-o", "rss=", "-g", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").reduce((sum, line) => sum + Number(line), 0) / 1024;
}

/** Processor time of a process and what it started, in ms, to a hundredth of a second each (Linux). */
function cpuOf({ pid = 0 }: ChildProcess): number {
  const { stdout } = spawnSync("ps", ["-o", "pid=", "-g", String(pid)], { encoding: "utf8" });
  return stdout
    .trim()
    .split(/\s+/)
    .map((one) =>
      readFileSync(`/proc/${one}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" "),
    )
    .reduce((sum, fields) => sum + 10 * (Number(fields[11]) + Number(fields[12])), 0);
}

async function main(): Promise<void> {
  const kernels = findKernels(values.only);
  const measured = new Map(kernels.map(({ name }) => [name, [] as Measured[]]));
  for (let round = 0; round < rounds; round++)
    for (const kernel of kernels) measured.get(kernel.name)?.push(await measure(kernel));
  const results = kernels.map(({ name, checks }) => {
    const runs = measured.get(name) ?? [];
    const of = (key: keyof Measured): number => Math.round(median(runs.map((run) => run[key])) * 10) / 10;
    return {
      kernel: name,
      checks,
      firstResultMs: of("firstResultMs"),
      firstResultCpuMs: of("firstResultCpuMs"),
      cellMs: of("cellMs"),
      cellCpuMs: of("cellCpuMs"),
      cellAfterHundredMs: of("cellAfterHundredMs"),
      completeMs: of("completeMs"),
      memoryMb: of("memoryMb"),
      runs,
    };
  });
  const table = renderTable({
    columns: ["kernel", "checks", "first ms", "(CPU)", "cell ms", "(CPU)", "after 100 cells", "Tab ms", "memory MB"],
    rows: results.map((row) => [
      ...[row.kernel, row.checks, String(Math.round(row.firstResultMs)), String(Math.round(row.firstResultCpuMs))],
      ...[row.cellMs.toFixed(1), row.cellCpuMs.toFixed(1), row.cellAfterHundredMs.toFixed(1)],
      ...[row.completeMs.toFixed(1), String(Math.round(row.memoryMb))],
    ]),
  });
  process.stdout.write(`${table.text}\n`);
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string };
  const machine = { node: process.version, cpus: os.cpus().length, cpu: os.cpus()[0]?.model, load: os.loadavg()[0] };
  const file = path.join(packageRoot(), "bench", "results", "kernel.json");
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ version, rounds, machine, results }, null, 2)}\n`);
  process.stdout.write(`saved ${file}\n`);
}

void main();
