/** The images that a training could not read: each told once, counted, and kept in skipped.jsonl of the run's folder. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Context } from "../context.js";
import type { Batch } from "../data/batches.js";
import type { Item } from "../data/dataset.js";

/** A line of skipped.jsonl. */
export interface SkippedImage {
  id: string;
  image: string;
  reason: string;
  /** 1-based: the step that missed it first. */
  step: number;
}

/** Told one by one up to here; a whole missing folder is told by its number. */
const toldAtMost = 10;

export interface Skipped {
  images(): string[];
  /** Counts what a batch had to do without. */
  add(batch: Batch, items: Item[], step: number): void;
  /** Says how many there were, when there were any. */
  sumUp(): void;
}

/** Goes on with the file that an interrupted run left. */
export function skippedImages(folder: string, context: Context): Skipped {
  const file = path.join(folder, "skipped.jsonl");
  const known = new Set(readLines(file).map(({ id }) => id));
  let pairs = 0;
  return {
    images: () => [...known],
    add(batch, items, step) {
      pairs += batch.skipped.length;
      for (const { pair, reason } of batch.skipped) {
        const { id = "", image = "" } = items[pair.item] ?? {};
        if (known.has(id)) continue;
        known.add(id);
        appendFileSync(file, `${JSON.stringify({ id, image, reason, step } satisfies SkippedImage)}\n`);
        if (known.size <= toldAtMost) context.note(`skipped an image: ${reason}`);
        if (known.size === toldAtMost) context.note(`more of them are only written to ${file}`);
      }
    },
    sumUp() {
      if (pairs === 0) return;
      const images = `${known.size} ${known.size === 1 ? "image" : "images"} could not be read`;
      context.note(`${images}, and others took their place ${pairs} ${pairs === 1 ? "time" : "times"}: ${file}`);
    },
  };
}

function readLines(file: string): SkippedImage[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as SkippedImage];
    } catch {
      return []; // the last line of a killed process may be torn
    }
  });
}
