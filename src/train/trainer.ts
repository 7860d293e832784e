/** The trainer: runs a recipe on a model and a data set, writes down what happens, and can be stopped and resumed. */
import { existsSync, mkdirSync, rmSync, writeFileSync, appendFileSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { breathe, type Context } from "../context.js";
import { batches, type Batch, type Pair } from "../data/batches.js";
import type { Dataset, Item } from "../data/dataset.js";
import type { MimeBundle } from "../display.js";
import { displaySymbol } from "../display.js";
import { AmsError } from "../errors.js";
import { evaluate } from "../evaluate/index.js";
import { patchGrid, type Model } from "../model/ams.js";
import { saveModel } from "../model/store.js";
import { amsHome } from "../paths.js";
import { hash32, Random } from "../random.js";
import { restoreCheckpoint, saveCheckpoint, type Progression } from "./checkpoint.js";
import { labelBatch, labelClasses, type Labels } from "./labels.js";
import { objective, type Auxiliary, type ObjectiveResult } from "./objective.js";
import { applyAdam, clipGradients, createAdam, globalNorm, type Adam } from "./optimiser.js";
import { learningRateAt, recipeOf, type Recipe } from "./recipe.js";
import type { EpochRecord, StepRecord, TrainingState } from "./records.js";

export interface TrainOptions {
  /** Name of a recipe; default: the one that the model was built for. */
  recipe?: string;
  /** Changes to the recipe, e.g. `{ flip: 0 }`. */
  overrides?: Partial<Recipe>;
  epochs?: number;
  /** Stop after this many steps in all, also within an epoch. */
  steps?: number;
  batchSize?: number;
  learningRate?: number;
  seed?: number;
  /** Split to train on. Default "train". */
  split?: string;
  /** Name of the run and of its folder. Default: recipe and time. */
  name?: string;
  /** Go on with the run of this name from its last checkpoint. */
  resume?: boolean;
  /** Images of `val` to evaluate after every epoch (0 none). Default: all, at most 500. */
  validate?: number;
  /** Seconds between checkpoints inside an epoch. Default 600. */
  checkpointSeconds?: number;
  /** What to do with an unreadable image: "stop" (default) or "skip". */
  onBadImage?: "stop" | "skip";
  /** Draws the state for the progress display. */
  display?: (state: TrainingState) => MimeBundle;
}

export interface Run {
  name: string;
  /** Holds run.json, steps.jsonl, checkpoints/ and best/ (the model with the highest validation rSum). */
  folder: string;
  recipe: string;
  options: Record<string, unknown>;
  steps: StepRecord[];
  epochs: EpochRecord[];
  status: "finished" | "stopped";
  model: Model;
  /** How to go on, when it was stopped. */
  resumeHint?: string;
  [displaySymbol](): MimeBundle;
}

/** Everything that changes while a training runs. */
interface Training {
  model: Model;
  recipe: Recipe;
  items: Item[];
  classes: string[];
  auxiliary: Auxiliary;
  adam: Adam;
  totalSteps: number;
  progression: Progression;
}

/**
 * Trains `model` in place and returns the run. Aborting the context's signal stops after the current step, with a
 * checkpoint. Errors: an empty split, a batch larger than the split, a loss that is not a number (with the step), a
 * resume on other data or without a checkpoint.
 */
export async function train(model: Model, dataset: Dataset, options: TrainOptions, context: Context): Promise<Run> {
  const recipe = effectiveRecipe(model, options);
  const items = splitItems(dataset, options.split ?? "train");
  const pairsPerEpoch = recipe.sampling === "images" ? items.length : items.reduce((n, i) => n + i.captions.length, 0);
  const stepsPerEpoch = Math.floor(pairsPerEpoch / recipe.batchSize);
  if (stepsPerEpoch === 0) {
    throw new AmsError(`a batch of ${recipe.batchSize} does not fit into ${pairsPerEpoch} pairs`, {
      where: `split ${options.split ?? "train"} of ${dataset.name}`,
      hint: `choose --batch-size ${Math.max(1, Math.floor(pairsPerEpoch / 2))} or less, or a larger split`,
    });
  }
  const totalSteps = Math.min(options.steps ?? Infinity, stepsPerEpoch * recipe.epochs);
  const totalEpochs = Math.ceil(totalSteps / stepsPerEpoch);
  const name =
    options.name ?? `${recipe.name}-${new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-")}`;
  const folder = path.join(amsHome(), "runs", name);
  const training = prepare(model, recipe, items, totalSteps, dataset, options);
  openFolder(folder, training, options, context);
  model.recipe = recipe.name;
  model.quirks = recipe.quirks;

  const { progression } = training;
  const state = (status: TrainingState["status"], secondsLeft: number): TrainingState => {
    const { steps, epochs, step } = progression;
    return { name, recipe: recipe.name, steps, epochs, step, totalSteps, totalEpochs, status, secondsLeft };
  };
  const report = (status: TrainingState["status"], secondsLeft: number): void => {
    const snapshot = state(status, secondsLeft);
    const { display } = options;
    context.progress({
      label: `training ${name}`,
      done: progression.step,
      total: totalSteps,
      note: remark(snapshot),
      ...(display === undefined ? {} : { display: () => display(snapshot) }),
    });
  };
  let lastSave = Date.now();
  let savedStep = -1;
  const checkpoint = (): void => {
    if (savedStep === progression.step) return;
    saveCheckpoint(
      path.join(folder, "checkpoints"),
      model,
      training.adam,
      auxiliaryMap(training.auxiliary),
      progression,
    );
    savedStep = progression.step;
    lastSave = Date.now();
  };

  const began = Date.now();
  const firstStep = progression.step;
  const stopped = (): boolean => context.signal.aborted;
  while (progression.step < totalSteps && !stopped()) {
    const epochStart = Date.now();
    const { epoch } = progression;
    const order = epochOrder(items, recipe, epoch);
    const stream = batches(items, order, {
      batchSize: recipe.batchSize,
      augmentation: {
        train: true,
        size: model.config.image.pixels,
        cropScale: recipe.cropScale,
        cropRatio: recipe.cropRatio,
        flip: recipe.flip,
      },
      tokenizer: model.tokenizer,
      seed: recipe.seed,
      epoch,
      dropLast: true,
      start: progression.batch,
      onBadImage: options.onBadImage ?? "stop",
    });
    for await (const batch of stream) {
      const record = trainStep(training, batch, folder);
      for (const { reason } of batch.skipped) context.note(`skipped an image: ${reason}`);
      progression.steps.push(record);
      appendFileSync(path.join(folder, "steps.jsonl"), `${JSON.stringify(record)}\n`);
      const perStep = (Date.now() - began) / (progression.step - firstStep);
      report("training", ((totalSteps - progression.step) * perStep) / 1000);
      await breathe();
      if (stopped() || progression.step >= totalSteps) break;
      if (Date.now() - lastSave > 1000 * (options.checkpointSeconds ?? 600)) {
        checkpoint();
      }
    }
    if (stopped()) break;
    await endEpoch(training, dataset, folder, options, context, epochStart, () => {
      report("evaluating", 0);
    });
    checkpoint();
  }

  const finished = progression.step >= totalSteps;
  checkpoint();
  const status = finished ? "finished" : "stopped";
  report(status, 0);
  const run: Run = {
    name,
    folder,
    recipe: recipe.name,
    options: progression.options,
    steps: progression.steps,
    epochs: progression.epochs,
    status,
    model,
    ...(finished ? {} : { resumeHint: `%ams train --name ${name} --resume` }),
    [displaySymbol]: () => {
      const last = state(status, 0);
      return options.display?.(last) ?? { "text/plain": `${name}: ${remark(last)}` };
    },
  };
  writeRun(run);
  disposeTraining(training);
  return run;
}

function effectiveRecipe(model: Model, options: TrainOptions): Recipe {
  const base = recipeOf(options.recipe ?? model.recipe);
  return {
    ...base,
    ...options.overrides,
    ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
    ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
    ...(options.learningRate === undefined ? {} : { learningRate: options.learningRate }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  };
}

function splitItems(dataset: Dataset, split: string): Item[] {
  const items = dataset.splits[split];
  if (items === undefined || items.length === 0) {
    throw new AmsError(`${dataset.name} has no split "${split}" with images`, {
      hint: `it has ${Object.keys(dataset.splits).join(", ")}`,
    });
  }
  return items;
}

function prepare(
  model: Model,
  recipe: Recipe,
  items: Item[],
  totalSteps: number,
  dataset: Dataset,
  options: TrainOptions,
): Training {
  const classes = recipe.labels > 0 ? labelClasses(items) : [];
  if (recipe.labels > 0 && classes.length === 0) {
    throw new AmsError(`recipe ${recipe.name} learns from labels, and this data has none`, {
      hint: "use the scenes, or a recipe without labels",
    });
  }
  const { embed } = model.config;
  const random = Random.stream(recipe.seed, "classes");
  const start = Float32Array.from({ length: classes.length * embed }, () => random.normal());
  const auxiliary: Auxiliary = {
    logScale: tf.tidy(() => tf.variable(tf.scalar(Math.log(recipe.scale)))),
    ...(classes.length === 0
      ? {}
      : { classes: tf.tidy(() => tf.variable(tf.tensor2d(start, [classes.length, embed]))) }),
  };
  const { display: _display, overrides, ...plain } = options;
  return {
    model,
    recipe,
    items,
    classes,
    auxiliary,
    adam: createAdam(),
    totalSteps,
    progression: {
      step: 0,
      epoch: 0,
      batch: 0,
      adamStep: 0,
      bestRsum: -Infinity,
      thresholds: model.thresholds,
      fingerprint: dataset.fingerprint,
      recipe: recipe.name,
      options: {
        ...plain,
        ...(overrides === undefined ? {} : { overrides }),
        data: { name: dataset.name, root: dataset.root },
      },
      steps: [],
      epochs: [],
    },
  };
}

function auxiliaryMap({ logScale, classes }: Auxiliary): Map<string, tf.Variable> {
  return new Map([["logScale", logScale], ...(classes === undefined ? [] : [["classes", classes] as const])]);
}

function disposeTraining({ adam, auxiliary }: Training): void {
  for (const { first, second } of adam.moments.values()) tf.dispose([first, second]);
  for (const variable of auxiliaryMap(auxiliary).values()) variable.dispose();
}

/** A new folder, or the one of a run that goes on with its training restored. */
function openFolder(folder: string, training: Training, options: TrainOptions, context: Context): void {
  const { model, recipe, progression } = training;
  if (options.resume === true) {
    if (options.name === undefined) {
      throw new AmsError("--resume needs the name of the run", {
        hint: "%ams runs lists them; give --name NAME --resume",
      });
    }
    const found = restoreCheckpoint(
      path.join(folder, "checkpoints"),
      model,
      training.adam,
      auxiliaryMap(training.auxiliary),
      (line) => {
        context.note(line);
      },
    );
    if (found.fingerprint !== progression.fingerprint) {
      throw new AmsError("the run was trained on other data than is loaded now", {
        where: folder,
        hint: "load the data that the run began with (its run.json names it), or start a new run",
      });
    }
    // The published code restarts at epoch 0 with the weights alone.
    if (recipe.quirks.resumeSchedule) {
      Object.assign(progression, { ...found, options: progression.options });
    } else {
      for (const { first, second } of training.adam.moments.values()) tf.dispose([first, second]);
      training.adam = createAdam();
    }
  } else {
    if (existsSync(path.join(folder, "run.json"))) {
      throw new AmsError(`there is a run named ${path.basename(folder)} already`, {
        where: folder,
        hint: "choose another --name, or add --resume to go on with it",
      });
    }
    rmSync(folder, { recursive: true, force: true });
  }
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new AmsError("the run's folder cannot be made", {
      where: folder,
      hint: "free space or set AMS_HOME to a folder that can be written",
      cause,
    });
  }
}

/** The pairs of an epoch in their shuffled order. */
function epochOrder(items: Item[], recipe: Recipe, epoch: number): Pair[] {
  const random = Random.stream(recipe.seed, `order/${epoch}`);
  const pairs =
    recipe.sampling === "images"
      ? items.map((item, i) => ({ item: i, caption: random.int(item.captions.length) }))
      : items.flatMap((item, i) => item.captions.map((_, caption) => ({ item: i, caption })));
  return random.shuffle(pairs);
}

function trainStep(training: Training, batch: Batch, folder: string): StepRecord {
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
  let result: ObjectiveResult | undefined;
  tf.tidy(() => {
    result = objective({
      model,
      recipe,
      batch,
      auxiliary,
      stepSeed: hash32(`${recipe.seed}/step/${step}`),
      keepPatches: step < patches.until * totalSteps ? patches.keep : 1,
      labels,
    });
    for (const gradient of result.gradients.values()) tf.keep(gradient);
  });
  const { loss, gradients, thresholds } = result as unknown as ObjectiveResult;
  const gradientNorm = globalNorm(gradients);
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
    tf.dispose([...gradients.values()]);
    throw new AmsError(`the loss is ${loss} and the gradient norm ${gradientNorm}`, {
      where: `step ${step + 1} of ${path.basename(folder)}, batch ${progression.batch + 1} of epoch ${epoch + 1}`,
      hint: `lower --learning-rate (it is ${learningRateAt(recipe, epoch, step, totalSteps)}) and go on from the last checkpoint with --resume`,
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
  model.thresholds = thresholds;
  Object.assign(progression, { step: step + 1, batch: progression.batch + 1, adamStep: adam.step, thresholds });
  const imagesPerSecond = (batch.pairs.length * 1000) / (performance.now() - began);
  return { step: step + 1, epoch, loss, learningRate, gradientNorm, imagesPerSecond };
}

async function endEpoch(
  training: Training,
  dataset: Dataset,
  folder: string,
  options: TrainOptions,
  context: Context,
  epochStart: number,
  evaluating: () => void,
): Promise<void> {
  const { model, recipe, progression } = training;
  const { epoch, step } = progression;
  const losses = progression.steps.filter((record) => record.epoch === epoch).map((record) => record.loss);
  const loss = losses.reduce((a, b) => a + b, 0) / losses.length;
  const images = Math.min(options.validate ?? 500, dataset.splits["val"]?.length ?? 0);
  const record: EpochRecord = { epoch, step, loss, seconds: (Date.now() - epochStart) / 1000 };
  if (images > 0) {
    evaluating();
    // Its own progress would push the training's display aside.
    const quiet: Context = { ...context, progress: () => undefined };
    const evaluation = await evaluate(
      model,
      dataset,
      { split: "val", images, pooled: recipe.score === "pooled" },
      quiet,
    );
    const { split, images: gallery, captions, i2t, t2i, rsum, ties, interval } = evaluation;
    record.evaluation = { split, images: gallery, captions, i2t, t2i, rsum, ties, interval };
    if (evaluation.rsum > progression.bestRsum) {
      progression.bestRsum = evaluation.rsum;
      saveModel(model, path.join(folder, "best"));
    }
  }
  progression.epochs.push(record);
  Object.assign(progression, { epoch: epoch + 1, batch: 0 });
}

function writeRun(run: Run): void {
  const { name, recipe, options, epochs, status, steps } = run;
  const text = JSON.stringify({ name, recipe, options, status, steps: steps.length, epochs }, null, 2);
  writeFileSync(path.join(run.folder, "run.json"), `${text}\n`);
}

/** "epoch 2/5, loss 4.21, 83 images/s, val rSum 312.4, 2 min left" */
function remark(state: TrainingState): string {
  const last = state.steps.at(-1);
  const evaluation = state.epochs.at(-1)?.evaluation;
  return [
    `epoch ${Math.min((last?.epoch ?? 0) + 1, state.totalEpochs)}/${state.totalEpochs}`,
    ...(last === undefined ? [] : [`loss ${last.loss.toFixed(3)}`, `${last.imagesPerSecond.toFixed(0)} images/s`]),
    ...(evaluation === undefined ? [] : [`val rSum ${evaluation.rsum.toFixed(1)}`]),
    ...(state.secondsLeft > 0 ? [duration(state.secondsLeft)] : []),
    ...(state.status === "training" ? [] : [state.status]),
  ].join(", ");
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s left` : `${Math.round(seconds / 60)} min left`;
}
