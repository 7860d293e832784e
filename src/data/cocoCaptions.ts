/** MS-COCO's own annotation files: captions_<set>.json, with Karpathy's splits and the boxes of instances_<set>.json on request. */
import { existsSync } from "node:fs";
import path from "node:path";
import { silentContext, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Dataset, ImageObject, Item, LeftOut } from "./dataset.js";
import { itemsFromRows, makeDataset, type ProblemOptions, type Row } from "./items.js";
import { readJson, whatIs } from "./jsonFile.js";
import { karpathySplits } from "./karpathy.js";

/** Where MS-COCO's own annotation files are. */
export interface CocoCaptionOptions extends ProblemOptions {
  /** The folder that holds train2014/ and val2014/ (or train2017/, val2017/), or the images themselves. */
  root: string;
  /** captions_train2014.json, captions_val2014.json and so on. */
  files: string[];
  /** dataset_coco.json: its splits, by COCO's image numbers. Without it the sets are the splits: train and val. */
  karpathy?: string;
  name?: string;
}

/** A row with the number that all of COCO's files know the image by. */
type NumberedRow = Row & { id: number };

/**
 * Opens the files. With Karpathy's splits, images that these do not name are left out and "restval" is train.
 * Throws an `AmsError` with file and entry for whatever is no such annotation.
 */
export async function openCocoCaptions(
  options: CocoCaptionOptions,
  context: Context = silentContext,
): Promise<Dataset> {
  const { root, files, karpathy, name = "coco" } = options;
  const chosen = karpathy === undefined ? undefined : await karpathySplits(karpathy);
  if (chosen === undefined) {
    context.note(
      "these are COCO's own sets; published recalls are on Karpathy's splits: put dataset_coco.json beside them",
    );
  }
  const splits = new Map<string, Item[]>(["train", "val", "test"].map((split) => [split, []]));
  const leftOut: LeftOut[] = [];
  for (const file of files) {
    context.signal.throwIfAborted();
    const rows = await readRows(file, root);
    const ownSplit = /test/.test(path.basename(file)) ? "test" : /val/.test(path.basename(file)) ? "val" : "train";
    for (const [split, items] of splits) {
      const own = rows.filter(({ id }) => (chosen === undefined ? ownSplit : chosen.get(id)) === split);
      const source = { file, unit: "image", root, rowPerCaption: false } as const;
      splits.set(split, [...items, ...itemsFromRows(own, source, options, leftOut, context)]);
    }
  }
  const filled = [...splits].filter(([, items]) => items.length > 0);
  return makeDataset(name, root, filled, leftOut, context);
}

function wrong(file: string, entry: string | undefined, message: string): AmsError {
  return new AmsError(message, {
    where: entry === undefined ? file : `${file}, ${entry}`,
    hint: 'the file must look like {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}',
  });
}

function listOf(json: unknown, key: string, file: string): Record<string, unknown>[] {
  const list = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const entries = list[key];
  if (!Array.isArray(entries)) throw wrong(file, undefined, `${key} must be a list, not ${whatIs(entries)}`);
  entries.forEach((entry: unknown, i) => {
    if (typeof entry === "object" && entry !== null && !Array.isArray(entry)) return;
    throw wrong(file, `${key} ${i + 1}`, `an entry must be an object, not ${whatIs(entry)}`);
  });
  return entries as Record<string, unknown>[];
}

/** One row an image, in the order of the file, with all of its captions. */
async function readRows(file: string, root: string): Promise<NumberedRow[]> {
  const json = await readJson(file);
  const rows = new Map<number, NumberedRow>();
  const twice: NumberedRow[] = [];
  const folder = imageFolder(file, root);
  listOf(json, "images", file).forEach(({ id, file_name: name }, i) => {
    const bad = (message: string): AmsError => wrong(file, `image ${i + 1}`, message);
    if (typeof id !== "number") throw bad(`id must be a number, not ${whatIs(id)}`);
    if (typeof name !== "string" || name === "") throw bad(`file_name must be a text, not ${whatIs(name)}`);
    const row = { image: path.posix.join(folder, name), captions: [], number: i + 1, id };
    if (rows.has(id)) twice.push({ ...row, captions: ["-"] });
    else rows.set(id, row);
  });
  listOf(json, "annotations", file).forEach(({ image_id: id, caption }, i) => {
    const bad = (message: string): AmsError => wrong(file, `annotation ${i + 1}`, message);
    if (typeof caption !== "string") throw bad(`caption must be a text, not ${whatIs(caption)}`);
    const row = typeof id === "number" ? rows.get(id) : undefined;
    if (row === undefined) throw bad(`image_id must be the id of one of the images, not ${whatIs(id)}`);
    row.captions.push(caption);
  });
  return [...rows.values(), ...twice];
}

/** `val2014` where the root has that folder: file names in the annotations are bare. */
function imageFolder(file: string, root: string): string {
  const set = /(train|val|test)20\d\d/.exec(path.basename(file))?.[0] ?? "";
  return set !== "" && existsSync(path.join(root, set)) ? set : "";
}

/**
 * The data set with the objects of instances_<set>.json: boxes and class names. They belong to the images by COCO's number
 * in the file name (`COCO_val2014_000000000042.jpg`, `000000000042.jpg`), so every layout of COCO can have them.
 * Throws an `AmsError` with file and entry for whatever is no such annotation.
 */
export async function addInstances(dataset: Dataset, files: string[], context: Context): Promise<Dataset> {
  const objects = new Map<number, ImageObject[]>();
  for (const file of files) {
    context.signal.throwIfAborted();
    const json = await readJson(file);
    const names = new Map(listOf(json, "categories", file).map(({ id, name }) => [id, String(name)]));
    listOf(json, "annotations", file).forEach(({ image_id: image, category_id: category, bbox }, i) => {
      const numbers: unknown[] = Array.isArray(bbox) ? bbox : [];
      if (numbers.length !== 4 || !numbers.every((value) => typeof value === "number")) {
        throw wrong(file, `annotation ${i + 1}`, `bbox must be [x, y, width, height], not ${whatIs(bbox)}`);
      }
      const [x, y, width, height] = numbers as [number, number, number, number];
      if (typeof image !== "number")
        throw wrong(file, `annotation ${i + 1}`, `image_id must be a number, not ${whatIs(image)}`);
      const list = objects.get(image) ?? [];
      objects.set(image, list);
      list.push({ box: { x, y, width, height }, label: names.get(category) ?? "unknown" });
    });
  }
  const splits = Object.fromEntries(
    Object.entries(dataset.splits).map(([split, items]) => [
      split,
      items.map((item) => ({ ...item, objects: objects.get(numberIn(item.id)) ?? [] })),
    ]),
  );
  if (Object.values(splits).every((items) => items.every(({ id }) => !objects.has(numberIn(id))))) {
    throw new AmsError("no image of the data set has boxes here", {
      where: files.join(", "),
      hint: "give the folder with the instances_*.json of the same pictures",
    });
  }
  return { ...dataset, splits };
}

function numberIn(id: string): number {
  return Number(/(\d+)\.\w+$/.exec(id)?.[1] ?? NaN);
}
