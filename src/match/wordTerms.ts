/** What every word gives to the score of its pair, for looking at: the branches of the attention score before their mean. */
import * as tf from "@tensorflow/tfjs-core";
import { lambda, type ScoreOptions } from "./attentionScore.js";

/** The three branches of every word of P pairs. */
export interface WordTerms {
  /** n_i, f_i, g_i of `pairScores`, each [P, W]. */
  negative: tf.Tensor2D;
  feature: tf.Tensor2D;
  relevance: tf.Tensor2D;
  /** max_j A_ij, [P, W] */
  strongest: tf.Tensor2D;
}

/**
 * Regions [P, R, E], words [P, W, E], wordMask [P, W] (1 = counts as a word), without a gradient. The score of a pair is the mean of n + f + g over
 * the words that count.
 */
export function wordTerms(
  regions: tf.Tensor3D,
  words: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  { threshold, propagate }: ScoreOptions,
): WordTerms {
  const A = tf.matMul<tf.Tensor3D>(words, regions, false, true); // [P, W, R]
  const strongest = tf.max<tf.Tensor2D>(A, -1);
  const r = tf.sub<tf.Tensor2D>(strongest, threshold);

  const passes = tf.cast(tf.greater(A, threshold), "float32");
  const E = tf.mul<tf.Tensor3D>(tf.exp(tf.mul(tf.sub(A, tf.expandDims(strongest, -1)), lambda)), passes);
  const context = tf.matMul(E, regions); // [P, W, E]
  const length = tf.sqrt(tf.sum(tf.square(context), -1));
  const matched = tf.greater(r, 0);
  const along = tf.sum(tf.mul(E, A), -1);
  const feature = tf.where(matched, tf.div(along, tf.where(matched, length, tf.onesLike(length))), tf.zerosLike(r));

  const L = tf.mul(tf.leakyRelu(A, 0.1), tf.expandDims(wordMask, -1));
  const norms = tf.add(tf.sqrt(tf.sum(tf.square(L), 1, true)), 1e-8); // [P, 1, R], over the words
  const relevance = tf.sum<tf.Tensor2D>(tf.mul(tf.softmax(tf.div(tf.mul(L, lambda), norms)), A), -1);

  const hidden = tf.expandDims(tf.mul(tf.sub(1, wordMask), -1e9), 1);
  const likeness = tf.softmax(tf.add(tf.mul(tf.matMul(words, words, false, true), 5), hidden)); // [P, W, W]
  const asked = propagate ? tf.squeeze(tf.matMul(likeness, tf.expandDims(r, -1)), [-1]) : r;
  const negative = tf.where(tf.less(asked, 0), r, tf.zerosLike(r));
  return { negative, feature: feature as tf.Tensor2D, relevance, strongest };
}
