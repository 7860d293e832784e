/** Karpathy's split files, dataset_flickr30k.json and dataset_coco.json: one file with all images, sentences and splits. */
import path from "node:path";
import { silentContext, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Dataset, Item, LeftOut } from "./dataset.js";
import { itemsFromRows, makeDataset, type ProblemOptions, type Row } from "./items.js";
import { readJson, whatIs } from "./jsonFile.js";

/** Where one of Karpathy's files and its images are. */
export interface KarpathyOptions extends ProblemOptions {
  /** The folder of the images. */
  root: string;
  /** dataset_flickr30k.json or dataset_coco.json. */
  file: string;
  /** Default: what the file calls itself. */
  name?: string;
}

/** The split of every image by COCO's own number ("restval" is train): dataset_coco.json as a list of splits. */
export async function karpathySplits(file: string): Promise<Map<number, string>> {
  const splits = new Map<number, string>();
  for (const [i, entry] of imagesOf(await readJson(file), file).entries()) {
    const { cocoid, split } = entry;
    if (typeof cocoid !== "number") throw wrongImage(file, `cocoid must be a number, not ${whatIs(cocoid)}`, i + 1);
    if (typeof split !== "string") throw wrongImage(file, `split must be a text, not ${whatIs(split)}`, i + 1);
    splits.set(cocoid, split === "restval" ? "train" : split);
  }
  return splits;
}

function wrongImage(file: string, message: string, row?: number): AmsError {
  return new AmsError(message, {
    where: row === undefined ? file : `${file}, image ${row}`,
    hint: 'the file must look like {"images": [{"filename", "split", "sentences": [{"raw"}]}]}',
  });
}

function imagesOf(json: unknown, file: string): Record<string, unknown>[] {
  const { images } = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  if (!Array.isArray(images)) throw wrongImage(file, `images must be a list, not ${whatIs(images)}`);
  images.forEach((entry: unknown, i) => {
    if (typeof entry === "object" && entry !== null) return;
    throw wrongImage(file, `an image must be an object, not ${whatIs(entry)}`, i + 1);
  });
  return images as Record<string, unknown>[];
}

/** Opens the file; COCO's "restval" images belong to train, as in all published results. */
export async function openKarpathy(options: KarpathyOptions, context: Context = silentContext): Promise<Dataset> {
  const { root, file } = options;
  const wrong = (message: string, row: number): AmsError => wrongImage(file, message, row);
  const json = await readJson(file);
  const images = imagesOf(json, file);
  const { dataset } = json as Record<string, unknown>;
  const bySplit = new Map<string, Row[]>();
  images.forEach(({ filename, filepath = "", split, sentences, imgid: id }, i) => {
    if (id !== undefined && typeof id !== "number" && typeof id !== "string") {
      throw wrong(`imgid must be a number, not ${whatIs(id)}`, i + 1);
    }
    if (typeof filename !== "string") throw wrong(`filename must be a text, not ${whatIs(filename)}`, i + 1);
    if (typeof filepath !== "string") throw wrong(`filepath must be a text, not ${whatIs(filepath)}`, i + 1);
    if (typeof split !== "string") throw wrong(`split must be a text, not ${whatIs(split)}`, i + 1);
    if (!Array.isArray(sentences)) throw wrong(`sentences must be a list, not ${whatIs(sentences)}`, i + 1);
    const captions = sentences.map((sentence: unknown) => {
      const raw: unknown =
        typeof sentence === "object" && sentence !== null ? (sentence as { raw?: unknown }).raw : sentence;
      if (typeof raw !== "string") throw wrong(`a sentence must have a text as "raw", not ${whatIs(raw)}`, i + 1);
      return raw;
    });
    const place = split === "restval" ? "train" : split;
    const rows = bySplit.get(place) ?? [];
    bySplit.set(place, rows);
    rows.push({
      image: path.posix.join(filepath, filename),
      captions,
      number: i + 1,
      ...(id === undefined ? {} : { id }),
    });
  });
  const splits = new Map<string, Item[]>();
  const leftOut: LeftOut[] = [];
  const source = { file, unit: "image", root, rowPerCaption: false } as const;
  for (const [split, rows] of bySplit) splits.set(split, itemsFromRows(rows, source, options, leftOut, context));
  const name = options.name ?? (typeof dataset === "string" ? dataset : path.basename(file, ".json"));
  return makeDataset(name, root, splits, leftOut, context);
}
