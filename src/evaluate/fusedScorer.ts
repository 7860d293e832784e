/** Exact scores with the matrix products on the engine and everything else fused into WebAssembly on all threads. */
import { availableParallelism } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../errors.js";
import { control, shareOf, tileLayout } from "./fusedShare.js";
import type { PairScorer, ScorerShape } from "./pairScorer.js";
import { propagationOf } from "./tensorScorer.js";
import { maximumBytes, sharedMemory } from "./wasmKernels.js";

interface Images {
  count: number;
  /** [images * columns, E] */
  regions: tf.Tensor2D;
  /** [images, R, R] */
  gram: Float32Array;
}

interface Captions {
  count: number;
  words: number;
  /** [captions * words, E] */
  features: tf.Tensor2D;
  lengths: Int32Array;
  propagation?: Float32Array;
}

/**
 * Opens the scorer for tiles of at most the given shape. One tile is: A = W V^T by the engine, copied into memory shared
 * with the threads; there the branches, the context norms (Gram form, one triangle) and the mean over words. Everything but
 * the products stays in a core's cache. Close it after use.
 */
export function openFusedScorer(
  shape: ScorerShape,
  threads = Math.min(availableParallelism(), 8),
): PairScorer<Images, Captions> {
  const layout = tileLayout({ ...shape, threads });
  if (4 * layout.total > maximumBytes) {
    throw new AmsError(`a tile of ${JSON.stringify(shape)} does not fit into the scorer's memory`, {
      hint: "choose smaller blocks of images and captions",
    });
  }
  const memory = sharedMemory(4 * layout.total);
  const floats = new Float32Array(memory.buffer);
  const whole = new Int32Array(memory.buffer);
  whole.fill(-1, layout.mask, layout.mask + shape.regions);
  const ownShare = shareOf(memory, layout, 0);
  const workers = Array.from({ length: threads - 1 }, (_, k) => {
    const workerData = { memory, layout, index: k + 1 };
    const worker = new Worker(path.join(__dirname, "fusedWorker.js"), { workerData });
    worker.unref();
    return worker;
  });
  const { columns } = layout;

  const runShares = (): void => {
    Atomics.store(whole, control.finished, 0);
    Atomics.store(whole, control.next, 0);
    Atomics.add(whole, control.generation, 1);
    Atomics.notify(whole, control.generation);
    ownShare();
    for (;;) {
      const finished = Atomics.load(whole, control.finished);
      if (finished === workers.length) break;
      Atomics.wait(whole, control.finished, finished, 1000);
    }
    if (whole[control.failed] !== 0) throw new Error("a scoring thread failed");
  };

  return {
    images(features) {
      const [count, regions] = features.shape;
      const filled = tf.pad(features, [
        [0, 0],
        [0, columns - regions],
        [0, 0],
      ]);
      const padded = tf.reshape<tf.Rank.R2>(filled, [count * columns, features.shape[2]]);
      filled.dispose();
      const gram = tf.matMul(features, features, false, true);
      const values = gram.dataSync<"float32">();
      gram.dispose();
      return { count, regions: padded, gram: values };
    },
    captions(features, { lengths, propagate }) {
      const [count, words] = features.shape;
      const counted = Int32Array.from({ length: count }, (_, c) => lengths?.[c] ?? words);
      const flat = tf.reshape<tf.Rank.R2>(features, [count * words, features.shape[2]]);
      if (!propagate) return { count, words, features: flat, lengths: counted };
      const matrix = propagationOf(features, lengths);
      const propagation = matrix.dataSync<"float32">();
      matrix.dispose();
      return { count, words, features: flat, lengths: counted, propagation };
    },
    enter({ count, gram }) {
      const regions = shape.regions;
      for (let b = 0; b < count; b++) {
        for (let k = 0; k < regions; k++) {
          const from = (b * regions + k) * regions;
          const to = layout.U + (b * columns + k) * columns;
          floats[to + k] = gram[from + k]!;
          for (let j = k + 1; j < regions; j++) floats[to + j] = 2 * gram[from + j]!;
        }
      }
    },
    add(images, captions, { threshold, weight }, scores, place) {
      const similarities = tf.matMul(captions.features, images.regions, false, true);
      floats.set(similarities.dataSync<"float32">(), layout.A);
      similarities.dispose();
      if (captions.propagation !== undefined) floats.set(captions.propagation, layout.propagation);
      whole.set(captions.lengths, layout.lengths);
      whole[control.images] = images.count;
      whole[control.captions] = captions.count;
      whole[control.words] = captions.words;
      whole[control.propagate] = captions.propagation === undefined ? 0 : 1;
      floats[control.threshold] = threshold;
      runShares();
      for (let b = 0; b < images.count; b++) {
        for (let c = 0; c < captions.count; c++) {
          scores[place(b, c)]! += weight * floats[layout.scores + b * captions.count + c]!;
        }
      }
    },
    releaseImages: ({ regions }) => regions.dispose(),
    releaseCaptions: ({ features }) => features.dispose(),
    close() {
      Atomics.store(whole, control.generation, -1);
      Atomics.notify(whole, control.generation);
    },
  };
}
