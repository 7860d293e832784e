/** The layers of a transformer with gradients that keep only what they need (tfjs-core would keep every step). */
import * as tf from "@tensorflow/tfjs-core";
import { formula, type Maths } from "../engine/formula.js";
import { currentPrecision, matrixProduct } from "../engine/matrixProduct.js";

type Save = (tensors: tf.Tensor[]) => void;

/**
 * customGrad with the types that the layers below use: `f` gets the inputs and `save`, and returns the value and the
 * gradient function, which gets the gradient of the value and the saved tensors and returns one gradient per input.
 */
export function withGradient(
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
    const [input, w] = [tf.reshape(x_ as tf.Tensor, [-1, width]), weight_ as tf.Tensor];
    save([input, w]);
    const y = tf.add(matrixProduct(input, w, false, true), bias_ as tf.Tensor);
    return {
      value: tf.reshape(y, [...x.shape.slice(0, -1), out]),
      gradient: (dy, saved) => {
        const [inputs, weights] = saved as [tf.Tensor, tf.Tensor];
        const rows = tf.reshape(dy, [-1, out]);
        const dx = matrixProduct(rows, weights, false, false, precision);
        const dWeight = matrixProduct(rows, inputs, true, false, precision);
        return [tf.reshape(dx, x.shape), dWeight, sumOfRows(rows)];
      },
    };
  });
}

/** [..., D] -> [D], as a product with ones: twice as fast as TensorFlow's sum over the first axis. */
function sumOfRows(x: tf.Tensor): tf.Tensor {
  const width = x.shape.at(-1) as number;
  const rows = tf.reshape<tf.Rank.R2>(x, [-1, width]);
  return tf.reshape(tf.matMul(tf.ones<tf.Rank.R2>([1, rows.shape[0]]), rows), [width]);
}

/** x + y of one shape. (The gradient of tfjs's own sum would keep both for their shapes' sake; the two below likewise.) */
export function residual(x: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return withGradient([x, y], ([a, b]) => ({
    value: tf.add(a as tf.Tensor, b as tf.Tensor),
    gradient: (dy) => [dy, dy],
  }));
}

/** [B, T, H * d] -> [B, H, T, d] */
export function splitHeads(x: tf.Tensor, heads: number): tf.Tensor4D {
  return withGradient([x], ([input]) => ({
    value: apart(input as tf.Tensor, heads),
    gradient: (dy) => [together(dy)],
  })) as tf.Tensor4D;
}

/** [B, H, T, d] -> [B, T, H * d] */
export function mergeHeads(x: tf.Tensor): tf.Tensor3D {
  return withGradient([x], ([input]) => ({
    value: together(input as tf.Tensor),
    gradient: (dy) => [apart(dy, x.shape[1] as number)],
  })) as tf.Tensor3D;
}

function apart(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
}

function together(x: tf.Tensor): tf.Tensor {
  const [batch, heads, tokens, width] = x.shape as [number, number, number, number];
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * width]);
}

const normalise = formula("layer_norm", (m, x, gain, bias) => {
  const centred = m.sub(x, m.mean(x, -1));
  const inverse = m.rsqrt(m.add(m.mean(m.square(centred), -1), layerNormEpsilon));
  const normal = m.mul(centred, inverse);
  return [m.add(m.mul(normal, gain), bias), normal, inverse];
});

/** The gradient of x, and what the gain's is the sum over rows of. */
const normaliseGradient = formula("layer_norm_gradient", (m, dy, normal, inverse, gain) => {
  const dNormal = m.mul(dy, gain);
  const along = m.mul(normal, m.mean(m.mul(dNormal, normal), -1));
  const dx = m.mul(inverse, m.sub(m.sub(dNormal, m.mean(dNormal, -1)), along));
  return [dx, m.mul(dy, normal)];
});

const layerNormEpsilon = 1e-12;

/** Layer normalisation over the last axis: gain * (x - mean) / sqrt(variance + 1e-12) + bias. */
export function layerNorm(x: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  return withGradient([x, gain, bias], ([x_, gain_, bias_], save) => {
    const [value, normal, inverse] = normalise(x_ as tf.Tensor, gain_ as tf.Tensor, bias_ as tf.Tensor) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    save([normal, inverse, gain_ as tf.Tensor]);
    return {
      value,
      gradient: (dy, [n, i, g]) => {
        const [dx, weighted] = normaliseGradient(dy, n as tf.Tensor, i as tf.Tensor, g as tf.Tensor);
        return [dx as tf.Tensor, sumOfRows(weighted as tf.Tensor), sumOfRows(dy)];
      },
    };
  });
}

/** Twice the cumulative distribution function of the standard normal distribution. (TensorFlow's Erfc is nine times as slow.) */
const twiceCumulative = <T>(m: Maths<T>, x: T): T => m.add(m.erf(m.mul(x, Math.SQRT1_2)), 1);

const geluValue = formula("gelu", (m, x) => [m.mul(m.mul(x, twiceCumulative(m, x)), 0.5)]);

const geluGradient = formula("gelu_gradient", (m, dy, x) => {
  // Twice the density, its factor being in the exponent.
  const density = m.exp(m.sub(Math.log(2 / Math.sqrt(2 * Math.PI)), m.square(m.mul(x, Math.SQRT1_2))));
  return [m.mul(m.mul(dy, m.add(twiceCumulative(m, x), m.mul(x, density))), 0.5)];
});

/** GELU with the error function: x * Phi(x). Arrays of this width are the layer's largest: every pass over one counts. */
export function gelu(x: tf.Tensor): tf.Tensor {
  return withGradient([x], ([input], save) => {
    save([input as tf.Tensor]);
    return {
      value: geluValue(input as tf.Tensor)[0] as tf.Tensor,
      gradient: (dy, [saved]) => geluGradient(dy, saved as tf.Tensor),
    };
  });
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

/** softmax(logits + bias) and its gradient, with dropout or without: where there is none, none is multiplied. */
function attentionFormulas({ biased, dropped }: { biased: boolean; dropped: boolean }): {
  /** logits [B, H, T, T], bias and dropout where there are -> the weights as they are used, [B, H, T, T]. */
  weights: (...inputs: tf.Tensor[]) => tf.Tensor[];
  /** Gradient of the weights, its sum along the row [B, H, T, 1], then as above -> weights as used, gradient of the logits. */
  gradient: (...inputs: tf.Tensor[]) => tf.Tensor[];
} {
  const name = `attention${biased ? "_biased" : ""}${dropped ? "_dropped" : ""}`;
  const soft = <T>(m: Maths<T>, logits: T, others: T[]): { weights: T; drop: (x: T) => T } => {
    const [bias, kept] = biased ? others : [undefined, ...others];
    return {
      weights: m.softmax(bias === undefined ? logits : m.add(logits, bias)),
      drop: (x) => (kept === undefined ? x : m.mul(x, kept)),
    };
  };
  return {
    weights: formula(name, <T>(m: Maths<T>, ...[logits, ...others]: T[]) => {
      const { weights, drop } = soft(m, logits as T, others);
      return [drop(weights)];
    }),
    gradient: formula(`${name}_gradient`, <T>(m: Maths<T>, ...[dWeights, along, logits, ...others]: T[]) => {
      const { weights, drop } = soft(m, logits as T, others);
      return [drop(weights), m.mul(weights, m.sub(drop(dWeights as T), along as T))];
    }),
  };
}

const attentionKinds = [false, true].map((biased) =>
  [false, true].map((dropped) => attentionFormulas({ biased, dropped })),
);

/**
 * softmax(q k^T / sqrt(d) + bias) v for q, k, v [B, H, T, d]. The gradient recomputes the weights instead of keeping
 * them: T x T floats per head and image are what fills the memory at 577 regions.
 */
export function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, { bias, dropout }: AttentionOptions): tf.Tensor {
  const scale = 1 / Math.sqrt(q.shape.at(-1) as number);
  const precision = currentPrecision();
  const product = (x: tf.Tensor, y: tf.Tensor, transposeX = false, transposeY = false): tf.Tensor =>
    matrixProduct(x, y, transposeX, transposeY, precision);
  const logitsOf = (qs: tf.Tensor, ks: tf.Tensor): tf.Tensor => product(tf.mul(qs, scale), ks, false, true); // d is shorter than T: scaled before the product
  const kind = attentionKinds[Number(bias !== undefined)]?.[Number(dropout !== undefined)] as ReturnType<
    typeof attentionFormulas
  >;
  return withGradient([q, k, v], ([q_, k_, v_], save) => {
    const [qs, ks, vs] = [q_ as tf.Tensor, k_ as tf.Tensor, v_ as tf.Tensor];
    // bias and dropout have no gradient, but have to outlive the forward pass: saving keeps them until then.
    const others = [bias, dropout].filter((tensor) => tensor !== undefined);
    const value = product(kind.weights(logitsOf(qs, ks), ...others)[0] as tf.Tensor, vs);
    save([qs, ks, vs, value, ...others]);
    return {
      value,
      gradient: (dy, saved) => {
        const [qs, ks, vs, out, ...others] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, ...tf.Tensor[]];
        const along = tf.sum(tf.mul(dy, out), -1, true);
        const dWeights = product(dy, vs, false, true);
        const [weights, dLogits] = kind.gradient(dWeights, along, logitsOf(qs, ks), ...others) as [
          tf.Tensor,
          tf.Tensor,
        ];
        const dv = product(weights, dy, true, false);
        return [tf.mul(product(dLogits, ks), scale), tf.mul(product(dLogits, qs, true, false), scale), dv];
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
