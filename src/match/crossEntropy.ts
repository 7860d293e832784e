/** Softmax cross-entropy with whole-number labels and weights; its gradient keeps only the probabilities. */
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "../model/layers.js";

/**
 * Logits [N, K], labels [N] (int32; any value where the weight is 0), weights [N] -> the weighted mean of
 * -log softmax(logits)[label], a scalar; 0 when all weights are 0.
 */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  return withGradient([logits], ([x], save) => {
    const right = tf.cast(tf.oneHot(labels, (x as tf.Tensor2D).shape[1]), "float32");
    const logProbabilities = tf.logSoftmax(x as tf.Tensor2D);
    const share = tf.div<tf.Tensor1D>(weights, tf.maximum(tf.sum(weights), 1e-12));
    const value = tf.neg(tf.sum(tf.mul(tf.sum(tf.mul(logProbabilities, right), -1), share)));
    save([tf.sub(tf.exp(logProbabilities), right), share]);
    return {
      value,
      gradient: (dy, [difference, saved]) => [
        tf.mul(tf.mul(difference as tf.Tensor, tf.expandDims(saved as tf.Tensor, -1)), dy),
      ],
    };
  }) as tf.Scalar;
}
