/**
 * The index of a gallery on disk: `index.json` says which model made it, and two LanceDB tables hold images and captions with their pooled vectors.
 * Every write is a new version of a table that is there whole or not at all, so that a killed process leaves what was finished before.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import {
  Binary,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Utf8,
  vectorFromArray,
  type Data,
} from "apache-arrow";
import { z } from "zod";
import { AmsError } from "../errors.js";
import { takeLock } from "../lock.js";
import { makeFolder, writeWhole, writing } from "../writing.js";
import { precisions } from "./packedFeatures.js";
import { loadLance, type LanceConnection, type LanceTable } from "./lance.js";

const recordSchema = z.object({
  version: z.literal(1),
  /** `modelFingerprint` of the model that made the vectors. */
  fingerprint: z.string(),
  /** That model's name or folder, for people. */
  model: z.string(),
  /** How the features for the exact score are kept. */
  features: z.enum(precisions),
  /** Numbers of a pooled vector. */
  width: z.int().min(1),
  made: z.string(),
});
export type IndexRecord = z.infer<typeof recordSchema>;

export interface IndexedImage {
  id: string;
  /** Absolute path; no two rows have the same. */
  image: string;
  /** The gallery that it came from: a folder, or a data set's split. */
  source: string;
  /** Of the file when it was encoded: bytes, and when it was changed (milliseconds). */
  size: number;
  changed: number;
  captions: string[];
}
export interface NewImage extends IndexedImage {
  vector: Float32Array;
  features?: Uint8Array;
}
export interface NewCaption {
  /** Path of its image. */
  image: string;
  text: string;
  vector: Float32Array;
}
export type NearImage = IndexedImage & { pooled: number; features?: Uint8Array };
export interface NearCaption {
  image: string;
  text: string;
  pooled: number;
}

export interface Store {
  folder: string;
  record: IndexRecord;
  counts(): Promise<{ images: number; captions: number }>;
  /** Every image without its vector and features. */
  images(): Promise<IndexedImage[]>;
  /** Images with these paths, in no order. */
  imagesAt(files: readonly string[]): Promise<IndexedImage[]>;
  /** Images with the largest dot product with the vector, best first; with their features where they are kept. */
  nearestImages(vector: Float32Array, count: number): Promise<NearImage[]>;
  nearestCaptions(vector: Float32Array, count: number): Promise<NearCaption[]>;
  /** All images with their features in the order of the table, some at a time. */
  scan(): AsyncGenerator<{ image: string; features?: Uint8Array }[]>;
  /** Writes images with their captions; those of `replaced` paths, which are there already, go before. */
  put(images: readonly NewImage[], captions: readonly NewCaption[], replaced: readonly string[]): Promise<void>;
  /** Removes images by path, with their captions. */
  remove(files: readonly string[]): Promise<void>;
  /** Removes captions whose image was not written because the process ended in between; returns how many. */
  removeOrphans(): Promise<number>;
  /** Joins many small writes and frees what was deleted, where that is worth it. */
  tidy(deleted: number, readableFor?: number): Promise<void>;
  close(): void;
}

/** How long what has been replaced stays for searches that have opened it (ms). */
const readable = 10 * 60_000;

/** LanceDB's own folder. */
export const tables = "tables";

const text = (name: string): Field => new Field(name, new Utf8(), false);
const number = (name: string): Field => new Field(name, new Float64(), false);
const vectorField = (width: number): Field =>
  new Field("vector", new FixedSizeList(width, new Field("item", new Float32(), true)), false);
const imageSchema = (width: number): Schema =>
  new Schema([
    ...["id", "image", "source"].map(text),
    ...["size", "changed"].map(number),
    text("captions"), // a JSON array
    vectorField(width),
    new Field("features", new Binary(), true),
  ]);
const captionSchema = (width: number): Schema => new Schema([text("image"), text("text"), vectorField(width)]);
const described = ["id", "image", "source", "size", "changed", "captions"];

/** What `index.json` says, or undefined where there is no index. Throws AmsError where it is damaged. */
export function readRecord(folder: string): IndexRecord | undefined {
  const file = path.join(folder, "index.json");
  if (!existsSync(file)) return undefined;
  try {
    return recordSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    throw new AmsError("the index cannot be read: its record is damaged or of another version", {
      where: file,
      hint: "make it anew: ams index --fresh",
      cause,
    });
  }
}

/** Makes an empty index in a folder that is new, empty, or holds an index already, which goes. Throws AmsError for any other folder. */
export async function createStore(folder: string, about: Omit<IndexRecord, "version" | "made">): Promise<Store> {
  const own = new Set(["index.json", tables]);
  const isOther = (name: string): boolean => !own.has(name) && !name.startsWith("writing.lock");
  const other = existsSync(folder) ? readdirSync(folder).find(isOther) : undefined;
  if (other !== undefined) {
    throw new AmsError(`the folder holds something else than an index: ${other}`, {
      where: folder,
      hint: "choose a new or empty folder: --index DIR",
    });
  }
  const { connect } = await loadLance();
  writing(folder, () => {
    makeFolder(folder);
    rmSync(path.join(folder, "index.json"), { force: true }); // first: without it the rest is no index
    rmSync(path.join(folder, tables), { recursive: true, force: true });
  });
  const connection = await connect(path.join(folder, tables));
  const images = await connection.createTable("images", rowsOf(imageSchema(about.width), []), { mode: "overwrite" });
  const captions = await connection.createTable("captions", rowsOf(captionSchema(about.width), []), { mode: "overwrite" }); // prettier-ignore
  const record: IndexRecord = { version: 1, ...about, made: new Date().toISOString() };
  writing(folder, () => {
    writeWhole(path.join(folder, "index.json"), [JSON.stringify(record, null, 2)]);
  });
  return storeOf(folder, record, connection, images, captions);
}

/** Opens an index. Throws AmsError where there is none, or its tables cannot be read. */
export async function openStore(folder: string): Promise<Store> {
  const record = readRecord(folder);
  if (record === undefined) {
    throw new AmsError("there is no index", { where: folder, hint: "make one: ams index DIR" });
  }
  const { connect } = await loadLance();
  const connection = await connect(path.join(folder, tables));
  try {
    const [images, captions] = [await connection.openTable("images"), await connection.openTable("captions")];
    return storeOf(folder, record, connection, images, captions);
  } catch (cause) {
    throw damaged(folder, cause);
  }
}

/** What LanceDB says, in one line and without places in its own sources. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
  return text.replace(/,? \S+\.rs:\d+:\d+/g, "").replace(/\s+Caused by:.*/, "");
}

function damaged(folder: string, cause: unknown): AmsError {
  return new AmsError(`the index cannot be read: ${reasonOf(cause)}`, {
    where: folder,
    hint: "make it anew: ams index --fresh",
    cause,
  });
}

function storeOf(
  folder: string,
  record: IndexRecord,
  connection: LanceConnection,
  images: LanceTable,
  captions: LanceTable,
): Store {
  /** What LanceDB throws while it reads is a damaged file; while it writes, a disk that refuses. */
  const reading = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw cause instanceof AmsError ? cause : damaged(folder, cause);
    }
  };
  const writes = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (cause) {
      if (cause instanceof AmsError) throw cause;
      throw new AmsError(`the index cannot be written: ${reasonOf(cause)}`, {
        where: folder,
        hint: "check its disk and its rights; what was finished before is kept, and the same line goes on",
        cause,
      });
    }
  };
  const among = (files: readonly string[]): string =>
    `image IN (${files.map((file) => `'${file.replaceAll("'", "''")}'`).join(", ")})`;
  const deleteRows = async (table: LanceTable, files: readonly string[]): Promise<void> => {
    for (let at = 0; at < files.length; at += 500) await table.delete(among(files.slice(at, at + 500)));
  };
  return {
    folder,
    record,
    counts: () => reading(async () => ({ images: await images.countRows(), captions: await captions.countRows() })),
    images: () => reading(async () => describe(await images.query().select(described).toArrow())),
    imagesAt: (files) =>
      reading(async () =>
        files.length === 0 ? [] : describe(await images.query().where(among(files)).select(described).toArrow()),
      ),
    nearestImages: (vector, count) =>
      reading(async () => {
        const columns = [...described, ...(record.features === "none" ? [] : ["features"]), "_distance"];
        const near = images.vectorSearch(vector).distanceType("dot").limit(count).select(columns);
        const rows = await near.toArrow();
        const distances = rows.getChild("_distance");
        const features = rows.getChild("features");
        return describe(rows).map((image, row) => {
          const kept = features?.get(row) as Uint8Array | null | undefined;
          const pooled = 1 - Number(distances?.get(row));
          return { ...image, pooled, ...(kept === null || kept === undefined ? {} : { features: kept }) };
        });
      }),
    nearestCaptions: (vector, count) =>
      reading(async () => {
        const columns = ["image", "text", "_distance"];
        const rows = await captions.vectorSearch(vector).distanceType("dot").limit(count).select(columns).toArrow();
        const value = (name: string, row: number): unknown => rows.getChild(name)?.get(row);
        return Array.from({ length: rows.numRows }, (_, row) => ({
          image: String(value("image", row)),
          text: String(value("text", row)),
          pooled: 1 - Number(value("_distance", row)),
        }));
      }),
    async *scan() {
      const columns = ["image", ...(record.features === "none" ? [] : ["features"])];
      const batches = images.query().select(columns)[Symbol.asyncIterator]();
      for (;;) {
        const next = await reading(() => batches.next());
        if (next.done === true) return;
        const rows = next.value;
        const [files, features] = [rows.getChild("image"), rows.getChild("features")];
        yield Array.from({ length: rows.numRows }, (_, row) => {
          const kept = features?.get(row) as Uint8Array | null | undefined;
          return { image: String(files?.get(row)), ...(kept === null || kept === undefined ? {} : { features: kept }) };
        });
      }
    },
    put: (newImages, newCaptions, replaced) =>
      writes(async () => {
        if (newImages.length === 0) return;
        // The image's row comes last: with it an image is finished, without it its captions are orphans.
        await deleteRows(images, replaced);
        await deleteRows(captions, replaced);
        if (newCaptions.length > 0) await captions.add(captionRows(record.width, newCaptions));
        await images.add(imageRows(record.width, newImages));
      }),
    remove: (files) =>
      writes(async () => {
        await deleteRows(images, files);
        await deleteRows(captions, files);
      }),
    removeOrphans: () =>
      reading(async () => {
        const before = await captions.countRows();
        const owners = describe(await images.query().select(described).toArrow());
        if (owners.reduce((sum, { captions: own }) => sum + own.length, 0) === before) return 0;
        const there = new Set(owners.map(({ image }) => image));
        const files = (await captions.query().select(["image"]).toArrow()).getChild("image");
        const orphans = new Set(Array.from({ length: before }, (_, row) => String(files?.get(row))).filter((file) => !there.has(file))); // prettier-ignore
        await writes(() => deleteRows(captions, [...orphans]));
        return before - (await captions.countRows());
      }),
    tidy: (deleted, readableFor = readable) =>
      writes(async () => {
        const before = new Date(Date.now() - readableFor);
        for (const table of [images, captions]) {
          const { numFragments } = (await table.stats()).fragmentStats;
          const many = deleted > 0.1 * (await table.countRows()) || numFragments > 100;
          const old = (await table.listVersions()).slice(0, -1).some(({ timestamp }) => timestamp < before);
          if (many || old) await table.optimize({ cleanupOlderThan: before });
        }
      }),
    close: () => {
      images.close();
      captions.close();
      connection.close();
    },
  };
}

function describe(rows: Table): IndexedImage[] {
  const value = (name: string, row: number): unknown => rows.getChild(name)?.get(row);
  return Array.from({ length: rows.numRows }, (_, row) => ({
    id: String(value("id", row)),
    image: String(value("image", row)),
    source: String(value("source", row)),
    size: Number(value("size", row)),
    changed: Number(value("changed", row)),
    captions: JSON.parse(String(value("captions", row))) as string[],
  }));
}

function rowsOf(schema: Schema, children: Data[]): Table {
  const length = children[0]?.length ?? 0;
  if (length === 0) return new Table(schema);
  const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
  return new Table([new RecordBatch(schema, data)]);
}

const texts = (values: readonly string[]): Data => vectorFromArray([...values], new Utf8()).data[0]!;
const numbers = (values: readonly number[]): Data =>
  makeData({ type: new Float64(), length: values.length, data: Float64Array.from(values) });

function vectors(width: number, rows: readonly { vector: Float32Array }[]): Data {
  const all = new Float32Array(width * rows.length);
  rows.forEach(({ vector }, row) => {
    all.set(vector, row * width);
  });
  const child = makeData({ type: new Float32(), length: all.length, data: all });
  return makeData({ type: new FixedSizeList(width, new Field("item", new Float32(), true)), length: rows.length, child }); // prettier-ignore
}

function imageRows(width: number, images: readonly NewImage[]): Table {
  return rowsOf(imageSchema(width), [
    texts(images.map(({ id }) => id)),
    texts(images.map(({ image }) => image)),
    texts(images.map(({ source }) => source)),
    numbers(images.map(({ size }) => size)),
    numbers(images.map(({ changed }) => changed)),
    texts(images.map(({ captions }) => JSON.stringify(captions))),
    vectors(width, images),
    binary(images.map(({ features }) => features)),
  ]);
}

function captionRows(width: number, captions: readonly NewCaption[]): Table {
  return rowsOf(captionSchema(width), [
    texts(captions.map(({ image }) => image)),
    texts(captions.map(({ text }) => text)),
    vectors(width, captions),
  ]);
}

function binary(values: readonly (Uint8Array | undefined)[]): Data {
  const valueOffsets = new Int32Array(values.length + 1);
  values.forEach((value, row) => (valueOffsets[row + 1] = valueOffsets[row]! + (value?.length ?? 0)));
  const data = new Uint8Array(valueOffsets.at(-1) ?? 0);
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8));
  let nullCount = 0;
  values.forEach((value, row) => {
    if (value === undefined) nullCount++;
    else {
      data.set(value, valueOffsets[row]);
      nullBitmap[row >> 3]! |= 1 << (row & 7);
    }
  });
  return makeData({ type: new Binary(), length: values.length, nullCount, nullBitmap, valueOffsets, data });
}

/**
 * Keeps other writers out of an index until the returned function is called. A lock of a process that is gone does not count. Throws AmsError
 * while another process writes.
 */
export function lockIndex(folder: string): () => void {
  const file = path.join(folder, "writing.lock");
  const lock = writing(folder, () => {
    makeFolder(folder);
    return takeLock(file);
  });
  if (typeof lock !== "number") return lock;
  throw new AmsError(`another process is writing this index (${String(lock)})`, {
    where: file,
    hint: "wait until it is done, or choose another one: --index NAME; if that process is something else, delete the file",
  });
}
