/** The loss of one batch and its gradient with respect to every parameter. */
import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../data/batches.js";
import { partsAhead, settle } from "../engine/index.js";
import type { Thresholds } from "../match/mining.js";
import type { Model } from "../model/ams.js";
import type { Part } from "../model/dropout.js";
import type { Gradients } from "../model/recorded.js";
import { finish } from "../parts.js";
import { attentionHead } from "./attentionHead.js";
import { batchInputs, plainFeatures, traceBoth, type Features, type Traces } from "./batchFeatures.js";
import type { Labels } from "./labels.js";
import type { Frugality } from "./memory.js";
import { pooledHead } from "./pooledHead.js";
import type { Queue, QueueState, QueueStep } from "./queue.js";
import type { Recipe } from "./recipe.js";
import { vectorHead } from "./vectorHead.js";

/** Trained beside the model and not part of it: the factor on the scores, the directions of the label classes. */
export interface Auxiliary {
  /** Log of the factor on the scores under InfoNCE, a scalar. */
  logScale: tf.Variable;
  /** One direction per label class, [K, E]; absent when the recipe uses no labels. */
  classes?: tf.Variable;
  /** Momentum features for negatives; absent when the recipe takes them from the batch. */
  queue?: Queue;
}

export interface ObjectiveInput extends Frugality {
  model: Model;
  recipe: Recipe;
  batch: Batch;
  auxiliary: Auxiliary;
  /** Seeds dropout and the choice of patches. */
  stepSeed: number;
  /** Share of the patches to look at. */
  keepPatches: number;
  labels?: Labels | undefined;
  /** 0-based; recipes with a queue change with it. Default 0. */
  epoch?: number;
  /** Of `auxiliary.queue`. Default: empty. */
  queueState?: QueueState | undefined;
}

export interface ObjectiveResult {
  loss: number;
  /** By parameter name (`img.*`, `txt.*`, `b*`) and `aux.logScale`, `aux.classes`; absent = no gradient. */
  gradients: Map<string, tf.Tensor>;
  /** The thresholds after this batch; those of the model where nothing was mined. */
  thresholds: Thresholds;
  /** What goes into the queue after the update. The caller disposes of its vectors. */
  queue?: QueueStep;
}

/** The loss and its gradient with respect to the features; absent where there is none. */
export interface Head {
  loss: number;
  thresholds: Thresholds;
  images: (tf.Tensor | undefined)[];
  captions: (tf.Tensor | undefined)[];
  queue?: QueueStep;
}

/** Loss and gradients of a batch, in one go. The caller disposes of the gradients. */
export function objective(input: ObjectiveInput): ObjectiveResult {
  return finish(objectiveParts(input));
}

/**
 * The same in parts: it yields after every layer and every scale, so that the caller can see to other things, and can end it
 * (`return()`), which frees everything.
 *
 * With micro-batches the features of all pairs are made first, without a gradient; the loss over the whole batch gives their
 * gradient; then each micro-batch is encoded again and takes its share of it. The result is that of the whole batch, in-batch
 * negatives included. Source: Gao et al., RepL4NLP 2021 (GradCache).
 */
export function objectiveParts(input: ObjectiveInput): Generator<void, ObjectiveResult> {
  return partsAhead(lossParts(input));
}

function* lossParts(input: ObjectiveInput): Generator<void, ObjectiveResult> {
  const { model, recipe, auxiliary, batch } = input;
  const size = batch.pairs.length;
  const micro = Math.min(input.microBatch ?? size, size);
  const names = new Map([...model.parameters].map(([name, variable]) => [variable.name, name]));
  names.set(auxiliary.logScale.name, "aux.logScale");
  if (auxiliary.classes !== undefined) names.set(auxiliary.classes.name, "aux.classes");

  const inputs = batchInputs(input);
  const gradients: Gradients = new Map();
  const held: tf.Tensor[] = []; // features and their gradients
  let traces: Traces | undefined;
  let head: Head | undefined;
  let complete = false;
  try {
    const whole: Part = { first: 0, size, of: size };
    let features: Features;
    if (micro === size) {
      traces = yield* traceBoth(input, inputs, whole);
      features = { images: traces.images.values as tf.Tensor3D[], captions: traces.captions.values as tf.Tensor3D[] };
      held.push(...features.images, ...features.captions);
    } else {
      features = yield* plainFeatures(input, inputs, micro, held);
    }
    head =
      recipe.score === "attention"
        ? yield* attentionHead(input, inputs, features, gradients)
        : recipe.loss === "hinge"
          ? yield* vectorHead(input, inputs, features, gradients, micro)
          : pooledHead(input, inputs, features, gradients);
    held.push(...[...head.images, ...head.captions].filter((gradient) => gradient !== undefined));
    tf.dispose([features.images, features.captions]);

    if (traces !== undefined) {
      yield* traces.images.pullback(head.images, gradients);
      yield* traces.captions.pullback(head.captions, gradients);
    } else {
      for (let first = 0; first < size; first += micro) {
        const part: Part = { first, size: Math.min(micro, size - first), of: size };
        traces = yield* traceBoth(input, inputs, part);
        tf.dispose([traces.images.values, traces.captions.values]);
        const share = (whole: (tf.Tensor | undefined)[]): (tf.Tensor | undefined)[] =>
          whole.map((gradient) => gradient && tf.keep(tf.slice(gradient, part.first, part.size)));
        for (const [trace, all] of [
          [traces.images, head.images],
          [traces.captions, head.captions],
        ] as const) {
          const own = share(all);
          held.push(...own.filter((gradient) => gradient !== undefined));
          yield* trace.pullback(own, gradients);
          tf.dispose(own.filter((gradient) => gradient !== undefined));
        }
        traces.images.dispose();
      }
    }
    settle(); // what fails now is still freed below
    complete = true;
    const { loss, thresholds, queue } = head;
    const named = [...gradients].map(([name, gradient]) => [names.get(name) as string, gradient] as const);
    return { loss, thresholds, gradients: new Map(named), ...(queue === undefined ? {} : { queue }) };
  } finally {
    traces?.images.dispose();
    traces?.captions.dispose();
    tf.dispose([held, inputs.pixels, inputs.ids, inputs.mask, inputs.words]);
    if (!complete) tf.dispose([...gradients.values(), head?.queue?.images, head?.queue?.captions].filter((t) => t !== undefined)); // prettier-ignore
  }
}
