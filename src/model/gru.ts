/** The text encoder of NAAF and SCAN: word vectors and a GRU in both directions, averaged. */
import * as tf from "@tensorflow/tfjs-core";
import type { Chain } from "./chain.js";
import type { TextEncoderConfig } from "./config.js";
import { embed, linear } from "./layers.js";
import { parameter, type Parameters } from "./parameters.js";

/**
 * Token ids and mask [C, T] -> one layer, [C, T, E]: the mean of both directions. Pads change no state, so that the backward direction begins at a
 * caption's true end, and give 0. Gates as in PyTorch's GRU: h' = (1 - z) n + z h, n = tanh(W_n x + b + r (W_hn h + b_hn)).
 */
export function recurrentLayers(
  parameters: Parameters,
  config: TextEncoderConfig,
  ids: tf.Tensor2D,
  mask: tf.Tensor2D,
): Omit<Chain, "reads"> {
  const p = (name: string): tf.Variable => parameter(parameters, `txt.${name}`);
  const [captions, tokens] = ids.shape;
  const direction = (x: tf.Tensor, suffix: "" | "_reverse"): tf.Tensor => {
    const size = p("rnn.weight_hh_l0").shape[1] as number;
    // [C, T, 3E]: reset, update and new, of all words at once
    const inputs = linear(x, p(`rnn.weight_ih_l0${suffix}`), p(`rnn.bias_ih_l0${suffix}`));
    let h: tf.Tensor = tf.zeros([captions, size]);
    const states: tf.Tensor[] = [];
    for (let step = 0; step < tokens; step++) {
      const t = suffix === "" ? step : tokens - 1 - step;
      const from = tf.reshape(tf.slice(inputs, [0, t, 0], [captions, 1, 3 * size]), [captions, 3 * size]);
      const before = linear(h, p(`rnn.weight_hh_l0${suffix}`), p(`rnn.bias_hh_l0${suffix}`));
      const part = (of: tf.Tensor, k: number): tf.Tensor => tf.slice(of, [0, k * size], [captions, size]);
      const r = tf.sigmoid(tf.add(part(from, 0), part(before, 0)));
      const z = tf.sigmoid(tf.add(part(from, 1), part(before, 1)));
      const n = tf.tanh(tf.add(part(from, 2), tf.mul(r, part(before, 2))));
      const next = tf.add(n, tf.mul(z, tf.sub(h, n)));
      const word = tf.cast(tf.slice(mask, [0, t], [captions, 1]), "float32");
      h = tf.add(h, tf.mul(word, tf.sub(next, h)));
      states[t] = tf.expandDims(tf.mul(h, word), 1);
    }
    return tf.concat(states, 1); // [C, T, E]
  };
  return {
    first: () => tf.reshape(embed(p("embed.weight"), tf.reshape(ids, [-1])), [captions, tokens, config.width]),
    layers: [(x) => tf.mul(tf.add(direction(x, ""), direction(x, "_reverse")), 0.5)],
  };
}
