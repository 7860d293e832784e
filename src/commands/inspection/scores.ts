/** `inspect scores`: scores of every scale, their sum, the loss and its gradients, of given inputs or features. */
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../../errors.js";
import { scoreBatch } from "../../match/batchScores.js";
import type { Thresholds } from "../../match/mining.js";
import { hardestHinge } from "../../match/losses.js";
import type { Model } from "../../model/ams.js";
import type { Quirks } from "../../model/quirks.js";
import type { Gradients } from "../../model/recorded.js";
import type { StoredTensor } from "../../model/safetensors.js";
import { finish } from "../../parts.js";
import { attentionHead } from "../../train/attentionHead.js";
import { objective, type Auxiliary } from "../../train/objective.js";
import type { Recipe } from "../../train/recipe.js";
import type { FeatureTensors } from "./features.js";
import type { Inputs } from "./inputs.js";

export interface ScoreChoice {
  mode: "train" | "evaluation";
  /** Of the regions that match a word; default: what the recipe's quirks say. */
  threshold?: number | undefined;
  recipe: Recipe;
  quirks: Quirks;
}

export interface Scored {
  /** [B, C] per scale, and their weighted sum. */
  scales: Float32Array[];
  total: Float32Array;
  images: number;
  captions: number;
  /** Hinge over the sum; absent where there are not as many images as captions. */
  loss?: number;
  /** What would be mined from these scores, after each scale. */
  thresholds: Thresholds[];
}

/**
 * The switches that make a training step score as asked. Evaluation always compares scale 1 with scale 1 and propagates; the
 * threshold counts in both.
 */
export function switchesOf(
  { mode, threshold, quirks }: ScoreChoice,
  mined: Thresholds,
): { quirks: Quirks; thresholds: Thresholds } {
  const own = mode === "evaluation" ? mined.safe : quirks.trainThreshold ? mined.mined : 0;
  return {
    quirks: {
      ...quirks,
      trainThreshold: true,
      ...(mode === "evaluation" ? { firstScaleText: true, evaluationPropagation: true } : {}),
    },
    thresholds: { mined: threshold ?? own, safe: mined.safe },
  };
}

/** Features with all that their scores depend on. */
export interface ScoreInput {
  features: Required<FeatureTensors>;
  /** [C, W]: which tokens are words where pads do not count. */
  mask: Int32Array | undefined;
  /** s_k */
  weights: number[];
  choice: ScoreChoice;
  mined: Thresholds;
  /** [C]: the image of each caption; absent: caption c belongs to image c. */
  owner: Int32Array | undefined;
}

export function scoreFeatures({ features, mask, weights, choice, mined, owner }: ScoreInput): Scored {
  const { quirks, thresholds } = switchesOf(choice, mined);
  const { images } = features;
  const [count, words] = (features.captions[0] as tf.Tensor3D).shape;
  const captions = features.captions.map((caption, k) =>
    k === 0 && !quirks.firstScaleText ? (features.captions[1] ?? caption) : caption,
  );
  const { scales, total, ...rest } = tidied(() =>
    scoreBatch(
      images,
      captions,
      wordMask(mask, quirks, count, words),
      weights,
      { threshold: thresholds.mined, propagate: quirks.evaluationPropagation },
      mined,
    ),
  );
  const rows = images[0]?.shape[0] ?? 0;
  const same =
    owner === undefined || !quirks.sameImageNegatives ? undefined : (i: number, j: number) => owner[i] === owner[j];
  const loss = rows === count ? hardestHinge(total, count, choice.recipe.margin, same).loss : undefined;
  return { scales, total, images: rows, captions: count, ...rest, ...(loss === undefined ? {} : { loss }) };
}

function wordMask(mask: Int32Array | undefined, quirks: Quirks, count: number, words: number): tf.Tensor2D {
  if (!quirks.padWords) return tf.ones([count, words]);
  if (mask === undefined) {
    throw new AmsError("pads are no words under this recipe, and nothing says which tokens are pads", {
      where: "ams inspect scores --features",
      hint: "add --inputs FILE with the mask, or choose --quirk padWords=published",
    });
  }
  return tf.tensor2d(Float32Array.from(mask), [count, words]);
}

/** Gradient of the loss with respect to every parameter that has one, before clipping, in evaluation mode (no dropout). */
export function parameterGradients(
  model: Model,
  { pixels, captions, owner }: Required<Pick<Inputs, "pixels" | "captions">> & Inputs,
  choice: ScoreChoice,
): [string, StoredTensor][] {
  const { ids, mask, words, count } = captions;
  square(pixels.shape[0] ?? 0, count);
  const auxiliary = scale();
  const scored = { ...model, ...switchesOf(choice, model.thresholds), config: { ...model.config, maxLength: words } };
  const pairs = pairsOf(count, owner);
  const batch = { pixels: pixels.data as Float32Array, ids, mask, pairs, crops: [], skipped: [] };
  const recipe: Recipe = { ...choice.recipe, score: "attention", loss: "hinge", dropout: 0, precision: "float32" };
  const { gradients } = objective({ model: scored, recipe, batch, auxiliary, stepSeed: 0, keepPatches: 1 });
  const values = stored(gradients);
  tf.dispose([...gradients.values(), auxiliary.logScale]);
  return values;
}

/** Gradient of the loss with respect to given features (`img.feat.k`, `txt.feat.k`) and scale weights (`b1..`). */
export function featureGradients({
  features,
  mask,
  weights,
  choice,
  mined,
  owner,
}: ScoreInput): [string, StoredTensor][] {
  const switches = switchesOf(choice, mined);
  const [count, words] = (features.captions[0] as tf.Tensor3D).shape;
  square(features.images[0]?.shape[0] ?? 0, count);
  const parameters = new Map(
    weights.map((value, k) => [`b${k + 1}`, tf.tidy(() => tf.variable(tf.tensor1d([value])))]),
  );
  const auxiliary = scale();
  const recipe: Recipe = { ...choice.recipe, score: "attention", loss: "hinge" };
  const scored = { model: { parameters, ...switches }, recipe, batch: { pairs: pairsOf(count, owner) }, auxiliary };
  const inputs = { words: wordMask(mask, switches.quirks, count, words) };
  const ofVariables: Gradients = new Map();
  const { images, captions } = finish(attentionHead(scored, inputs, features, ofVariables));
  const gradients = new Map<string, tf.Tensor>();
  const add = (name: string, gradient: tf.Tensor | undefined): void => {
    if (gradient !== undefined) gradients.set(name, gradient);
  };
  images.forEach((gradient, k) => {
    add(`img.feat.${k + 1}`, gradient);
  });
  captions.forEach((gradient, k) => {
    add(`txt.feat.${k + 1}`, gradient);
  });
  for (const [name, variable] of parameters) add(name, ofVariables.get(variable.name));
  const values = stored(gradients);
  tf.dispose([...gradients.values(), inputs.words, ...parameters.values(), auxiliary.logScale]);
  return values;
}

/** The hinge has no factor on its scores; the objective wants one all the same. */
function scale(): Auxiliary {
  return { logScale: tf.tidy(() => tf.variable(tf.scalar(0))) };
}

function pairsOf(count: number, owner: Int32Array | undefined): { item: number; caption: number }[] {
  return Array.from({ length: count }, (_, c) => ({ item: owner?.[c] ?? c, caption: 0 }));
}

function square(images: number, captions: number): void {
  if (images === captions) return;
  throw new AmsError(`${images} images and ${captions} captions make no batch: a loss needs pairs`, {
    where: "ams inspect scores --gradients",
    hint: "give as many captions as images, caption c belonging to image c, or leave out --gradients",
  });
}

function stored(tensors: Map<string, tf.Tensor>): [string, StoredTensor][] {
  return [...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, data: tensor.dataSync() as Float32Array }]);
}

/** tf.tidy for work whose result holds no tensors. */
function tidied<T>(work: () => T): T {
  let result: T | undefined;
  tf.tidy(() => {
    result = work();
  });
  return result as T;
}
