/** Generates a set into a folder: workers draw blocks into `<folder>.part`, which is renamed when it is whole. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Worker } from "node:worker_threads";
import type { Context } from "../../context.js";
import { writeAnnotations } from "./annotations.js";
import { artistVersion } from "./icons.js";
import { artists } from "./objects.js";
import type { SceneRecipe } from "./options.js";
import { sceneSplits } from "./splits.js";
import type { Block, WorkerReport, WorkerTask } from "./worker.js";
import { writeError } from "./writeErrors.js";

export interface Manifest {
  recipe: SceneRecipe;
  /** sha256 over all annotation files, in the order of the splits. */
  hash: string;
  images: number;
  /** Versions of what drew it. */
  versions: Record<string, string>;
}

const label = "drawing scenes";
const blockSize = 200;

/**
 * Writes the whole set. What an interrupted run left is used again: a block counts when its rows are there, and those are
 * written after its images. Errors: AmsError when the disk is full or the folder cannot be written; the signal's reason
 * when aborted.
 */
export async function generateScenes(
  folder: string,
  recipe: SceneRecipe,
  workers: number,
  context: Context,
): Promise<void> {
  context.signal.throwIfAborted();
  const part = `${folder}.part`;
  try {
    prepare(part, recipe);
    await drawBlocks(part, recipe, workers, context);
    const hash = await writeAnnotations(part, recipe, blocksOf, context);
    const manifest: Manifest = { recipe, hash, images: total(recipe), versions: versions() };
    rmSync(path.join(part, "blocks"), { recursive: true });
    rmSync(path.join(part, "recipe.json"));
    writeFileSync(path.join(part, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
    renameSync(part, folder);
  } catch (error) {
    throw writeError(error, path.dirname(folder));
  }
}

/** The blocks of one split, in order. */
export function blocksOf(recipe: SceneRecipe, split: Block["split"]): Block[] {
  const count = recipe.counts[split];
  const blocks: Block[] = [];
  for (let start = 0; start < count; start += blockSize) {
    const name = `${split}-${String(start).padStart(6, "0")}`;
    blocks.push({ name, split, start, end: Math.min(count, start + blockSize) });
  }
  return blocks;
}

function total(recipe: SceneRecipe): number {
  return sceneSplits.reduce((sum, split) => sum + recipe.counts[split], 0);
}

/** Makes the folder of the unfinished set; one of another recipe is thrown away. */
function prepare(part: string, recipe: SceneRecipe): void {
  // The versions of the artwork belong to it: half of a set must not come from other icons.
  const wanted = JSON.stringify({ recipe, versions: versions() });
  const file = path.join(part, "recipe.json");
  if (existsSync(part) && !(existsSync(file) && readFileSync(file, "utf8") === wanted))
    rmSync(part, { recursive: true });
  mkdirSync(path.join(part, "images"), { recursive: true });
  mkdirSync(path.join(part, "blocks"), { recursive: true });
  writeFileSync(file, wanted);
}

async function drawBlocks(part: string, recipe: SceneRecipe, workers: number, context: Context): Promise<void> {
  const finished = new Set(readdirSync(path.join(part, "blocks")));
  const blocks = sceneSplits.flatMap((split) => blocksOf(recipe, split));
  const todo = blocks.filter((block) => !finished.has(`${block.name}.jsonl`));
  const all = total(recipe);
  const kept = all - todo.reduce((sum, block) => sum + block.end - block.start, 0);
  let drawn = 0;
  const begin = performance.now();
  const show = (): void => {
    const rate = (drawn / (performance.now() - begin)) * 1000;
    const note = drawn === 0 ? {} : { note: `${rate.toFixed(0)} scenes/s` };
    context.progress({ label, done: kept + drawn, total: all, ...note });
  };
  show();
  const task: WorkerTask = { folder: part, seed: recipe.seed, pixels: recipe.pixels };
  const threads = Array.from(
    { length: Math.min(workers, todo.length) },
    () => new Worker(path.join(__dirname, "worker.js"), { workerData: task }),
  );
  try {
    await Promise.all(
      threads.map((thread) =>
        feed(thread, todo, context.signal, (scenes) => {
          drawn += scenes;
          show();
        }),
      ),
    );
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

/** Gives a worker one block after the other until none is left. */
function feed(thread: Worker, todo: Block[], signal: AbortSignal, drew: (scenes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    const next = (): void => {
      const block = todo.shift();
      if (block === undefined) {
        signal.removeEventListener("abort", stop);
        resolve();
      } else thread.postMessage(block);
    };
    signal.addEventListener("abort", stop, { once: true });
    thread.on("error", reject);
    thread.on("message", (report: WorkerReport) => {
      if ("error" in report) {
        reject(Object.assign(new Error(report.error), { code: report.code }));
        return;
      }
      drew(report.drawn);
      if (report.finished) next();
    });
    next();
  });
}

function versions(): Record<string, string> {
  return Object.fromEntries(artists.map((artist) => [`@iconify-json/${artist}`, artistVersion(artist)]));
}
