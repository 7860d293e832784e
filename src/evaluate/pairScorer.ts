/** What a way of scoring gives to the streaming loop: captions and images are prepared once a scale, then meet tile by tile. */
import type * as tf from "@tensorflow/tfjs-core";

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
}

export interface PairScorer<Images, Captions> {
  /** Regions [B, R, E] of one scale. */
  images(features: tf.Tensor3D): Images;
  /** Words [C, W, E] of one scale; the input may be disposed afterwards. */
  captions(features: tf.Tensor3D, options: CaptionOptions): Captions;
  /** Called before these images meet captions; until the next call they alone are scored. */
  enter(images: Images): void;
  /** Adds weight * score of all pairs to `scores`, the pair (image b, caption c) of the blocks at `place(b, c)`. */
  add(
    images: Images,
    captions: Captions,
    options: { threshold: number; weight: number },
    scores: Float32Array,
    place: (image: number, caption: number) => number,
  ): void | Promise<void>;
  releaseImages(images: Images): void;
  releaseCaptions(captions: Captions): void;
  close(): void;
}
