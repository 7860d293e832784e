/** Growing a model of half depth to full depth: each new layer starts as (nearly) the identity. */
import * as tf from "@tensorflow/tfjs-core";
import type { Model } from "./ams.js";
import type { ModelConfig } from "./config.js";
import { createParameters, parameter } from "./parameters.js";

/**
 * Old layer k becomes layer 2k - 1 (1-based); every even layer starts as a copy of the one before it with its two output
 * projections at zero. In the pre-norm image encoder that is the identity; in the post-norm text encoder the first norm
 * is made plain and the second takes the affine part of the norm before, which is the identity for all but the tiny
 * change by renormalising. The scales of the old model land on layers 1, 3, 5, ...
 */
export function grow(model: Model, config: ModelConfig): Model {
  const parameters = createParameters(config, 0);
  const layerOf = /\.encoder\.layer\.(\d+)\./;
  for (const [name, target] of parameters) {
    const layer = layerOf.exec(name);
    const even = layer !== null && Number(layer[1]) % 2 === 1; // 0-based odd = 1-based even: a new layer
    const from = layer === null ? name : name.replace(layerOf, `.encoder.layer.${Math.floor(Number(layer[1]) / 2)}.`);
    const source = parameter(model.parameters, from);
    tf.tidy(() => {
      target.assign(even ? startOfNewLayer(name, source) : tf.clone(source));
    });
  }
  return { ...model, config, parameters };
}

function startOfNewLayer(name: string, source: tf.Tensor): tf.Tensor {
  if (/\.(attention\.)?output\.dense\./.test(name)) return tf.zerosLike(source);
  if (name.includes("attention.output.LayerNorm")) {
    // The input is already normalised and scaled: taking it through the norm before's affine part twice would not be.
    return name.endsWith("weight") ? tf.onesLike(source) : tf.zerosLike(source);
  }
  return tf.clone(source);
}
