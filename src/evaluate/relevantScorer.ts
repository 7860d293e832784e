/** The score over relevant words alone in the streaming loop: words that are irrelevant to an image cost no more than their products with it. */
import * as tf from "@tensorflow/tfjs-core";
import { gramOf, type PairScorer } from "./pairScorer.js";

interface Images {
  regions: tf.Tensor2D[];
  /** [R, R] = V V^T of each image: |sum_j e_j v_j|^2 = e^T G e. */
  grams: tf.Tensor2D[];
}

interface Captions {
  count: number;
  /** Counted words of all captions of the block, one after the other, [N, E]. */
  words: tf.Tensor2D;
  /** The caption of each of them. */
  owner: Int32Array;
}

export interface RelevantOptions {
  /** False: irrelevant words are computed and then left out, for comparison. */
  skip?: boolean | undefined;
  /** Is told how many words there were, how many of them were relevant, and how many were computed. */
  onWords?: ((words: number, relevant: number, computed: number) => void) | undefined;
}

const sharpness = 20;
const tiny = 1e-16;

/** Scores as `relevantTerms` defines them. */
export function openRelevantScorer({ skip = true, onWords }: RelevantOptions = {}): PairScorer<Images, Captions> {
  return {
    images(features, fold) {
      const gram = gramOf(features, fold);
      const grams = tf.unstack(gram) as tf.Tensor2D[];
      gram.dispose();
      return { regions: tf.unstack(features) as tf.Tensor2D[], grams };
    },
    captions(features, { lengths }) {
      const [count, longest, width] = features.shape;
      const rows: number[] = [];
      const owner: number[] = [];
      for (let c = 0; c < count; c++) {
        for (let w = 0; w < (lengths?.[c] ?? longest); w++) {
          rows.push(c * longest + w);
          owner.push(c);
        }
      }
      const words = tf.tidy(() =>
        tf.gather(tf.reshape<tf.Rank.R2>(features, [count * longest, width]), tf.tensor1d(rows, "int32")),
      );
      return { count, words, owner: Int32Array.from(owner) };
    },
    enter: () => undefined,
    score(images, captions, threshold, scores, place) {
      images.regions.forEach((regions, b) => {
        const values = imageScores(regions, images.grams[b]!, captions, threshold, skip, onWords);
        for (let c = 0; c < captions.count; c++) scores[place(b, c)] = values[c]!;
      });
    },
    releaseImages: ({ regions, grams }) => {
      tf.dispose([...regions, ...grams]);
    },
    releaseCaptions: ({ words }) => {
      words.dispose();
    },
    close: () => undefined,
  };
}

/** Scores of one image with a block of captions -> [captions]. */
function imageScores(
  V: tf.Tensor2D,
  gram: tf.Tensor2D,
  { count, words, owner }: Captions,
  threshold: number,
  skip: boolean,
  onWords: RelevantOptions["onWords"],
): Float32Array {
  const sums = new Float32Array(count);
  const A = tf.matMul<tf.Tensor2D>(words, V, false, true); // [N, R]
  const best = tf.max(A, 1);
  const strongest = best.dataSync<"float32">();
  best.dispose();
  const relevant = owner.map((_, n) => Number(strongest[n]! > threshold));
  const rows = Int32Array.from(owner.keys()).filter((n) => !skip || relevant[n] === 1);
  onWords?.(owner.length, relevant.reduce((a, b) => a + b, 0), rows.length); // prettier-ignore
  if (rows.length > 0) {
    const owners = rows.map((n) => owner[n]!);
    const terms = tf.tidy(() => {
      const kept = rows.length === owner.length ? A : tf.gather(A, tf.tensor1d(rows, "int32"));
      return wordTerms(kept, gram, owners, count, threshold).dataSync<"float32">();
    });
    const counted = new Float32Array(count);
    rows.forEach((n, k) => {
      if (relevant[n] === 0) return;
      sums[owners[k]!]! += terms[k]!;
      counted[owners[k]!]!++;
    });
    for (let c = 0; c < count; c++) if (counted[c]! > 0) sums[c]! /= counted[c]!;
  }
  A.dispose();
  return sums;
}

/** f_i + g_i of words with similarities A [n, R] that belong to the captions `owners` -> [n]. */
function wordTerms(A: tf.Tensor2D, gram: tf.Tensor2D, owners: Int32Array, count: number, threshold: number): tf.Tensor {
  const captions = tf.tensor1d(owners, "int32");
  const passes = tf.cast(tf.greater(A, threshold), "float32");
  const E = tf.mul<tf.Tensor2D>(tf.exp(tf.mul(tf.sub(A, tf.max(A, 1, true)), sharpness)), passes);
  const squared = tf.sum(tf.mul(tf.matMul(E, gram), E), 1);
  const f = tf.div(tf.sum(tf.mul(E, A), 1), tf.maximum(tf.sqrt(tf.relu(squared)), 1e-30));
  const L = tf.mul<tf.Tensor2D>(A, passes);
  const norms = tf.sqrt(tf.add(tf.unsortedSegmentSum(tf.square(L), captions, count), tiny)); // [C, R]
  const X = tf.mul(tf.exp(tf.mul(tf.div(L, tf.gather(norms, captions)), sharpness)), passes);
  const g = tf.div(tf.sum(tf.mul(X, A), 1), tf.maximum(tf.sum(X, 1), 1e-30));
  return tf.add(f, g);
}
