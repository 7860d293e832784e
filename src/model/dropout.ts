/** Seeded dropout: every mask of a training step comes from the step's seed and the mask's number in that step. */
import * as tf from "@tensorflow/tfjs-core";
import { nativeOps } from "../engine/index.js";
import { withoutGradient } from "./layers.js";

/** Gives masks of 0 and 1/keep, or `undefined` when nothing is dropped. */
export type Dropout = (shape: number[]) => tf.Tensor | undefined;

export const noDropout: Dropout = () => undefined;

/** Masks for one step: the same `seed` gives the same masks on the same engine. */
export function seededDropout(rate: number, seed: number): Dropout {
  if (rate === 0) return noDropout;
  let count = 0;
  return (shape) =>
    withoutGradient(() =>
      tf.tidy(() => {
        const native = nativeOps();
        const keep = 1 - rate;
        count++;
        if (native !== undefined) return native.dropoutMask(shape, keep, [seed, count]);
        const uniform = tf.randomUniform(shape, 0, 1, "float32", (seed * 8191 + count) >>> 0);
        return tf.div(tf.cast(tf.less(uniform, keep), "float32"), keep);
      }),
    );
}

/** x with some of its values set to zero and the others scaled by 1/keep. */
export function applyDropout(x: tf.Tensor, dropout: Dropout): tf.Tensor {
  const mask = dropout(x.shape);
  return mask === undefined ? x : tf.mul(x, mask);
}
