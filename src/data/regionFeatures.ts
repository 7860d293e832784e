/** Images as region features, in SCAN's precomputed layout: SPLIT_ims.npy [N, regions, width] and SPLIT_caps.txt, a caption a line. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { silentContext, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Dataset, Item } from "./dataset.js";
import type { PreparedImages } from "./imagePool.js";
import { makeDataset } from "./items.js";
import { readText } from "./jsonFile.js";
import { openNpyRows, type NpyRows } from "./npyRows.js";

/** How many regions a picture has, and how wide their features are: NAAF's authors used 36 of 2,048. */
export interface RegionSize {
  count: number;
  width: number;
}

/** The file names' word for a split, and ours. */
const splitNames = { train: "train", dev: "val", test: "test", testall: "testall" };

/** Whether a folder has this layout. */
export function hasRegionFeatures(folder: string): boolean {
  return Object.keys(splitNames).some((name) => existsSync(path.join(folder, `${name}_ims.npy`)));
}

/**
 * Opens the folder. Captions of one picture follow each other, the same number for every picture; a file with a row for each caption (as of MS-COCO's
 * validation) repeats the picture's features, and the first of each five counts. An item's `image` names file and row: `.../test_ims.npy#12`.
 * Errors: a split without one of its two files, counts that do not fit, empty captions, splits of different sizes of features.
 */
export async function openRegionFeatures(folder: string, context: Context = silentContext): Promise<Dataset> {
  const splits: [string, Item[]][] = [];
  let size: RegionSize | undefined;
  for (const [name, split] of Object.entries(splitNames)) {
    const features = path.join(folder, `${name}_ims.npy`);
    const captions = path.join(folder, `${name}_caps.txt`);
    const [hasFeatures, hasCaptions] = [existsSync(features), existsSync(captions)];
    if (!hasFeatures && !hasCaptions) continue;
    if (!hasFeatures || !hasCaptions) {
      throw new AmsError(`the split ${name} has only one of its two files`, {
        where: hasFeatures ? captions : features,
        hint: `put ${name}_ims.npy and ${name}_caps.txt side by side`,
      });
    }
    const rows = openNpyRows(features);
    const repeated = rowsRepeat(rows);
    rows.close();
    const [count = 0, regions = 0, width = 0] = rows.shape;
    if (rows.shape.length !== 3 || (size !== undefined && (size.count !== regions || size.width !== width))) {
      throw new AmsError(
        size === undefined || rows.shape.length !== 3
          ? `features are [images, regions, width], these are [${rows.shape.join(", ")}]`
          : `the other splits have ${size.count} regions of ${size.width}, this one ${regions} of ${width}`,
        { where: features, hint: "take all splits of one data set" },
      );
    }
    size = { count: regions, width };
    const lines = (await readText(captions)).replace(/\r?\n$/, "").split(/\r?\n/);
    const empty = lines.findIndex((line) => line.trim() === "");
    if (empty >= 0) {
      throw new AmsError("a caption is empty", {
        where: `${captions}, line ${empty + 1}`,
        hint: "every line is a caption; the captions of one picture follow each other",
      });
    }
    splits.push([split, itemsOf(features, count, repeated, lines, captions)]);
  }
  return makeDataset(path.basename(path.resolve(folder)), folder, splits, [], context);
}

/** Whether each picture has five rows, one a caption, as in SCAN's test sets: by the first twenty pictures. */
function rowsRepeat(rows: NpyRows): boolean {
  const [count = 0, ...each] = rows.shape;
  if (count === 0 || count % 5 !== 0) return false;
  const size = each.reduce((product, n) => product * n, 1);
  const [first, other] = [new Float32Array(size), new Float32Array(size)];
  for (let row = 0; row < Math.min(count, 100); row++) {
    const into = row % 5 === 0 ? first : other;
    rows.read(row, into, 0);
    if (row % 5 !== 0 && !Buffer.from(other.buffer).equals(Buffer.from(first.buffer))) return false;
  }
  return true;
}

function itemsOf(features: string, rows: number, repeats: boolean, lines: string[], captions: string): Item[] {
  const repeated = repeats && rows === lines.length;
  const images = repeated ? rows / 5 : rows;
  const each = lines.length / images;
  if (!Number.isInteger(each) || each < 1) {
    throw new AmsError(`${lines.length} captions do not fit ${rows} pictures: each has the same number of them`, {
      where: captions,
      hint: "take both files of one split",
    });
  }
  return Array.from({ length: images }, (_, i) => ({
    id: String(i),
    image: `${path.resolve(features)}#${repeated ? 5 * i : i}`,
    captions: lines.slice(i * each, (i + 1) * each).map((text) => ({ text })),
  }));
}

/** Files that stay open for the next batch, each until another one lies in its place. */
const open = new Map<string, { rows: NpyRows; stamp: string }>();

function rowsOf(file: string): NpyRows {
  const found = open.get(file);
  const state = statSync(file, { throwIfNoEntry: false });
  const stamp = state === undefined ? "" : `${state.ino} ${state.size} ${state.mtimeMs}`;
  if (found?.stamp === stamp) return found.rows;
  found?.rows.close();
  open.delete(file);
  const rows = openNpyRows(file);
  open.set(file, { rows, stamp });
  return rows;
}

/**
 * Features of items' images, [images, regions * width]. What cannot be read is listed in `bad` and zeros. Throws an AmsError for a picture and for
 * features of another size: these are no damage that could be passed over, but another model's data.
 */
export function readRegions(images: string[], { count, width }: RegionSize): PreparedImages {
  const each = count * width;
  const result: PreparedImages = { pixels: new Float32Array(images.length * each), crops: [], bad: [] };
  images.forEach((image, index) => {
    result.crops.push({ top: 0, left: 0, width: 0, height: 0, flip: false, imageWidth: 0, imageHeight: 0 });
    try {
      readRegion(image, { count, width }, result.pixels, index * each);
    } catch (error) {
      if (!(error instanceof AmsError) || error instanceof OtherInputError) throw error;
      const { message, where, hint } = error;
      result.bad.push({ index, message, where, hint });
    }
  });
  return result;
}

/** The data are not what the model looks at. */
class OtherInputError extends AmsError {}

/** The file and row of an image's features. */
function regionOf(image: string, { count, width }: RegionSize): { rows: NpyRows; row: number } {
  const [, file, row] = /^(.*\.npy)#(\d+)$/.exec(image) ?? [];
  if (file === undefined) {
    throw new OtherInputError("the model looks at region features, and this is a picture", {
      where: image,
      hint: "open data of precomputed features (SPLIT_ims.npy beside SPLIT_caps.txt), or take a model with an image encoder",
    });
  }
  const rows = rowsOf(file);
  const [images = 0, regions, features] = rows.shape;
  if (regions !== count || features !== width) {
    throw new OtherInputError(`the model looks at ${count} regions of ${width}, the file has [${rows.shape.join(", ")}]`, { where: image, hint: buildHint(file) }); // prettier-ignore
  }
  if (Number(row) >= images) {
    throw new AmsError(`the file has only ${images} rows`, { where: image, hint: "put the whole file back" });
  }
  return { rows, row: Number(row) };
}

function readRegion(image: string, size: RegionSize, into: Float32Array, offset: number): void {
  const { rows, row } = regionOf(image, size);
  rows.read(row, into, offset);
  if (!into.subarray(offset, offset + size.count * size.width).every(Number.isFinite)) {
    throw new AmsError("a feature is no number", { where: image, hint: "compute the features again" });
  }
}

/** Closes the files of features, which otherwise stay open for the next batch. */
export function closeRegionFeatures(): void {
  for (const { rows } of open.values()) rows.close();
  open.clear();
}

/** The file of an item's image where that is a row of features (`.../test_ims.npy#12`), undefined for a picture. */
export function featuresFile(image: string): string | undefined {
  return /^(.*\.npy)#\d+$/.exec(image)?.[1];
}

/** The size of an item's features, undefined for a picture. Throws an AmsError where their file cannot be read. */
export function regionSizeOf(image: string): RegionSize | undefined {
  const file = featuresFile(image);
  if (file === undefined) return undefined;
  const [, count = 0, width = 0] = rowsOf(file).shape;
  return { count, width };
}

/** The size of a data set's features, undefined where it has pictures. Throws an AmsError where their file cannot be read. */
export function regionSizeIn({ splits }: Pick<Dataset, "splits">): RegionSize | undefined {
  const first = Object.values(splits).find((items) => items.length > 0)?.[0];
  return first === undefined ? undefined : regionSizeOf(first.image);
}

/** "6 regions of 64 numbers" */
export function regionsText({ count, width }: RegionSize): string {
  return `${count} regions of ${width} numbers`;
}

/** How to build the model for a file of features. */
function buildHint(file: string): string {
  const [, count, width] = rowsOf(file).shape;
  return `build a model for them: ams build --data ${path.dirname(file)} --regions ${String(count)}x${String(width)} --recipe naaf`;
}

/** Throws an AmsError where one of the images is a row of features and the model looks at pictures. */
export function refuseRegions(images: string[]): void {
  const features = images.find((image) => featuresFile(image) !== undefined);
  const file = features === undefined ? undefined : featuresFile(features);
  if (features === undefined || file === undefined) return;
  throw new OtherInputError("the data are region features, and the model looks at pictures", {
    where: features,
    hint: buildHint(file),
  });
}

/**
 * For before the work: throws an AmsError where the first item is not what a model looks at, pictures (a number, their side) or region
 * features of a size. What cannot be read is left for when it is.
 */
export function checkInput([first]: readonly Item[], input: number | RegionSize): void {
  if (first === undefined) return;
  try {
    if (typeof input === "number") refuseRegions([first.image]);
    else regionOf(first.image, input);
  } catch (error) {
    if (error instanceof OtherInputError) throw error;
  }
}
