/** One step of a training: labels, gradients, clipping, update, record. */
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { breathe } from "../context.js";
import type { Batch } from "../data/batches.js";
import { settle } from "../engine/index.js";
import { AmsError } from "../errors.js";
import { patchGrid } from "../model/ams.js";
import { hash32 } from "../random.js";
import { labelBatch, type Labels } from "./labels.js";
import type { Frugality } from "./memory.js";
import { objectiveParts, type ObjectiveResult } from "./objective.js";
import { applyAdam, clipGradients, globalNorm } from "./optimiser.js";
import { advanceQueue, emptyQueue, type QueueStep } from "./queue.js";
import { learningRateAt } from "./recipe.js";
import type { StepRecord } from "./records.js";
import { auxiliaryMap, type Training } from "./training.js";

/** The loss is not a number: the steps before it are no good start to go on from. */
export class DivergedError extends AmsError {}

/** Longest stretch of computing between two looks at what else there is to do, in milliseconds. */
const patience = 100;

/**
 * Trains on a batch; an error when the loss is not a number, before anything is changed. Between layers it lets the event loop
 * take a turn; when `signal` is aborted meanwhile, nothing was changed and the result is undefined.
 */
export async function trainStep(
  training: Training,
  batch: Batch,
  folder: string,
  { signal, ...frugality }: Frugality & { signal: AbortSignal },
): Promise<StepRecord | undefined> {
  const { model, recipe, items, classes, auxiliary, adam, totalSteps, progression } = training;
  const began = performance.now();
  const { step, epoch } = progression;
  const { patches } = recipe;
  const labels: Labels | undefined =
    classes.length === 0
      ? undefined
      : labelBatch(batch, items, classes, model.tokenizer, {
          grid: patchGrid(model.config),
          maxLength: model.config.maxLength,
        });
  const parts = objectiveParts({
    model,
    recipe,
    batch,
    auxiliary,
    stepSeed: hash32(`${recipe.seed}/step/${step}`),
    keepPatches: step < patches.until * totalSteps ? patches.keep : 1,
    labels,
    epoch,
    queueState: progression.queue,
    ...frugality,
  });
  let result: ObjectiveResult | undefined;
  let rested = performance.now();
  try {
    while (result === undefined) {
      const next = parts.next();
      if (next.done === true) {
        result = next.value;
        break;
      }
      if (performance.now() - rested < patience) continue;
      settle(); // nothing of the step is under way while others have their turn
      await breathe();
      rested = performance.now();
      if (signal.aborted) return undefined;
    }
  } finally {
    if (result === undefined) parts.return(undefined as never); // its `finally` frees what it holds
  }
  const { loss, gradients, thresholds, queue: added } = result;
  const gradientNorm = globalNorm(gradients);
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
    tf.dispose([...gradients.values(), ...vectorsOf(added)]);
    throw new DivergedError(`the loss is ${loss} and the gradient norm ${gradientNorm}`, {
      where: `step ${step + 1} of ${path.basename(folder)}, batch ${progression.batch + 1} of epoch ${epoch + 1}`,
      hint:
        step === 0
          ? "the weights were not finite before: build the model anew"
          : `lower --learning-rate (it is ${learningRateAt(recipe, epoch, step, totalSteps)}); --resume goes on from the last checkpoint`,
    });
  }
  clipGradients(gradients, gradientNorm, recipe.clip);
  const learningRate = learningRateAt(recipe, epoch, step, totalSteps);
  const variables = new Map<string, tf.Variable>([
    ...model.parameters,
    ...[...auxiliaryMap(auxiliary)].map(([name, v]): [string, tf.Variable] => [`aux.${name}`, v]),
  ]);
  const { weightDecay } = recipe;
  applyAdam(adam, variables, gradients, { learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay });
  tf.dispose([...gradients.values()]);
  if (auxiliary.queue !== undefined && added !== undefined) {
    progression.queue = advanceQueue(auxiliary.queue, model, progression.queue ?? emptyQueue, added, epoch);
    tf.dispose(vectorsOf(added));
  }
  model.thresholds = thresholds;
  Object.assign(progression, { step: step + 1, batch: progression.batch + 1, adamStep: adam.step, thresholds });
  const imagesPerSecond = (batch.pairs.length * 1000) / (performance.now() - began);
  return { step: step + 1, epoch, loss, learningRate, gradientNorm, imagesPerSecond };
}

function vectorsOf(added: QueueStep | undefined): tf.Tensor[] {
  return added === undefined ? [] : [added.images, added.captions];
}
