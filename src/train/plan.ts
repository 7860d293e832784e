/** What a training will cost, told before it begins: operations, memory, and hours at a speed that is measured here. */
import * as tf from "@tensorflow/tfjs-core";
import type { Dataset } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import { regions, scalesOf, type ModelConfig } from "../model/config.js";
import { Random } from "../random.js";
import { precisionHere, type Precision } from "../engine/matrixProduct.js";
import {
  availableMemory,
  checkMemory,
  forecastMargin,
  forecastMemory,
  validationCaptions,
  type Frugality,
} from "./memory.js";
import { objective } from "./objective.js";
import type { Recipe } from "./recipe.js";

/** Floating-point operations of one training step. */
export interface StepFlops {
  encoders: number;
  /** Ranking all pairs of the batch, and those with a gradient once more. */
  scores: number;
  total: number;
}

export interface TrainingPlan {
  recipe: string;
  batchSize: number;
  epochs: number;
  flops: StepFlops;
  /** Of the linear layers' products, as the engine in use has them. */
  precision: Precision;
  /** Bytes that must be there for a step (the forecast with `forecastMargin`, as `train` asks), as it is and with recomputation; what there is. */
  memory: { needed: number; recomputed: number; available: number; margin: number };
  /** What to give when that does not fit. */
  advice?: string;
  /** FLOP/s of a training step as measured, and the seconds that a step then takes. */
  speed?: { flops: number; secondsPerStep: number };
  /** On the data that were chosen: pairs an epoch, steps in all, hours without loading and validation. */
  training?: { data: string; split: string; pairs: number; steps: number; hours?: number };
}

/**
 * Counts the products of a step (2 operations a multiply-add), the gradient's two for each of the encoders' and what the code does
 * for scores: two products a pair to rank, seven for a pair with a gradient. Captions count with all their tokens.
 */
export function stepFlops(
  config: ModelConfig,
  recipe: Pick<Recipe, "batchSize" | "score" | "loss" | "negligible" | "patches" | "queue">,
  { recompute = false, microBatch = Infinity }: Frugality = {},
): StepFlops {
  const { batchSize } = recipe;
  const { image, text, embed, maxLength, scales } = config;
  const { projection = true } = config.head ?? {};
  const { keep, until } = recipe.patches;
  const R = 1 + (regions(config) - 1) * (keep * until + 1 - until); // on average over all steps
  const encoder = (tokens: number, depth: number, { width, hidden }: typeof image | typeof text): number =>
    depth * (2 * tokens * (4 * width ** 2 + 2 * width * hidden) + 4 * tokens ** 2 * width) +
    (projection ? scales.length * 2 * tokens * width * embed : 0);
  const patches = 2 * (R - 1) * 3 * image.patch ** 2 * image.width;
  const forward =
    patches +
    encoder(R, Math.max(...scalesOf(config, "image")), image) +
    encoder(maxLength, Math.max(...scalesOf(config, "text")), text);
  // One more by the momentum copy, by recomputation, and by micro-batches.
  const passes = 3 + [recipe.queue !== undefined, recompute, microBatch < batchSize].filter(Boolean).length;
  const encoders = passes * batchSize * forward;
  const product = 2 * maxLength * R * embed;
  const graded =
    recipe.loss === "hinge" || recipe.negligible > 0 ? Math.min(3 * batchSize, batchSize ** 2) : batchSize ** 2;
  const scores =
    recipe.score === "pooled"
      ? scales.length *
        2 *
        batchSize *
        embed *
        (3 * batchSize + (recipe.queue === undefined ? 0 : 2 * recipe.queue.size))
      : scales.length * product * (2 * batchSize ** 2 + 7 * graded);
  return { encoders, scores, total: encoders + scores };
}

/** What is known without computing anything. */
export function planTraining(
  model: Model,
  recipe: Recipe,
  data?: { dataset: Dataset; split: string },
  frugality: Frugality = {},
): TrainingPlan {
  const { config } = model;
  const counted = { ...recipe, evaluated: data === undefined ? 0 : validationCaptions(data.dataset) };
  const needs = (choice: Frugality): number => forecastMargin * forecastMemory(config, counted, choice).total;
  const available = availableMemory(config);
  const advice = adviceFor(config, counted, frugality, available);
  const items = data?.dataset.splits[data.split] ?? [];
  const pairs =
    recipe.sampling === "images" ? items.length : items.reduce((sum, item) => sum + item.captions.length, 0);
  const steps = Math.floor(pairs / recipe.batchSize) * recipe.epochs;
  return {
    recipe: recipe.name,
    batchSize: recipe.batchSize,
    epochs: recipe.epochs,
    flops: stepFlops(config, recipe, frugality),
    precision: precisionHere(recipe.precision),
    memory: {
      needed: needs(frugality),
      recomputed: needs({ ...frugality, recompute: true }),
      available,
      margin: forecastMargin,
    },
    ...(advice === undefined ? {} : { advice }),
    ...(data === undefined || items.length === 0
      ? {}
      : { training: { data: data.dataset.name, split: data.split, pairs, steps } }),
  };
}

/** The plan with its times, at a speed in FLOP/s. */
export function withSpeed(plan: TrainingPlan, flops: number): TrainingPlan {
  const secondsPerStep = plan.flops.total / flops;
  const { training } = plan;
  return {
    ...plan,
    speed: { flops, secondsPerStep },
    ...(training === undefined ? {} : { training: { ...training, hours: (training.steps * secondsPerStep) / 3600 } }),
  };
}

function adviceFor(
  config: ModelConfig,
  recipe: Parameters<typeof checkMemory>[1],
  frugality: Frugality,
  available: number,
): string | undefined {
  try {
    checkMemory(config, recipe, frugality, available);
    return undefined;
  } catch (error) {
    return (error as { hint?: string }).hint;
  }
}

/**
 * FLOP/s of training steps of this model on the engine in use: steps over its first layers and first scale alone, on noise, with its
 * own widths, so that they take a second or so in all where a whole step would take minutes. Nothing of the model changes.
 */
export function measureSpeed(model: Model, recipe: Recipe): number {
  const { config } = model;
  const [image = 1] = scalesOf(config, "image");
  const [text = 1] = scalesOf(config, "text");
  const shallow: ModelConfig = { ...config, scales: [image], textScales: [text] };
  // One scale has no second one, whose text the published code takes.
  const probe: Model = { ...model, config: shallow, quirks: { ...model.quirks, firstScaleText: true } };
  const auxiliary = { logScale: tf.tidy(() => tf.variable(tf.scalar(0))) };
  const random = new Random(1);
  const rate = (batchSize: number): { seconds: number; flops: number } => {
    const { pixels, width, regions: given } = config.image;
    const each = given === undefined ? 3 * pixels ** 2 : given * width;
    // On noise no pair is negligible: the hinge has a gradient for as many pairs as count otherwise.
    const loss = recipe.negligible > 0 ? "hinge" : recipe.loss;
    const { queue: _, ...withoutQueue } = recipe; // its copy of the encoders is as fast as they are
    const step: Recipe = { ...withoutQueue, batchSize, loss, labels: 0, patches: { keep: 1, until: 0 } };
    const batch = {
      pixels: Float32Array.from({ length: batchSize * each }, () => random.uniform(-1, 1)),
      ids: new Int32Array(batchSize * config.maxLength).fill(1),
      mask: new Int32Array(batchSize * config.maxLength).fill(1),
      pairs: Array.from({ length: batchSize }, (_, item) => ({ item, caption: 0 })),
      crops: [],
      skipped: [],
    };
    const started = performance.now();
    const { gradients } = objective({ model: probe, recipe: step, batch, auxiliary, stepSeed: 0, keepPatches: 1 });
    for (const gradient of gradients.values()) gradient.dataSync();
    tf.dispose([...gradients.values()]);
    return { seconds: (performance.now() - started) / 1000, flops: stepFlops(shallow, step).total };
  };
  try {
    // Small batches are slower a pair, as each operation costs the same: they grow to the recipe's own while a try is quick; other
    // work on the machine slows some of the tries.
    const began = performance.now();
    const warm = (size: number): { seconds: number; flops: number } => {
      rate(size); // the first of a size also compiles and allocates
      return rate(size);
    };
    let batchSize = Math.min(2, recipe.batchSize);
    let last = warm(batchSize);
    while (batchSize < recipe.batchSize && last.seconds < 0.5) {
      batchSize = Math.min(recipe.batchSize, 4 * batchSize);
      last = warm(batchSize);
    }
    while (performance.now() - began + 1000 * last.seconds < 2000) {
      const again = rate(batchSize);
      if (again.seconds < last.seconds) last = again;
    }
    return last.flops / last.seconds;
  } finally {
    auxiliary.logScale.dispose();
  }
}
