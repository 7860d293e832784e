/** The matching score of one scale (NAAF attention) for pairs of image and caption, with its explicit gradient. */
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "../model/layers.js";

export const lambda = 20;
const slope = 0.1;
const epsilon = 1e-8;

export interface ScoreOptions {
  /** Regions with w . v <= threshold do not match the word; 0 in the published training. */
  threshold: number;
  /** The negative branch asks the caption's own words first (evaluation; spec: propagation). */
  propagate: boolean;
}

/**
 * Scores of P pairs: regions [P, R, E], words [P, W, E], wordMask [P, W] (1 = counts as a word) -> [P].
 *
 *     A_ij = w_i . v_j;  r_i = max_j A_ij - t
 *     f_i = w_i . c_i / ||c_i||, c_i = sum_j softmax over A_ij > t of (20 A_ij) v_j
 *     g_i = sum_j softmax_j(20 L_ij / ||L_.j||) A_ij, L = LeakyReLU_0.1(A), the norm over the words of region j
 *     n_i = r_i where r_i < 0 (with propagation: where (softmax(5 W W^T) r)_i < 0), else 0
 *     S = mean over words of n_i + f_i + g_i
 *
 * Source: Zhang et al., CVPR 2022 (NAAF), in the stable form without normalisers that cancel. The gradient is written
 * out; masks (which regions and words pass) have none.
 */
export function pairScores(
  regions: tf.Tensor3D,
  words: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  options: ScoreOptions,
): tf.Tensor1D {
  return withGradient([regions, words], ([v, w], save) => {
    const [V, W] = [v as tf.Tensor3D, w as tf.Tensor3D];
    const A = tf.matMul<tf.Tensor3D>(W, V, false, true); // [P, W, R]
    const state = branches(A, W, wordMask, options, (E) => tf.norm(tf.matMul(E, V), 2, -1) as tf.Tensor2D);
    save([V, W, wordMask, A, state.asksNegative]);
    return { value: state.score, gradient: (dy, saved) => gradient(dy as tf.Tensor1D, saved, options) };
  }) as tf.Tensor1D;
}

interface Branches {
  /** [P] */
  score: tf.Tensor1D;
  /** max_j A_ij, [P, W] */
  strongest: tf.Tensor2D;
  /** 1 where the negative branch counts, [P, W] */
  asksNegative: tf.Tensor2D;
}

/**
 * The three branches from similarities A [P, W, R]; `words` [P, W, E] is used for the propagation only, `contextNorm`
 * gives ||sum_j E_ij v_j|| [P, W] for weights E [P, W, R].
 */
function branches(
  A: tf.Tensor3D,
  words: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  { threshold, propagate }: ScoreOptions,
  contextNorm: (E: tf.Tensor3D) => tf.Tensor2D,
): Branches {
  const strongest = tf.max<tf.Tensor2D>(A, -1); // [P, W]
  const r = tf.sub<tf.Tensor2D>(strongest, threshold);
  const E = matchWeights(A, strongest, threshold);
  const N = tf.sum<tf.Tensor2D>(tf.mul(E, A), -1);
  const matched = tf.greater(r, 0);
  const f = tf.where(matched, tf.div(N, tf.where(matched, contextNorm(E), tf.onesLike(N))), tf.zerosLike(N));
  const { X } = relevance(A, wordMask);
  const g = tf.div(tf.sum(tf.mul(X, A), -1), tf.sum(X, -1));
  const asked = propagate ? propagation(words, wordMask, r) : r;
  const asksNegative = tf.cast(tf.less(asked, 0), "float32") as tf.Tensor2D;
  const sum = tf.add(tf.add(tf.mul(r, asksNegative), f), g);
  const score = tf.div<tf.Tensor1D>(tf.sum(tf.mul(sum, wordMask), -1), tf.sum(wordMask, -1));
  return { score, strongest, asksNegative };
}

/** E_ij = exp(20 (A_ij - max_j A_ij)) where A_ij > t, else 0: the attention weights up to their sum. */
function matchWeights(A: tf.Tensor3D, strongest: tf.Tensor2D, threshold: number): tf.Tensor3D {
  const shifted = tf.mul(tf.sub(A, tf.expandDims(strongest, -1)), lambda);
  return tf.mul(tf.exp(shifted), tf.cast(tf.greater(A, threshold), "float32"));
}

/** L = LeakyReLU(A) (0 for masked words), nu_j = its norm over words, X = exp(20 L / (nu + eps)). */
function relevance(A: tf.Tensor3D, wordMask: tf.Tensor2D): { L: tf.Tensor; nu: tf.Tensor; X: tf.Tensor } {
  const L = tf.mul(tf.maximum(A, tf.mul(A, slope)), tf.expandDims(wordMask, -1));
  const nu = tf.sqrt(tf.sum(tf.square(L), 1, true)); // [P, 1, R]
  const X = tf.exp(tf.div(tf.mul(L, lambda), tf.add(nu, epsilon)));
  return { L, nu, X };
}

/** r~ = softmax_rows(5 W W^T) r over the caption's own words. */
function propagation(words: tf.Tensor3D, wordMask: tf.Tensor2D, r: tf.Tensor2D): tf.Tensor2D {
  const logits = tf.mul(tf.matMul(words, words, false, true), 5);
  const visible = tf.add(logits, tf.expandDims(tf.mul(tf.sub(1, wordMask), -1e9), 1));
  return tf.squeeze(tf.matMul(tf.softmax(visible), tf.expandDims(r, -1)), [-1]);
}

/** d score / d regions and words, times dy [P]. */
function gradient(dy: tf.Tensor1D, saved: tf.Tensor[], { threshold }: ScoreOptions): tf.Tensor[] {
  const [V, W, wordMask, A, asksNegative] = saved as [tf.Tensor3D, tf.Tensor3D, tf.Tensor2D, tf.Tensor3D, tf.Tensor2D];
  const share = tf.div(wordMask, tf.sum(wordMask, -1, true)); // [P, W]
  const u = tf.expandDims(tf.mul(share, tf.expandDims(dy, -1)), -1); // [P, W, 1]
  const strongest = tf.max<tf.Tensor2D>(A, -1);
  const E = matchWeights(A, strongest, threshold);
  const C = tf.matMul<tf.Tensor3D>(E, V); // [P, W, E]
  const N = tf.sum(tf.mul(E, A), -1, true);
  const D = tf.norm(C, 2, -1, true);
  const matched = tf.expandDims(tf.greater(strongest, threshold), -1);
  const inverse = tf.where(matched, tf.div(1, tf.where(matched, D, tf.onesLike(D))), tf.zerosLike(D));
  const cube = tf.mul(N, tf.mul(inverse, tf.square(inverse))); // N / D^3
  const Q = tf.matMul(C, V, false, true); // c_i . v_j

  const { L, nu, X } = relevance(A, wordMask);
  const beta = tf.div(X, tf.sum(X, -1, true));
  const s = tf.sum(tf.mul(beta, A), -1, true);
  const G = tf.mul(u, tf.mul(tf.mul(beta, lambda), tf.sub(A, s)));
  const norm = tf.add(nu, epsilon);
  const along = tf.div(tf.sum(tf.mul(G, L), 1, true), tf.mul(tf.maximum(nu, 1e-30), tf.square(norm)));
  const dL = tf.mul(tf.sub(tf.div(G, norm), tf.mul(L, along)), tf.expandDims(wordMask, -1));

  const feature = tf.mul(
    tf.mul(u, E),
    tf.sub(tf.mul(tf.add(tf.mul(A, lambda), 1), inverse), tf.mul(tf.mul(Q, cube), lambda)),
  );
  const slopes = tf.add(tf.mul(tf.cast(tf.greater(A, 0), "float32"), 1 - slope), slope);
  // Where the negative branch counts, its value r_i goes to the strongest region alone.
  const first = tf.oneHot(tf.argMax(A, -1), A.shape[2]);
  const negative = tf.mul(tf.mul(u, tf.expandDims(asksNegative, -1)), tf.cast(first, "float32"));
  const dA = tf.add(tf.add(feature, tf.add(tf.mul(u, beta), tf.mul(dL, slopes))), negative);

  const dW = tf.matMul(dA, V);
  const dV = tf.sub(tf.matMul(dA, W, true, false), tf.matMul(E, tf.mul(tf.mul(u, cube), C), true, false));
  return [dV, dW];
}

/**
 * All B x C scores of one scale, without a gradient: regions [B, R, E], words [C, W, E], wordMask [C, W] ->
 * scores [B, C] and the strongest similarity of every word, [B, C, W] (what mining reads). Works image by image, so
 * that memory does not grow with B * C * R.
 */
export function allScores(
  regions: tf.Tensor3D,
  words: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  options: ScoreOptions,
): { scores: tf.Tensor2D; strongest: tf.Tensor3D } {
  const [images] = regions.shape;
  const [captions, length, width] = words.shape;
  const flat = tf.reshape<tf.Rank.R2>(words, [captions * length, width]);
  const rows: tf.Tensor1D[] = [];
  const maxima: tf.Tensor2D[] = [];
  for (let b = 0; b < images; b++) {
    const [row, strongest] = tf.tidy(() => {
      const V = tf.reshape<tf.Rank.R2>(tf.slice(regions, [b, 0, 0], [1, -1, -1]), [-1, width]); // [R, E]
      const A = tf.reshape<tf.Rank.R3>(tf.matMul(flat, V, false, true), [captions, length, -1]);
      const norm = (E: tf.Tensor3D): tf.Tensor2D =>
        tf.reshape(tf.norm(tf.matMul(tf.reshape(E, [captions * length, -1]), V), 2, -1), [captions, length]);
      const state = branches(A, words, wordMask, options, norm);
      return [state.score, state.strongest] as [tf.Tensor1D, tf.Tensor2D];
    });
    rows.push(row);
    maxima.push(strongest);
  }
  const result = { scores: tf.stack(rows) as tf.Tensor2D, strongest: tf.stack(maxima) as tf.Tensor3D };
  tf.dispose([rows, maxima]);
  return result;
}
