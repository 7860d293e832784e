/** Filling an index: every image of a gallery is encoded once, and what is finished is on the disk within seconds. */
import { readdirSync, statfsSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { breathe, type Context } from "../context.js";
import { describeBad, loadReadable } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import { checkInput, featuresFile } from "../data/regionFeatures.js";
import { formatBytes } from "../display.js";
import { AmsError } from "../errors.js";
import { tokenise } from "../evaluate/encode.js";
import { isNarrower } from "../evaluate/evaluate.js";
import { captionVectors, joinScales } from "../evaluate/pooled.js";
import { timeLeft } from "../evaluate/progress.js";
import { pool } from "../match/pooledScore.js";
import { encodeImages, encodeUnprojected, foldOf, imageInput, type Model } from "../model/ams.js";
import { inputOf, regions } from "../model/config.js";
import { modelFingerprint } from "../model/fingerprint.js";
import { isPicture } from "./places.js";
import { bytesOfNumber, packFeatures, type Precision } from "./packedFeatures.js";
import {
  createStore,
  lockIndex,
  openStore,
  readRecord,
  type IndexedImage,
  type NewImage,
  type Store,
} from "./store.js";

/** Images to have in an index, and where they come from. */
export interface ImageList {
  /** A folder, or data set and split. */
  source: string;
  items: readonly Item[];
}

/** Which pictures go into which index. */
export interface IndexOptions {
  /** The index's folder. */
  folder: string;
  gallery?: ImageList;
  /** Also encode images anew that have changed, and remove those of this gallery that are gone. Default false: only what is missing is added. */
  update?: boolean;
  /** Throw away what is there. Default false. */
  fresh?: boolean;
  /** Ids or paths of images to remove. */
  remove?: readonly string[];
  /** Of the features of a new index. Default "float16". */
  features?: Precision;
  /** The model's name in messages. Default: its folder. */
  modelName?: string;
  /** What is encoded is written after so many seconds at the latest: what a killed process loses. Default 5. */
  writeEvery?: number;
}

/** What indexing has done. */
export interface Indexed {
  folder: string;
  model: string;
  features: Precision;
  /** What the index holds now. */
  images: number;
  captions: number;
  /** What this call did. */
  added: number;
  updated: number;
  removed: number;
  /** Images that cannot be read, with the reason; they are not in the index. */
  unreadable: { image: string; reason: string }[];
  /** Of an image's vector and features, uncompressed. */
  bytesPerImage: number;
  seconds: number;
}

/** Bytes that an image takes: its pooled vector in float32, and the regions' features of all scales. */
export function bytesPerImage(model: Model, features: Precision): number {
  const { scales, embed, image } = model.config;
  const numbers = scales.length * regions(model.config) * (isNarrower(model) ? image.width + 1 : embed);
  return 4 * scales.length * embed + bytesOfNumber[features] * numbers;
}

/**
 * Bytes that these images with their captions will take on the disk, about: vectors, features and texts. What is kept as floats may be up to a
 * tenth smaller, as LanceDB packs what repeats.
 */
export function indexBytes(model: Model, features: Precision, items: readonly Item[]): number {
  const vector = 4 * model.config.scales.length * model.config.embed;
  const texts = items.reduce((sum, { id, image, captions }) => {
    const own = captions.reduce((n, { text }) => n + Buffer.byteLength(text), 0);
    return sum + id.length + image.length + 2 * own + (vector + image.length) * captions.length;
  }, 0);
  return texts + items.length * bytesPerImage(model, features);
}

/** Bytes of features that may wait for the disk. */
const flushBytes = 64e6;

/**
 * Makes an index or goes on with it: images that are in it already are passed over, so that an interrupted or killed call is simply
 * repeated. Aborted, it writes what is encoded and throws the signal's reason. Images that cannot be read are told and left out.
 * Throws AmsError for an index of another model, what the model does not look at, a folder that is none, a full disk, and while another
 * process writes.
 */
export async function buildIndex(model: Model, options: IndexOptions, context: Context): Promise<Indexed> {
  const start = performance.now();
  const { folder, gallery, update = false, remove = [] } = options;
  if (gallery !== undefined) checkInput(gallery.items, inputOf(model.config));
  const unlock = lockIndex(folder);
  let store: Store | undefined;
  try {
    store = await openOrCreate(model, options);
    const orphans = await store.removeOrphans();
    if (orphans > 0) context.note(`removed ${orphans.toLocaleString("en")} captions that an interrupted write had left without their image`); // prettier-ignore
    const known = new Map((await store.images()).map((image) => [image.image, image]));
    const gone = new Set(removals(remove, known, folder));
    if (gallery !== undefined && update) {
      const wanted = new Set(gallery.items.map(({ image }) => image));
      for (const { image, source } of known.values()) {
        if (source === gallery.source && !wanted.has(image)) gone.add(image);
      }
    }
    await store.remove([...gone]);
    for (const file of gone) known.delete(file);
    const done = gallery === undefined ? { added: 0, updated: 0, unreadable: [] } : await fill(model, store, known, gallery, options, context); // prettier-ignore
    await store.tidy(gone.size + done.updated);
    return {
      folder,
      model: store.record.model,
      features: store.record.features,
      ...(await store.counts()),
      ...done,
      removed: gone.size,
      bytesPerImage: bytesPerImage(model, store.record.features),
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    store?.close();
    unlock();
  }
}

async function openOrCreate(
  model: Model,
  { folder, fresh = false, features, modelName, gallery }: IndexOptions,
): Promise<Store> {
  const record = fresh ? undefined : readRecord(folder);
  if (record === undefined) {
    if (gallery === undefined) throw new AmsError("there is no index", { where: folder, hint: "make one first: ams index DIR" }); // prettier-ignore
    return createStore(folder, {
      fingerprint: modelFingerprint(model),
      model: modelName ?? model.source ?? "a model built here",
      features: features ?? "float16",
      width: model.config.scales.length * model.config.embed,
    });
  }
  refuseOtherModel(model, record.fingerprint, record.model, folder);
  if (features !== undefined && features !== record.features) {
    throw new AmsError(`the index keeps features as ${record.features}, not ${features}`, {
      where: folder,
      hint: "leave --features out, or make the index anew: --fresh",
    });
  }
  return openStore(folder);
}

/** Vectors of one model mean nothing to another one. Throws AmsError where the fingerprints differ. */
export function refuseOtherModel(model: Model, fingerprint: string, name: string, folder: string): void {
  if (modelFingerprint(model) === fingerprint) return;
  throw new AmsError(`the index was made by another model (${name})`, {
    where: `${folder}, asked with ${model.source ?? "a model built here"}`,
    hint: `use the model that made it (--checkpoint), or make the index anew with this one: ams index --fresh`,
  });
}

/** The paths of ids or paths. Throws AmsError for one that is not in the index. */
function removals(asked: readonly string[], known: ReadonlyMap<string, IndexedImage>, folder: string): string[] {
  if (asked.length === 0) return [];
  const byId = new Map<string, string[]>();
  for (const { id, image } of known.values()) byId.set(id, [...(byId.get(id) ?? []), image]);
  return asked.flatMap((text) => {
    const file = path.resolve(text);
    const found = known.has(text) ? [text] : known.has(file) ? [file] : (byId.get(text) ?? []);
    if (found.length > 0) return found;
    throw new AmsError(`the index has no image "${text}"`, {
      where: folder,
      hint: "give an image's id or its file; nothing was removed",
    });
  });
}

async function fill(
  model: Model,
  store: Store,
  known: ReadonlyMap<string, IndexedImage>,
  { source, items }: ImageList,
  { update = false, writeEvery = 5 }: IndexOptions,
  context: Context,
): Promise<{ added: number; updated: number; unreadable: Indexed["unreadable"] }> {
  const once = new Map(items.map((item) => [item.image, item])); // a file that comes twice is one image
  const waiting = [...once.values()].filter((item) => {
    const before = known.get(item.image);
    return before === undefined || (update && hasChanged(item, before));
  });
  if (waiting.length < once.size && !update) {
    context.note(`${(once.size - waiting.length).toLocaleString("en")} of ${once.size.toLocaleString("en")} images are in the index already`); // prettier-ignore
  }
  const each = bytesPerImage(model, store.record.features);
  const needed = indexBytes(model, store.record.features, waiting);
  refuseFullDisk(store.folder, needed);
  if (waiting.length > 0) {
    context.note(`the index takes about ${formatBytes(needed)} for ${waiting.length.toLocaleString("en")} images, their features as ${store.record.features}`); // prettier-ignore
  }
  const unreadable: Indexed["unreadable"] = [];
  let [added, updated] = [0, 0];
  let pending: { item: Item; row: NewImage }[] = [];
  let flushed = performance.now();
  const flush = async (): Promise<void> => {
    const batch = pending; // not again where the disk refuses
    [pending, flushed] = [[], performance.now()];
    const texts = batch.flatMap(({ item, row }) => item.captions.map(({ text }) => ({ image: row.image, text })));
    const vectors = await textVectors(model, texts.map(({ text }) => text)); // prettier-ignore
    const replaced = batch.map(({ row }) => row.image).filter((image) => known.has(image));
    await store.put(batch.map(({ row }) => row), texts.map((text, c) => ({ ...text, vector: vectors[c]! })), replaced); // prettier-ignore
    added += batch.length - replaced.length;
    updated += replaced.length;
  };
  const time = timeLeft(waiting.length);
  const tell = (done: number): void => {
    context.progress({ label: "indexing images", done, total: waiting.length, note: time.note("images") });
  };
  try {
    for await (const { item, bad, vector, features } of encoded(
      model,
      waiting,
      store.record.features,
      context.signal,
    )) {
      const file = fileOf(item.image);
      if (bad !== undefined || file === undefined) {
        unreadable.push({ image: item.image, reason: bad ?? `this image does not exist any more (${item.image})` });
      } else {
        const { size, mtimeMs } = file;
        const captions = item.captions.map(({ text }) => text);
        const row = { id: item.id, image: item.image, source, size, changed: mtimeMs, captions, vector };
        pending.push({ item, row: { ...row, ...(features === undefined ? {} : { features }) } });
      }
      tell(time.advance(1));
      if (performance.now() - flushed > writeEvery * 1000 || pending.length * each > flushBytes) await flush();
    }
  } finally {
    await flush(); // also of an aborted call: nothing that was encoded is lost
  }
  if (unreadable.length > 0) {
    const some = unreadable.slice(0, 3).map(({ reason }) => reason).join("; "); // prettier-ignore
    context.note(`${unreadable.length} of ${waiting.length} images cannot be read and are left out: ${some}${unreadable.length > 3 ? "; ..." : ""}`); // prettier-ignore
  }
  return { added, updated, unreadable };
}

/** Size and time of an image's file, or of the file with its features; undefined where it is gone. */
function fileOf(image: string): Stats | undefined {
  return statSync(featuresFile(image) ?? image, { throwIfNoEntry: false });
}

/** Another file at the same path, or other captions. */
function hasChanged({ image, captions }: Item, before: IndexedImage): boolean {
  const now = fileOf(image);
  const same = now !== undefined && now.size === before.size && now.mtimeMs === before.changed;
  return (
    !same || captions.length !== before.captions.length || captions.some(({ text }, c) => text !== before.captions[c])
  );
}

function refuseFullDisk(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bytes < bavail * bsize) return;
  throw new AmsError(`the index would need ${formatBytes(bytes)}, and ${formatBytes(bavail * bsize)} are free`, {
    where: folder,
    hint: "keep no features (--features none: images are encoded again when they are scored), or choose another disk: --index DIR",
  });
}

async function textVectors(model: Model, texts: string[]): Promise<Float32Array[]> {
  if (texts.length === 0) return [];
  const silent: Context = { signal: new AbortController().signal, progress: () => undefined, note: () => undefined };
  const vectors = await captionVectors(model, tokenise(model.tokenizer, texts, model.config.maxLength), silent);
  const [width, values] = [vectors.shape[1], await vectors.data<"float32">()];
  vectors.dispose();
  return texts.map((_, c) => values.subarray(c * width, (c + 1) * width));
}

interface Encoded {
  item: Item;
  bad?: string;
  vector: Float32Array;
  features?: Uint8Array;
}

/** Blocks grow and shrink so that one takes about a third of a second: an abort is heard after each. */
const blockSeconds = 0.35;

/** Every item with its vector and features, pixels loaded a block ahead; throws the signal's reason within a block of an abort. */
async function* encoded(
  model: Model,
  items: readonly Item[],
  precision: Precision,
  signal: AbortSignal,
): AsyncGenerator<Encoded> {
  const side = inputOf(model.config);
  let block = 4;
  const load = (from: number): { part: readonly Item[]; loading: ReturnType<typeof loadReadable> } => {
    const part = items.slice(from, from + block);
    const loading = loadReadable(part.map(({ image }) => image), side, signal); // prettier-ignore
    loading.catch(() => undefined); // reported when the block's turn comes
    return { part, loading };
  };
  let next = items.length > 0 ? load(0) : undefined;
  for (let from = 0; next !== undefined;) {
    const { part, loading } = next;
    const { pixels, bad } = await loading;
    from += part.length;
    next = from < items.length ? load(from) : undefined;
    signal.throwIfAborted();
    const start = performance.now();
    const { vectors, features } = encodeBlock(model, pixels, part.length, precision);
    const seconds = (performance.now() - start) / 1000;
    const reasons = new Map(bad.map((image) => [image.index, describeBad(image)]));
    for (const [i, item] of part.entries()) {
      const reason = reasons.get(i);
      const kept = features[i];
      yield { item, vector: vectors[i]!, ...(reason === undefined ? {} : { bad: reason }), ...(kept === undefined ? {} : { features: kept }) }; // prettier-ignore
    }
    if (seconds < blockSeconds / 2) block = Math.min(64, 2 * block);
    else if (seconds > blockSeconds) block = Math.max(1, block >> 1);
    await breathe();
    signal.throwIfAborted();
  }
}

/** Pixels [n, 3, S, S] or region features [n, R, width] -> n vectors [scales * E] and n times the packed features [scales, R, F] that the scorer takes. */
function encodeBlock(
  model: Model,
  pixels: Float32Array,
  n: number,
  precision: Precision,
): { vectors: Float32Array[]; features: Uint8Array[] } {
  const narrower = isNarrower(model);
  const scales = tf.tidy(() => {
    const batch = imageInput(model.config, pixels, n);
    return narrower ? encodeUnprojected(model, batch) : encodeImages(model, batch);
  });
  const joined = tf.tidy(() =>
    joinScales(
      scales.map((regions, k) => {
        if (!narrower) return pool(regions);
        const mean = tf.mean<tf.Tensor2D>(regions, 1); // the projection of the mean is the mean of the projections
        return pool(tf.expandDims<tf.Tensor3D>(tf.matMul(mean, foldOf(model, k), false, true), 1));
      }),
    ),
  );
  const [width, values] = [joined.shape[1], joined.dataSync<"float32">()];
  const vectors = Array.from({ length: n }, (_, i) => values.slice(i * width, (i + 1) * width));
  const features: Uint8Array[] = [];
  if (precision !== "none") {
    const perScale = scales.map((scale) => scale.dataSync<"float32">());
    const each = (perScale[0]?.length ?? 0) / n;
    for (let i = 0; i < n; i++) {
      const own = new Float32Array(each * perScale.length);
      perScale.forEach((all, k) => {
        own.set(all.subarray(i * each, (i + 1) * each), k * each);
      });
      features.push(packFeatures(own, precision));
    }
  }
  tf.dispose([joined, ...scales]);
  return { vectors, features };
}

/** All pictures in a folder and below it, without captions, in the order of their paths. Throws AmsError where there are none. */
export function imagesOfFolder(folder: string): ImageList {
  let files: string[];
  try {
    files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(isPicture).sort(); // prettier-ignore
  } catch (cause) {
    throw new AmsError("the folder cannot be read", {
      where: folder,
      hint: "give a folder with pictures that you may read",
      cause,
    });
  }
  if (files.length === 0) {
    throw new AmsError("there are no pictures in the folder or below it", {
      where: folder,
      hint: "give a folder with .jpg, .png, .webp, .gif, .bmp or .tiff files",
    });
  }
  return {
    source: folder,
    items: files.map((file) => ({ id: file.split(path.sep).join("/"), image: path.join(folder, file), captions: [] })),
  };
}
