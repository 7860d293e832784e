/** The AMS model: two encoders whose outputs at several depths are projected into one space per scale. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Tokenizer } from "../data/tokens.js";
import { encodeTokens } from "./bert.js";
import { regions, type ModelConfig } from "./config.js";
import { noDropout, type Dropout } from "./dropout.js";
import { l2Normalise, linear } from "./layers.js";
import { parameter, type Parameters } from "./parameters.js";
import type { Quirks } from "./quirks.js";
import { encodePixels, type KeptPatches } from "./vit.js";

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
}

/** Projection of one modality: F_k = fc_k(H_k / max(||H_k||, 1e-12)); [B, T, D] -> [B, T, E] for each scale. */
function project(parameters: Parameters, prefix: "img" | "txt", hidden: tf.Tensor3D[]): tf.Tensor3D[] {
  return hidden.map((h, k) => {
    const [weight, bias] = [`${prefix}.fc${k + 1}.weight`, `${prefix}.fc${k + 1}.bias`];
    return linear(l2Normalise(h), parameter(parameters, weight), parameter(parameters, bias)) as tf.Tensor3D;
  });
}

/** Pixels [B, 3, S, S] -> features of every scale, each [B, R, E]. */
export function encodeImages(model: Model, pixels: tf.Tensor4D, options: { kept?: KeptPatches } = {}): tf.Tensor3D[] {
  const { config, parameters } = model;
  return project(parameters, "img", encodePixels(parameters, config.image, pixels, config.scales, options.kept));
}

/** Token ids and mask [C, T] -> features of every scale, each [C, T, E]. */
export function encodeCaptions(
  model: Model,
  ids: tf.Tensor2D,
  mask: tf.Tensor2D,
  options: { dropout?: Dropout } = {},
): tf.Tensor3D[] {
  const { config, parameters } = model;
  const hidden = encodeTokens(parameters, config.text, ids, mask, config.scales, options.dropout ?? noDropout);
  return project(parameters, "txt", hidden);
}

/** The scale weights s_k as numbers. */
export function scaleWeights(model: Model): number[] {
  return model.config.scales.map((_, k) => parameter(model.parameters, `b${k + 1}`).dataSync()[0] as number);
}

/** Patches per side of the image. */
export function patchGrid(config: ModelConfig): number {
  return Math.sqrt(regions(config) - 1);
}

/** Frees the model's tensors; the model is of no use afterwards. */
export function disposeModel(model: Model): void {
  for (const variable of model.parameters.values()) variable.dispose();
}
