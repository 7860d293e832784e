/** Evaluation of a model on a split: every image with every caption, ranked both ways. */
import * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import type { Dataset, Item } from "../data/dataset.js";
import { AmsError } from "../errors.js";
import { scaleWeights, type Model } from "../model/ams.js";
import { regions } from "../model/config.js";
import { captionFeatures, imageEncoder, tokenise, type Tokens } from "./encode.js";
import { makeEvaluation, type Evaluation } from "./evaluation.js";
import { captionVectors, imageVectors } from "./pooled.js";
import { scoreAll, type ScoreAllOptions, type ScoreSource } from "./scorer.js";

export interface EvaluateOptions extends Pick<ScoreAllOptions, "memory" | "way"> {
  /** Default "test". */
  split?: string;
  /** Only the first so many images. */
  images?: number;
  /** Only the first so many captions of each image. */
  captionsPerImage?: number;
  /** Regions up to this similarity match no word. Default: the model's safe threshold. */
  threshold?: number;
  /** Score by pooled vectors instead of the exact score. */
  pooled?: boolean;
}

/**
 * Recalls of a model on a split. The exact score is evaluated as published: safe threshold, propagation in the negative
 * branch, pads as the model's quirk says. Throws AmsError for a split that is not there or has no captions, and for NaN scores.
 */
export async function evaluate(
  model: Model,
  dataset: Dataset,
  options: EvaluateOptions,
  context: Context,
): Promise<Evaluation> {
  const start = performance.now();
  const { split = "test", pooled = false, threshold = model.thresholds.safe } = options;
  const items = chosenItems(dataset, split, options);
  const owner = Int32Array.from(items.flatMap((item, i) => item.captions.map(() => i)));
  const texts = items.flatMap((item) => item.captions.map(({ text }) => text));
  if (texts.length === 0) {
    throw new AmsError(`the split "${split}" of ${dataset.name} has no captions`, {
      where: dataset.root,
      hint: "choose a split with images and captions",
    });
  }
  const tokens = tokenise(model.tokenizer, texts, model.config.maxLength);
  const scores = pooled
    ? await pooledMatrix(model, items, tokens, context)
    : await scoreAll(scoreSource(model, items, tokens, context), { ...options, threshold }, context);
  return makeEvaluation({
    dataset: dataset.name,
    split,
    images: items.length,
    scores,
    owner,
    items,
    seconds: (performance.now() - start) / 1000,
    model,
    ...(pooled ? { scoredBy: "pooled" } : { scoredBy: "exact", threshold }),
  });
}

/**
 * Recalls of a score matrix made elsewhere: scores [images, captions] row-major, owner = the image of each caption.
 * Throws AmsError when the sizes disagree or a score is NaN.
 */
export function evaluateScores(
  scores: Float32Array | Float64Array,
  owner: Int32Array,
  { split = "", dataset = "given scores", items = [] }: { split?: string; dataset?: string; items?: Item[] } = {},
): Evaluation {
  const images = owner.length === 0 ? 0 : scores.length / owner.length;
  if (!Number.isInteger(images)) {
    throw new AmsError(
      `${String(scores.length)} scores are no whole number of rows of ${String(owner.length)} captions`,
      {
        hint: "scores are [images, captions]; owner has one entry per caption",
      },
    );
  }
  return makeEvaluation({ dataset, split, images, scores, owner, items, seconds: 0, scoredBy: "given" });
}

/** The exact scorer's view of a model, items and their tokenised captions. */
export function scoreSource(model: Model, items: readonly Item[], tokens: Tokens, context: Context): ScoreSource {
  return {
    images: items.length,
    captions: tokens.lengths.length,
    regions: regions(model.config),
    words: model.config.maxLength,
    scaleWeights: scaleWeights(model),
    ...(model.quirks.padWords ? { lengths: tokens.lengths } : {}),
    encodeImages: imageEncoder(model, items, context.signal),
    encodeCaptions: (captions) => captionFeatures(model, tokens, captions),
  };
}

async function pooledMatrix(model: Model, items: Item[], tokens: Tokens, context: Context): Promise<Float32Array> {
  const images = await imageVectors(model, items, context);
  try {
    const captions = await captionVectors(model, tokens, context);
    const scores = tf.matMul(images, captions, false, true);
    try {
      return (await scores.data()) as Float32Array;
    } finally {
      tf.dispose([captions, scores]);
    }
  } finally {
    images.dispose();
  }
}

function chosenItems(dataset: Dataset, split: string, { images, captionsPerImage }: EvaluateOptions): Item[] {
  const all = dataset.splits[split];
  if (all === undefined) {
    throw new AmsError(`${dataset.name} has no split "${split}"`, {
      where: dataset.root,
      hint: `choose from ${Object.keys(dataset.splits).join(", ")}`,
    });
  }
  const chosen = all.slice(0, images);
  if (captionsPerImage === undefined) return chosen;
  return chosen.map((item) => ({ ...item, captions: item.captions.slice(0, captionsPerImage) }));
}
