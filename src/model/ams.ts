/** The AMS model: two encoders whose outputs at several depths are projected into one space per scale. */
import * as tf from "@tensorflow/tfjs-core";
import { ahead } from "../engine/index.js";
import type { Tokenizer } from "../data/tokens.js";
import { AmsError } from "../errors.js";
import { tokenLayers } from "./bert.js";
import { runChain, type Chain } from "./chain.js";
import { regions, scalesOf, type ModelConfig } from "./config.js";
import { recurrentLayers } from "./gru.js";
import { noDropout, type Dropout } from "./dropout.js";
import { l2Normalise, layerNorm, linear } from "./layers.js";
import { parameter, type Parameters } from "./parameters.js";
import type { Quirks } from "./quirks.js";
import type { StoredTensor } from "./tensorFile.js";
import type { PublishedProgress } from "./weights/published.js";
import type { WeightsReport } from "./weights/report.js";
import { pixelLayers, type KeptPatches } from "./vit.js";

/** A model: encoders and projections with everything that scores depend on. */
export interface Model {
  config: ModelConfig;
  parameters: Parameters;
  /** Mined thresholds: `mined` t for training, `safe` for evaluation. */
  thresholds: { mined: number; safe: number };
  quirks: Quirks;
  /** Name of the recipe that the model was built for. */
  recipe: string;
  tokenizer: Tokenizer;
  /** Where the weights came from: a folder, or undefined for a random start. */
  source?: string;
  /** What was found in files of other programs: used, kept, unused, missing. */
  weights?: WeightsReport[];
  /** Parts of the encoders that AMS never reads, as they were found: for writing complete files again. */
  spare?: Map<string, StoredTensor>;
  /** Of a checkpoint of the published code: how far its training was. */
  progress?: PublishedProgress;
}

/**
 * Projection of one scale: F_k = fc_k(H / max(||H||, 1e-12)); [B, T, D] -> [B, T, E]. Another head than AMS's has the norm
 * elsewhere, no projection, or the final norm of the ViT.
 */
function projections({ parameters, config }: Model, prefix: "img" | "txt"): Chain["reads"] {
  const { norm = "before", projection: wanted = true, layer: which } = config.head ?? {};
  const projection = wanted && !(prefix === "txt" && config.text.recurrent === true);
  const p = (name: string): tf.Variable => parameter(parameters, `${prefix}.${name}`);
  return scalesOf(config, prefix === "img" ? "image" : "text").map((layer, k) => ({
    layer,
    make: (hidden) => {
      const last =
        which === "last" && prefix === "img" && config.image.regions === undefined
          ? layerNorm(hidden, p("visual_encoder.layernorm.weight"), p("visual_encoder.layernorm.bias"))
          : hidden;
      const start = norm === "before" ? l2Normalise(last) : last;
      const features = projection ? linear(start, p(`fc${k + 1}.weight`), p(`fc${k + 1}.bias`)) : tf.clone(start);
      return norm === "after" ? l2Normalise(features) : features;
    },
  }));
}

/** Numbers of `count` images as the encoder takes them: pixels [B, 3, S, S], or region features [B, R, D]. */
export function imageInput({ image }: ModelConfig, values: Float32Array, count: number): tf.Tensor {
  return image.regions === undefined
    ? tf.tensor4d(values, [count, 3, image.pixels, image.pixels])
    : tf.tensor3d(values, [count, image.regions, image.width]);
}

/** Pixels [B, 3, S, S] (or region features [B, R, D]) -> the chain that gives the features of every scale, each [B, R, E]. */
export function imageChain(model: Model, input: tf.Tensor, kept?: KeptPatches): Chain {
  const { config, parameters } = model;
  const reads = projections(model, "img");
  if (config.image.regions !== undefined) return { first: () => tf.clone(input), layers: [(x) => tf.clone(x)], reads };
  const pixels = input as tf.Tensor4D;
  const depth = Math.max(...scalesOf(config, "image"));
  return { ...pixelLayers(parameters, config.image, pixels, depth, kept), reads };
}

/** Token ids and mask [C, T] -> the chain that gives the features of every scale, each [C, T, E]. */
export function captionChain(model: Model, ids: tf.Tensor2D, mask: tf.Tensor2D, dropout: Dropout = noDropout): Chain {
  const { config, parameters } = model;
  const depth = Math.max(...scalesOf(config, "text"));
  const reads = projections(model, "txt");
  if (config.text.recurrent === true) return { ...recurrentLayers(parameters, config.text, ids, mask), reads };
  return { ...tokenLayers(parameters, config.text, ids, mask, depth, dropout), reads };
}

/** Pixels [B, 3, S, S] -> features of every scale, each [B, R, E]. */
export function encodeImages(model: Model, pixels: tf.Tensor): tf.Tensor3D[] {
  return ahead(() => runChain(imageChain(model, pixels))) as tf.Tensor3D[];
}

/** Token ids and mask [C, T] -> features of every scale, each [C, T, E]. */
export function encodeCaptions(model: Model, ids: tf.Tensor2D, mask: tf.Tensor2D): tf.Tensor3D[] {
  return ahead(() => runChain(captionChain(model, ids, mask))) as tf.Tensor3D[];
}

/**
 * Pixels [B, 3, S, S] -> what the projections of every scale start from, [H / max(||H||, 1e-12), 1], each [B, R, D + 1]. With
 * `foldOf` it gives the features: F_k = fold . [h; 1].
 */
export function encodeUnprojected(model: Model, pixels: tf.Tensor): tf.Tensor3D[] {
  const chain = imageChain(model, pixels);
  const reads = chain.reads.map(({ layer }) => ({
    layer,
    make: (hidden: tf.Tensor) => {
      const [batch, tokens] = hidden.shape as [number, number];
      return tf.concat([l2Normalise(hidden as tf.Tensor3D), tf.ones([batch, tokens, 1])], 2);
    },
  }));
  return ahead(() => runChain({ ...chain, reads })) as tf.Tensor3D[];
}

/** The image projection of a scale with its bias as the last column, [E, D + 1]; the caller disposes of it. */
export function foldOf({ parameters }: Model, scale: number): tf.Tensor2D {
  return tf.tidy(() => {
    const weight = parameter(parameters, `img.fc${scale + 1}.weight`) as tf.Tensor2D;
    const bias = parameter(parameters, `img.fc${scale + 1}.bias`) as tf.Tensor1D;
    return tf.concat([weight, tf.expandDims<tf.Tensor2D>(bias, 1)], 1);
  });
}

/** The scale weights s_k as numbers. */
export function scaleWeights(model: Model): number[] {
  return model.config.scales.map((_, k) => parameter(model.parameters, `b${k + 1}`).dataSync()[0] as number);
}

/** Patches per side of the image. */
export function patchGrid(config: ModelConfig): number {
  if (config.image.regions !== undefined) {
    throw new AmsError("region features do not say where they are in the picture", {
      where: `a model of ${config.image.regions} regions`,
      hint: "attention maps and the pointing game need a model that looks at pictures",
    });
  }
  return Math.sqrt(regions(config) - 1);
}

/** Frees the model's tensors; the model is of no use afterwards. */
export function disposeModel(model: Model): void {
  for (const variable of model.parameters.values()) variable.dispose();
}
