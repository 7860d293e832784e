/** Data sets, pictures, captions and batches. */
export * from "./batches.js";
export * from "./crop.js";
export * from "./dataset.js";
export * from "./decode.js";
export { closeImageWorkers, defaultWorkers, type PoolOptions } from "./imagePool.js";
export type { Augmentation, PlacedCrop } from "./imageWorker.js";
export * from "./pixels.js";
export * from "./resize.js";
export * from "./tokens.js";
