/** The matching score over relevant words and regions alone (UARDA). */
import * as tf from "@tensorflow/tfjs-core";
import { withoutGradient } from "../model/layers.js";

const sharpness = 20;
const tiny = 1e-16;

export interface RelevantTerms {
  /** f_i + g_i, 0 for words that are not relevant, [P, W]. */
  terms: tf.Tensor2D;
  /** 1 for relevant words, [P, W]. */
  relevant: tf.Tensor2D;
  /** max_j A_ij, [P, W] */
  strongest: tf.Tensor2D;
}

/**
 * What every word gives, from similarities A_ij = w_i . v_j [P, W, R], the words that count [P, W] and the threshold t >= 0:
 *
 *     word i and region j are relevant to each other where A_ij > t; the others take no part in any sum below
 *     f_i = w_i . c_i / ||c_i||, c_i = sum_j softmax_j(20 A_ij) v_j
 *     g_i = sum_j softmax_j(20 A_ij / ||A_.j||) A_ij, the norm over the words of region j
 *     S = mean of f_i + g_i over the words with a relevant region; 0 where there is none
 *
 * `contextsOf` gives sum_j E_ij v_j [P, W, E]. Differentiable by tfjs; what is relevant has no gradient. Source: Zhang et al., IEEE TMM
 * 2022 (UARDA), whose code is not public: from its abstract, with the positive branch of NAAF (CVPR 2022).
 */
export function relevantTerms(
  A: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  threshold: number,
  contextsOf: (E: tf.Tensor3D) => tf.Tensor3D,
): RelevantTerms {
  const { passes, strongest, relevant, none } = withoutGradient(() => {
    const passes = tf.mul<tf.Tensor3D>(tf.cast(tf.greater(A, threshold), "float32"), tf.expandDims(wordMask, -1));
    const relevant = tf.max<tf.Tensor3D>(passes, -1, true); // [P, W, 1]
    return { passes, strongest: tf.max<tf.Tensor3D>(A, -1, true), relevant, none: tf.sub<tf.Tensor3D>(1, relevant) };
  });
  const E = tf.mul<tf.Tensor3D>(tf.exp(tf.mul(tf.sub(A, strongest), sharpness)), passes);
  // A word without a relevant region has 0 / 1 everywhere.
  const norm = tf.sqrt(tf.add(tf.sum(tf.square(contextsOf(E)), -1, true), none));
  const f = tf.div(tf.sum(tf.mul(E, A), -1, true), norm);
  const L = tf.mul(A, passes);
  const norms = tf.sqrt(tf.add(tf.sum(tf.square(L), 1, true), tiny)); // [P, 1, R]
  const X = tf.mul(tf.exp(tf.mul(tf.div(L, norms), sharpness)), passes);
  const g = tf.div(tf.sum(tf.mul(X, A), -1, true), tf.add(tf.sum(X, -1, true), none));
  return {
    terms: tf.squeeze<tf.Tensor2D>(tf.add(f, g), [-1]),
    relevant: tf.squeeze<tf.Tensor2D>(relevant, [-1]),
    strongest: tf.squeeze<tf.Tensor2D>(strongest, [-1]),
  };
}

/** The mean over relevant words, [P]. */
export function relevantMean({ terms, relevant }: RelevantTerms): tf.Tensor1D {
  return tf.div(
    tf.sum(terms, -1),
    withoutGradient(() => tf.maximum(tf.sum(relevant, -1), 1)),
  );
}
