/** Exact scores with the matrix products on the engine and everything else fused into WebAssembly on all threads. */
import { availableParallelism } from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../errors.js";
import { control, none, shareOf, stages, tileLayout } from "./fusedShare.js";
import { gramOf, wordRows, type PairScorer, type ScorerShape } from "./pairScorer.js";
import { propagationOf } from "./tensorScorer.js";
import { maximumBytes, sharedMemory } from "./wasmKernels.js";

interface Images {
  count: number;
  /** [images * columns, E] */
  regions: tf.Tensor2D;
  /** [images, R, R], where the norms are computed here. */
  values?: Float32Array;
  /** [images, columns, columns], where the engine computes them. */
  gram?: tf.Tensor3D;
}

interface Captions {
  count: number;
  words: number;
  /** [captions * words, E] */
  features: tf.Tensor2D;
  lengths: Int32Array;
  propagation?: Float32Array;
}

/** Seconds without any thread's sign of life after which it is given up: one image takes a fraction of one. */
const patience = 300;

export interface FusedOptions {
  threads?: number | undefined;
  /** The threads' script, for tests. */
  script?: string;
  /** Who computes the context norms e^T G e: the engine's products, where they are far faster than WebAssembly's, or the threads. */
  norms: "engine" | "threads";
}

/**
 * Opens the scorer for tiles of at most the given shape. One tile is: A = W V^T by the engine, copied into memory shared
 * with the threads; there the branches, the context norms (Gram form, one triangle) and the mean over words. Everything but
 * the products stays in a core's cache. Where the engine computes the norms, the attention weights go to it and only the norms come
 * back. Close it after use.
 */
export function openFusedScorer(
  shape: ScorerShape,
  {
    threads = Math.min(availableParallelism(), 8),
    script = path.join(__dirname, "fusedWorker.js"),
    norms,
  }: FusedOptions,
): PairScorer<Images, Captions> {
  const layout = tileLayout({ ...shape, threads, engineNorms: norms === "engine" });
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
  for (let index = 1; index < threads; index++) {
    const worker = new Worker(script, { workerData: { memory, layout, index } });
    worker.on("error", () => undefined); // e.g. no memory for another thread: the others do its share
    worker.unref();
  }
  const { columns } = layout;

  const runShares = (stage: number): void => {
    whole[control.stage] = stage;
    Atomics.store(whole, control.next, 0);
    Atomics.add(whole, control.generation, 1);
    Atomics.notify(whole, control.generation);
    ownShare();
    // All images are taken; those who have begun may be at theirs. Who never began (a thread that could not start) is not missed.
    for (let waits = 0; ;) {
      const finished = Atomics.load(whole, control.finished);
      if (finished === Atomics.load(whole, control.begun)) break;
      if (Atomics.wait(whole, control.finished, finished, 1000) !== "timed-out") waits = 0;
      else if (++waits >= patience) throw new Error("a scoring thread does not answer any more");
    }
    Atomics.store(whole, control.next, none);
    if (whole[control.failed] !== 0) throw new Error("a scoring thread failed");
  };

  // Used again for every image: fresh pages for each cost as much as a tenth of the product.
  const weights = new Float32Array(norms === "engine" ? layout.weightsEach : 0);

  /** Attention weights [images, rows, columns] -> their context norms squared, after the words' records. */
  const engineNorms = (gram: tf.Tensor3D, count: number, captions: Captions): void => {
    const rows = captions.lengths.reduce((sum, length) => sum + length, 0);
    const squared = tf.tidy(() => {
      const each = Array.from({ length: count }, (_, b) => {
        const at = layout.weights + b * layout.weightsEach;
        weights.set(floats.subarray(at, at + rows * columns));
        const E = tf.tensor2d(weights.subarray(0, rows * columns), [rows, columns]);
        const G = tf.reshape<tf.Rank.R2>(tf.slice3d(gram, [b, 0, 0], [1, columns, columns]), [columns, columns]);
        return tf.sum(tf.mul(tf.matMul(E, G), E), 1);
      });
      return tf.concat(each).dataSync<"float32">();
    });
    for (let b = 0; b < count; b++) {
      floats.set(squared.subarray(b * rows, (b + 1) * rows), layout.norms + b * layout.normsEach);
    }
  };

  return {
    images(features, fold) {
      const [count, regions, width] = features.shape;
      const filled = tf.pad(features, [
        [0, 0],
        [0, columns - regions],
        [0, 0],
      ]);
      const padded = tf.reshape<tf.Rank.R2>(filled, [count * columns, width]);
      if (norms === "engine") {
        const gram = gramOf(filled, fold);
        filled.dispose();
        return { count, regions: padded, gram };
      }
      filled.dispose();
      const gram = gramOf(features, fold);
      const values = gram.dataSync<"float32">();
      gram.dispose();
      return { count, regions: padded, values };
    },
    captions(features, { lengths, propagate, fold }) {
      const [count, words] = features.shape;
      const counted = Int32Array.from({ length: count }, (_, c) => lengths?.[c] ?? words);
      const flat = wordRows(features, fold);
      if (!propagate) return { count, words, features: flat, lengths: counted };
      const matrix = propagationOf(features, lengths);
      const propagation = matrix.dataSync<"float32">();
      matrix.dispose();
      return { count, words, features: flat, lengths: counted, propagation };
    },
    enter({ count, values: gram }) {
      if (gram === undefined) return;
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
    score(images, captions, threshold, scores, place) {
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
      if (images.gram === undefined) runShares(stages.whole);
      else {
        runShares(stages.branches);
        engineNorms(images.gram, images.count, captions);
        runShares(stages.finish);
      }
      for (let b = 0; b < images.count; b++) {
        for (let c = 0; c < captions.count; c++) {
          scores[place(b, c)] = floats[layout.scores + b * captions.count + c]!;
        }
      }
    },
    releaseImages: ({ regions, gram }) => tf.dispose([regions, ...(gram === undefined ? [] : [gram])]),
    releaseCaptions: ({ features }) => features.dispose(),
    close() {
      Atomics.store(whole, control.generation, -1);
      Atomics.notify(whole, control.generation);
    },
  };
}
