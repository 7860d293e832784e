/** Where the scores of an evaluation are kept until it is done, so that an interrupted one goes on. */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import type { Context } from "../context.js";
import type { Dataset, Item } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import { modelFingerprint } from "../model/fingerprint.js";
import { keepInFolder, type FolderKeeper, type KeeperShape } from "./scoreKeeper.js";

/** What the scores depend on. */
interface Scored {
  model: Model;
  items: readonly Item[];
  dataset: Dataset;
  split: string;
  threshold: number;
  /** Images that cannot be read are left out, with a score of 0 in what is kept. */
  skips: boolean;
}

export interface KeepOptions {
  /** Below it each evaluation has a folder of its own. */
  folder: string;
  /** Begin anew, whatever is there. */
  fresh?: boolean;
  /** Say so where there is nothing to go on with. */
  resume?: boolean;
  /** Is given what removes the scores, for a caller that needs them for longer than one evaluation; default: removed at its end. */
  finished?: (remove: () => void) => void;
}

/** Scores that nobody has gone on with for so long are removed (ms). */
const forgotten = 30 * 24 * 3600_000;

export interface Kept {
  keeper: FolderKeeper;
  /** Images that could not be read, with the reason. */
  bad: { found: [number, string][]; add(item: number, reason: string): void };
  /** Removes the folder, once the evaluation is done. */
  remove: () => void;
}

/** Opens the folder of this model, gallery and threshold below `folder`, and says what is there to go on with. */
export function openKept(
  shape: KeeperShape,
  scored: Scored,
  { folder, fresh = false, resume = false }: KeepOptions,
  context: Context,
): Kept {
  const identity = JSON.stringify({ ...shape, ...identityOf(scored) });
  const own = path.join(folder, createHash("sha256").update(identity).digest("hex").slice(0, 16));
  removeForgotten(folder);
  const keeper = keepInFolder(own, shape, { identity, fresh });
  if (keeper.found > 0) {
    context.note(
      `going on with the scores of ${shareOf(keeper.found, shape)} that an earlier call has kept (--fresh begins anew)`,
    );
  } else if (resume) {
    context.note("no scores are kept of this model, gallery and threshold: scoring from the beginning");
  }
  const badFile = path.join(own, "bad.jsonl");
  const found = existsSync(badFile)
    ? readFileSync(badFile, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : [];
  return {
    keeper,
    bad: {
      found: found.map((line) => JSON.parse(line) as [number, string]),
      add: (item, reason) => {
        appendFileSync(badFile, `${JSON.stringify([item, reason])}\n`);
      },
    },
    remove: () => {
      rmSync(own, { recursive: true, force: true });
    },
  };
}

export function shareOf(pairs: number, { images, captions }: KeeperShape): string {
  return `${pairs.toLocaleString("en")} of ${(images * captions).toLocaleString("en")} pairs`;
}

function removeForgotten(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const journal = path.join(folder, name, "blocks.jsonl");
    if (existsSync(journal) && Date.now() - statSync(journal).mtimeMs > forgotten)
      rmSync(path.join(folder, name), { recursive: true, force: true });
  }
}

/** Weights, captions and images as hashes. The images count by their files' names: they are not read for this. */
function identityOf({ model, items, dataset, split, threshold, skips }: Scored): Record<string, unknown> {
  const gallery = createHash("sha256").update(
    JSON.stringify(items.map(({ id, image, captions }) => [id, image, captions.map(({ text }) => text)])),
  );
  return {
    model: modelFingerprint(model),
    gallery: gallery.digest("hex"),
    dataset: dataset.fingerprint,
    split,
    threshold,
    skips,
  };
}
