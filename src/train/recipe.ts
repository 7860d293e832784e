/** What a recipe is: everything about a training that is not the model and not the data. */
import type { Precision } from "../engine/matrixProduct.js";
import { AmsError } from "../errors.js";
import { quirks, type Quirks } from "../model/quirks.js";

export interface Recipe {
  name: string;
  /** One line for people. */
  summary: string;
  /** Which scores the loss looks at: AMS attention scores, or pooled features (mean over tokens, cosine). */
  score: "attention" | "pooled";
  /** Hardest-negative hinge (VSE++), or InfoNCE over the whole batch. */
  loss: "hinge" | "contrast";
  margin: number;
  /** InfoNCE: the start of the learned factor on the scores. */
  scale: number;
  /** Pairs whose gradient is below this share of the largest are left out of it; 0: the exact gradient. */
  negligible: number;
  quirks: Quirks;
  batchSize: number;
  epochs: number;
  learningRate: number;
  /** `drops`: the rate falls tenfold at the start of these epochs; `cosine`: after a warm-up (a share of all steps) to zero. */
  schedule: { kind: "drops"; epochs: number[] } | { kind: "cosine"; warmup: number };
  weightDecay: number;
  /** Limit of the global gradient norm. */
  clip: number;
  /** Probability of dropout in the text encoder; `undefined`: the model's own. */
  dropout?: number;
  /** `captions`: every caption once an epoch; `images`: every image once, with one of its captions. */
  sampling: "captions" | "images";
  cropScale: [number, number];
  cropRatio: [number, number];
  /** Probability of a horizontal flip. */
  flip: number;
  /** Share of the patches that a training step looks at, until this share of all steps is done. */
  patches: { keep: number; until: number };
  /** Weight of the labels of the data (what is in a patch, what a phrase names); 0: captions and images alone. */
  labels: number;
  /** Of the linear layers' products in training. bfloat16 is faster and needs TensorFlow; other engines use float32. */
  precision: Precision;
  seed: number;
}

const published: Recipe = {
  name: "ams-published",
  summary: "AMS exactly as its published code trains it, quirks included",
  score: "attention",
  loss: "hinge",
  margin: 0.2,
  scale: 1,
  negligible: 0,
  quirks: quirks.published,
  batchSize: 32,
  epochs: 25,
  learningRate: 2e-5,
  schedule: { kind: "drops", epochs: [5, 15] },
  weightDecay: 0,
  clip: 2,
  sampling: "captions",
  cropScale: [0.5, 1],
  cropRatio: [3 / 4, 4 / 3],
  flip: 0.5,
  patches: { keep: 1, until: 0 },
  labels: 0,
  precision: "float32",
  seed: 3407,
};

/** The encoders of the small model have no pretraining to start from: this is theirs. */
const scenesPretrain: Recipe = {
  ...published,
  name: "scenes-pretrain",
  summary: "first stage for scenes: pooled contrast and the labels of patches and phrases, from random encoders",
  score: "pooled",
  loss: "contrast",
  scale: 10,
  quirks: quirks.corrected,
  batchSize: 128,
  epochs: 20,
  learningRate: 1.3e-3,
  schedule: { kind: "cosine", warmup: 0.05 },
  weightDecay: 0.05,
  dropout: 0,
  sampling: "images",
  cropScale: [0.8, 1],
  cropRatio: [0.9, 1.1],
  flip: 0,
  patches: { keep: 0.5, until: 0.8 },
  labels: 1,
  precision: "bfloat16",
};

/** Second stage: the AMS score itself. Of a batch's 1,024 pairs some 80 carry all but a thousandth of the gradient. */
const scenesContrast: Recipe = {
  ...scenesPretrain,
  name: "scenes-contrast",
  summary: "second stage for scenes: the AMS score under InfoNCE, from pretrained encoders",
  score: "attention",
  scale: 5,
  negligible: 1e-3,
  batchSize: 32,
  epochs: 1,
  learningRate: 3e-4,
  patches: { keep: 1, until: 0 },
  labels: 0,
};

/** Third stage: the published loss, with crops that keep things in the picture and no flips (captions say left and right). */
const scenesHinge: Recipe = {
  ...scenesContrast,
  name: "scenes-hinge",
  summary: "third stage for scenes: the AMS score under the published hinge",
  loss: "hinge",
  negligible: 0,
  learningRate: 1e-4,
};

export const recipes: Record<string, Recipe> = Object.fromEntries(
  [
    published,
    {
      ...published,
      name: "ams-corrected",
      summary: "AMS as its paper describes it: every quirk of the published code put right",
      quirks: quirks.corrected,
    },
    scenesPretrain,
    scenesContrast,
    scenesHinge,
  ].map((recipe) => [recipe.name, recipe]),
);

/** The recipe of a name. */
export function recipeOf(name: string): Recipe {
  const found = recipes[name];
  if (found === undefined) {
    throw new AmsError(`no recipe "${name}"`, {
      where: "--recipe",
      hint: `choose one of ${Object.keys(recipes).join(", ")}`,
    });
  }
  return found;
}

/** The learning rate of a step (0-based) in an epoch (0-based). */
export function learningRateAt(recipe: Recipe, epoch: number, step: number, totalSteps: number): number {
  const { schedule, learningRate } = recipe;
  if (schedule.kind === "drops") {
    return learningRate * 0.1 ** schedule.epochs.filter((start) => epoch >= start).length;
  }
  const warmup = Math.max(1, Math.round(schedule.warmup * totalSteps));
  if (step < warmup) return (learningRate * (step + 1)) / warmup;
  return (learningRate * (1 + Math.cos((Math.PI * (step - warmup)) / Math.max(1, totalSteps - warmup)))) / 2;
}
