/** The matching score of one scale (NAAF attention) for pairs of image and caption, with its explicit gradient. */
import * as tf from "@tensorflow/tfjs-core";
import { formula, type Maths } from "../engine/formula.js";
import { withGradient } from "../model/layers.js";
import { relevantMean, relevantTerms } from "./relevantScore.js";

/** Inverse temperature of the softmax over regions. */
export const lambda = 20;
const slope = 0.1;
const epsilon = 1e-8;

/** What is in force when a pair is scored. */
export interface ScoreOptions {
  /** Regions with w . v <= threshold do not match the word; 0 in the published training. */
  threshold: number;
  /** The negative branch asks the caption's own words first (evaluation; spec: propagation). */
  propagate: boolean;
  /** Only words and regions that are relevant to each other count (UARDA); there is no negative branch to propagate for. */
  relevantOnly?: boolean;
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
 * out; masks (which regions and words pass) have none. With `relevantOnly` it is the score of `relevantTerms`.
 */
export function pairScores(
  regions: tf.Tensor3D,
  words: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  options: ScoreOptions,
): tf.Tensor1D {
  if (options.relevantOnly === true) {
    const A = tf.matMul<tf.Tensor3D>(words, regions, false, true); // [P, W, R]
    return relevantMean(relevantTerms(A, wordMask, options.threshold, (E) => tf.matMul(E, regions)));
  }
  return withGradient([regions, words], ([v, w], save) => {
    const [V, W] = [v as tf.Tensor3D, w as tf.Tensor3D];
    const A = tf.matMul<tf.Tensor3D>(W, V, false, true); // [P, W, R]
    const threshold = tf.scalar(options.threshold);
    const attention = options.propagate ? selfAttention(W, wordMask) : undefined;
    const { score, asksNegative } = branches(A, wordMask, threshold, (E) => tf.matMul(E, V), attention);
    save([V, W, wordMask, A, asksNegative, threshold]);
    return { value: score, gradient: (dy, saved) => gradient(dy as tf.Tensor1D, saved) };
  }) as tf.Tensor1D;
}

interface Branches {
  /** [P] */
  score: tf.Tensor1D;
  /** max_j A_ij, [P, W] */
  strongest: tf.Tensor2D;
  /** 1 where the negative branch counts, [P, W, 1] */
  asksNegative: tf.Tensor3D;
}

/**
 * The three branches from similarities A [P, W, R]. `contextsOf` gives sum_j E_ij v_j [P, W, E] for weights E [P, W, R];
 * `attention` [P, W, W] is how the words of a caption ask one another, absent without propagation.
 */
function branches(
  A: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  threshold: tf.Scalar,
  contextsOf: (E: tf.Tensor3D) => tf.Tensor3D,
  attention?: tf.Tensor3D,
): Branches {
  const mask = tf.expandDims(wordMask, -1);
  const strongest = tf.max<tf.Tensor3D>(A, -1, true);
  const [E] = matchWeights(A, strongest, threshold) as [tf.Tensor3D];
  const [r, sum] = wordScores(A, E, strongest, contextsOf(E), mask, threshold) as [tf.Tensor3D, tf.Tensor3D];
  const asked = attention === undefined ? r : tf.matMul(attention, r);
  const asksNegative = tf.cast(tf.less(asked, 0), "float32") as tf.Tensor3D;
  const all = tf.squeeze<tf.Tensor2D>(tf.add(tf.mul(r, asksNegative), sum), [-1]);
  const score = tf.div<tf.Tensor1D>(tf.sum(tf.mul(all, wordMask), -1), tf.sum(wordMask, -1));
  return { score, strongest: tf.squeeze(strongest, [-1]), asksNegative };
}

/**
 * E_ij = exp(20 (A_ij - max_j A_ij)) where A_ij > t, else 0: the attention weights up to their sum. The maxima [P, W, 1] come from the engine's
 * own op, which is faster at them than a formula.
 */
const matchWeights = formula("match_weights", (m, A, strongest, threshold) => [
  m.mul(m.exp(m.mul(m.sub(A, strongest), lambda)), m.above(A, threshold)),
]);

/** From A, E, max_j A_ij, the contexts and the mask: r_i and f_i + g_i, [P, W, 1] each. */
const wordScores = formula("word_scores", (m, A, E, strongest, contexts, mask, threshold) => {
  const matched = m.above(strongest, threshold);
  const norm = m.sqrt(m.sum(m.square(contexts), -1));
  // A word without a region has no context: 0 / 1.
  const f = m.div(m.sum(m.mul(E, A), -1), m.add(m.mul(matched, norm), m.sub(1, matched)));
  const { X } = relevance(m, A, mask);
  const g = m.div(m.sum(m.mul(X, A), -1), m.sum(X, -1));
  return [m.sub(strongest, threshold), m.add(m.mul(f, matched), g)];
});

/** L = LeakyReLU(A) (0 for masked words), nu_j = its norm over words, X = exp(20 L / (nu + eps)). */
function relevance<T>(m: Maths<T>, A: T, mask: T): { L: T; nu: T; X: T } {
  const L = m.mul(m.maximum(A, m.mul(A, slope)), mask);
  const nu = m.sqrt(m.sum(m.square(L), 1)); // [P, 1, R]
  const X = m.exp(m.mul(L, m.div(lambda, m.add(nu, epsilon))));
  return { L, nu, X };
}

/** softmax_rows(5 W W^T) over the words of each caption, [P, W, W]. */
function selfAttention(words: tf.Tensor3D, wordMask: tf.Tensor2D): tf.Tensor3D {
  const logits = tf.mul(tf.matMul(words, words, false, true), 5);
  const visible = tf.add(logits, tf.expandDims(tf.mul(tf.sub(1, wordMask), -1e9), 1));
  return tf.softmax(visible as tf.Tensor3D);
}

/** d score / d regions and words, times dy [P]. */
function gradient(dy: tf.Tensor1D, saved: tf.Tensor[]): tf.Tensor[] {
  const [V, W, wordMask, A, asksNegative, threshold] = saved as [
    tf.Tensor3D,
    tf.Tensor3D,
    tf.Tensor2D,
    tf.Tensor3D,
    tf.Tensor3D,
    tf.Scalar,
  ];
  const share = tf.div(wordMask, tf.sum(wordMask, -1, true)); // [P, W]
  const u = tf.expandDims(tf.mul(share, tf.expandDims(dy, -1)), -1); // [P, W, 1]
  const mask = tf.expandDims(wordMask, -1);
  const strongest = tf.max<tf.Tensor3D>(A, -1, true);
  const [E] = matchWeights(A, strongest, threshold) as [tf.Tensor3D];
  const C = tf.matMul<tf.Tensor3D>(E, V); // [P, W, E]
  const [inverse, cube] = contextFactors(A, E, strongest, C, threshold) as [tf.Tensor3D, tf.Tensor3D];
  const Q = tf.matMul(C, V, false, true); // c_i . v_j
  // Where the negative branch counts, its value r_i goes to the strongest region alone.
  const first = tf.cast(tf.oneHot(tf.argMax(A, -1), A.shape[2]), "float32");
  const [dA, shares] = similarityGradient(A, E, Q, inverse, cube, u, mask, asksNegative, first) as [
    tf.Tensor3D,
    tf.Tensor3D,
  ];
  const dW = tf.matMul(dA, V);
  const dV = tf.sub(tf.matMul(dA, W, true, false), tf.matMul(E, tf.mul(shares, C), true, false));
  return [dV, dW];
}

/** 1 / ||c_i|| and N_i / ||c_i||^3, 0 for words without a region, [P, W, 1]; N_i = sum_j E_ij A_ij. */
const contextFactors = formula("context_factors", (m, A, E, strongest, contexts, threshold) => {
  const matched = m.above(strongest, threshold);
  const norm = m.sqrt(m.sum(m.square(contexts), -1));
  const inverse = m.div(matched, m.add(m.mul(matched, norm), m.sub(1, matched)));
  return [inverse, m.mul(m.sum(m.mul(E, A), -1), m.mul(inverse, m.square(inverse)))];
});

/** d score / d A, and u N / ||c||^3. */
const similarityGradient = formula("similarity_gradient", (m, A, E, Q, inverse, cube, u, mask, asksNegative, first) => {
  const { L, nu, X } = relevance(m, A, mask);
  const beta = m.div(X, m.sum(X, -1));
  const s = m.sum(m.mul(beta, A), -1);
  const G = m.mul(u, m.mul(m.mul(beta, lambda), m.sub(A, s)));
  const norm = m.add(nu, epsilon);
  const along = m.div(m.sum(m.mul(G, L), 1), m.mul(m.maximum(nu, 1e-30), m.square(norm)));
  const dL = m.mul(m.sub(m.div(G, norm), m.mul(L, along)), mask);
  const feature = m.mul(m.mul(u, E), m.sub(m.mul(m.add(m.mul(A, lambda), 1), inverse), m.mul(m.mul(Q, cube), lambda)));
  const slopes = m.add(m.mul(m.above(A, 0), 1 - slope), slope);
  const negative = m.mul(m.mul(u, asksNegative), first);
  return [m.add(m.add(feature, m.add(m.mul(u, beta), m.mul(dL, slopes))), negative), m.mul(u, cube)];
});

/** Similarities [B, C, W, R] that are worked on at once, about: in a core's cache, and enough to make the calls worth it. */
const similaritiesAtOnce = 2 ** 19;

/**
 * All B x C scores of one scale, without a gradient: regions [B, R, E], words [C, W, E], wordMask [C, W] ->
 * scores [B, C] and the strongest similarity of every word, [B, C, W] (what mining reads). Works on a few images at a time,
 * so that memory does not grow with B * C * R.
 */
export function allScores(
  regions: tf.Tensor3D,
  words: tf.Tensor3D,
  wordMask: tf.Tensor2D,
  { threshold, propagate, relevantOnly = false }: ScoreOptions,
): { scores: tf.Tensor2D; strongest: tf.Tensor3D } {
  const [images, places, width] = regions.shape;
  const [captions, length] = words.shape;
  return tf.tidy(() => {
    const flat = tf.reshape<tf.Rank.R3>(words, [1, captions * length, width]);
    const limit = tf.scalar(threshold);
    const attention = propagate ? selfAttention(words, wordMask) : undefined;
    const rows: tf.Tensor[] = [];
    const maxima: tf.Tensor[] = [];
    const atOnce = Math.max(1, Math.floor(similaritiesAtOnce / (captions * length * places)));
    for (let first = 0; first < images; first += atOnce) {
      const some = Math.min(atOnce, images - first);
      const [row, strongest] = tf.tidy(() => {
        const V = tf.slice(regions, [first, 0, 0], [some, -1, -1]);
        const repeat = <T extends tf.Tensor>(x: T): T =>
          some === 1 ? x : tf.tile(x, [some, ...x.shape.slice(1).fill(1)]);
        const A = tf.matMul(flat, V, false, true); // [B, C W, R]
        const contextsOf = (E: tf.Tensor3D): tf.Tensor3D => {
          const contexts = tf.matMul(tf.reshape(E, [some, captions * length, places]), V);
          return tf.reshape(contexts, [some * captions, length, width]);
        };
        const similarities = tf.reshape<tf.Rank.R3>(A, [some * captions, length, places]);
        if (relevantOnly) {
          const state = relevantTerms(similarities, repeat(wordMask), threshold, contextsOf);
          return [
            tf.reshape<tf.Rank.R2>(relevantMean(state), [some, captions]),
            tf.reshape<tf.Rank.R3>(state.strongest, [some, captions, length]),
          ] as const;
        }
        const state = branches(similarities, repeat(wordMask), limit, contextsOf, attention && repeat(attention));
        return [
          tf.reshape(state.score, [some, captions]),
          tf.reshape(state.strongest, [some, captions, length]),
        ] as const;
      });
      rows.push(row);
      maxima.push(strongest);
    }
    return { scores: tf.concat(rows) as tf.Tensor2D, strongest: tf.concat(maxima) as tf.Tensor3D };
  });
}
