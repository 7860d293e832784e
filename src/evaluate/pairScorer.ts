/** What a way of scoring gives to the streaming loop: captions and images are prepared once a scale, then meet tile by tile. */
import * as tf from "@tensorflow/tfjs-core";

/** The largest tile. */
export interface ScorerShape {
  images: number;
  captions: number;
  words: number;
  regions: number;
}

export interface CaptionOptions {
  /** Number of words that count; the rest are pads. Absent: all words count (the published code). */
  lengths?: ArrayLike<number>;
  /** The negative branch asks the caption's own words first. */
  propagate: boolean;
  /** See `ScoreSource.fold`. */
  fold?: tf.Tensor2D;
}

/** The Gram matrices [B, R, R] of images' regions V = H P^T (H the features, P the fold): V V^T. */
export function gramOf(features: tf.Tensor3D, fold?: tf.Tensor2D): tf.Tensor3D {
  if (fold === undefined) return tf.matMul(features, features, false, true);
  return tf.tidy(() => {
    const [count, regions, width] = features.shape;
    const flat = tf.reshape<tf.Rank.R2>(features, [count * regions, width]);
    const projected = tf.matMul(flat, fold, false, true); // [B * R, E]
    const V = tf.reshape<tf.Rank.R3>(projected, [count, regions, fold.shape[0]]);
    return tf.matMul(V, V, false, true);
  });
}

/** Words [C, W, E] as rows [C * W, E], or folded [C * W, F]: w . (P h) = (P^T w) . h. */
export function wordRows(features: tf.Tensor3D, fold?: tf.Tensor2D): tf.Tensor2D {
  const [count, words, width] = features.shape;
  const flat = tf.reshape<tf.Rank.R2>(features, [count * words, width]);
  if (fold === undefined) return flat;
  const folded = tf.matMul<tf.Tensor2D>(flat, fold);
  flat.dispose();
  return folded;
}

export interface PairScorer<Images, Captions> {
  /** Regions [B, R, E] of one scale; with a fold [E, F] the narrower [B, R, F] that it projects. */
  images(features: tf.Tensor3D, fold?: tf.Tensor2D): Images;
  /** Words [C, W, E] of one scale; the input may be disposed afterwards. */
  captions(features: tf.Tensor3D, options: CaptionOptions): Captions;
  /** Called before these images meet captions; until the next call they alone are scored. */
  enter(images: Images): void;
  /** Writes the scores of all pairs, the pair (image b, caption c) of the blocks at `place(b, c)`. */
  score(
    images: Images,
    captions: Captions,
    threshold: number,
    scores: Float32Array,
    place: (image: number, caption: number) => number,
  ): void | Promise<void>;
  releaseImages(images: Images): void;
  releaseCaptions(captions: Captions): void;
  close(): void;
}
