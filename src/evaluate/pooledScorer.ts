/** Cosines of mean vectors in the streaming loop, for models whose score is no more than that. */
import * as tf from "@tensorflow/tfjs-core";
import { pool } from "../match/pooledScore.js";
import type { PairScorer } from "./pairScorer.js";

export function openPooledScorer(): PairScorer<tf.Tensor2D, tf.Tensor2D> {
  return {
    images: (features) => tf.tidy(() => pool(features)), // [B, E]
    captions: (features, { lengths }) =>
      tf.tidy(() => {
        const [count, words] = features.shape;
        const counts = Array.from({ length: count }, (_, c) =>
          Array.from({ length: words }, (_, w) => Number(w < (lengths?.[c] ?? words))),
        );
        return pool(features, tf.tensor2d(counts, [count, words])); // [C, E]
      }),
    enter: () => undefined,
    async score(images, captions, _threshold, scores, place) {
      const product = tf.matMul(images, captions, false, true);
      const values = await product.data<"float32">();
      product.dispose();
      const [rows, columns] = [images.shape[0], captions.shape[0]];
      for (let b = 0; b < rows; b++) {
        for (let c = 0; c < columns; c++) scores[place(b, c)] = values[b * columns + c]!;
      }
    },
    releaseImages: (images) => {
      images.dispose();
    },
    releaseCaptions: (captions) => {
      captions.dispose();
    },
    close: () => undefined,
  };
}
