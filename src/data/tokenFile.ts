/** Flickr's own caption file: results_20130124.token, a line of it `1000092795.jpg#0<tab>caption`; or results.csv, `1000092795.jpg| 0| caption`. */
import path from "node:path";
import { silentContext, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Dataset, Item, LeftOut } from "./dataset.js";
import { itemsFromRows, makeDataset, type ProblemOptions, type Row } from "./items.js";
import { readText } from "./jsonFile.js";

/** Where Flickr30K's own file of captions, its lists of splits and its images are. */
export interface TokenFileOptions extends ProblemOptions {
  /** The folder of the images. */
  root: string;
  /** results_20130124.token */
  file: string;
  /** A text file per split with an image's name a line (its ending may be left off); without them all images are in "all". */
  splits?: Record<string, string>;
  name?: string;
}

/** Opens the file. Images that no split file names are left out. */
export async function openTokenFile(options: TokenFileOptions, context: Context = silentContext): Promise<Dataset> {
  const { root, file, name = path.basename(file).replace(/\.\w+$/, "") } = options;
  const rows = readLines(await readText(file), file);
  const images = new Set(rows.map(({ image }) => image));
  const lists = Object.entries(options.splits ?? {});
  const splits = new Map<string, Item[]>();
  const leftOut: LeftOut[] = [];
  const place = (list: Row[]): Item[] =>
    itemsFromRows(list, { file, unit: "line", root, rowPerCaption: true }, options, leftOut, context);
  if (lists.length === 0) splits.set("all", place(rows));
  for (const [split, listFile] of lists) {
    const names = (await readText(listFile)).split(/\s+/).filter(Boolean);
    const wanted = new Set(names.map(withoutEnding));
    const exact = new Set(names.filter((image) => images.has(image)));
    const stems = new Set(names.filter((image) => !images.has(image)).map(withoutEnding));
    const found = rows.filter(({ image }) => exact.has(image) || stems.has(withoutEnding(image)));
    const known = new Set(found.map(({ image }) => withoutEnding(image)));
    const unknown = [...wanted].filter((image) => !known.has(image));
    if (unknown.length > 0) {
      throw new AmsError(`${unknown.length} images of the split have no captions: ${unknown.slice(0, 3).join(", ")}`, {
        where: listFile,
        hint: `the list must name images of ${file}, one a line`,
      });
    }
    splits.set(split, place(found));
  }
  return makeDataset(name, root, splits, leftOut, context);
}

function withoutEnding(image: string): string {
  return image.replace(/\.(?:jpe?g|png|gif|webp|bmp|tiff?|avif)$/i, "");
}

function readLines(text: string, file: string): Row[] {
  const table = /^image(_name)?\|/.test(text);
  // One line of the table that is in circulation lacks its second bar.
  const form = table ? /^([^|]+)\|\s*\d+(?:\|\s*|\s+)(.*)$/ : /^([^\t#]+)#\d+\t(.*)$/;
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === "" || (table && i === 0)) return [];
    const [, image, caption] = form.exec(line) ?? [];
    if (image === undefined || caption === undefined) {
      throw new AmsError(
        `this line is not "${table ? "image.jpg| 0| caption" : "image.jpg#0<tab>caption"}": ${JSON.stringify(line.slice(0, 40))}`,
        {
          where: `${file}, line ${i + 1}`,
          hint: "give Flickr's results_20130124.token, or a table with the columns image and caption in a folder",
        },
      );
    }
    return [{ image, captions: [caption], number: i + 1 }];
  });
}
