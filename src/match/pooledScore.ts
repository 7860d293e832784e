/** The pooled score: one vector per image and caption and scale, compared by cosine; cheap, for search and pretraining. */
import * as tf from "@tensorflow/tfjs-core";
import { l2Normalise } from "../model/layers.js";

/** Mean over tokens, then unit length: features [B, T, E] and an optional mask [B, T] -> [B, E]. */
export function pool(features: tf.Tensor3D, mask?: tf.Tensor2D): tf.Tensor2D {
  if (mask === undefined) return l2Normalise(tf.mean(features, 1)) as tf.Tensor2D;
  // A positive factor (the number of tokens) changes nothing after normalising, so the sum does.
  return l2Normalise(tf.sum(tf.mul(features, tf.expandDims(mask, -1)), 1)) as tf.Tensor2D;
}

/** Cosines of pooled features of one scale: [B, E] x [C, E] -> [B, C]. */
export function pooledScores(images: tf.Tensor2D, captions: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(images, captions, false, true);
}

/** Pooled features of all scales side by side, divided by the root of their number: the dot product of two is the mean of the cosines; [B, scales * E]. */
export function pooledVectors(scales: tf.Tensor3D[], mask?: tf.Tensor2D): tf.Tensor2D {
  const pooled = scales.map((features) => pool(features, mask));
  return pooled.length === 1 ? (pooled[0] as tf.Tensor2D) : tf.mul(tf.concat(pooled, 1), 1 / Math.sqrt(scales.length));
}
