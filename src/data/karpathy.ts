/** Karpathy's split files, dataset_flickr30k.json and dataset_coco.json: one file with all images, sentences and splits. */
import path from "node:path";
import { silentContext, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Dataset, Item } from "./dataset.js";
import { fingerprint, itemsFromRows, type ProblemOptions, type Row } from "./items.js";
import { readJson, whatIs } from "./jsonFile.js";

export interface KarpathyOptions extends ProblemOptions {
  /** The folder of the images. */
  root: string;
  /** dataset_flickr30k.json or dataset_coco.json. */
  file: string;
  /** Default: what the file calls itself. */
  name?: string;
}

/** Opens the file; COCO's "restval" images belong to train, as in all published results. */
export async function openKarpathy(options: KarpathyOptions, context: Context = silentContext): Promise<Dataset> {
  const { root, file, onProblem = "stop" } = options;
  const wrong = (message: string, row?: number): AmsError =>
    new AmsError(message, {
      where: row === undefined ? file : `${file}, image ${row}`,
      hint: 'the file must look like {"images": [{"filename", "split", "sentences": [{"raw"}]}]}',
    });
  const json = await readJson(file);
  const { images, dataset } = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  if (!Array.isArray(images)) throw wrong(`images must be a list, not ${whatIs(images)}`);
  const bySplit = new Map<string, Row[]>();
  images.forEach((entry: unknown, i) => {
    if (typeof entry !== "object" || entry === null)
      throw wrong(`an image must be an object, not ${whatIs(entry)}`, i + 1);
    const { filename, filepath = "", split, sentences } = entry as Record<string, unknown>;
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
    rows.push({ image: path.posix.join(filepath, filename), captions, number: i + 1 });
  });
  const splits: Record<string, Item[]> = {};
  for (const [split, rows] of bySplit) {
    splits[split] = itemsFromRows(rows, { file, unit: "image", root, rowPerCaption: false }, { onProblem }, context);
  }
  const name = options.name ?? (typeof dataset === "string" ? dataset : path.basename(file, ".json"));
  return { name, root: path.resolve(root), splits, fingerprint: fingerprint(splits) };
}
