/** What a training needs of memory, foretold by counting arrays, so that what cannot fit is refused before it kills the process. */
import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { currentEngine, type EngineInfo } from "../engine/index.js";
import { precisionHere } from "../engine/matrixProduct.js";
import { gigabytes } from "../engine/machineMemory.js";
import { beyondWasm } from "../engine/refusals.js";
import { AmsError } from "../errors.js";
import type { Dataset } from "../data/dataset.js";
import { ofSize, regions, scalesOf, type ModelConfig } from "../model/config.js";
import { parameterSpecs } from "../model/parameters.js";
import type { Recipe } from "./recipe.js";

/** How a step saves memory; neither changes what it computes beyond rounding. */
export interface Frugality {
  /** Keep the inputs of every layer only, and compute its inside again for the gradient. */
  recompute?: boolean | undefined;
  /** Pairs that the encoders look at together; the batch when absent. The scores still see the whole batch. */
  microBatch?: number | undefined;
}

/** Bytes at the fullest moment of a training, by what they are for. */
export interface MemoryForecast {
  /** The process before there is a model: Node, TensorFlow, code, data set, the threads that load images and those that evaluate. */
  process: number;
  parameters: number;
  /** Momentum copy and queue, of recipes that have them. */
  queue: number;
  /** Adam's two means of every parameter. */
  optimiser: number;
  gradients: number;
  /** What the encoders keep for the gradient, with the features and their gradients. */
  activations: number;
  /** What one layer, or the scoring of one scale, needs for a moment. */
  working: number;
  /** The validation's: features of all its captions, as far as an evaluation keeps them. */
  evaluation: number;
  /** Of all, at the fullest moment: the parts above without those that are gone or not yet there then. */
  total: number;
}

type Counted = Pick<Recipe, "batchSize" | "score" | "loss"> &
  Partial<Pick<Recipe, "patches" | "queue">> & {
    /** Captions of the images that are evaluated after each epoch; default none. */
    evaluated?: number;
  };

/** `ams train` with TensorFlow loaded, an open data set and the threads of its images, resident bytes as measured. */
const processBytes = 0.5e9;
/** What the threads and the code of an evaluation add to it, as measured. */
const evaluationBytes = 0.06e9;
/** What an evaluation keeps of captions' features at most (`ScoreAllOptions.memory`). */
const mostFeatureBytes = 2 ** 31;

/** How much more than the forecast must be there: what was measured lies up to so much above it. */
export const forecastMargin = 1.15;

/**
 * The peak of resident memory of a training of this model with this recipe. Counts float32 arrays of the step as it is written
 * (`src/train/objective.ts`, `src/model`), of the checkpoint (`src/train/checkpoint.ts` takes copies of each file that it writes) and of
 * the validation; checked against the measured peak within 25 % by tests and `bench/engine.ts`. Not counted: decoded photographs
 * that the loader keeps for the next epoch (at most 1.5 GB).
 */
export function forecastMemory(config: ModelConfig, recipe: Counted, frugality: Frugality = {}): MemoryForecast {
  const { image, text, embed, maxLength, scales } = config;
  const batch = recipe.batchSize;
  const micro = Math.min(frugality.microBatch ?? batch, batch);
  const share = (recipe.patches?.until ?? 0) > 0 ? (recipe.patches?.keep ?? 1) : 1;
  const R = 1 + (regions(config) - 1) * (share < 1 && recipe.patches?.until === 1 ? share : 1);
  const weights = parameterCount(config);

  // Arrays that a layer keeps for its gradient, and that its gradient makes for a moment, in floats a pair.
  const kept = (tokens: number, { width, hidden }: typeof image | typeof text): number =>
    tokens * (9 * width + 2 * hidden);
  const inside = (tokens: number, { hidden, heads }: typeof image | typeof text): number =>
    tokens * Math.max(5 * hidden, 4 * heads * tokens);
  // Each encoder runs as far as its own deepest scale.
  const both = (floats: (tokens: number, encoder: typeof image | typeof text, depth: number) => number): number =>
    floats(R, image, Math.max(...scalesOf(config, "image"))) +
    floats(maxLength, text, Math.max(...scalesOf(config, "text")));
  const encoders =
    frugality.recompute === true
      ? both((tokens, { width }, depth) => depth * tokens * width) + Math.max(kept(R, image), kept(maxLength, text))
      : both((tokens, encoder, depth) => depth * kept(tokens, encoder));
  const projections = scales.length * both((tokens, { width }) => tokens * width);
  const features = scales.length * (R + maxLength) * embed;
  const pixels = image.regions === undefined ? 2 * 3 * image.pixels ** 2 : 2 * R * image.width;

  const pairs = recipe.score === "pooled" ? 0 : recipe.loss === "hinge" ? 3 * batch : batch ** 2;
  const scoring = pairs * (4 * (R + maxLength) * embed + 15 * R * maxLength) + batch * 10 * maxLength * R;
  const layer = micro * Math.max(inside(R, image), inside(maxLength, text));

  const held = micro * (encoders + projections) + batch * (features + pixels);
  const gradientsOfFeatures = batch * features;
  const whileScoring =
    (micro < batch ? 0 : micro * (encoders + projections)) + batch * (2 * features + pixels) + scoring;
  const whileGoingBack = held + gradientsOfFeatures + layer + weights * (micro < batch ? 1 : 0.3);
  const whileUpdating = weights;
  const whileSaving = 2 * weights; // copies of both means
  const bytes = 4;
  const { evaluated = 0 } = recipe;
  const ofCaption = scales.length * (recipe.score === "pooled" ? 1 : maxLength) * embed;
  const whileEvaluating = Math.min(evaluated * ofCaption, mostFeatureBytes / bytes);
  const moment = Math.max(whileScoring, whileGoingBack, whileUpdating, whileSaving, whileEvaluating);
  const itself = processBytes + (evaluated > 0 ? evaluationBytes : 0);
  // A momentum copy of every parameter, and the vectors of images and captions.
  const queue = recipe.queue === undefined ? 0 : weights + 2 * recipe.queue.size * embed * scales.length;
  return {
    process: itself,
    parameters: bytes * weights,
    queue: bytes * queue,
    optimiser: bytes * 2 * weights,
    gradients: bytes * weights,
    activations: bytes * (held + gradientsOfFeatures),
    working: bytes * Math.max(layer, scoring),
    evaluation: bytes * whileEvaluating,
    total: itself + bytes * (3 * weights + queue + moment),
  };
}

/** Captions of the images of `val` that a training evaluates after each epoch: at most 500 images unless told otherwise. */
export function validationCaptions(dataset: Dataset, images = 500): number {
  return (dataset.splits["val"] ?? []).slice(0, images).reduce((sum, item) => sum + item.captions.length, 0);
}

/** Trainable numbers of a model of these sizes. */
export function parameterCount(config: ModelConfig): number {
  return parameterSpecs(config).reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
}

/** Bytes of the machine's memory. */
export interface Room {
  /** What the process can still get of the machine's memory. */
  free: number;
  /** What it has already. */
  resident: number;
}

/** This machine's, now; within a container, the container's. */
export function roomHere(): Room {
  return { free: Math.min(freeOfMachine(), freeOfContainer()), resident: process.memoryUsage.rss() };
}

/** What is free and what the system would give up for it. */
function freeOfMachine(): number {
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(contentOf("/proc/meminfo"))?.[1];
  return found === undefined ? freemem() : Number(found) * 1024;
}

/** What the limit of the container (cgroup) leaves. Node counts the cache of files as taken; the system gives it up. */
function freeOfContainer(): number {
  // In Node since 20.13 and 22.0.
  const left = (process.availableMemory as typeof process.availableMemory | undefined)?.() ?? Infinity;
  const cached = ["/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat"]
    .map((file) => /^(?:total_)?inactive_file (\d+)/m.exec(contentOf(file))?.[1])
    .find((bytes) => bytes !== undefined);
  return left + Number(cached ?? 0);
}

/** Of a file that only Linux has. */
function contentOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/**
 * Bytes that a training of this model can have in all, as `forecastMemory` counts them: what the process can still get with what
 * it has of them already (itself and the parameters), and no more than the engine can take.
 */
export function availableMemory(
  config: ModelConfig,
  engine: Pick<EngineInfo, "name" | "memoryLimit"> | undefined = currentEngine(),
  { free, resident }: Room = roomHere(),
): number {
  const limit = engine?.memoryLimit ?? Infinity;
  if (engine?.name === "gpu") return processBytes + limit; // its arrays lie on the card, not in the machine's memory
  const there = processBytes + 4 * parameterCount(config);
  return Math.min(free + Math.min(resident, there), limit);
}

/**
 * Throws an AmsError that names what fits, when a training may need more memory than there is (the forecast with
 * `forecastMargin`): --recompute, --micro-batch or both (all keep the batch's result to rounding), and the --batch-size that fits; on
 * WASM, where its addresses and not the machine are the limit, another engine too.
 */
export function checkMemory(
  config: ModelConfig,
  recipe: Counted & Pick<Recipe, "name" | "precision">,
  frugality: Frugality = {},
  available = availableMemory(config),
  engine: Pick<EngineInfo, "name" | "memoryLimit"> | undefined = currentEngine(),
): void {
  const needs = (batchSize: number, choice: Frugality): number =>
    forecastMargin * forecastMemory(config, { ...recipe, batchSize }, choice).total;
  const needed = needs(recipe.batchSize, frugality);
  if (needed <= available) return;
  const evaluates = (recipe.evaluated ?? 0) > 0;
  const without = (): boolean =>
    forecastMargin * forecastMemory(config, { ...recipe, evaluated: 0 }, frugality).total <= available;
  const atLimit = engine?.name === "wasm" && available >= (engine.memoryLimit ?? Infinity);
  const there = atLimit ? `WASM reaches at most ${gigabytes(available)}` : `${gigabytes(available)} are available`;
  const fits = (batchSize: number, choice: Frugality): boolean => needs(batchSize, choice) <= available;
  const ways =
    evaluates && without()
      ? ["the validation does not fit: give --validate 0, or fewer images than now (--validate N)"]
      : whatFits(recipe.batchSize, frugality, precisionHere(recipe.precision), fits);
  const engineInstead = atLimit ? beyondWasm() : undefined;
  const another = engineInstead === undefined ? [] : [`take another engine: ${engineInstead}`];
  const smaller = [...another, ...(atLimit ? [] : ["free memory"]), "choose a smaller model (--size small)"];
  throw new AmsError(
    `a step of ${recipe.batchSize} pairs needs about ${gigabytes(needed)} of memory, ${Math.round(100 * (forecastMargin - 1))} % to spare included; ${there}`,
    {
      where: `recipe ${recipe.name}, model ${ofSize(config)}`,
      hint: ways.length === 0 ? smaller.join(", or ") : [...ways, ...another].join("; or "),
    },
  );
}

/**
 * What to give instead, the way that costs the least time first; empty where nothing fits. Where a forward pass costs 1 and its
 * gradient 2, a step costs 3; recomputation adds a forward pass, micro-batches another one. Options that were given stay.
 */
function whatFits(
  batchSize: number,
  given: Frugality,
  precision: Recipe["precision"],
  fits: (batchSize: number, choice: Frugality) => boolean,
): string[] {
  const microBatches = [...Array(Math.ceil(Math.log2(batchSize))).keys()]
    .map((n) => Math.floor(batchSize / 2 ** (n + 1)))
    .filter((size) => size < (given.microBatch ?? batchSize));
  const smaller = largest(batchSize - 1, (size) => fits(size, given));
  const kept = [
    ...(given.recompute === true ? ["--recompute"] : []),
    ...(given.microBatch === undefined ? [] : [`--micro-batch ${given.microBatch}`]),
  ].join(" ");
  const keeping = kept === "" ? "" : ` (keeping ${kept})`;
  const instead = smaller === undefined ? [] : [`give --batch-size ${smaller}${keeping}`];
  const same = precision === "bfloat16" ? "the same result to bfloat16's rounding" : "the same result";
  if (fits(batchSize, { ...given, recompute: true })) {
    return [`give --recompute${keeping} (${same}, ${moreTime(given.microBatch !== undefined)})`, ...instead];
  }
  for (const recompute of new Set([given.recompute === true, true])) {
    const microBatch = microBatches.find((size) => fits(batchSize, { recompute, microBatch: size }));
    if (microBatch === undefined) continue;
    const options = `${recompute ? "--recompute " : ""}--micro-batch ${microBatch}`;
    return [`give ${options} (${same}, ${moreTime(recompute)})`, ...instead];
  }
  const least = largest(batchSize - 1, (size) => fits(size, { recompute: true, microBatch: 1 }));
  // Slower for hardly a larger batch is no way.
  if (least === undefined || least < 1.1 * (smaller ?? 0)) return instead;
  return [`give --batch-size ${least} with --recompute --micro-batch 1 (${moreTime(true)})`, ...instead];
}

function moreTime(both: boolean): string {
  return both ? "two thirds more time than without both" : "a third more time";
}

/** The largest batch from 2 to `most` that fits, when larger ones need more; undefined when none does. */
function largest(most: number, fits: (batchSize: number) => boolean): number | undefined {
  if (most < 2 || !fits(2)) return undefined;
  let [good, bad] = [2, most + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (fits(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
