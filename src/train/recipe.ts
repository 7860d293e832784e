/** What a recipe is: everything about a training that is not the model and not the data. */
import type { RandAugment } from "../data/randAugment.js";
import type { Precision } from "../engine/matrixProduct.js";
import { AmsError } from "../errors.js";
import type { ModelHead } from "../model/head.js";
import type { Quirks } from "../model/quirks.js";
import { amsCorrected } from "./recipes/amsCorrected.js";
import { amsPublished } from "./recipes/amsPublished.js";
import { fne } from "./recipes/fne.js";
import { naaf } from "./recipes/naaf.js";
import { scenesContrast } from "./recipes/scenesContrast.js";
import { scenesHinge } from "./recipes/scenesHinge.js";
import { scenesPretrain } from "./recipes/scenesPretrain.js";
import { uarda } from "./recipes/uarda.js";
import { vse } from "./recipes/vse.js";

/** Everything about a training that is neither the model nor the data. */
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
  /** What the model makes of the encoders' outputs and how it scores; absent: AMS's six scales. */
  head?: ModelHead;
  /** Which mined threshold evaluation uses. */
  evaluationThreshold: "safe" | "mined";
  /** Negatives from a queue of momentum features instead of the batch; pooled scores under the hinge. */
  queue?: QueueOptions;
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
  /** Further changes to training images; absent: none. */
  randAugment?: RandAugment;
  /** Share of the patches that a training step looks at, until this share of all steps is done. */
  patches: { keep: number; until: number };
  /** Weight of the labels of the data (what is in a patch, what a phrase names); 0: captions and images alone. */
  labels: number;
  /** Of the linear layers' products in training. bfloat16 is faster and needs TensorFlow; other engines use float32. */
  precision: Precision;
  seed: number;
}

/** FNE's negatives. */
export interface QueueOptions {
  /** Features of images and of captions that are kept. */
  size: number;
  /** The momentum copies are m = momentum m + (1 - momentum) parameters after every step. */
  momentum: number;
  /** The first epoch (0-based) with sampled negatives; before it the hardest of the batch. */
  from: number;
  /** More statistics than this, of positives and of negatives, say something. */
  enough: number;
  /** How many wrong pairs there are for a right one. */
  prior: number;
  /** A candidate that is a negative with this probability at least has the weight of its distance alone. */
  certain: number;
}

/** The recipes by their names. */
export const recipes: Record<string, Recipe> = Object.fromEntries(
  [amsPublished, amsCorrected, scenesPretrain, scenesContrast, scenesHinge, naaf, uarda, fne, vse].map((recipe) => [
    recipe.name,
    recipe,
  ]),
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

/** Throws where a recipe's queue cannot be: outside the hinge over pooled vectors, or with numbers out of their range. */
export function checkQueue({ name, queue, score, head, loss }: Recipe): void {
  if (queue === undefined) return;
  const pooled = (head?.score ?? score) === "pooled" && loss === "hinge";
  if (!pooled) {
    throw new AmsError("negatives from a queue need the hinge over pooled vectors", {
      where: `recipe ${name} with a queue`,
      hint: "take the recipe fne, or leave overrides.queue out",
    });
  }
  const ranges: Record<keyof QueueOptions, [holds: boolean, wanted: string]> = {
    size: [Number.isInteger(queue.size) && queue.size >= 1, "a whole number of at least 1"],
    momentum: [queue.momentum >= 0 && queue.momentum <= 1, "from 0 to 1"],
    from: [Number.isInteger(queue.from) && queue.from >= 0, "a whole number, 0 being the first epoch"],
    enough: [queue.enough >= 1, "at least 1"],
    prior: [queue.prior > 0 && Number.isFinite(queue.prior), "above 0"],
    certain: [queue.certain >= 0 && queue.certain <= 1, "from 0 to 1"],
  };
  for (const [key, [holds, wanted]] of Object.entries(ranges) as [keyof QueueOptions, [boolean, string]][]) {
    if (holds) continue;
    const { size, momentum, from, enough, prior, certain } = recipeOf("fne").queue!;
    throw new AmsError(`the queue's ${key} is ${String(queue[key])}, and must be ${wanted}`, {
      where: "overrides.queue",
      hint: `give all of it, for example ${JSON.stringify({ size, momentum, from, enough, prior, certain })}`,
    });
  }
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
