/** Seeded dropout: every mask of a training step comes from the step's seed and the mask's place in the network. */
import * as tf from "@tensorflow/tfjs-core";
import { formula } from "../engine/formula.js";
import { nativeOps } from "../engine/index.js";
import { withGradient, withoutGradient } from "./layers.js";

/**
 * Gives the mask of a place (1, 2, ...): 0 or 1/keep, or `undefined` when nothing is dropped. Asked again for the same place
 * and shape, it gives the same mask.
 */
export type Dropout = (shape: number[], place: number) => tf.Tensor | undefined;

export const noDropout: Dropout = () => undefined;

/** A part of a batch: `size` captions from number `first` on, of `of` in all. */
export interface Part {
  first: number;
  size: number;
  of: number;
}

/** Of uniform numbers in [0, 1): 1/keep with probability `keep`, else 0. */
const maskOf = formula("dropout_mask", (m, uniform, keep) => [m.div(m.above(keep, uniform), keep)]);

/** Masks for one step: the same `seed` gives the same masks on the same engine; a part of a batch gets its share of them. */
export function seededDropout(rate: number, seed: number, part?: Part): Dropout {
  if (rate === 0) return noDropout;
  const keep = 1 - rate;
  const wholeMask = (shape: number[], place: number): tf.Tensor => {
    const uniform =
      nativeOps()?.randomUniform(shape, [seed, place]) ??
      tf.randomUniform(shape, 0, 1, "float32", (seed * 8191 + place) >>> 0);
    return maskOf(uniform, tf.scalar(keep))[0] as tf.Tensor;
  };
  return (shape, place) =>
    withoutGradient(() =>
      tf.tidy(() => {
        if (part === undefined || part.size === part.of) return wholeMask(shape, place);
        // The mask of the whole batch is drawn: no other way gives a part the numbers that it has there.
        return tf.slice(wholeMask([part.of, ...shape.slice(1)], place), part.first, part.size);
      }),
    );
}

/** x with some of its values set to zero and the others scaled by 1/keep. */
export function applyDropout(x: tf.Tensor, dropout: Dropout, place: number): tf.Tensor {
  const mask = dropout(x.shape, place);
  if (mask === undefined) return x;
  return withGradient([x], ([input], save) => {
    save([mask]);
    return { value: tf.mul(input as tf.Tensor, mask), gradient: (dy, [kept]) => [tf.mul(dy, kept as tf.Tensor)] };
  });
}
