/** Batches of normalised images and tokenised captions, prepared in threads ahead of the model. */
import { setMaxListeners } from "node:events";
import type { Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Item } from "./dataset.js";
import { currentPass, nextPass, prepareImages, type PoolOptions } from "./imagePool.js";
import type { Augmentation, BadImage, ImageRequest, PlacedCrop } from "./imageWorker.js";
import { regionSizeIn, type RegionSize } from "./regionFeatures.js";
import { captionLength, type Tokenizer } from "./tokens.js";

/** An image and one of its captions: indexes into the split's items and into that item's captions. */
export interface Pair {
  item: number;
  caption: number;
}

/** A batch of B image-caption pairs, as the encoders take it. */
export interface Batch {
  /** [B, 3, S, S] */
  pixels: Float32Array;
  /** [B, 30] */
  ids: Int32Array;
  /** [B, 30] */
  mask: Int32Array;
  /** The pairs in the batch, in its order. */
  pairs: Pair[];
  crops: PlacedCrop[];
  /** Pairs whose image could not be read and that others replace; empty unless `onBadImage` is "skip". */
  skipped: { pair: Pair; reason: string }[];
}

/** What batches are made of, and in which order: everything random comes from `seed` and `epoch`. */
export interface BatchOptions extends PoolOptions {
  batchSize: number;
  augmentation: Augmentation;
  tokenizer: Tokenizer;
  seed: number;
  epoch: number;
  /** Leave out a last batch that is not full. */
  dropLast: boolean;
  /** Batches prepared while the consumer works on one. Default 2. */
  ahead?: number;
  /** The first batch (a resumed epoch begins later). Default 0. */
  start?: number;
  /** What an unreadable image does: "stop" (default) is an error, "skip" takes the pair that comes after the batch. */
  onBadImage?: "stop" | "skip";
}

/**
 * The batches of one epoch: batch k holds the pairs `order[k * batchSize ...]`. Crops and flips come from the random
 * stream "augment/<epoch>/<position in order>", so neither threads nor `start` change the result.
 * Throws an `AmsError` that names file and item for an unreadable image, and the signal's reason when aborted.
 */
export async function* batches(
  items: Item[],
  order: Pair[],
  options: BatchOptions,
  signal?: AbortSignal,
): AsyncGenerator<Batch, void, undefined> {
  const { batchSize, dropLast, ahead = 2, start = 0 } = options;
  const count = dropLast ? Math.floor(order.length / batchSize) : Math.ceil(order.length / batchSize);
  const left = new AbortController(); // the consumer has left the loop
  const stop = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  setMaxListeners(0, stop); // one for each batch under way is no leak
  const pass = nextPass();
  const waiting: Promise<Batch>[] = [];
  let next = start;
  try {
    for (let k = start; k < count; k++) {
      for (; next < count && next <= k + ahead; next++) {
        const batch = makeBatch(items, order, next, options, pass, stop);
        batch.catch(() => undefined); // reported when its turn comes, not as an unhandled rejection before
        waiting.push(batch);
      }
      const batch = await (waiting.shift() as Promise<Batch>);
      signal?.throwIfAborted();
      yield batch;
    }
  } finally {
    left.abort();
  }
}

async function makeBatch(
  items: Item[],
  order: Pair[],
  index: number,
  options: BatchOptions,
  pass: number,
  signal: AbortSignal,
): Promise<Batch> {
  const { augmentation, tokenizer, seed, epoch, batchSize, onBadImage = "stop" } = options;
  const first = index * batchSize;
  const positions = order.slice(first, first + batchSize).map((_, i) => first + i);
  const pairAt = (position: number): Pair => order[position] as Pair;
  const itemAt = (position: number): Item => items[pairAt(position).item] as Item;
  const prepare = (wanted: number[]): ReturnType<typeof prepareImages> => {
    const requests = wanted.map((position): ImageRequest => ({
      file: itemAt(position).image,
      stream: `augment/${String(epoch)}/${String(position)}`,
    }));
    return prepareImages(requests, augmentation, seed, pass, options, signal);
  };

  const { pixels, crops, bad } = await prepare(positions);
  const skipped: Batch["skipped"] = [];
  let spare = first + positions.length; // continues after the batch and, at the end, at the start of the order
  for (const image of bad) {
    let problem: BadImage | undefined = image;
    while (problem !== undefined) {
      const position = positions[image.index] ?? 0;
      if (onBadImage === "stop") throw badImageError(problem, itemAt(position));
      skipped.push({ pair: pairAt(position), reason: describeBad(problem) });
      const replacement = spare++ % order.length;
      if (replacement === first) throw noImagesLeft(skipped.length, itemAt(position));
      positions[image.index] = replacement;
      const again = await prepare([replacement]);
      pixels.set(again.pixels, image.index * again.pixels.length);
      crops[image.index] = again.crops[0] as PlacedCrop;
      problem = again.bad[0];
    }
  }

  const ids = new Int32Array(positions.length * captionLength);
  const mask = new Int32Array(positions.length * captionLength);
  positions.forEach((position, row) => {
    const caption = itemAt(position).captions[pairAt(position).caption];
    const encoded = tokenizer.encode(caption?.text ?? "", captionLength);
    ids.set(encoded.ids, row * captionLength);
    mask.set(encoded.mask, row * captionLength);
  });
  return { pixels, ids, mask, pairs: positions.map(pairAt), crops, skipped };
}

/** The error about an unreadable image of a data set, where the work can pass over it. */
export function badImageError({ message, where, hint }: BadImage, item: Item): AmsError {
  return new AmsError(message, {
    where: `item ${JSON.stringify(item.id)}, image ${where ?? item.image}`,
    hint: `${hint ?? "replace the file by an intact one"}, or leave such images out: --skip-bad-images`,
  });
}

/** What is wrong with an unreadable image, and its file. */
export function describeBad({ message, where }: BadImage): string {
  return `${message} (${where ?? ""})`;
}

function noImagesLeft(skipped: number, item: Item): AmsError {
  return new AmsError(`no readable images are left to fill a batch: ${String(skipped)} were skipped`, {
    where: `last one: item ${JSON.stringify(item.id)}, image ${item.image}`,
    hint: "check the image root of the data set, or use a smaller batch",
  });
}

/**
 * Images as evaluation sees them, resized whole: -> [N, 3, size, size].
 * Throws an `AmsError` for the first image that cannot be read, and the signal's reason when aborted.
 */
export async function loadPixels(
  files: string[],
  size: number | RegionSize,
  signal?: AbortSignal,
  options: PoolOptions = {},
): Promise<Float32Array> {
  const { pixels, bad } = await loadReadable(files, size, signal, options);
  const problem = bad[0];
  if (problem !== undefined) {
    const { message, where, hint } = problem;
    throw new AmsError(message, {
      where: where ?? files[problem.index] ?? "",
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return pixels;
}

/** As `loadPixels`, but images that cannot be read are zeros and listed in `bad`, at their place in the list. */
export async function loadReadable(
  files: string[],
  size: number | RegionSize,
  signal?: AbortSignal,
  options: PoolOptions = {},
): Promise<{ pixels: Float32Array; bad: BadImage[] }> {
  const whole: Augmentation = { train: false, size: 0, cropScale: [1, 1], cropRatio: [1, 1], flip: 0 };
  const augmentation = typeof size === "number" ? { ...whole, size } : { ...whole, regions: size };
  const requests = files.map((file) => ({ file, stream: "" }));
  return prepareImages(requests, augmentation, 0, currentPass(), options, signal);
}

/** An image of a data set that cannot be read. */
export interface UnreadableImage {
  split: string;
  id: string;
  image: string;
  reason: string;
}

/** Decodes every image of a data set (reads every row of its features) and returns those that cannot be read; nothing is kept in memory. */
export async function checkImages(
  splits: Record<string, Item[]>,
  context: Context,
  options: PoolOptions = {},
): Promise<UnreadableImage[]> {
  const all = Object.entries(splits).flatMap(([split, items]) => items.map((item) => ({ split, item })));
  const found: UnreadableImage[] = [];
  const block = 128;
  const size = regionSizeIn({ splits }) ?? 1;
  for (let start = 0; start < all.length; start += block) {
    const part = all.slice(start, start + block);
    const files = part.map(({ item }) => item.image);
    const { bad } = await loadReadable(files, size, context.signal, { ...options, cacheBytes: 0 });
    for (const { index, message } of bad) {
      const { split, item } = part[index]!;
      found.push({ split, id: item.id, image: item.image, reason: message });
    }
    const note = found.length === 0 ? {} : { note: `${found.length} unreadable` };
    context.progress({ label: "checking images", done: start + part.length, total: all.length, ...note });
  }
  return found;
}
