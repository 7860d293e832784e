/** The loss of one batch and its gradient with respect to every parameter. */
import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../data/batches.js";
import { withPrecision } from "../engine/matrixProduct.js";
import { allScores, pairScores, type ScoreOptions } from "../match/attentionScore.js";
import { crossEntropy } from "../match/crossEntropy.js";
import { contrast, hardestHinge, type ScoreLoss } from "../match/losses.js";
import { mineThresholds, type Thresholds } from "../match/mining.js";
import { pool, pooledScores } from "../match/pooledScore.js";
import { encodeCaptions, encodeImages, patchGrid, type Model } from "../model/ams.js";
import { seededDropout } from "../model/dropout.js";
import { l2Normalise, withoutGradient } from "../model/layers.js";
import { parameter } from "../model/parameters.js";
import type { KeptPatches } from "../model/vit.js";
import { Random } from "../random.js";
import type { Labels } from "./labels.js";
import type { Recipe } from "./recipe.js";

/** Trained beside the model and not part of it: the factor on the scores, the directions of the label classes. */
export interface Auxiliary {
  /** Log of the factor on the scores under InfoNCE, a scalar. */
  logScale: tf.Variable;
  /** One direction per label class, [K, E]; absent when the recipe uses no labels. */
  classes?: tf.Variable;
}

export interface ObjectiveInput {
  model: Model;
  recipe: Recipe;
  batch: Batch;
  auxiliary: Auxiliary;
  /** Seeds dropout and the choice of patches. */
  stepSeed: number;
  /** Share of the patches to look at. */
  keepPatches: number;
  labels?: Labels | undefined;
}

export interface ObjectiveResult {
  loss: number;
  /** By parameter name (`img.*`, `txt.*`, `b*`) and `aux.logScale`, `aux.classes`; absent = no gradient. */
  gradients: Map<string, tf.Tensor>;
  /** The thresholds after this batch; those of the model where nothing was mined. */
  thresholds: Thresholds;
}

/** Loss and gradients of a batch. The caller disposes of the gradients. */
export function objective(input: ObjectiveInput): ObjectiveResult {
  const { model, recipe, auxiliary } = input;
  const variables = new Map<string, tf.Variable>(model.parameters);
  if (recipe.loss === "contrast") variables.set("aux.logScale", auxiliary.logScale);
  if (auxiliary.classes !== undefined) variables.set("aux.classes", auxiliary.classes);
  let loss = NaN;
  let thresholds: Thresholds = model.thresholds;
  const { value, grads } = tf.variableGrads(() => {
    const features = withPrecision(recipe.precision, () => encodeBatch(input));
    if (recipe.score === "pooled") return pooledObjective(input, features);
    const result = attentionObjective(input, features);
    loss = result.loss;
    thresholds = result.thresholds;
    return result.surrogate;
  }, [...variables.values()]);
  if (recipe.score === "pooled") loss = value.dataSync()[0] as number;
  value.dispose();
  const gradients = new Map<string, tf.Tensor>();
  for (const [name, variable] of variables) {
    const gradient = grads[variable.name];
    if (gradient !== undefined) gradients.set(name, gradient);
  }
  return { loss, gradients, thresholds };
}

interface Features {
  /** Per scale [B, R, E] and [B, W, E]. */
  images: tf.Tensor3D[];
  captions: tf.Tensor3D[];
  /** [B, W]: 1 where a token counts as a word. */
  words: tf.Tensor2D;
  kept: KeptPatches | undefined;
  /** Tokens per caption after trimming. */
  length: number;
}

function encodeBatch({ model, recipe, batch, stepSeed, keepPatches }: ObjectiveInput): Features {
  const { config, quirks } = model;
  const size = batch.pairs.length;
  const side = config.image.pixels;
  // Where pads do not count, columns that hold nothing but pads can be cut off: the result is the same.
  const length = quirks.padWords ? longest(batch.mask, size, config.maxLength) : config.maxLength;
  const columns = (values: Int32Array): tf.Tensor2D =>
    tf.slice(tf.tensor2d(values, [size, config.maxLength], "int32"), [0, 0], [size, length]);
  const [ids, mask] = [columns(batch.ids), columns(batch.mask)];
  const kept = keepPatches < 1 ? choosePatches(size, patchGrid(config) ** 2, keepPatches, stepSeed) : undefined;
  const pixels = tf.tensor4d(batch.pixels, [size, 3, side, side]);
  const images = encodeImages(model, pixels, kept === undefined ? {} : { kept });
  const dropout = seededDropout(recipe.dropout ?? config.text.dropout, stepSeed);
  const captions = encodeCaptions(model, ids, mask, { dropout });
  const words = quirks.padWords ? tf.cast<tf.Tensor2D>(mask, "float32") : tf.ones([size, length]);
  return { images, captions, words: words as tf.Tensor2D, kept, length };
}

function longest(mask: Int32Array, captions: number, width: number): number {
  let most = 1;
  for (let c = 0; c < captions; c++) {
    for (let t = most; t < width; t++) if (mask[c * width + t] === 1) most = t + 1;
  }
  return most;
}

/** A random share of the patches of every image, as ascending flat rows. */
function choosePatches(images: number, count: number, share: number, seed: number): KeptPatches {
  const random = new Random(seed);
  const perImage = Math.max(1, Math.round(count * share));
  const rows = new Int32Array(images * perImage);
  const all = Array.from({ length: count }, (_, i) => i);
  for (let b = 0; b < images; b++) {
    const chosen = random
      .shuffle(all)
      .slice(0, perImage)
      .sort((x, y) => x - y);
    chosen.forEach((patch, i) => (rows[b * perImage + i] = b * count + patch));
  }
  return { rows: tf.tensor1d(rows, "int32"), perImage };
}

/** Pooled InfoNCE of the mean score, 0.3 of that of every scale, and the labels. */
function pooledObjective(input: ObjectiveInput, features: Features): tf.Scalar {
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
    pooledScores(pool(image), pool(features.captions[k] as tf.Tensor3D, features.words)),
  );
  let loss = tf.add<tf.Scalar>(both(mean(scores)), tf.mul(mean(scores.map(both)), 0.3));
  if (recipe.labels > 0) loss = tf.add(loss, tf.mul(labelObjective(input, features), recipe.labels));
  return loss;
}

/** Cross-entropy of the class of patches and words at two scales, through one direction per class. */
function labelObjective({ auxiliary, labels, model, stepSeed }: ObjectiveInput, features: Features): tf.Scalar {
  if (auxiliary.classes === undefined || labels === undefined) throw new Error("labels are wanted and were not given");
  const directions = l2Normalise(auxiliary.classes) as tf.Tensor2D; // [K, E]
  const size = features.words.shape[0];
  const { maxLength, embed } = model.config;
  const places = auxiliary.classes.shape[0];
  let patches = tf.tensor1d(labels.patches, "int32");
  if (features.kept !== undefined) patches = tf.gather(patches, features.kept.rows);
  const words = tf.reshape<tf.Rank.R1>(
    tf.slice(tf.tensor2d(labels.words, [size, maxLength], "int32"), [0, 0], [size, features.length]),
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

/**
 * The loss over AMS scores. Only pairs with a gradient (the diagonal and the hardest negatives, at most 3B of B^2, under
 * the hinge) are scored on the tape; `surrogate` = sum of d loss / d S times S has exactly the loss's gradient.
 */
function attentionObjective(
  { model, recipe, batch, auxiliary }: ObjectiveInput,
  features: Features,
): { loss: number; surrogate: tf.Scalar; thresholds: Thresholds } {
  const { quirks } = model;
  const size = batch.pairs.length;
  const images = features.images;
  const captions = features.captions.map((caption, k) =>
    k === 0 && !quirks.firstScaleText ? (features.captions[1] as tf.Tensor3D) : caption,
  );
  const options: ScoreOptions = {
    threshold: quirks.trainThreshold ? model.thresholds.mined : 0,
    propagate: quirks.evaluationPropagation,
  };
  const weights = images.map((_, k) => parameter(model.parameters, `b${k + 1}`));
  const { loss, thresholds } = withoutGradient(() =>
    rankBatch(images, captions, features.words, options, weights, { model, recipe, batch, auxiliary }),
  );

  const rows: number[] = [];
  const columns: number[] = [];
  const factors: number[] = [];
  const negligible = recipe.negligible * loss.gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
  loss.gradient.forEach((g, p) => {
    if (Math.abs(g) <= negligible) return;
    rows.push(Math.floor(p / size));
    columns.push(p % size);
    factors.push(g);
  });
  if (factors.length === 0) {
    // Every hinge is met: a gradient of zero, through one pair.
    rows.push(0);
    columns.push(0);
    factors.push(0);
  }
  const row = tf.tensor1d(rows, "int32");
  const column = tf.tensor1d(columns, "int32");
  const mask = tf.gather(features.words, column);
  const totals = images.map((image, k) => {
    const scores = pairScores(tf.gather(image, row), tf.gather(captions[k] as tf.Tensor3D, column), mask, options);
    return tf.mul(scores, weights[k] as tf.Variable);
  });
  let surrogate = tf.sum<tf.Scalar>(tf.mul(tf.addN(totals), tf.tensor1d(factors)));
  if (recipe.loss === "contrast") {
    surrogate = tf.add(surrogate, tf.mul(tf.sum(auxiliary.logScale), loss.scaleGradient ?? 0));
  }
  return { loss: loss.loss, surrogate, thresholds };
}

/** Scores all pairs of the batch, mines the thresholds scale after scale, and finds the loss and its gradient. */
function rankBatch(
  images: tf.Tensor3D[],
  captions: tf.Tensor3D[],
  words: tf.Tensor2D,
  options: ScoreOptions,
  weights: tf.Variable[],
  { model, recipe, batch, auxiliary }: Pick<ObjectiveInput, "model" | "recipe" | "batch" | "auxiliary">,
): { loss: ScoreLoss; thresholds: Thresholds } {
  const size = batch.pairs.length;
  const wordMask = words.dataSync();
  const total = new Float32Array(size * size);
  let thresholds: Thresholds = model.thresholds;
  images.forEach((image, k) => {
    const { scores, strongest } = allScores(image, captions[k] as tf.Tensor3D, words, options);
    const values = scores.dataSync();
    const weight = (weights[k] as tf.Variable).dataSync()[0] as number;
    for (let p = 0; p < total.length; p++) total[p]! += weight * values[p]!;
    const input = { scores: values, strongest: strongest.dataSync(), images: size, captions: size };
    thresholds = mineThresholds({ ...input, words: words.shape[1], wordMask }, thresholds);
    tf.dispose([scores, strongest]);
  });
  const same = model.quirks.sameImageNegatives
    ? (i: number, j: number): boolean => batch.pairs[i]?.item === batch.pairs[j]?.item
    : undefined;
  const loss =
    recipe.loss === "hinge"
      ? hardestHinge(total, size, recipe.margin, same)
      : contrast(total, size, Math.exp(auxiliary.logScale.dataSync()[0] as number), same);
  return { loss, thresholds };
}
