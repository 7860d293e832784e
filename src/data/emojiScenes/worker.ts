/** Worker thread: draws blocks of scenes and writes their images, then the block's rows. */
import { renameSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import { drawScene } from "./draw.js";
import { describeScene } from "./scene.js";
import type { SceneSplit } from "./splits.js";

/** A run of scenes of one split; its rows go to `blocks/<name>.jsonl` when all its images are written. */
export interface Block {
  name: string;
  split: SceneSplit;
  start: number;
  end: number;
}

export interface WorkerTask {
  /** Folder of the unfinished set. */
  folder: string;
  seed: number;
  pixels: number;
}

/** From the worker: scenes drawn since the last message, whether the block is finished, or what went wrong. */
export type WorkerReport = { drawn: number; finished: boolean } | { error: string; code?: string };

const { folder, seed, pixels } = workerData as WorkerTask;
/** Images in flight: the next scene is drawn while the ones before are compressed and written. */
const ahead = 4;
const reportEvery = 25;

sharp.concurrency(1);
sharp.cache(false);

parentPort?.on("message", (block: Block) => {
  drawBlock(block).then(
    (drawn) => {
      report({ drawn, finished: true });
    },
    (error: unknown) => {
      const { message, code } = error as NodeJS.ErrnoException;
      report({ error: message, ...(code === undefined ? {} : { code }) });
    },
  );
});

/** Scenes drawn but not yet reported are returned. */
async function drawBlock(block: Block): Promise<number> {
  const rows: string[] = [];
  const writing: Promise<void>[] = [];
  let unreported = 0;
  for (let index = block.start; index < block.end; index++) {
    const { plan, row } = describeScene(seed, block.split, index, pixels);
    rows.push(`${JSON.stringify(row)}\n`);
    const raw = await drawScene(plan, pixels);
    writing.push(store(raw, path.join(folder, "images", row.image)));
    if (writing.length >= ahead) await writing.shift();
    if (++unreported === reportEvery) {
      report({ drawn: unreported, finished: false });
      unreported = 0;
    }
  }
  await Promise.all(writing);
  const file = path.join(folder, "blocks", `${block.name}.jsonl`);
  writeFileSync(`${file}.part`, rows.join(""));
  renameSync(`${file}.part`, file);
  return unreported;
}

async function store(raw: Buffer, file: string): Promise<void> {
  const picture = sharp(raw, { raw: { width: pixels, height: pixels, channels: 3 } });
  await writeFile(file, await picture.png({ compressionLevel: 2 }).toBuffer());
}

function report(message: WorkerReport): void {
  parentPort?.postMessage(message);
}
