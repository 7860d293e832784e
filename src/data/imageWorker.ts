/** The worker thread that turns image files into normalised pixels: decode (or take from memory), crop, resize, scale. */
import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import { AmsError } from "../errors.js";
import { Random } from "../random.js";
import { randomResizedCrop, wholeImage, type Crop } from "./crop.js";
import { decodeImage, type RgbImage } from "./decode.js";
import { imageCache } from "./imageCache.js";
import { normalise } from "./pixels.js";
import { randAugment, type RandAugment } from "./randAugment.js";
import type { RegionSize } from "./regionFeatures.js";
import { resizeBicubic } from "./resize.js";

/** How images become model inputs. */
export interface Augmentation {
  /** False: the whole image is resized, as in evaluation. True: random crop and flip. */
  train: boolean;
  /** Side of the square result in pixels. */
  size: number;
  /** Smallest and largest share of the area that a crop has. */
  cropScale: [number, number];
  /** Smallest and largest width / height of a crop. */
  cropRatio: [number, number];
  /** Chance of mirroring. */
  flip: number;
  /** Read region features of this size instead (nothing of the above is done). */
  regions?: RegionSize;
  /** Further changes in training, after crop and resize. */
  randAugment?: RandAugment;
}

/** The part of an image that was used, in pixels of the stored image, and whether it was mirrored. */
export type PlacedCrop = Crop & { flip: boolean; imageWidth: number; imageHeight: number };

/** An image to prepare; `stream` names its random numbers, so that results do not depend on who draws when. */
export interface ImageRequest {
  file: string;
  stream: string;
}

export interface WorkerTask {
  id: number;
  images: ImageRequest[];
  augmentation: Augmentation;
  seed: number;
  /** Grows with every epoch: tells the cache what is still in use. */
  pass: number;
  cacheBytes: number;
}

export interface BadImage {
  /** Position in the task's images. */
  index: number;
  message: string;
  where: string | undefined;
  hint: string | undefined;
}

export interface WorkerResult {
  id: number;
  /** [images, 3, size, size]; zeros for bad images. */
  pixels: Float32Array;
  crops: PlacedCrop[];
  bad: BadImage[];
}

export interface WorkerStart {
  /** Task and image under work, for the error message should this thread die. */
  underWork: Int32Array;
}

let cacheLimit = 0;
const cache = imageCache(() => cacheLimit);
const cancelled = new Set<number>();
let queue: Promise<void> = Promise.resolve();

const { underWork } = workerData as WorkerStart;
sharp.cache(false); // libvips' own cache: ours holds what is needed
sharp.concurrency(1); // this thread is one of several already
parentPort?.on("message", (message: WorkerTask | { cancel: number }) => {
  if ("cancel" in message) {
    cancelled.add(message.cancel);
    return;
  }
  queue = queue.then(async () => {
    const result = await prepare(message);
    if (!cancelled.delete(message.id)) parentPort?.postMessage(result, [result.pixels.buffer as ArrayBuffer]);
  });
});

async function prepare({ id, images, augmentation, seed, pass, cacheBytes }: WorkerTask): Promise<WorkerResult> {
  cacheLimit = cacheBytes;
  const each = 3 * augmentation.size ** 2;
  const result: WorkerResult = { id, pixels: new Float32Array(images.length * each), crops: [], bad: [] };
  underWork[0] = id;
  let next = open(images[0], pass);
  for (let i = 0; i < images.length; i++) {
    if (cancelled.has(id)) break;
    underWork[1] = i;
    const opened = await next;
    next = open(images[i + 1], pass); // decodes in libvips' thread while this one resizes
    if (opened instanceof Error) {
      result.bad.push(described(opened, i));
      result.crops.push({ ...wholeImage(0, 0), flip: false, imageWidth: 0, imageHeight: 0 });
      continue;
    }
    const random = Random.stream(seed, images[i]!.stream);
    const { crop, flip } = place(opened, augmentation, random);
    const resized = resizeBicubic(opened, augmentation.size, augmentation.size, crop);
    const { train, randAugment: changes } = augmentation;
    const changed = train && changes !== undefined ? randAugment(resized, changes, random) : resized;
    normalise(changed, flip, result.pixels, i * each);
    result.crops.push({ ...crop, flip, imageWidth: opened.width, imageHeight: opened.height });
  }
  return result;
}

/** Never rejects, as it may be started long before it is awaited. */
async function open(request: ImageRequest | undefined, pass: number): Promise<RgbImage | Error> {
  if (request === undefined) return new Error("no image");
  try {
    const kept = cache.get(request.file, pass);
    if (kept !== undefined) return kept;
    const image = await decodeImage(request.file);
    cache.put(request.file, image, pass);
    return image;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function place(image: RgbImage, { train, cropScale, cropRatio, flip }: Augmentation, random: Random) {
  if (!train) return { crop: wholeImage(image.width, image.height), flip: false };
  const crop = randomResizedCrop(image.width, image.height, random, cropScale, cropRatio);
  return { crop, flip: random.next() < flip };
}

function described(error: Error, index: number): BadImage {
  const { where, hint } = error instanceof AmsError ? error : { where: undefined, hint: undefined };
  return { index, message: error.message, where, hint };
}
