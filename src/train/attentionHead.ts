/** The loss over AMS scores, and its gradient with respect to the features. */
import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../data/batches.js";
import { pairScores, type ScoreOptions } from "../match/attentionScore.js";
import { scoreBatchParts } from "../match/batchScores.js";
import { contrast, hardestHinge, type ScoreLoss } from "../match/losses.js";
import type { Thresholds } from "../match/mining.js";
import type { Model } from "../model/ams.js";
import { parameter } from "../model/parameters.js";
import { record, type Gradients } from "../model/recorded.js";
import type { Recipe } from "./recipe.js";
import type { BatchInputs, Features } from "./batchFeatures.js";
import type { Auxiliary, Head } from "./objective.js";

/** What the loss over AMS scores needs of a batch besides its features. */
export interface ScoredBatch {
  model: Pick<Model, "parameters" | "quirks" | "thresholds"> & Partial<Pick<Model, "config">>;
  recipe: Recipe;
  batch: Pick<Batch, "pairs">;
  auxiliary: Auxiliary;
}

/**
 * The loss over AMS scores and its gradient with respect to the features, scale by scale. Only pairs with a gradient (the
 * diagonal and the hardest negatives, at most 3B of B^2, under the hinge) are scored with a gradient: the sum of
 * d loss / d S times S has exactly the loss's.
 */
export function* attentionHead(
  { model, recipe, batch, auxiliary }: ScoredBatch,
  { words }: Pick<BatchInputs, "words">,
  { images, captions }: Features,
  into: Gradients,
): Generator<void, Head> {
  const { quirks } = model;
  const size = batch.pairs.length;
  const textOf = (k: number): number => (k === 0 && !quirks.firstScaleText && captions.length > 1 ? 1 : k);
  const options: ScoreOptions = {
    threshold: quirks.trainThreshold ? model.thresholds.mined : 0,
    propagate: quirks.evaluationPropagation,
    relevantOnly: model.config?.head?.score === "relevant",
  };
  const weights = images.map((_, k) => parameter(model.parameters, `b${k + 1}`));
  const learned = model.config?.head === undefined; // one scale alone needs no weight
  const matched = images.map((_, k) => captions[textOf(k)] as tf.Tensor3D);
  const { loss, thresholds } = yield* rankBatch(images, matched, words, options, weights, {
    model,
    recipe,
    batch,
    auxiliary,
  });

  const pairs: { row: number; column: number; factor: number }[] = [];
  const negligible = recipe.negligible * loss.gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
  loss.gradient.forEach((factor, p) => {
    if (Math.abs(factor) <= negligible) return;
    pairs.push({ row: Math.floor(p / size), column: p % size, factor });
  });
  // Every hinge is met: a gradient of zero, through one pair.
  if (pairs.length === 0) pairs.push({ row: 0, column: 0, factor: 0 });
  const head: Head = { loss: loss.loss, thresholds, images: images.map(() => undefined), captions: [] };
  head.captions = captions.map(() => undefined);
  const one = tf.keep(tf.scalar(1));
  const add = (sums: (tf.Tensor | undefined)[], k: number, gradient: tf.Tensor | undefined): void => {
    const before = sums[k];
    if (before === undefined || gradient === undefined) sums[k] = gradient ?? before;
    else {
      sums[k] = tf.keep(tf.add(before, gradient));
      tf.dispose([before, gradient]);
    }
  };
  let complete = false;
  try {
    const { size: imageFloats } = images[0]!;
    const blocks = pairBlocks(pairs.length, (imageFloats + matched[0]!.size) / size);
    for (let k = 0; k < images.length; k++) {
      let first = 0;
      for (const places of blocks) {
        const some = pairs.slice(first, (first += places));
        const scored = record([images[k] as tf.Tensor, matched[k] as tf.Tensor], (regions, tokens) =>
          tf.mul(
            weightedScores(regions as tf.Tensor3D, tokens as tf.Tensor3D, words, some, places, options),
            learned ? (weights[k] as tf.Variable) : tf.ones([1]),
          ),
        );
        scored.value.dispose();
        const [dImage, dCaption] = scored.pullback(one, into);
        add(head.images, k, dImage);
        add(head.captions, textOf(k), dCaption);
        yield;
      }
    }
    if (recipe.loss === "contrast") {
      into.set(auxiliary.logScale.name, tf.keep(tf.scalar(loss.scaleGradient ?? 0)));
    }
    complete = true;
    return head;
  } finally {
    one.dispose();
    if (!complete) tf.dispose([...head.images, ...head.captions].filter((gradient) => gradient !== undefined));
  }
}

/** Floats in the arrays of the pairs that are scored with a gradient at once, at most: half a gigabyte. */
const pairFloats = 2 ** 27;

/**
 * Pairs that are scored with a gradient at once. Batches differ in their number of pairs, and a compiled formula is compiled anew for every
 * new shape, which takes longer than it runs and memory for good: few are in use.
 */
const blockSizes = [4, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/** Blocks that hold so many pairs, the last with up to a third of its places (or three) to spare. `floats` are those of a pair's features. */
export function pairBlocks(pairs: number, floats: number): number[] {
  const most = blockSizes.findLast((size) => size * 4 * floats <= pairFloats) ?? blockSizes[1]!;
  const blocks: number[] = [];
  for (let left = pairs; left > 0; left -= blocks.at(-1)!) {
    blocks.push(left > most ? most : blockSizes.find((size) => size >= left)!);
  }
  return blocks;
}

/** sum over pairs of factor times score, [1]; places beyond the pairs are scored as the first pair and left out of the sum. */
function weightedScores(
  regions: tf.Tensor3D,
  tokens: tf.Tensor3D,
  words: tf.Tensor2D,
  pairs: { row: number; column: number; factor: number }[],
  places: number,
  options: ScoreOptions,
): tf.Tensor {
  const placed = Array.from({ length: places }, (_, p) => pairs[p] ?? pairs[0]!);
  const [row, column] = (["row", "column"] as const).map((side) =>
    tf.tensor1d(
      placed.map((pair) => pair[side]),
      "int32",
    ),
  ) as [tf.Tensor1D, tf.Tensor1D];
  const scores = pairScores(tf.gather(regions, row), tf.gather(tokens, column), tf.gather(words, column), options);
  const factors = tf.tensor1d(pairs.map(({ factor }) => factor));
  return tf.sum(tf.mul(tf.slice(scores, 0, pairs.length), factors), 0, true);
}

/** Scores all pairs of the batch, mines the thresholds scale after scale, and finds the loss and its gradient. */
function* rankBatch(
  images: tf.Tensor3D[],
  captions: tf.Tensor3D[],
  words: tf.Tensor2D,
  options: ScoreOptions,
  weights: tf.Variable[],
  { model, recipe, batch, auxiliary }: ScoredBatch,
): Generator<void, { loss: ScoreLoss; thresholds: Thresholds }> {
  const size = batch.pairs.length;
  const factors = weights.map((weight) => weight.dataSync()[0] as number);
  const scored = yield* scoreBatchParts(images, captions, words, factors, options, model.thresholds);
  const same = model.quirks.sameImageNegatives
    ? (i: number, j: number): boolean => batch.pairs[i]?.item === batch.pairs[j]?.item
    : undefined;
  const loss =
    recipe.loss === "hinge"
      ? hardestHinge(scored.total, size, recipe.margin, same)
      : contrast(scored.total, size, Math.exp(auxiliary.logScale.dataSync()[0] as number), same);
  const thresholds = scored.thresholds.at(-1) ?? model.thresholds;
  const mined = recipe.evaluationThreshold === "mined" ? { ...thresholds, safe: thresholds.mined } : thresholds;
  return { loss, thresholds: mined };
}
