/**
 * Images a second of the training's data path (decode, random crop, resize to 384, flip, normalise) beside torchvision's DataLoader with
 * the same number of workers, in turns within one run; and how long a training at size small waits for its data. Saves bench/results/data.json.
 *
 * node build/bench/data.js [--python PYTHON] [--workers 1,2] [--images 256] [--rounds 3] [--no-training]
 *
 * PYTHON has torch, torchvision and Pillow (torch==2.14.1 torchvision==0.29.1 pillow==11.3.0 were used); without it only our own side is
 * measured. Images a CPU second tell what a core does whatever else runs on the machine; images a second depend on that.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import path from "node:path";
import readline from "node:readline";
import type { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { silentContext } from "../src/context.js";
import { batches } from "../src/data/batches.js";
import type { Item } from "../src/data/dataset.js";
import { closeImageWorkers } from "../src/data/imagePool.js";
import { openTokenizer } from "../src/data/tokens.js";
import { renderTable } from "../src/display.js";
import { packageRoot } from "../src/paths.js";
import { Random } from "../src/random.js";
import { median } from "./median.js";

const { values } = parseArgs({
  options: {
    python: { type: "string" },
    workers: { type: "string", default: "1,2" },
    images: { type: "string", default: "256" },
    rounds: { type: "string", default: "3" },
    training: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const size = 384;
const batchSize = 32;

interface Round {
  images: number;
  seconds: number;
  cpu: number;
}

/** JPEGs of 500 x 375 cut from photographs, about as large as Flickr30K's (138 kB on average). */
async function writePictures(folder: string, count: number): Promise<number> {
  const photos = ["coffee_500x375.jpg", "rocket_640x427_prog.jpg", "chelsea_exif6_400x300.jpg"];
  const random = new Random(1);
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const source = path.join(packageRoot(), "test", "fixtures", "golden", "image", "files", photos[i % photos.length]!);
    const { width, height } = await sharp(source).metadata();
    const [w, h] = [Math.floor(width * random.uniform(0.6, 1)), Math.floor(height * random.uniform(0.6, 1))];
    const area = { left: random.int(width - w + 1), top: random.int(height - h + 1), width: w, height: h };
    const file = path.join(folder, `${String(i).padStart(5, "0")}.jpg`);
    const noise = { type: "gaussian", mean: 128, sigma: 36 } as const; // grain: photographs are not as smooth as enlarged ones
    const grain = await sharp({ create: { width: 500, height: 375, channels: 3, background: "grey", noise } })
      .png()
      .toBuffer();
    const picture = await sharp(source).extract(area).resize(500, 375, { fit: "fill" }).toBuffer();
    await sharp(picture)
      .composite([{ input: grain, blend: "soft-light" }])
      .jpeg({ quality: 96, chromaSubsampling: "4:2:0" })
      .toFile(file);
    bytes += statSync(file).size;
  }
  return bytes / count;
}

async function ours(items: Item[], workers: number, epoch: number): Promise<Round> {
  const tokenizer = await openTokenizer();
  const order = new Random(epoch).shuffle(items.map((_, item) => ({ item, caption: 0 })));
  const augmentation = { train: true, size, cropScale: [0.5, 1], cropRatio: [3 / 4, 4 / 3], flip: 0.5 };
  const cpu = process.cpuUsage();
  const start = performance.now();
  let images = 0;
  const stream = batches(items, order, {
    batchSize,
    augmentation: augmentation as never,
    tokenizer,
    seed: 1,
    epoch,
    dropLast: false,
    workers,
    cacheBytes: 0, // as in a first epoch, or with a set that is larger than memory
  });
  for await (const batch of stream) images += batch.pairs.length;
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { images, seconds, cpu: (user + system) / 1e6 };
}

class Torchvision {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: AsyncIterator<string>;
  constructor(python: string, folder: string, workers: number) {
    const script = path.join(packageRoot(), "bench", "torchvision_loader.py");
    const args = [script, folder, String(size), String(batchSize), String(workers)];
    this.child = spawn(python, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }
  async read(): Promise<unknown> {
    const next = await this.lines.next();
    if (next.done === true) throw new Error("the Python side has ended");
    return JSON.parse(next.value) as unknown;
  }
  async round(): Promise<Round> {
    this.child.stdin.write("go\n");
    return (await this.read()) as Round;
  }
  end(): void {
    this.child.stdin.end();
  }
}

/** What a row of the table says, as numbers; NaN (null in the file) where the other side did not run. */
function summary({ workers, ours: own, torchvision }: Row) {
  return {
    workers,
    imagesPerSecond: rate(own),
    imagesPerCpuSecond: perCpu(own),
    coresFor1000: 1000 / perCpu(own),
    torchvisionImagesPerSecond: rate(torchvision),
    torchvisionImagesPerCpuSecond: perCpu(torchvision),
    ratio: rate(own) / rate(torchvision),
    ratioPerCpuSecond: perCpu(own) / perCpu(torchvision),
  };
}

const rate = (rounds: Round[]): number => median(rounds.map(({ images, seconds }) => images / seconds));
const perCpu = (rounds: Round[]): number => median(rounds.map(({ images, cpu }) => images / cpu));

function itemsOf(folder: string): Item[] {
  return readdirSync(folder).map((name) => ({
    id: name,
    image: path.join(folder, name),
    captions: [{ text: "a photograph" }],
  }));
}

interface Row {
  workers: number;
  ours: Round[];
  torchvision: Round[];
}

async function loading(folder: string): Promise<{ rows: Row[]; bytes: number; versions: unknown }> {
  const bytes = await writePictures(folder, Number(values.images));
  const items = itemsOf(folder);
  const rows: Row[] = [];
  let versions: unknown;
  for (const workers of values.workers.split(",").map(Number)) {
    const row: Row = { workers, ours: [], torchvision: [] };
    const other = values.python === undefined ? undefined : new Torchvision(values.python, folder, workers);
    versions = await other?.read();
    await ours(items.slice(0, 64), workers, 0); // starts the threads
    for (let round = 1; round <= Number(values.rounds); round++) {
      row.ours.push(await ours(items, workers, round));
      if (other !== undefined) row.torchvision.push(await other.round());
    }
    other?.end();
    await closeImageWorkers();
    rows.push(row);
  }
  return { rows, bytes, versions };
}

interface Waiting {
  size: string;
  batch: number;
  /** After the first, whose batch nothing could be prepared before. */
  steps: number;
  seconds: number;
  waited: number;
  share: number;
  /** The longest wait of a step. */
  longest: number;
}

/** A training at size small on the photographs, each decoded for the first time: how much of its time it waited for data. */
async function training(items: Item[], home: string): Promise<Waiting> {
  const { startEngine } = await import("../src/engine/index.js");
  await startEngine("auto");
  const { buildModel } = await import("../src/model/build.js");
  const { train } = await import("../src/train/trainer.js");
  process.env["AMS_HOME"] = home; // for the run's folder
  const dataset = {
    name: "photographs",
    root: path.dirname(items[0]!.image),
    splits: { train: items },
    fingerprint: "",
  };
  const model = await buildModel({ size: "small", seed: 1 });
  const most = Math.floor(items.length / batchSize);
  const run = await train(model, dataset, { name: "waiting", steps: most, batchSize, validate: 0 }, silentContext);
  const steps = run.steps.slice(1);
  const waits = steps.map((step) => step.waited ?? NaN);
  const waited = waits.reduce((sum, wait) => sum + wait, 0);
  const seconds = waited + steps.reduce((sum, step) => sum + batchSize / step.imagesPerSecond, 0);
  await closeImageWorkers();
  const longest = Math.max(...waits);
  return { size: "small", batch: batchSize, steps: steps.length, seconds, waited, share: waited / seconds, longest };
}

async function main(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-bench-data-"));
  try {
    const pictures = path.join(folder, "pictures");
    mkdirSync(pictures);
    const { rows, bytes, versions } = await loading(pictures);
    const numbers = rows.map(summary);
    const shown = (value: number, digits: number): string => (Number.isNaN(value) ? "" : value.toFixed(digits));
    const table = renderTable({
      columns: [
        "workers",
        "images/s",
        "images/CPU s",
        "cores for 1,000/s",
        "torchvision images/s",
        "images/CPU s",
        "ratio",
        "ratio per CPU s",
      ],
      rows: numbers.map((row) => [
        row.workers,
        shown(row.imagesPerSecond, 1),
        shown(row.imagesPerCpuSecond, 1),
        shown(row.coresFor1000, 1),
        shown(row.torchvisionImagesPerSecond, 1),
        shown(row.torchvisionImagesPerCpuSecond, 1),
        shown(row.ratio, 2),
        shown(row.ratioPerCpuSecond, 2),
      ]),
      caption: `500 x 375 JPEGs of ${(bytes / 1000).toFixed(0)} kB to [3, ${String(size)}, ${String(size)}], median of ${values.rounds} rounds of ${values.images} images`,
    });
    console.log(table.text);
    const waiting = values.training ? await training(itemsOf(pictures), folder) : undefined;
    if (waiting !== undefined) {
      const { seconds, steps, share, longest } = waiting;
      console.log(
        `size small, batch ${String(batchSize)}: of ${seconds.toFixed(1)} s in ${String(steps)} steps, ${(100 * share).toFixed(2)} % waiting for data, ` +
          `${(1000 * longest).toFixed(0)} ms in one step at most`,
      );
    }
    const results = path.join(packageRoot(), "bench", "results");
    mkdirSync(results, { recursive: true });
    const machine = { cpu: cpus()[0]?.model ?? "", cores: availableParallelism(), node: process.version };
    writeFileSync(
      path.join(results, "data.json"),
      `${JSON.stringify({ machine, versions, bytes, summary: numbers, waiting, rounds: rows }, null, 2)}\n`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
