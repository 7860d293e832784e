/** A plain folder of images with a table of captions beside them: CSV, TSV or JSONL with image, caption and maybe split. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { silentContext, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import { hash32 } from "../random.js";
import { parseCsv } from "./csv.js";
import type { Dataset, Item, LeftOut } from "./dataset.js";
import { itemsFromRows, makeDataset, type ProblemOptions, type Row } from "./items.js";
import { parseJson, readText, whatIs } from "./jsonFile.js";

/** A folder of images with a table of captions. */
export interface FolderOptions extends ProblemOptions {
  /** The folder of the table, and of the images where `root` names no other. */
  folder: string;
  /** The table; default the only .csv, .tsv or .jsonl file in the folder. */
  captions?: string;
  /** The folder of the images, to which the paths in the table are relative. */
  root?: string;
  name?: string;
}

type TableRow = Row & { split?: string };

const imageColumns = ["image", "file", "filename", "file_name", "path"];
const captionColumns = ["caption", "captions", "text", "sentence"];
const columnHint = "the table needs the columns image and caption, and may have split (train, val, test)";

/**
 * Opens the folder. An image may have several rows. Without a split column, images are spread 80/10/10 over train, val
 * and test by a hash of their path, so adding images moves none.
 */
export async function openFolder(options: FolderOptions, context: Context = silentContext): Promise<Dataset> {
  const { folder, root = folder, name = path.basename(path.resolve(folder)) } = options;
  const file = options.captions ?? (await onlyTable(folder));
  const rows = readTable(await readText(file), file);
  const withSplit = rows.some(({ split }) => split !== undefined);
  const bySplit = new Map<string, Row[]>(withSplit ? [] : ["train", "val", "test"].map((split) => [split, []]));
  for (const row of rows) {
    const split = withSplit ? (row.split ?? "train") : hashedSplit(row.image);
    const list = bySplit.get(split);
    if (list === undefined) bySplit.set(split, [row]);
    else list.push(row);
  }
  if (!withSplit)
    context.note(`${file} has no split column: images are spread over train, val and test by their names`);
  const splits = new Map<string, Item[]>();
  const leftOut: LeftOut[] = [];
  const source = { file, unit: "line", root, rowPerCaption: true } as const;
  for (const [split, list] of bySplit) splits.set(split, itemsFromRows(list, source, options, leftOut, context));
  return makeDataset(name, root, splits, leftOut, context);
}

/** The usual name of a split: training and evaluation look for train, val and test. */
function splitName(text: string): string {
  const name = text.trim();
  const usual = {
    train: "train",
    val: "val",
    test: "test",
    training: "train",
    validation: "val",
    valid: "val",
    dev: "val",
    testing: "test",
  };
  return new Map(Object.entries(usual)).get(name.toLowerCase()) ?? name;
}

function hashedSplit(image: string): string {
  const tenth = hash32(image) % 10;
  return tenth < 8 ? "train" : tenth === 8 ? "val" : "test";
}

async function onlyTable(folder: string): Promise<string> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new AmsError("this folder cannot be read", { where: folder, hint: "give the folder of the images", cause });
  }
  const tables = names.filter((name) => /\.(csv|tsv|jsonl)$/i.test(name));
  const [table] = tables;
  if (table === undefined || tables.length > 1) {
    throw new AmsError(
      table === undefined
        ? "the folder has no table of captions (.csv, .tsv or .jsonl)"
        : `the folder has several tables: ${tables.slice(0, 5).join(", ")}`,
      { where: folder, hint: "name the table: --captions FILE" },
    );
  }
  return path.join(folder, table);
}

function readTable(text: string, file: string): TableRow[] {
  if (text.trim() === "") throw new AmsError("the file is empty", { where: file, hint: columnHint });
  if (/\.jsonl$/i.test(file)) return readJsonLines(text, file);
  const [header, ...records] = parseCsv(text, /\.tsv$/i.test(file) ? "\t" : ",", file);
  const columns = header?.fields.map((name) => name.trim().toLowerCase()) ?? [];
  const imageColumn = columns.findIndex((name) => imageColumns.includes(name));
  const captionColumn = columns.findIndex((name) => captionColumns.includes(name));
  const splitColumn = columns.indexOf("split");
  if (imageColumn < 0 || captionColumn < 0) {
    if (columns.length === 1 && columns[0]?.includes(";") === true) {
      throw new AmsError("the fields of this table are separated by semicolons", {
        where: `${file}, line 1: ${columns[0].slice(0, 100)}`,
        hint: "save it with commas, or with tabs as .tsv",
      });
    }
    throw new AmsError(`the table has no ${imageColumn < 0 ? "image" : "caption"} column`, {
      where: `${file}, line 1: ${columns.join(", ").slice(0, 100)}`,
      hint: columnHint,
    });
  }
  return records.map(({ line, fields }) => {
    if (fields.length !== columns.length) {
      throw new AmsError(`this line has ${fields.length} fields, the header ${columns.length}`, {
        where: `${file}, line ${line}`,
        hint: 'put captions with a comma in "quotes"',
      });
    }
    const split = splitName(fields[splitColumn] ?? "");
    return {
      image: fields[imageColumn] ?? "",
      captions: [fields[captionColumn] ?? ""],
      number: line,
      ...(split === "" ? {} : { split }),
    };
  });
}

function readJsonLines(text: string, file: string): TableRow[] {
  const rows: TableRow[] = [];
  const lines = text.split(/\r?\n/);
  const last = lines.findLastIndex((line) => line.trim() !== "");
  lines.forEach((line, i) => {
    if (line.trim() === "") return;
    const entry = parseJson(line, file, i + 1, i === last);
    const wrong = (message: string): AmsError =>
      new AmsError(message, { where: `${file}, line ${i + 1}`, hint: columnHint });
    if (typeof entry !== "object" || entry === null) throw wrong(`a line must be an object, not ${whatIs(entry)}`);
    const fields = entry as Record<string, unknown>;
    const image = imageColumns.map((name) => fields[name]).find((value) => value !== undefined);
    const caption = captionColumns.map((name) => fields[name]).find((value) => value !== undefined);
    if (typeof image !== "string") throw wrong(`image must be a path, not ${whatIs(image)}`);
    const captions: unknown = typeof caption === "string" ? [caption] : caption;
    if (!Array.isArray(captions) || !captions.every((value) => typeof value === "string")) {
      throw wrong(`caption must be a text or a list of texts, not ${whatIs(caption)}`);
    }
    const { split } = fields;
    if (split !== undefined && typeof split !== "string") throw wrong(`split must be a text, not ${whatIs(split)}`);
    rows.push({
      image,
      captions,
      number: i + 1,
      ...(split === undefined || split.trim() === "" ? {} : { split: splitName(split) }),
    });
  });
  return rows;
}
