/** The annotation files of the published training (ALBEF's layout): flickr30k_train.json, coco_test.json and so on. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { AmsError } from "../errors.js";
import { silentContext, type Context } from "../context.js";
import type { Dataset, Item, LeftOut } from "./dataset.js";
import { itemsFromRows, makeDataset, type ProblemOptions, type Row } from "./items.js";
import { readJson, whatIs } from "./jsonFile.js";

/** Where the published training's annotation files are, and what becomes of bad rows. */
export interface AnnotationOptions extends ProblemOptions {
  /** The folder of the images. */
  root: string;
  /** The folder with the annotation files, or the file of each split. */
  annotations: string | Record<string, string>;
  /** Name of the data set; default that of the layout. */
  name?: string;
}

/** Flickr30K: `flickr30k_<split>.json`; of `image` only the last part counts, under the image root. */
export function openFlickr30k(options: AnnotationOptions, context: Context = silentContext): Promise<Dataset> {
  return openAnnotations("flickr30k", (image) => path.posix.basename(image), options, context);
}

/** COCO: `coco_<split>.json`; `image` is the path under the image root (val2014/COCO_val2014_...jpg). */
export function openCoco(options: AnnotationOptions, context: Context = silentContext): Promise<Dataset> {
  return openAnnotations("coco", (image) => image, options, context);
}

async function openAnnotations(
  layout: string,
  imagePath: (image: string) => string,
  options: AnnotationOptions,
  context: Context,
): Promise<Dataset> {
  const { root, annotations, name = layout } = options;
  const files = typeof annotations === "string" ? await splitFiles(annotations, layout) : annotations;
  const splits = new Map<string, Item[]>();
  const leftOut: LeftOut[] = [];
  for (const [split, file] of Object.entries(files)) {
    context.signal.throwIfAborted();
    const { rows, rowPerCaption } = readRows(await readJson(file), file);
    const placed = rows.map((row) => ({ ...row, image: imagePath(row.image) }));
    splits.set(split, itemsFromRows(placed, { file, unit: "row", root, rowPerCaption }, options, leftOut, context));
  }
  return makeDataset(name, root, splits, leftOut, context);
}

/** `flickr30k_train.json` -> train; the usual splits first. */
async function splitFiles(folder: string, layout: string): Promise<Record<string, string>> {
  const hint = `put ${layout}_train.json, ${layout}_val.json and ${layout}_test.json there, or name the file of each split`;
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new AmsError("the annotation folder cannot be read", { where: folder, hint, cause });
  }
  const usual = ["train", "val", "test"];
  const found = names
    .filter((name) => name.startsWith(`${layout}_`) && name.endsWith(".json"))
    .map((name) => name.slice(layout.length + 1, -".json".length))
    .sort((a, b) => (usual.indexOf(a) + 1 || 9) - (usual.indexOf(b) + 1 || 9) || a.localeCompare(b));
  if (found.length === 0)
    throw new AmsError(`no annotation file ${layout}_<split>.json is there`, { where: folder, hint });
  return Object.fromEntries(found.map((split) => [split, path.join(folder, `${layout}_${split}.json`)]));
}

/** Training files have one row a caption ({image, caption, image_id}), the others one an image ({image, caption: [...]}). */
function readRows(json: unknown, file: string): { rows: Row[]; rowPerCaption: boolean } {
  const wrong = (message: string, number?: number): AmsError =>
    new AmsError(message, {
      where: number === undefined ? file : `${file}, row ${number}`,
      hint: "a row is {image, caption, image_id} in the training file and {image, caption: [...]} in the others",
    });
  if (!Array.isArray(json)) throw wrong(`the file must hold a list of rows, not ${whatIs(json)}`);
  let rowPerCaption = false;
  const rows = json.map((entry: unknown, i): Row => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
      throw wrong(`a row must be an object, not ${whatIs(entry)}`, i + 1);
    }
    const { image, caption, image_id: id } = entry as Record<string, unknown>;
    if (typeof image !== "string" || image === "") throw wrong(`image must be a path, not ${whatIs(image)}`, i + 1);
    if (id !== undefined && typeof id !== "string" && typeof id !== "number") {
      throw wrong(`image_id must be a text or a number, not ${whatIs(id)}`, i + 1);
    }
    if (typeof caption === "string") rowPerCaption = true;
    const captions: unknown = typeof caption === "string" ? [caption] : caption;
    if (!Array.isArray(captions) || !captions.every((text) => typeof text === "string")) {
      throw wrong(`caption must be a text or a list of texts, not ${whatIs(caption)}`, i + 1);
    }
    return { image, captions, number: i + 1, ...(id === undefined ? {} : { id }) };
  });
  return { rows, rowPerCaption };
}
