/** Evaluation of a model on a split: every image with every caption, ranked both ways. */
import * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import { badImageError, describeBad } from "../data/batches.js";
import type { Dataset, Item } from "../data/dataset.js";
import { checkInput } from "../data/regionFeatures.js";
import { AmsError } from "../errors.js";
import { encodeImages, encodeUnprojected, foldOf, scaleWeights, type Model } from "../model/ams.js";
import { inputOf, regions } from "../model/config.js";
import { captionFeatures, imageEncoder, tokenise, type OnBad, type Tokens } from "./encode.js";
import { makeEvaluation, type Evaluation } from "./evaluation.js";
import { partsOf } from "./folds.js";
import { captionVectors, imageVectors } from "./pooled.js";
import { openKept, shareOf, type KeepOptions } from "./kept.js";
import { scaleRecalls } from "./scales.js";
import { keepInMemory } from "./scoreKeeper.js";
import { captionOrder, scoreAll, type ScoreAllOptions, type ScoreSource } from "./scorer.js";

/** What is evaluated, and within which memory. */
export interface EvaluateOptions extends Pick<ScoreAllOptions, "memory" | "way" | "imageBlock" | "captionBlock"> {
  /** Default "test". */
  split?: string;
  /** Only the first so many images. */
  images?: number;
  /** Only the first so many captions of each image. */
  captionsPerImage?: number;
  /** Regions up to this similarity match no word. Default: the model's safe threshold. */
  threshold?: number;
  /** Score by pooled vectors instead of the exact score, as models do that have no other. */
  pooled?: boolean;
  /** Also every scale alone and left out (of the exact score). */
  scales?: boolean;
  /** Is given the unweighted scores of each scale (from 1), [images, captions], one after the other, and the image of each caption. */
  onScale?: (scale: number, scores: Float32Array, images: number, owner: Int32Array) => void;
  /** Also in so many folds. Default: MS-COCO's five, else none. */
  folds?: number;
  /** What was evaluated, for tables. */
  name?: string;
  /** Keep the scores of finished blocks until the evaluation is done, and do not score those again that are there. */
  keep?: KeepOptions;
  /** What an unreadable image does: "stop" (default) is an error, "skip" leaves it out with its captions and says so. */
  onBadImage?: "stop" | "skip";
}

/** What is asked for of a model whose own score is the cosine of pooled vectors, and does nothing there. */
function noteIdle(model: Model, options: EvaluateOptions, context: Context): void {
  const idle = (["threshold", "memory", "scales"] as const).filter(
    (name) => options[name] !== undefined && options[name] !== false,
  );
  if (idle.length === 0) return;
  const names = idle.map((name) => `--${name}`).join(", ");
  context.note(`${names}: no effect, a model of ${model.recipe} scores a pair by one cosine of pooled vectors`);
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
  const { split = "test", threshold = model.thresholds.safe } = options;
  const pooled = options.pooled === true || model.config.head?.score === "pooled";
  if (options.pooled !== true && pooled) noteIdle(model, options, context);
  const items = chosenItems(dataset, split, options);
  checkInput(items, inputOf(model.config));
  const owner = Int32Array.from(items.flatMap((item, i) => item.captions.map(() => i)));
  const texts = items.flatMap((item) => item.captions.map(({ text }) => text));
  if (texts.length === 0) {
    throw new AmsError(`the split "${split}" of ${dataset.name} has no captions`, {
      where: dataset.root,
      hint: "choose a split with images and captions",
    });
  }
  if (options.folds !== undefined) partsOf(items.length, owner, options.folds); // before the work, not after it
  const tokens = tokenise(model.tokenizer, texts, model.config.maxLength);
  const weights = scaleWeights(model);
  const perScale = !pooled && (options.scales === true || options.onScale !== undefined);
  const shape = { images: items.length, captions: texts.length, planes: perScale ? weights.length : 1 };
  const kept =
    pooled || options.keep === undefined
      ? undefined
      : openKept(
          shape,
          { model, items, dataset, split, threshold, skips: options.onBadImage === "skip" },
          options.keep,
          context,
        );
  const inMemory = perScale && kept === undefined ? keepInMemory(shape) : undefined;
  const keeper = kept?.keeper ?? inMemory;
  const bad = new Map<number, string>(kept?.bad.found);
  const onBad: OnBad = (i, image) => {
    if (options.onBadImage !== "skip") throw badImageError(image, items[i]!);
    bad.set(i, describeBad(image));
    kept?.bad.add(i, describeBad(image));
  };
  try {
    const source = scoreSource(model, items, tokens, context, onBad);
    const all = pooled
      ? await pooledMatrix(model, items, tokens, context, onBad)
      : await scoreAll(source, { ...options, threshold, ...(keeper === undefined ? {} : { keeper }) }, context);
    if (bad.size > 0) tellBad(bad, items.length, dataset, split, context);
    const left = withoutImages({ scores: all, owner, items }, bad);
    const images = left.items.length;
    const order = captionOrder(source);
    const plane = (k: number): Float32Array => {
      const scores = unordered(keeper?.plane(k) ?? all, order);
      return withoutImages({ scores, owner, items }, bad).scores as Float32Array;
    };
    if (perScale) {
      for (const k of weights.keys()) options.onScale?.(k + 1, plane(k), images, left.owner);
    }
    const evaluation = makeEvaluation({
      dataset: dataset.name,
      split,
      images,
      ...left,
      seconds: (performance.now() - start) / 1000,
      model,
      folds: options.folds,
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.scales === true && !pooled
        ? { scales: scaleRecalls(plane, weights, left.scores as Float32Array, images, left.owner) }
        : {}),
      ...(pooled ? { scoredBy: "pooled" } : { scoredBy: "exact", threshold }),
    });
    if (kept !== undefined) {
      if (options.keep?.finished === undefined) kept.remove();
      else options.keep.finished(kept.remove);
    }
    return evaluation;
  } catch (error) {
    const done = kept?.keeper.pairs() ?? 0;
    if (context.signal.aborted && done > 0)
      context.note(`the scores of ${shareOf(done, shape)} are kept: the same line goes on with them`);
    throw error;
  } finally {
    keeper?.close();
  }
}

/** Columns in the scorer's order of captions -> in their own. */
function unordered(plane: Float32Array, order: Int32Array): Float32Array {
  const [captions, values] = [order.length, new Float32Array(plane.length)];
  for (let row = 0; row < plane.length; row += captions) {
    for (let place = 0; place < captions; place++) values[row + order[place]!] = plane[row + place]!;
  }
  return values;
}

/** What is known of scores that were made elsewhere. */
export interface GivenOptions {
  split?: string;
  dataset?: string;
  /** The images with their captions, where they are known: for galleries and frames. */
  items?: Item[];
  /** Also in so many folds. */
  folds?: number | undefined;
  name?: string | undefined;
}

/**
 * Recalls of a score matrix made elsewhere: scores [images, captions] row-major, owner = the image of each caption.
 * Throws AmsError when the sizes disagree or a score is NaN.
 */
export function evaluateScores(
  scores: Float32Array | Float64Array,
  owner: Int32Array,
  { split = "", dataset = "given scores", items = [], folds, name }: GivenOptions = {},
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
  const named = name === undefined ? {} : { name };
  return makeEvaluation({
    dataset,
    split,
    images,
    scores,
    owner,
    items,
    folds,
    ...named,
    seconds: 0,
    scoredBy: "given",
  });
}

/**
 * Whether regions are scored before their projection, which the captions then take: products over the hidden width and a one
 * instead of the embedding's, a quarter less work at the published sizes.
 */
export function isNarrower({ config }: Model): boolean {
  return config.head === undefined && config.image.width + 1 < config.embed;
}

/** The exact scorer's view of a model, items and their tokenised captions. */
export function scoreSource(
  model: Model,
  items: readonly Item[],
  tokens: Tokens,
  context: Context,
  onBad?: OnBad,
): ScoreSource {
  const { head } = model.config;
  const narrower = isNarrower(model);
  return {
    images: items.length,
    captions: tokens.lengths.length,
    regions: regions(model.config),
    words: model.config.maxLength,
    ...(head === undefined ? {} : { score: head.score }),
    scaleWeights: scaleWeights(model),
    ...(model.quirks.padWords ? { lengths: tokens.lengths } : {}),
    ...(narrower ? { fold: (scale: number) => foldOf(model, scale) } : {}),
    encodeImages: imageEncoder(model, items, context.signal, onBad, narrower ? encodeUnprojected : encodeImages),
    encodeCaptions: (captions) => captionFeatures(model, tokens, captions),
  };
}

function tellBad(bad: Map<number, string>, images: number, dataset: Dataset, split: string, context: Context): void {
  const [first] = bad.values();
  if (bad.size === images) {
    throw new AmsError(`none of the ${images} images of the split "${split}" can be read: ${first ?? ""}`, {
      where: dataset.root,
      hint: "check the image root of the data set",
    });
  }
  const some = [...bad.values()].slice(0, 3).join("; ") + (bad.size > 3 ? "; ..." : "");
  context.note(`${bad.size} of ${images} images of ${split} cannot be read and are left out: ${some}`);
}

type Scored = Pick<Evaluation, "scores" | "owner" | "items">;

/** The same matrix without the rows of some images and the columns of their captions. */
function withoutImages({ scores, owner, items }: Scored, bad: ReadonlyMap<number, string>): Scored {
  if (bad.size === 0) return { scores, owner, items };
  const rows = items.flatMap((_, i) => (bad.has(i) ? [] : [i]));
  const columns = Array.from(owner.keys()).filter((c) => !bad.has(owner[c]!));
  const place = new Map(rows.map((row, i) => [row, i]));
  const kept = new Float64Array(rows.length * columns.length);
  rows.forEach((row, i) => {
    columns.forEach((column, j) => (kept[i * columns.length + j] = scores[row * owner.length + column]!));
  });
  return {
    scores: scores instanceof Float32Array ? Float32Array.from(kept) : kept,
    owner: Int32Array.from(columns, (column) => place.get(owner[column]!) ?? 0),
    items: rows.map((row) => items[row]!),
  };
}

async function pooledMatrix(
  model: Model,
  items: Item[],
  tokens: Tokens,
  context: Context,
  onBad?: OnBad,
): Promise<Float32Array> {
  const images = await imageVectors(model, items, context, onBad);
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

/** The first images of a split with their first captions. Throws AmsError for a split that is not there. */
export function chosenItems(
  dataset: Dataset,
  split: string,
  { images, captionsPerImage }: { images?: number | undefined; captionsPerImage?: number | undefined },
): Item[] {
  const all = Object.hasOwn(dataset.splits, split) ? dataset.splits[split] : undefined;
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
