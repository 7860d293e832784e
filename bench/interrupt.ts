/**
 * How soon a kernel is there for others while it trains the small size with 32 pairs a step: from the request of an interrupt to the
 * end of the cell, the heartbeat's answers meanwhile, and the longest stretch without a turn of the event loop.
 *
 *     npm run build && node build/bench/interrupt.js [ROUNDS, default 10]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import path from "node:path";
import { packageRoot } from "../src/paths.js";
import { Random } from "../src/random.js";
import { startKernel } from "../test/kernel/client.js";
import type { Stepped } from "../test/kernel/trainingPlugin.js";
import { median } from "./median.js";

interface Round extends Stepped {
  /** From the request to the idle status of the cell, in milliseconds. */
  took: number;
  /** Slowest answer of the heartbeat, in milliseconds. */
  beat: number;
  beats: number;
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 10);
  const kernel = await startKernel();
  await kernel.execute(`%load_ext ${path.join(packageRoot(), "build", "test", "kernel", "trainingPlugin.js")}`);
  const random = new Random(1);
  const found: Round[] = [];
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  for (let round = 0; round < rounds; round++) {
    const seen = kernel.received.length;
    const running = kernel.execute(`const run${round} = %steps`);
    await kernel.wait(
      (message) => kernel.received.indexOf(message) >= seen && message.content["text"] === "training\n",
      300_000,
    );
    const until = performance.now() + 2000 + 4000 * random.next();
    let [beat, beats] = [0, 0];
    while (performance.now() < until) {
      const sent = performance.now();
      await kernel.heartbeat();
      beat = Math.max(beat, performance.now() - sent);
      beats++;
      await pause(20);
    }
    const asked = performance.now();
    await kernel.request("control", "interrupt_request", {});
    await running;
    const took = performance.now() - asked;
    const { stdout } = await kernel.execute(`console.log(JSON.stringify(run${round}))`);
    found.push({ ...(JSON.parse(stdout) as Stepped), took, beat, beats });
  }
  await kernel.stop();
  const most = (of: (round: Round) => number): number => Math.max(...found.map(of));
  const middle = (of: (round: Round) => number): number => median(found.map(of));
  const report = {
    command: `node build/bench/interrupt.js ${rounds}`,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}, node ${process.version}`,
    milliseconds: {
      "interrupt to idle": [middle(({ took }) => took), most(({ took }) => took)],
      "abort to the end of the training": [middle(({ ending }) => ending), most(({ ending }) => ending)],
      "longest gap between turns, wall": [middle(({ gap }) => gap.wall), most(({ gap }) => gap.wall)],
      "longest gap between turns, processor": [middle(({ gap }) => gap.cpu), most(({ gap }) => gap.cpu)],
      "slowest heartbeat": [middle(({ beat }) => beat), most(({ beat }) => beat)],
    },
    rounds: found,
  };
  console.log(`${report.machine}\n\n| ms | median | worst |\n|---|---:|---:|`);
  for (const [name, numbers] of Object.entries(report.milliseconds)) {
    console.log(`| ${name} | ${numbers.map((n) => n.toFixed(0)).join(" | ")} |`);
  }
  console.log(`\n${found.reduce((n, { beats }) => n + beats, 0)} heartbeats`);
  const folder = path.join(packageRoot(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "interrupt.json"), `${JSON.stringify(report, null, 2)}\n`);
}

void main();
