/** The text encoder: BERT (post-norm) that gives the outputs of chosen layers. */
import * as tf from "@tensorflow/tfjs-core";
import { runChain, type Chain } from "./chain.js";
import type { TextEncoderConfig } from "./config.js";
import { applyDropout, type Dropout } from "./dropout.js";
import { attention, embed, gelu, layerNorm, linear, mergeHeads, residual, splitHeads } from "./layers.js";
import { parameter, type Parameters } from "./parameters.js";

/** Token ids and mask [C, T] -> the outputs of the layers in `wanted` (1 = first), each [C, T, D]; see `tokenLayers`. */
export function encodeTokens(
  parameters: Parameters,
  config: TextEncoderConfig,
  ids: tf.Tensor2D,
  mask: tf.Tensor2D,
  wanted: number[],
  dropout: Dropout,
): tf.Tensor3D[] {
  const reads = wanted.map((layer) => ({ layer, make: (hidden: tf.Tensor) => tf.clone(hidden) }));
  const layers = tokenLayers(parameters, config, ids, mask, Math.max(...wanted), dropout);
  return runChain({ ...layers, reads }) as tf.Tensor3D[];
}

/**
 * The embedding of token ids and mask [C, T] (int32; mask 0 hides a pad from attention) and the first `depth` layers. Source:
 * Devlin et al. 2019; eps 1e-12, GELU with erf; `dropout` on embeddings, attention weights and outputs.
 */
export function tokenLayers(
  parameters: Parameters,
  config: TextEncoderConfig,
  ids: tf.Tensor2D,
  mask: tf.Tensor2D,
  depth: number,
  dropout: Dropout,
): Omit<Chain, "reads"> {
  const p = (name: string): tf.Variable => parameter(parameters, `txt.text_encoder.${name}`);
  const [captions, tokens] = ids.shape;
  const { width, heads } = config;

  const first = (): tf.Tensor => {
    const words = embed(p("embeddings.word_embeddings.weight"), tf.reshape(ids, [-1])); // [C * T, D]
    const places = tf.slice(p("embeddings.position_embeddings.weight"), [0, 0], [tokens, width]);
    const type = tf.slice(p("embeddings.token_type_embeddings.weight"), [0, 0], [1, width]);
    const sum = tf.add(tf.reshape(words, [captions, tokens, width]), tf.add(places, type));
    const normal = layerNorm(sum, p("embeddings.LayerNorm.weight"), p("embeddings.LayerNorm.bias"));
    return applyDropout(normal, dropout, 1);
  };

  const layer = (l: number) => (x: tf.Tensor) => {
    const of = (name: string): [tf.Variable, tf.Variable] => [
      p(`encoder.layer.${l}.${name}.weight`),
      p(`encoder.layer.${l}.${name}.bias`),
    ];
    const places = 2 + 3 * l; // of this layer's masks
    const hidden = tf.mul(tf.sub(1, tf.cast(mask, "float32")), -1e9);
    const parts = (["query", "key", "value"] as const).map((part) =>
      splitHeads(linear(x, ...of(`attention.self.${part}`)), heads),
    );
    const mixed = attention(parts[0] as tf.Tensor, parts[1] as tf.Tensor, parts[2] as tf.Tensor, {
      bias: tf.reshape(hidden, [captions, 1, 1, tokens]),
      dropout: dropout([captions, heads, tokens, tokens], places),
    });
    const attended = applyDropout(linear(mergeHeads(mixed), ...of("attention.output.dense")), dropout, places + 1);
    const middle = layerNorm(residual(attended, x), ...of("attention.output.LayerNorm"));
    const inner = gelu(linear(middle, ...of("intermediate.dense")));
    const out = applyDropout(linear(inner, ...of("output.dense")), dropout, places + 2);
    return layerNorm(residual(out, middle), ...of("output.LayerNorm"));
  };
  return { first, layers: Array.from({ length: depth }, (_, l) => layer(l)) };
}
