/** The layers of a transformer with gradients that keep only what they need (tfjs-core would keep every step). */
import * as tf from "@tensorflow/tfjs-core";
import { currentPrecision, matrixProduct } from "../engine/matrixProduct.js";

type Save = (tensors: tf.Tensor[]) => void;

/**
 * customGrad with the types that the layers below use: `f` gets the inputs and `save`, and returns the value and the
 * gradient function, which gets the gradient of the value and the saved tensors and returns one gradient per input.
 */
function withGradient(
  inputs: tf.Tensor[],
  f: (
    inputs: tf.Tensor[],
    save: Save,
  ) => { value: tf.Tensor; gradient: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[] },
): tf.Tensor {
  const op = tf.customGrad((...args: (tf.Tensor | ((tensors: tf.Tensor[]) => void))[]) => {
    const save = args[inputs.length] as Save;
    const { value, gradient } = f(args.slice(0, inputs.length) as tf.Tensor[], save);
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradient(dy, saved) };
  });
  return op(...inputs);
}

export { withGradient };

/** Runs `f` without recording it for gradients, also inside `tf.grads` and `tf.variableGrads`. */
export function withoutGradient<T>(f: () => T): T {
  // The engine records operations only at kernel depth 0; stopping the tape itself would lose what is on it.
  const state = tf.engine().state;
  state.kernelDepth++;
  try {
    return f();
  } finally {
    state.kernelDepth--;
  }
}

/** [..., in] x weight [out, in] + bias [out] -> [..., out]; the layout of a PyTorch Linear. */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const [out, width] = weight.shape as [number, number];
  return withGradient([x, weight, bias], ([x_, weight_, bias_], save) => {
    const precision = currentPrecision();
    const [input, w] = [x_ as tf.Tensor, weight_ as tf.Tensor];
    save([input, w]);
    const y = tf.add(matrixProduct(tf.reshape(input, [-1, width]), w, false, true), bias_ as tf.Tensor);
    return {
      value: tf.reshape(y, [...input.shape.slice(0, -1), out]),
      gradient: (dy, saved) => {
        const [inputs, weights] = saved as [tf.Tensor, tf.Tensor];
        const rows = tf.reshape(dy, [-1, out]);
        const dx = matrixProduct(rows, weights, false, false, precision);
        const dWeight = matrixProduct(rows, tf.reshape(inputs, [-1, width]), true, false, precision);
        return [tf.reshape(dx, inputs.shape), dWeight, tf.sum(rows, 0)];
      },
    };
  });
}

/** Layer normalisation over the last axis: gain * (x - mean) / sqrt(variance + eps) + bias. */
export function layerNorm(x: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor, eps = 1e-12): tf.Tensor {
  return withGradient([x, gain, bias], ([x_, gain_, bias_], save) => {
    const [input, g, b] = [x_ as tf.Tensor, gain_ as tf.Tensor, bias_ as tf.Tensor];
    const centred = tf.sub(input, tf.mean(input, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), eps));
    const normal = tf.mul(centred, inverse);
    save([normal, inverse, g]);
    return {
      value: tf.add(tf.mul(normal, g), b),
      gradient: (dy, [n, inv, gainSaved]) => {
        const [xhat, rstd] = [n as tf.Tensor, inv as tf.Tensor];
        const width = xhat.shape.at(-1) as number;
        const rows = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [-1, width]);
        const weighted = tf.mul(dy, xhat);
        const dNormal = tf.mul(dy, gainSaved as tf.Tensor);
        const dx = tf.mul(
          rstd,
          tf.sub(tf.sub(dNormal, tf.mean(dNormal, -1, true)), tf.mul(xhat, tf.mean(tf.mul(dNormal, xhat), -1, true))),
        );
        return [dx, tf.sum(rows(weighted), 0), tf.sum(rows(dy), 0)];
      },
    };
  });
}

/** GELU with the error function: x * Phi(x). */
export function gelu(x: tf.Tensor): tf.Tensor {
  return withGradient([x], ([input], save) => {
    save([input as tf.Tensor]);
    return {
      value: tf.mul(input as tf.Tensor, cumulative(input as tf.Tensor)),
      gradient: (dy, [saved]) => {
        const z = saved as tf.Tensor;
        const density = tf.mul(tf.exp(tf.mul(tf.square(z), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return [tf.mul(dy, tf.add(cumulative(z), tf.mul(z, density)))];
      },
    };
  });
}

/** The cumulative distribution function of the standard normal distribution. */
function cumulative(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
}

/** x / max(||x||_2, 1e-12) over the last axis. */
export function l2Normalise(x: tf.Tensor): tf.Tensor {
  return withGradient([x], ([input], save) => {
    const norm = tf.maximum(tf.sqrt(tf.sum(tf.square(input as tf.Tensor), -1, true)), 1e-12);
    const y = tf.div(input as tf.Tensor, norm);
    save([y, norm]);
    return {
      value: y,
      gradient: (dy, [unit, length]) => {
        const along = tf.sum(tf.mul(dy, unit as tf.Tensor), -1, true);
        return [tf.div(tf.sub(dy, tf.mul(unit as tf.Tensor, along)), length as tf.Tensor)];
      },
    };
  });
}

export interface AttentionOptions {
  /** Added to the logits, broadcast to [B, H, T, T]; large negative values hide tokens. */
  bias?: tf.Tensor | undefined;
  /** Multiplies the attention weights (0 or 1 / keep), [B, H, T, T]. */
  dropout?: tf.Tensor | undefined;
}

/**
 * softmax(q k^T / sqrt(d) + bias) v for q, k, v [B, H, T, d]. The gradient recomputes the weights instead of keeping
 * them: T x T floats per head and image are what fills the memory at 577 regions.
 */
export function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, { bias, dropout }: AttentionOptions): tf.Tensor {
  const scale = 1 / Math.sqrt(q.shape.at(-1) as number);
  const weights = (qs: tf.Tensor, ks: tf.Tensor, shift: tf.Tensor | undefined): tf.Tensor => {
    const logits = tf.mul(tf.matMul(qs, ks, false, true), scale);
    return tf.softmax(shift === undefined ? logits : tf.add(logits, shift));
  };
  const dropped = (p: tf.Tensor, kept: tf.Tensor | undefined): tf.Tensor => (kept === undefined ? p : tf.mul(p, kept));
  return withGradient([q, k, v], ([q_, k_, v_], save) => {
    const [qs, ks, vs] = [q_ as tf.Tensor, k_ as tf.Tensor, v_ as tf.Tensor];
    const value = tf.matMul(dropped(weights(qs, ks, bias), dropout), vs);
    // bias and dropout have no gradient, but have to outlive the forward pass: saving keeps them until then.
    save([qs, ks, vs, value, ...(bias === undefined ? [] : [bias]), ...(dropout === undefined ? [] : [dropout])]);
    return {
      value,
      gradient: (dy, saved) => {
        const [qs, ks, vs, out] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const shift = bias === undefined ? undefined : saved[4];
        const kept = dropout === undefined ? undefined : saved.at(-1);
        const p = weights(qs, ks, shift);
        const dv = tf.matMul(dropped(p, kept), dy, true, false);
        const dp = dropped(tf.matMul(dy, vs, false, true), kept);
        const along = tf.sum(tf.mul(dy, out), -1, true);
        const dLogits = tf.mul(tf.mul(p, tf.sub(dp, along)), scale);
        return [tf.matMul(dLogits, ks), tf.matMul(dLogits, qs, true, false), dv];
      },
    };
  });
}

/**
 * Rows of a table [V, D] by ids [N] (int32) -> [N, D]. Row 0 is the pad's and gets no gradient, as in PyTorch with
 * `padding_idx=0`.
 */
export function embed(table: tf.Tensor, ids: tf.Tensor1D): tf.Tensor {
  return withGradient([table], ([rows], save) => {
    save([ids]);
    return {
      value: tf.gather(rows as tf.Tensor, ids),
      gradient: (dy, [saved]) => {
        const words = tf.cast(tf.notEqual(saved as tf.Tensor, tf.scalar(0, "int32")), "float32");
        const kept = tf.mul(dy, tf.expandDims(words, -1));
        return [tf.unsortedSegmentSum(kept, saved as tf.Tensor1D, table.shape[0])];
      },
    };
  });
}
