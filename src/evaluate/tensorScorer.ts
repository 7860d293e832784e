/** Exact scores written with tensors alone: the way for engines whose data are far from the processor (GPU). */
import * as tf from "@tensorflow/tfjs-core";
import { gramOf, wordRows, type PairScorer } from "./pairScorer.js";

interface Images {
  regions: tf.Tensor2D[];
  /** [R, R] = V V^T of each image where that is cheaper than the regions (R < E): |sum_j e_j v_j|^2 = e^T G e. */
  grams?: tf.Tensor2D[];
}

interface Captions {
  count: number;
  words: number;
  /** [words * captions, E], row w * captions + c; masked words are zero, so that they take no part in the norm over words. */
  features: tf.Tensor2D;
  /** [captions, words, words] */
  propagation?: tf.Tensor3D;
  /** [words, captions]: 1 / number of counted words, 0 for masked words. */
  weights: tf.Tensor2D;
}

const sharpness = 20;
const slope = 0.1;
const propagationSharpness = 5;

export function openTensorScorer(): PairScorer<Images, Captions> {
  return {
    images(features, fold) {
      const regions = tf.unstack(features) as tf.Tensor2D[];
      const [, count, width] = features.shape;
      if (fold === undefined && count >= width) return { regions };
      const gram = gramOf(features, fold);
      const grams = tf.unstack(gram) as tf.Tensor2D[];
      gram.dispose();
      return { regions, grams };
    },
    captions(features, options) {
      const weights = tf.tidy(() => {
        const mask = wordMask(features, options.lengths);
        return tf.transpose(tf.div(mask, tf.sum(mask, 1, true))) as tf.Tensor2D;
      });
      const flat = tf.tidy(() => {
        const masked = tf.mul(features, tf.expandDims(wordMask(features, options.lengths), 2));
        return wordRows(tf.transpose(masked, [1, 0, 2]) as tf.Tensor3D, options.fold);
      });
      const [count, words] = features.shape;
      const prepared = { count, words, features: flat, weights };
      return options.propagate ? { ...prepared, propagation: propagationOf(features, options.lengths) } : prepared;
    },
    enter: () => undefined,
    async score(images, captions, threshold, scores, place) {
      const total = tf.tidy(() => {
        return tf.stack(images.regions.map((V, b) => imageScores(V, images.grams?.[b], captions, threshold)));
      });
      const values = await total.data<"float32">();
      total.dispose();
      for (let b = 0; b < images.regions.length; b++) {
        for (let c = 0; c < captions.count; c++) scores[place(b, c)] = values[b * captions.count + c]!;
      }
    },
    releaseImages: ({ regions, grams }) => tf.dispose([...regions, ...(grams ?? [])]),
    releaseCaptions: ({ features, propagation, weights }) =>
      tf.dispose([features, weights, ...(propagation === undefined ? [] : [propagation])]),
    close: () => undefined,
  };
}

/** softmax_rows(5 W W^T) over a caption's own counted words, [C, W, E] -> [C, W, W]. */
export function propagationOf(captions: tf.Tensor3D, lengths?: ArrayLike<number>): tf.Tensor3D {
  return tf.tidy(() => {
    const hidden = tf.mul(tf.sub(tf.expandDims(wordMask(captions, lengths), 1), 1), 1e9); // masked columns: -1e9
    const likeness = tf.mul(tf.matMul(captions, captions, false, true), propagationSharpness);
    return tf.softmax(tf.add(likeness, hidden)) as tf.Tensor3D;
  });
}

function wordMask(captions: tf.Tensor3D, lengths?: ArrayLike<number>): tf.Tensor2D {
  const [count, words] = captions.shape;
  const mask = Float32Array.from({ length: count * words }, (_, k) =>
    Number(k % words < (lengths?.[Math.floor(k / words)] ?? words)),
  );
  return tf.tensor2d(mask, [count, words]);
}

/**
 * Scores of one image with a block of captions -> [captions]. Own derivation of section 3 of the model's description:
 * a positive factor of a word's attention cancels in its cosine, so a plain softmax under the mask A > t replaces
 * exp / (sum + 1e-8), and w . v^ is sum_j a_j A_j. The threshold shifts the mask and the negative branch only.
 * Words lead the rows, so that the norm over words and its division run along the outer axis of a matrix.
 */
function imageScores(V: tf.Tensor2D, gram: tf.Tensor2D | undefined, block: Captions, threshold: number): tf.Tensor1D {
  return tf.tidy(() => {
    const { count, words } = block;
    const regions = V.shape[0];
    const A = tf.matMul(block.features, V, false, true); // [W * C, R]

    const attended = tf.where(tf.greater(A, threshold), tf.softmax(tf.mul(A, sharpness)), 0);
    const along = tf.sum(tf.mul(attended, A), 1); // w . v^
    const context = tf.matMul(attended, gram ?? V);
    const squared = tf.sum(gram === undefined ? tf.square(context) : tf.mul(context, attended), 1); // |v^|^2
    const feature = tf.div(along, tf.maximum(tf.sqrt(tf.relu(squared)), 1e-30));

    const leaky = tf.reshape(tf.leakyRelu(A, slope), [words, count * regions]);
    const norms = tf.add(tf.sqrt(tf.sum(tf.square(leaky), 0, true)), 1e-8); // over the words of a region
    const relevance = tf.softmax(tf.reshape(tf.mul(leaky, tf.div(sharpness, norms)), [words * count, regions]));
    const relevant = tf.sum(tf.mul(relevance, A), 1);

    const best = tf.reshape(tf.sub(tf.max(A, 1), threshold), [words, count]);
    const decisive =
      block.propagation === undefined
        ? best
        : tf.transpose(tf.squeeze(tf.matMul(block.propagation, tf.expandDims(tf.transpose(best), 2)), [2]));
    const negative = tf.where(tf.less(decisive, 0), best, 0); // the mask from the propagated, the value from the own
    const sum = tf.add(negative, tf.reshape(tf.add(feature, relevant), [words, count]));
    return tf.sum<tf.Tensor1D>(tf.mul(sum, block.weights), 0);
  });
}
