/** The text encoder: BERT (post-norm) that gives the outputs of chosen layers. */
import * as tf from "@tensorflow/tfjs-core";
import type { TextEncoderConfig } from "./config.js";
import { applyDropout, type Dropout } from "./dropout.js";
import { attention, embed, gelu, layerNorm, linear } from "./layers.js";
import { parameter, type Parameters } from "./parameters.js";
import { mergeHeads, splitHeads } from "./vit.js";

/**
 * Token ids and mask [C, T] (int32; mask 0 hides a pad from attention) -> the outputs of the layers in `wanted`
 * (1 = first), each [C, T, D]. Source: Devlin et al. 2019; eps 1e-12, GELU with erf; `dropout` on embeddings, attention
 * weights and outputs.
 */
export function encodeTokens(
  parameters: Parameters,
  config: TextEncoderConfig,
  ids: tf.Tensor2D,
  mask: tf.Tensor2D,
  wanted: number[],
  dropout: Dropout,
): tf.Tensor3D[] {
  const p = (name: string): tf.Variable => parameter(parameters, `txt.text_encoder.${name}`);
  const [captions, tokens] = ids.shape;
  const { width } = config;
  const words = embed(p("embeddings.word_embeddings.weight"), tf.reshape(ids, [-1])); // [C * T, D]
  const places = tf.slice(p("embeddings.position_embeddings.weight"), [0, 0], [tokens, width]);
  const type = tf.slice(p("embeddings.token_type_embeddings.weight"), [0, 0], [1, width]);
  const sum = tf.add(tf.reshape(words, [captions, tokens, width]), tf.add(places, type));
  let x = applyDropout(
    layerNorm(sum, p("embeddings.LayerNorm.weight"), p("embeddings.LayerNorm.bias")),
    dropout,
  ) as tf.Tensor3D;
  const hidden = tf.mul(tf.sub(1, tf.cast(mask, "float32")), -1e9);
  const bias = tf.reshape(hidden, [captions, 1, 1, tokens]);

  const outputs: tf.Tensor3D[] = [];
  for (let l = 0; l < Math.max(...wanted); l++) {
    const layer = (name: string): [tf.Variable, tf.Variable] => [
      p(`encoder.layer.${l}.${name}.weight`),
      p(`encoder.layer.${l}.${name}.bias`),
    ];
    const heads = (["query", "key", "value"] as const).map((part) =>
      splitHeads(linear(x, ...layer(`attention.self.${part}`)), config.heads),
    );
    const mixed = attention(heads[0] as tf.Tensor, heads[1] as tf.Tensor, heads[2] as tf.Tensor, {
      bias,
      dropout: dropout([captions, config.heads, tokens, tokens]),
    });
    const attended = applyDropout(linear(mergeHeads(mixed), ...layer("attention.output.dense")), dropout);
    const middle = layerNorm(tf.add(attended, x), ...layer("attention.output.LayerNorm"));
    const inner = gelu(linear(middle, ...layer("intermediate.dense")));
    const out = applyDropout(linear(inner, ...layer("output.dense")), dropout);
    x = layerNorm(tf.add(out, middle), ...layer("output.LayerNorm")) as tf.Tensor3D;
    outputs.push(x);
  }
  return wanted.map((l) => outputs[l - 1] as tf.Tensor3D);
}
