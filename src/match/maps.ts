/** What the score of one image and one caption is made of: every word against every region, scale by scale. */
import * as tf from "@tensorflow/tfjs-core";
import { lambda, pairScores, type ScoreOptions } from "./attentionScore.js";
import { pool, pooledScores } from "./pooledScore.js";
import { relevantMean, relevantTerms } from "./relevantScore.js";

export interface MapOptions extends ScoreOptions {
  /** What the model scores with (`ModelHead`); default AMS's attention. */
  score?: "attention" | "relevant" | "pooled" | undefined;
}

/** What the W words of a caption see in the R regions of an image, at one scale. */
export interface AttentionMap {
  /** Similarities A_ij of word i and region j, [W, R] row-major; region 0 is [CLS], the rest are patches row by row. */
  relevance: Float32Array;
  /** Attention weights of the positive branch (softmax over the regions above the threshold), [W, R]. */
  weights: Float32Array;
  /** Whether a word has a region above the threshold, [W]. */
  matched: boolean[];
  words: number;
  regions: number;
  /** The score of this scale, not yet weighted. */
  score: number;
}

/**
 * Maps of every scale: image features [R, E] and caption features [W, E] per scale. `wordMask` [W] is 1 for tokens that
 * count as words.
 */
export function attentionMaps(
  image: tf.Tensor2D[],
  caption: tf.Tensor2D[],
  wordMask: ArrayLike<number>,
  options: MapOptions,
): AttentionMap[] {
  return image.map((regions, k) => {
    const words = caption[k] as tf.Tensor2D;
    const [count, places] = [words.shape[0], regions.shape[0]];
    return tf.tidy(() => {
      const relevance = tf.matMul(words, regions, false, true).dataSync() as Float32Array;
      const mask = tf.tensor2d(Float32Array.from(wordMask), [1, count]);
      const score = pairScore(tf.expandDims(regions, 0), tf.expandDims(words, 0), mask, options);
      const weights = new Float32Array(relevance.length);
      const matched: boolean[] = [];
      for (let i = 0; i < count; i++) {
        const row = relevance.subarray(i * places, (i + 1) * places);
        const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
        matched.push(top > options.threshold);
        let sum = 0;
        for (let j = 0; j < places; j++) if (row[j]! > options.threshold) sum += Math.exp(lambda * (row[j]! - top));
        for (let j = 0; j < places; j++) {
          if (row[j]! > options.threshold) weights[i * places + j] = Math.exp(lambda * (row[j]! - top)) / sum;
        }
      }
      return { relevance, weights, matched, words: count, regions: places, score: score.dataSync()[0] as number };
    });
  });
}

/** The score of one pair at one scale as the model's evaluation gives it: [1, R, E], [1, W, E], [1, W] -> [1]. */
function pairScore(regions: tf.Tensor3D, words: tf.Tensor3D, mask: tf.Tensor2D, options: MapOptions): tf.Tensor {
  switch (options.score) {
    case "pooled":
      return pooledScores(pool(regions), pool(words, mask));
    case "relevant": {
      const products = tf.matMul<tf.Tensor3D>(words, regions, false, true);
      return relevantMean(relevantTerms(products, mask, options.threshold, (E) => tf.matMul(E, regions)));
    }
    default:
      return pairScores(regions, words, mask, options);
  }
}
