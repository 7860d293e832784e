/** The image encoder: a Vision Transformer (pre-norm) that gives the outputs of chosen layers. */
import * as tf from "@tensorflow/tfjs-core";
import { runChain, type Chain } from "./chain.js";
import type { ImageEncoderConfig } from "./config.js";
import { attention, gelu, layerNorm, linear, mergeHeads, residual, splitHeads } from "./layers.js";
import { parameter, type Parameters } from "./parameters.js";

/** Which patches a training step looks at: `rows` [B * K], ascending flat indexes b * N + patch; K patches an image. */
export interface KeptPatches {
  rows: tf.Tensor1D;
  perImage: number;
}

/** [B, 3, S, S] -> [B, N, 3 * p * p]: the N patches row by row, each in channel, row, column order. */
export function patchify(pixels: tf.Tensor4D, patch: number): tf.Tensor3D {
  const [batch, channels, side] = pixels.shape;
  const grid = side / patch;
  const split = tf.reshape(pixels, [batch, channels, grid, patch, grid, patch]);
  return tf.reshape(tf.transpose(split, [0, 2, 4, 1, 3, 5]), [batch, grid * grid, channels * patch * patch]);
}

/**
 * Pixels [B, 3, S, S] -> the outputs of the layers in `wanted` (1 = first), each [B, R, D]; R = 1 + patches, [CLS] first.
 */
export function encodePixels(
  parameters: Parameters,
  config: ImageEncoderConfig,
  pixels: tf.Tensor4D,
  wanted: number[],
  kept?: KeptPatches,
): tf.Tensor3D[] {
  const reads = wanted.map((layer) => ({ layer, make: (hidden: tf.Tensor) => tf.clone(hidden) }));
  return runChain({ ...pixelLayers(parameters, config, pixels, Math.max(...wanted), kept), reads }) as tf.Tensor3D[];
}

/**
 * The embedding of the pixels and the first `depth` layers. Source: Dosovitskiy et al. 2021; layer-norm eps 1e-12, GELU with
 * erf, no dropout.
 */
export function pixelLayers(
  parameters: Parameters,
  config: ImageEncoderConfig,
  pixels: tf.Tensor4D,
  depth: number,
  kept?: KeptPatches,
): Omit<Chain, "reads"> {
  const p = (name: string): tf.Variable => parameter(parameters, `img.visual_encoder.${name}`);
  const layer = (l: number) => (x: tf.Tensor) => {
    const of = (name: string): [tf.Variable, tf.Variable] => [
      p(`encoder.layer.${l}.${name}.weight`),
      p(`encoder.layer.${l}.${name}.bias`),
    ];
    const normal = layerNorm(x, ...of("layernorm_before"));
    const heads = (["query", "key", "value"] as const).map((part) =>
      splitHeads(linear(normal, ...of(`attention.attention.${part}`)), config.heads),
    );
    const mixed = attention(heads[0] as tf.Tensor, heads[1] as tf.Tensor, heads[2] as tf.Tensor, {});
    const middle = residual(x, linear(mergeHeads(mixed), ...of("attention.output.dense")));
    const inner = gelu(linear(layerNorm(middle, ...of("layernorm_after")), ...of("intermediate.dense")));
    return residual(middle, linear(inner, ...of("output.dense")));
  };
  return {
    first: () => embedPixels(p, config, pixels, kept),
    layers: Array.from({ length: depth }, (_, l) => layer(l)),
  };
}

function embedPixels(
  p: (name: string) => tf.Variable,
  { width, patch }: ImageEncoderConfig,
  pixels: tf.Tensor4D,
  kept: KeptPatches | undefined,
): tf.Tensor {
  const batch = pixels.shape[0];
  const positions = tf.reshape(p("embeddings.position_embeddings"), [-1, width]); // [R, D]
  const kernel = tf.reshape(p("embeddings.patch_embeddings.projection.weight"), [width, -1]); // [D, 3pp]
  let patches = patchify(pixels, patch); // [B, N, 3pp]
  const count = patches.shape[1];
  let places: tf.Tensor = tf.expandDims(tf.slice(positions, [1, 0]), 0); // [1, N, D]
  if (kept !== undefined) {
    const flat = tf.gather(tf.reshape(patches, [batch * count, -1]), kept.rows);
    patches = tf.reshape(flat, [batch, kept.perImage, -1]);
    const rows = tf.gather(positions, tf.add(tf.mod(kept.rows, tf.scalar(count, "int32")), tf.scalar(1, "int32")));
    places = tf.reshape(rows, [batch, kept.perImage, width]);
  }
  const embedded = tf.add(linear(patches, kernel, p("embeddings.patch_embeddings.projection.bias")), places);
  const cls = tf.add(tf.reshape(p("embeddings.cls_token"), [1, width]), tf.slice(positions, [0, 0], [1, width]));
  const first = tf.tile(tf.expandDims(cls, 0), [batch, 1, 1]); // [B, 1, D]
  return tf.concat([first, embedded], 1); // [B, R, D]
}
