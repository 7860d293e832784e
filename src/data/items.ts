/** Annotation rows of any source to the items of a split, checked: paths, missing images, empty captions, doubles. */
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Dataset, Item, LeftOut } from "./dataset.js";

/** One image of an annotation file with some of its captions. */
export interface Row {
  /** Path under the image root. */
  image: string;
  captions: string[];
  /** Counted from 1: the row of a list or the line of a file. */
  number: number;
  /** The image's number in the annotations, where they have one. */
  id?: string | number;
}

export interface RowSource {
  /** The annotation file. */
  file: string;
  /** What `Row.number` counts. */
  unit: "row" | "line" | "image";
  /** The folder of the images; rows that point outside are refused. */
  root: string;
  /** True where an image has one row a caption; false where a second row of an image is a mistake. */
  rowPerCaption: boolean;
}

/** What becomes of rows that cannot be used. */
export interface ProblemOptions {
  /** Rows with missing images, no caption or a doubled image: "stop" (default) is an error, "skip" leaves them out. */
  onProblem?: "stop" | "skip";
  /** Images that are not there: default as `onProblem` says; "keep" tells them and leaves them to what reads the images. */
  onMissing?: "keep";
  /** Where people get the images of this set, for the error about missing ones. */
  imagesFrom?: string;
}

/** A row of an annotation file that has a problem. */
interface Problem {
  kind: Kind;
  row: number;
  what: string;
}

type Kind = "missing" | "empty" | "double" | "id";

/** The reason of `LeftOut` for an image that is not there. */
export const missingImage = "image is missing";

const kinds: Record<Kind, [one: string, many: string, hint: string]> = {
  missing: [missingImage, "images are missing", "check that the image root is the folder that holds them"],
  empty: ["caption is empty", "captions are empty", "write the captions or remove the rows"],
  double: ["image comes twice", "images come twice", "put all captions of an image into one row"],
  id: ["image_id belongs to two images", "image_ids belong to two images", "give every image its own image_id"],
};

/**
 * The items of a split, one an image, in the order of their first rows; the id is the path under the root. Rows that are left out
 * are noted and added to `leftOut`.
 * Throws an `AmsError` with the rows for problems (unless they are skipped) and always for a path outside.
 */
export function itemsFromRows(
  rows: Row[],
  source: RowSource,
  options: ProblemOptions,
  leftOut: LeftOut[],
  context: Context,
): Item[] {
  const root = existingRoot(source.root);
  const exists = fileFinder();
  const items = new Map<string, Item>(); // by absolute path
  const places = new Map<string, string>(); // an image's path under the root -> its absolute path
  const imageOfId = new Map<string | number, string>();
  const problems: Problem[] = [];
  const idOf = (image: string): string => path.relative(root, image).replaceAll("\\", "/");
  for (const row of rows) {
    const image = places.get(row.image) ?? insideRoot(root, row, source);
    places.set(row.image, image);
    const problem = (kind: Kind, what = row.image): void => void problems.push({ kind, row: row.number, what });
    const captions = row.captions.filter((text) => text.trim() !== "");
    const before = items.get(image);
    if (row.id !== undefined) {
      const other = imageOfId.get(row.id) ?? image;
      imageOfId.set(row.id, other);
      if (other !== image) {
        problem("id", String(row.id));
        continue;
      }
    }
    const missing = before === undefined && !exists(image);
    if (missing) problem("missing", idOf(image));
    if (missing && options.onMissing !== "keep") continue;
    if (before !== undefined && !source.rowPerCaption) {
      problem("double");
    } else {
      if (captions.length < row.captions.length || captions.length === 0) problem("empty");
      if (captions.length === 0) continue;
      const texts = captions.map((text) => ({ text }));
      if (before !== undefined) before.captions.push(...texts);
      else items.set(image, { id: idOf(image), image, captions: texts });
    }
  }
  report(problems, rows.length, source, options, leftOut, context);
  return [...items.values()];
}

function existingRoot(root: string): string {
  const folder = path.resolve(root);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new AmsError("the image root is not a folder", {
      where: folder,
      hint: "give the folder that holds the images as `root`",
    });
  }
  return folder;
}

function insideRoot(root: string, row: Row, source: RowSource): string {
  const image = path.resolve(root, row.image);
  if (!image.startsWith(root.endsWith(path.sep) ? root : root + path.sep) || row.image.includes("\0")) {
    throw new AmsError(`the image ${JSON.stringify(row.image)} lies outside the image root ${root}`, {
      where: `${source.file}, ${source.unit} ${row.number}`,
      hint: "write paths under the image root, or give another root",
    });
  }
  return image;
}

/** Tells whether files exist by listing each folder once: far quicker than asking for 31,000 files one by one. */
function fileFinder(): (file: string) => boolean {
  const folders = new Map<string, Set<string>>();
  return (file) => {
    const folder = path.dirname(file);
    let names = folders.get(folder);
    if (names === undefined) {
      names = new Set(namesIn(folder));
      folders.set(folder, names);
    }
    return names.has(path.basename(file));
  };
}

function namesIn(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new AmsError("this folder of images cannot be read", {
      where: folder,
      hint: "check the rights of the folder, or give another image root",
      cause,
    });
  }
}

function report(
  problems: Problem[],
  rows: number,
  { file, unit, root }: RowSource,
  { onProblem = "stop", onMissing, imagesFrom }: ProblemOptions,
  leftOut: LeftOut[],
  context: Context,
): void {
  for (const kind of Object.keys(kinds) as Kind[]) {
    const found = problems.filter((problem) => problem.kind === kind);
    if (found.length === 0) continue;
    const [one, many, hint] = kinds[kind];
    const names = [...new Set(found.map(({ what }) => what))];
    const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ", ..." : "");
    const count = kind === "missing" ? names.length : found.length; // an image may have a row for each of its captions
    const message = `${count} ${count === 1 ? one : many}: ${shown}`;
    const numbers = found.slice(0, 5).map(({ row }) => String(row));
    const place = `${file}, ${unit}${found.length === 1 ? "" : "s"} ${numbers.join(", ")}${found.length > 5 ? ", ..." : ""}`;
    const allMissing = kind === "missing" && names.length > 1 && found.length === rows;
    if (onProblem === "stop" && (kind !== "missing" || onMissing !== "keep")) {
      const from = imagesFrom === undefined ? "" : `; ${imagesFrom}`;
      throw new AmsError(allMissing ? `none of the ${names.length} images is there: ${shown}` : message, {
        where: place,
        hint: `${kind === "missing" ? `${hint} (now ${root})${from}` : hint}; or leave such rows out: --skip-problems`,
      });
    }
    if (kind === "missing" && onMissing === "keep") {
      context.note(`${message} (${place}): passed over where they are read`);
      continue;
    }
    context.note(`left out, as ${message} (${place})`);
    for (const { row, what } of found) leftOut.push({ image: what, file, row, reason: one });
  }
}

/**
 * The data set of these splits; an image that is in two of them is told, as what was trained on would be tested on.
 * Throws an `AmsError` when no split has an image.
 */
export function makeDataset(
  name: string,
  root: string,
  entries: Iterable<readonly [split: string, items: Item[]]>,
  leftOut: LeftOut[],
  context: Context,
): Dataset {
  const splits = Object.fromEntries(entries); // an own property for every name, "__proto__" as well
  if (Object.values(splits).every((items) => items.length === 0)) {
    throw new AmsError(`${name} has no images`, {
      where: path.resolve(root),
      hint:
        leftOut.length === 0
          ? "the annotation files name none: give others"
          : `all ${leftOut.length} rows were left out, the first as its ${leftOut[0]!.reason}: check the annotations and the image root`,
    });
  }
  const splitOf = new Map<string, string>();
  const shared: string[] = [];
  for (const [split, items] of Object.entries(splits)) {
    for (const { id, image } of items) {
      const other = splitOf.get(image);
      if (other === undefined) splitOf.set(image, split);
      else shared.push(`${id} (${other} and ${split})`);
    }
  }
  if (shared.length > 0) {
    const some = shared.slice(0, 3).join(", ") + (shared.length > 3 ? ", ..." : "");
    context.note(
      `${shared.length} ${shared.length === 1 ? "image is" : "images are"} in two splits of ${name}: ${some}`,
    );
  }
  const whole = { name, root: path.resolve(root), splits, fingerprint: fingerprint(splits) };
  return leftOut.length === 0 ? whole : { ...whole, leftOut };
}

/** Takes images with these ids out of a data set. */
export function leaveOut(dataset: Dataset, ids: ReadonlySet<string>): void {
  for (const [split, items] of Object.entries(dataset.splits)) {
    dataset.splits[split] = items.filter(({ id }) => !ids.has(id));
  }
  dataset.fingerprint = fingerprint(dataset.splits);
}

/** A short hash over image names and captions: two data sets with the same one train the same model. */
export function fingerprint(splits: Record<string, Item[]>): string {
  const hash = createHash("sha256");
  for (const [split, items] of Object.entries(splits)) {
    hash.update(`split ${split}\n`);
    for (const { id, captions } of items) hash.update(JSON.stringify([id, ...captions.map(({ text }) => text)]));
  }
  return hash.digest("hex").slice(0, 16);
}
