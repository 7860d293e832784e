/** Annotation rows of any source to the items of a split, checked: paths, missing images, empty captions, doubles. */
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Item } from "./dataset.js";

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

export interface ProblemOptions {
  /** Rows with missing images, no caption or a doubled image: "stop" (default) is an error, "skip" leaves them out. */
  onProblem?: "stop" | "skip";
}

type Kind = "missing" | "empty" | "double" | "id";

const kinds: Record<Kind, [one: string, many: string, hint: string]> = {
  missing: ["image is missing", "images are missing", "check that the image root is the folder that holds them"],
  empty: ["caption is empty", "captions are empty", "write the captions or remove the rows"],
  double: ["image comes twice", "images come twice", "put all captions of an image into one row"],
  id: ["image_id belongs to two images", "image_ids belong to two images", "give every image its own image_id"],
};

/**
 * The items of a split, one an image, in the order of their first rows; the id is the path under the root.
 * Throws an `AmsError` with the rows for problems (unless they are skipped and noted) and always for a path outside.
 */
export function itemsFromRows(rows: Row[], source: RowSource, options: ProblemOptions, context: Context): Item[] {
  const root = existingRoot(source.root);
  const exists = fileFinder();
  const items = new Map<string, Item>(); // by absolute path
  const places = new Map<string, string>(); // an image's path under the root -> its absolute path
  const imageOfId = new Map<string | number, string>();
  const problems: { kind: Kind; row: number; what: string }[] = [];
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
    if (before === undefined && !exists(image)) {
      problem("missing");
    } else if (before !== undefined && !source.rowPerCaption) {
      problem("double");
    } else {
      if (captions.length < row.captions.length || captions.length === 0) problem("empty");
      if (captions.length === 0) continue;
      const texts = captions.map((text) => ({ text }));
      if (before !== undefined) before.captions.push(...texts);
      else items.set(image, { id: path.relative(root, image).replaceAll("\\", "/"), image, captions: texts });
    }
  }
  report(problems, source, options, context);
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
      const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
      names = new Set(isFolder ? readdirSync(folder) : []);
      folders.set(folder, names);
    }
    return names.has(path.basename(file));
  };
}

function report(
  problems: { kind: Kind; row: number; what: string }[],
  { file, unit }: RowSource,
  { onProblem = "stop" }: ProblemOptions,
  context: Context,
): void {
  for (const kind of Object.keys(kinds) as Kind[]) {
    const found = problems.filter((problem) => problem.kind === kind);
    if (found.length === 0) continue;
    const [one, many, hint] = kinds[kind];
    const names = [...new Set(found.map(({ what }) => what))];
    const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ", ..." : "");
    const message = `${found.length} ${found.length === 1 ? one : many}: ${shown}`;
    const numbers = found.slice(0, 5).map(({ row }) => String(row));
    const place = `${file}, ${unit}${found.length === 1 ? "" : "s"} ${numbers.join(", ")}${found.length > 5 ? ", ..." : ""}`;
    if (onProblem === "stop") {
      throw new AmsError(message, { where: place, hint: `${hint}; or leave such rows out with onProblem: "skip"` });
    }
    context.note(`left out, as ${message} (${place})`);
  }
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
