/** Data sets, pictures, captions and batches. */
export * from "./annotations.js";
export * from "./batches.js";
export * from "./crop.js";
export * from "./dataset.js";
export * from "./decode.js";
export * from "./emojiScenes/index.js";
export * from "./folder.js";
export { closeImageWorkers, defaultWorkers, type PoolOptions } from "./imagePool.js";
export type { Augmentation, PlacedCrop } from "./imageWorker.js";
export { fingerprint, type ProblemOptions } from "./items.js";
export * from "./karpathy.js";
export * from "./pixels.js";
export * from "./resize.js";
export * from "./summary.js";
export * from "./tokenFile.js";
export * from "./tokens.js";
