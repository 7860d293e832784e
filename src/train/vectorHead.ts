/** The hinge over pooled vectors (VSE++, FNE), and its gradient with respect to the features. */
import * as tf from "@tensorflow/tfjs-core";
import { hardestHinge, type SameImage } from "../match/losses.js";
import { pooledVectors } from "../match/pooledScore.js";
import { collectStatistics, drawNegative, noStatistics, samplingWeights } from "../match/sampledNegatives.js";
import { record, type Gradients, type Recorded } from "../model/recorded.js";
import { Random } from "../random.js";
import { plainFeatures, type BatchInputs, type Features } from "./batchFeatures.js";
import type { Head, ObjectiveInput } from "./objective.js";
import { emptyQueue, queued, type Queue, type QueueStep } from "./queue.js";

type Vectors = [images: tf.Tensor2D, captions: tf.Tensor2D];

/** Sum over the batch of max(0, margin + negative - positive), both ways, over cosines of pooled vectors. */
export function* vectorHead(
  input: ObjectiveInput,
  inputs: BatchInputs,
  features: Features,
  into: Gradients,
  micro: number,
): Generator<void, Head> {
  const { model, recipe, batch, auxiliary } = input;
  const size = batch.pairs.length;
  const same: SameImage = model.quirks.sameImageNegatives
    ? (i, j) => batch.pairs[i]?.item === batch.pairs[j]?.item
    : () => false;
  const held: tf.Tensor[] = [];
  let pieces: [Recorded, Recorded] | undefined;
  let queue: QueueStep | undefined;
  let complete = false;
  try {
    pieces = [
      record(features.images, (...scales) => pooledVectors(scales as tf.Tensor3D[])),
      record(features.captions, (...scales) => pooledVectors(scales as tf.Tensor3D[], inputs.words)),
    ];
    const vectors: Vectors = [pieces[0].value as tf.Tensor2D, pieces[1].value as tf.Tensor2D];
    const S = tf.tidy(() => tf.matMul(vectors[0], vectors[1], false, true).dataSync() as Float32Array);
    let result: { loss: number; gradients: Vectors };
    if (auxiliary.queue === undefined) {
      result = inBatch(vectors, S, size, recipe.margin, same);
    } else {
      const [images, captions] = yield* momentumVectors(input, inputs, auxiliary.queue, micro, held);
      const { epoch = 0, queueState = emptyQueue } = input;
      const before = queueState.epoch === epoch ? queueState.statistics : noStatistics;
      const statistics = collectStatistics(before, S, size, same);
      queue = { images, captions, items: batch.pairs.map(({ item }) => item), statistics };
      result =
        epoch < auxiliary.queue.options.from
          ? inBatch(vectors, S, size, recipe.margin, same)
          : sampled(vectors, S, queue, { ...input, queueState }, auxiliary.queue);
    }
    held.push(...result.gradients);
    const images = pieces[0].pullback(result.gradients[0], into);
    const captions = pieces[1].pullback(result.gradients[1], into);
    complete = true;
    return {
      loss: result.loss,
      thresholds: model.thresholds,
      images,
      captions,
      ...(queue === undefined ? {} : { queue }),
    };
  } finally {
    tf.dispose(held);
    for (const piece of pieces ?? []) piece.value.dispose();
    if (!complete) {
      for (const piece of pieces ?? []) piece.dispose();
      if (queue !== undefined) tf.dispose([queue.images, queue.captions]);
    }
  }
}

/** The hardest negatives of the batch. */
function inBatch(
  [images, captions]: Vectors,
  S: Float32Array,
  size: number,
  margin: number,
  same: SameImage,
): { loss: number; gradients: Vectors } {
  const { loss, gradient } = hardestHinge(S, size, margin, same);
  const gradients = tf.tidy((): Vectors => {
    const G = tf.tensor2d(Float32Array.from(gradient), [size, size]);
    return [tf.matMul(G, captions), tf.matMul(G, images, true, false)];
  });
  return { loss, gradients };
}

/** One negative a row, drawn from [the batch by the momentum copy; the queue]; it has no gradient of its own. */
function sampled(
  vectors: Vectors,
  S: Float32Array,
  step: QueueStep,
  { recipe, batch, stepSeed, queueState = emptyQueue }: ObjectiveInput,
  queue: Queue,
): { loss: number; gradients: Vectors } {
  const size = batch.pairs.length;
  const options = { ...queue.options, margin: recipe.margin };
  const items = [...step.items, ...queueState.items];
  const random = new Random(stepSeed);
  let loss = 0;
  const gradients = tf.tidy((): Vectors => {
    const [queuedImages, queuedCaptions] = queued(queue, queueState);
    // Of one direction: the drawn candidates [B, D], and 1 where the hinge is not met [B, 1].
    const direction = (from: tf.Tensor2D, candidates: tf.Tensor2D): [tf.Tensor2D, tf.Tensor2D] => {
      const scores = tf.matMul(from, candidates, false, true).dataSync() as Float32Array;
      const count = items.length;
      const drawn = new Int32Array(size);
      const active = new Float32Array(size);
      for (let i = 0; i < size; i++) {
        const row = scores.subarray(i * count, (i + 1) * count);
        const own = S[i * size + i]!;
        const same = (j: number): boolean => items[j] === step.items[i];
        const weights = samplingWeights(row, own, same, step.statistics, options);
        const negative = drawNegative(weights, row, same, random);
        if (negative < 0) continue; // nothing but captions of this image
        const cost = recipe.margin + row[negative]! - own;
        drawn[i] = negative;
        // NaN compares false: it has to reach the loss, where the trainer sees it.
        if (cost <= 0) continue;
        active[i] = 1;
        loss += cost;
      }
      return [tf.gather(candidates, tf.tensor1d(drawn, "int32")), tf.tensor2d(active, [size, 1])];
    };
    const [images, captions] = vectors;
    const [wrongCaptions, forward] = direction(images, tf.concat([step.captions, queuedCaptions]));
    const [wrongImages, backward] = direction(captions, tf.concat([step.images, queuedImages]));
    const both = tf.add(forward, backward);
    return [
      tf.sub(tf.mul(forward, wrongCaptions), tf.mul(both, captions)),
      tf.sub(tf.mul(backward, wrongImages), tf.mul(both, images)),
    ];
  });
  return { loss, gradients };
}

/** The batch through the momentum copy, without dropout. */
function* momentumVectors(
  input: ObjectiveInput,
  inputs: BatchInputs,
  { momentum }: Queue,
  micro: number,
  held: tf.Tensor[],
): Generator<void, Vectors> {
  const copy = { ...input, model: { ...input.model, parameters: momentum }, recipe: { ...input.recipe, dropout: 0 } };
  const { images, captions } = yield* plainFeatures(copy, inputs, micro, held);
  return [tf.tidy(() => pooledVectors(images)), tf.tidy(() => pooledVectors(captions, inputs.words))];
}
