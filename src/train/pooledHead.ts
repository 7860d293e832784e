/** The loss over pooled features, and its gradient with respect to the features. */
import * as tf from "@tensorflow/tfjs-core";
import { crossEntropy } from "../match/crossEntropy.js";
import { pool, pooledScores } from "../match/pooledScore.js";
import { l2Normalise } from "../model/layers.js";
import { record, type Gradients } from "../model/recorded.js";
import { Random } from "../random.js";
import type { BatchInputs, Features } from "./batchFeatures.js";
import type { Head, ObjectiveInput } from "./objective.js";

/** The pooled loss and its gradient with respect to the features. */
export function pooledHead(
  input: ObjectiveInput,
  inputs: BatchInputs,
  { images, captions }: Features,
  into: Gradients,
): Head {
  const scales = images.length;
  const head = record([...images, ...captions], (...features) =>
    pooledObjective(input, inputs, {
      images: features.slice(0, scales) as tf.Tensor3D[],
      captions: features.slice(scales) as tf.Tensor3D[],
    }),
  );
  const loss = head.value.dataSync()[0] as number;
  const one = tf.scalar(1);
  const gradients = head.pullback(one, into);
  tf.dispose([head.value, one]);
  return {
    loss,
    thresholds: input.model.thresholds,
    images: gradients.slice(0, scales),
    captions: gradients.slice(scales),
  };
}

/** Pooled InfoNCE of the mean score, 0.3 of that of every scale, and the labels. */
function pooledObjective(input: ObjectiveInput, inputs: BatchInputs, features: Features): tf.Scalar {
  const { auxiliary, recipe } = input;
  const size = input.batch.pairs.length;
  const scale = tf.exp(auxiliary.logScale);
  const right = tf.range(0, size, 1, "int32");
  const equal = tf.ones<tf.Rank.R1>([size]);
  const both = (scores: tf.Tensor2D): tf.Scalar => {
    const logits = tf.mul<tf.Tensor2D>(scores, scale);
    return tf.mul(tf.add(crossEntropy(logits, right, equal), crossEntropy(tf.transpose(logits), right, equal)), 0.5);
  };
  const scores = features.images.map((image, k) =>
    pooledScores(pool(image), pool(features.captions[k] as tf.Tensor3D, inputs.words)),
  );
  let loss = tf.add<tf.Scalar>(both(mean(scores)), tf.mul(mean(scores.map(both)), 0.3));
  if (recipe.labels > 0) loss = tf.add(loss, tf.mul(labelObjective(input, inputs, features), recipe.labels));
  return loss;
}

/** Cross-entropy of the class of patches and words at two scales, through one direction per class. */
function labelObjective(
  { auxiliary, labels, model, stepSeed }: ObjectiveInput,
  inputs: BatchInputs,
  features: Features,
): tf.Scalar {
  if (auxiliary.classes === undefined || labels === undefined) throw new Error("labels are wanted and were not given");
  const directions = l2Normalise(auxiliary.classes) as tf.Tensor2D; // [K, E]
  const size = inputs.words.shape[0];
  const { maxLength, embed } = model.config;
  const places = auxiliary.classes.shape[0];
  const { kept } = inputs;
  const seen = kept === undefined ? labels.patches : Int32Array.from(kept.rows, (row) => labels.patches[row] as number);
  const patches = tf.tensor1d(seen, "int32");
  const words = tf.reshape<tf.Rank.R1>(
    tf.slice(tf.tensor2d(labels.words, [size, maxLength], "int32"), [0, 0], [size, inputs.length]),
    [-1],
  );
  const loss = (tokens: tf.Tensor, classes: tf.Tensor1D): tf.Scalar => {
    const logits = tf.mul(
      tf.matMul(tf.reshape<tf.Rank.R2>(l2Normalise(tokens), [-1, embed]), directions, false, true),
      16,
    );
    const known = tf.cast(tf.greaterEqual(classes, tf.scalar(0, "int32")), "float32") as tf.Tensor1D;
    return crossEntropy(
      logits as tf.Tensor2D,
      tf.minimum(tf.maximum(classes, tf.scalar(0, "int32")), tf.scalar(places - 1, "int32")),
      known,
    );
  };
  const withoutCls = (image: tf.Tensor3D): tf.Tensor => tf.slice(image, [0, 1, 0]);
  // Two scales a step, by chance: the classes are the widest products of the step.
  const random = new Random(stepSeed);
  const scales = random.shuffle(features.images.map((_, k) => k)).slice(0, 2);
  return tf.add(
    mean(scales.map((k) => loss(withoutCls(features.images[k] as tf.Tensor3D), patches))),
    mean(scales.map((k) => loss(features.captions[k] as tf.Tensor3D, words))),
  );
}

function mean<T extends tf.Tensor>(tensors: T[]): T {
  return tf.div(tf.addN(tensors), tensors.length);
}
