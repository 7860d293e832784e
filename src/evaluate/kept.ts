/** Where the scores of an evaluation are kept until it is done, so that an interrupted one goes on. */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type { Context } from "../context.js";
import type { Dataset, Item } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import { weightsHash } from "../model/fingerprint.js";
import { keepInFolder, type KeeperShape, type ScoreKeeper } from "./scoreKeeper.js";

/** What the scores depend on. */
interface Scored {
  model: Model;
  items: readonly Item[];
  dataset: Dataset;
  split: string;
  threshold: number;
}

export interface Kept {
  keeper: ScoreKeeper;
  /** Images that could not be read, with the reason. */
  bad: { found: [number, string][]; add(item: number, reason: string): void };
  /** Removes the folder, once the evaluation is done. */
  remove(): void;
}

/** Opens the folder of this model, gallery and threshold below `folder`, and says what is there to go on with. */
export function openKept(
  shape: KeeperShape,
  scored: Scored,
  { folder, resume }: { folder: string; resume: boolean },
  context: Context,
): Kept {
  const identity = JSON.stringify({ ...shape, ...identityOf(scored) });
  const own = path.join(folder, createHash("sha256").update(identity).digest("hex").slice(0, 16));
  const keeper = keepInFolder(own, shape, { identity, resume });
  const pairs = shape.images * shape.captions;
  const share = `${keeper.found.toLocaleString("en")} of ${pairs.toLocaleString("en")} pairs`;
  if (resume) {
    context.note(
      keeper.found > 0
        ? `going on with the scores of ${share} that are kept`
        : "no scores are kept of this model, gallery and threshold: scoring from the beginning",
    );
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

/** Weights, captions and images as hashes. The images count by their files' names: they are not read for this. */
function identityOf({ model, items, dataset, split, threshold }: Scored): Record<string, unknown> {
  const gallery = createHash("sha256").update(
    JSON.stringify(items.map(({ id, image, captions }) => [id, image, captions.map(({ text }) => text)])),
  );
  return {
    weights: weightsHash(model),
    padWords: model.quirks.padWords,
    gallery: gallery.digest("hex"),
    dataset: dataset.fingerprint,
    split,
    threshold,
  };
}
