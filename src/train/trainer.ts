/** The trainer: runs a recipe on a model and a data set, writes down what happens, and can be stopped and resumed. */
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { breathe, type Context } from "../context.js";
import { batches } from "../data/batches.js";
import type { Dataset, Item } from "../data/dataset.js";
import { checkInput } from "../data/regionFeatures.js";
import type { MimeBundle } from "../display.js";
import { displaySymbol } from "../display.js";
import { AmsError, asTyped } from "../errors.js";
import { evaluate, type Evaluation } from "../evaluate/index.js";
import type { Model } from "../model/ams.js";
import { inputOf, scalesOf } from "../model/config.js";
import { shapeModel, withHead } from "../model/head.js";
import type { Quirks } from "../model/quirks.js";
import { saveModel } from "../model/store.js";
import { amsHome } from "../paths.js";
import type { GalleryView } from "../plot/gallery.js";
import { writeWhole, writing } from "../writing.js";
import { restoreCheckpoint, saveCheckpoint } from "./checkpoint.js";
import { createClock } from "./clock.js";
import { writeEnvironment } from "./environment.js";
import { eventFolder, openEventLog } from "./eventLog.js";
import { availableMemory, checkMemory, validationCaptions, type Frugality } from "./memory.js";
import { epochOrder } from "./order.js";
import { continuePublished } from "./published.js";
import { checkQueue, recipeOf, type Recipe } from "./recipe.js";
import { speedText, type EpochRecord, type StepRecord, type TrainingState } from "./records.js";
import { retrievalSamples } from "./samples.js";
import { skippedImages } from "./skipped.js";
import { lockRun } from "./runLock.js";
import { DivergedError, trainStep } from "./step.js";
import { auxiliaryMap, disposeTraining, logSteps, openFolder, prepare, type Training } from "./training.js";

/** What `train` may be told; the rest comes from the recipe. */
export interface TrainOptions {
  /** Name of a recipe; default: the one that the model was built for. */
  recipe?: string;
  /** Changes to the recipe, e.g. `{ flip: 0 }`. */
  overrides?: Partial<Recipe>;
  /** Quirks of the published code switched against the recipe; without a recipe, against what the model was built with. */
  quirks?: Partial<Quirks>;
  epochs?: number;
  /** Stop after this many steps in all, also within an epoch. */
  steps?: number;
  batchSize?: number;
  learningRate?: number;
  /** Keep the inputs of every layer only and compute its inside again for the gradient: a third more time, far less memory. */
  recompute?: boolean;
  /** Pairs that are encoded together (the loss still sees the whole batch): less memory, the same update. Default: the batch. */
  microBatch?: number;
  seed?: number;
  /** Split to train on. Default "train". */
  split?: string;
  /** Name of the run and of its folder. Default: recipe and time. */
  name?: string;
  /** Go on with the run of this name from its last checkpoint. */
  resume?: boolean;
  /** Go on where the training was that wrote this checkpoint of the published code; the model must have its weights. */
  startFrom?: string;
  /** Images of `val` to evaluate after every epoch (0 none). Default: all, at most 500. */
  validate?: number;
  /** Seconds between checkpoints inside an epoch. Default 600. */
  checkpointSeconds?: number;
  /** What to do with an unreadable image: "stop" (default) or "skip". */
  onBadImage?: "stop" | "skip";
  /** Event files for TensorBoard: in the run's folder, or in one of the run's name in this folder. */
  tensorboard?: boolean | string;
  /** The YAML that this training is a step of: kept in the run's folder as it was written. */
  experiment?: string;
  /** Draws the state for the progress display. */
  display?: (state: TrainingState) => MimeBundle;
}

/** A training that was run, finished or stopped. */
export interface Run {
  name: string;
  /** Holds run.json, steps.jsonl, environment.jsonl, checkpoints/ and best/ (the model with the highest validation rSum). */
  folder: string;
  recipe: string;
  options: Record<string, unknown>;
  steps: StepRecord[];
  epochs: EpochRecord[];
  /** Ids of the images that could not be read and were skipped; more about them is in skipped.jsonl. */
  skippedImages: string[];
  /** "training" only in the run.json of one that runs, or whose process was killed; one that an error ended is "failed" there. */
  status: "training" | "finished" | "stopped";
  model: Model;
  /** How to go on, when it was stopped. */
  resumeHint?: string;
  /** What it looks like, by mime type. */
  [displaySymbol](): MimeBundle;
}

/**
 * Trains the model in place and returns the run; where the recipe has another head than the model (NAAF's and others'), a copy with
 * that head, which is the run's model. Aborting the context's signal stops within a second, with a
 * checkpoint of the last step that was finished. Errors: an empty split, a batch larger than the split, a step that needs more than
 * the `available` bytes (before anything is written), data that the model cannot look at, a loss that is not a number (with the step), a resume on other data or
 * without a checkpoint, a run that another process trains. A new run that an error ends before its first step leaves nothing behind.
 */
export async function train(
  given: Model,
  dataset: Dataset,
  options: TrainOptions,
  context: Context,
  available = availableMemory(given.config),
): Promise<Run> {
  let unlock = (): void => undefined;
  const hold = (folder: string): void => {
    unlock = lockRun(folder);
  };
  try {
    return await trainAlone(given, dataset, options, context, available, hold);
  } finally {
    unlock();
  }
}

/** `hold` takes the run's folder before anything of it is read or written. */
async function trainAlone(
  given: Model,
  dataset: Dataset,
  options: TrainOptions,
  context: Context,
  available: number,
  hold: (folder: string) => void,
): Promise<Run> {
  const { recipe, items, stepsPerEpoch } = intended(given, dataset, options);
  const frugality = frugalityOf(options);
  const model = shapeModel(given, recipe.head, recipe.name);
  checkMemory(model.config, counted(recipe, dataset, options), frugality, available);
  const totalSteps = Math.min(options.steps ?? Infinity, stepsPerEpoch * recipe.epochs);
  const totalEpochs = Math.ceil(totalSteps / stepsPerEpoch);
  if (options.steps !== undefined && options.steps > totalSteps) {
    const needed = Math.ceil(options.steps / stepsPerEpoch);
    context.note(
      `${recipe.epochs} epochs are ${totalSteps} steps, fewer than --steps ${options.steps}: --epochs ${needed} would go so far`,
    );
  }
  const name =
    options.name ?? `${recipe.name}-${new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-")}`;
  if (!/^[\p{L}\p{N}][\p{L}\p{N}_.-]*$/u.test(name)) {
    throw new AmsError(`"${name}" cannot be the name of a run`, {
      where: "--name",
      hint: "use letters, digits, - . and _ (it names a folder), beginning with a letter or digit",
    });
  }
  const folder = path.join(amsHome(), "runs", name);
  hold(folder);
  const training = prepare(model, recipe, items, totalSteps, dataset, options);
  if (options.startFrom !== undefined) continuePublished(options.startFrom, training, stepsPerEpoch, context);
  const isNew = !existsSync(folder);
  openFolder(folder, training, options, context);
  writeEnvironment(folder, recipe, process.cwd(), options.experiment);
  model.recipe = recipe.name;
  model.quirks = recipe.quirks;

  const { progression } = training;
  const events = eventFolder(folder, options.tensorboard);
  const eventLog = events === undefined ? undefined : openEventLog(events, progression);
  let samples: GalleryView | undefined;
  let reached = "";
  const state = (
    status: TrainingState["status"],
    secondsLeft: number,
    validation?: TrainingState["validation"],
  ): TrainingState => {
    const { steps, epochs, step, thresholds } = progression;
    return {
      ...{
        name,
        recipe: recipe.name,
        steps,
        epochs,
        step,
        totalSteps,
        stepsPerEpoch,
        totalEpochs,
        status,
        secondsLeft,
      },
      ...(recipe.score === "attention" && step > 0 ? { threshold: thresholds.safe } : {}),
      ...(validation === undefined ? {} : { validation }),
      ...(samples === undefined ? {} : { samples }),
    };
  };
  const report = (...now: Parameters<typeof state>): void => {
    const snapshot = state(...now);
    const { display } = options;
    context.progress({
      label: "training",
      done: progression.step,
      total: totalSteps,
      note: remark(snapshot),
      milestone: reached,
      ...(snapshot.status === "evaluating" || snapshot.status === "saving" ? { phase: snapshot.status } : {}),
      ...(display === undefined ? {} : { display: () => display(snapshot) }),
    });
  };
  let lastSave = Date.now();
  const checkpoints = path.join(folder, "checkpoints");
  // The end of an epoch changes no step and is worth a checkpoint all the same.
  const position = (): string => `${progression.step}/${progression.epoch}/${progression.epochs.length}`;
  let saved = options.resume === true && recipe.quirks.resumeSchedule ? position() : "";
  const checkpoint = (): void => {
    if (saved === position()) return;
    saveCheckpoint(checkpoints, model, training.adam, auxiliaryMap(training.auxiliary), progression);
    saved = position();
    lastSave = Date.now();
  };

  const runOf = (status: Run["status"]): Run => ({
    name,
    folder,
    recipe: recipe.name,
    options: progression.options,
    steps: progression.steps,
    epochs: progression.epochs,
    skippedImages: skipped.images(),
    status,
    model,
    ...(status === "finished" ? {} : { resumeHint: asTyped(`ams train --name ${name} --resume`) }),
    [displaySymbol]: () => {
      const last = state(status, 0);
      return options.display?.(last) ?? { "text/plain": `${name}: ${remark(last)}` };
    },
  });
  const skipped = skippedImages(folder, context);
  const input = inputOf(model.config);
  const runSteps = async (): Promise<void> => {
    const clock = createClock({ step: progression.step, totalSteps, totalEpochs });
    const left = (): number => clock.left(progression.step, progression.epoch);
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
          ...(typeof input === "number" ? {} : { regions: input }),
          cropScale: recipe.cropScale,
          cropRatio: recipe.cropRatio,
          flip: recipe.flip,
          ...(recipe.randAugment === undefined ? {} : { randAugment: recipe.randAugment }),
        },
        tokenizer: model.tokenizer,
        seed: recipe.seed,
        epoch,
        dropLast: true,
        start: progression.batch,
        onBadImage: options.onBadImage ?? "stop",
      });
      let asked = performance.now();
      for await (const batch of stream) {
        const waited = (performance.now() - asked) / 1000;
        const record = await trainStep(training, batch, folder, { ...frugality, signal: context.signal });
        if (record === undefined) break; // interrupted within the step, which a resume makes from its start
        record.waited = waited;
        skipped.add(batch, items, record.step);
        progression.steps.push(record);
        logSteps(folder, [record]);
        eventLog?.step(record);
        report("training", left());
        await breathe();
        if (stopped() || progression.step >= totalSteps) break;
        if (Date.now() - lastSave > 1000 * (options.checkpointSeconds ?? 600)) {
          checkpoint();
        }
        asked = performance.now();
      }
      if (stopped()) break;
      try {
        const about = { epochStart, stepsPerEpoch };
        await clock.validating(async () => {
          const evaluation = await endEpoch(training, dataset, folder, options, context, about, (validation) => {
            report("evaluating", left(), validation);
          });
          eventLog?.epoch(progression.epochs.at(-1)!);
          if (evaluation !== undefined) samples = await retrievalSamples(evaluation, epoch);
        });
        reached = milestone(state("training", left()));
        report("saving", left());
        await breathe();
      } catch (error) {
        if (!stopped()) throw error;
        break; // interrupted while validating: a resume begins with that
      }
      checkpoint();
      report("training", left());
    }
  };
  writeRun(runOf("training"));
  try {
    checkpoint(); // the start: what a training that diverges goes back to
    report("training", NaN); // the first step of a large model takes minutes
    await runSteps();
    checkpoint();
  } catch (error) {
    if (error instanceof DivergedError) {
      const { adam, auxiliary } = training;
      const note = (line: string): void => {
        context.note(line);
      };
      const good = restoreCheckpoint(checkpoints, model, adam, auxiliaryMap(auxiliary), note);
      note(`the model has the weights of step ${good.step} of ${name} again`);
      keepSteps(() => writeFailure(runOf("training"), error), context);
    } else if (isNew && progression.steps.length === 0) {
      rmSync(folder, { recursive: true, force: true }); // it holds the given weights, and its name is free again
    } else {
      keepSteps(() => {
        checkpoint();
        writeFailure(runOf("training"), error);
      }, context);
    }
    throw error;
  } finally {
    disposeTraining(training);
  }

  skipped.sumUp();
  const status = progression.step >= totalSteps ? "finished" : "stopped";
  report(status, 0);
  const run = runOf(status);
  writeRun(run);
  return run;
}

/** After an error: the steps since the last checkpoint are worth keeping, if the disk takes them. */
function keepSteps(keep: () => void, context: Context): void {
  try {
    keep();
  } catch (error) {
    context.note(`the last steps could not be kept: ${(error as Error).message}`);
  }
}

/**
 * What a training is to do on the data. Throws an AmsError for options that exclude each other, and for data that do not suffice or that
 * the model cannot look at.
 */
function intended(
  model: Pick<Model, "config" | "recipe" | "quirks">,
  dataset: Dataset,
  options: TrainOptions,
): { recipe: Recipe; items: Item[]; stepsPerEpoch: number } {
  const recipe = effectiveRecipe(model, options);
  const items = splitItems(dataset, options.split ?? "train");
  checkInput(items, inputOf(model.config));
  const pairsPerEpoch = recipe.sampling === "images" ? items.length : items.reduce((n, i) => n + i.captions.length, 0);
  const stepsPerEpoch = Math.floor(pairsPerEpoch / recipe.batchSize);
  if (stepsPerEpoch === 0) {
    throw new AmsError(`a batch of ${recipe.batchSize} does not fit into ${pairsPerEpoch} pairs`, {
      where: `split ${options.split ?? "train"} of ${dataset.name}`,
      hint: `choose --batch-size ${pairsPerEpoch} or less (that many make one step an epoch), or a larger split`,
    });
  }
  return { recipe, items, stepsPerEpoch };
}

/**
 * Throws the AmsError with which `train` would refuse a model that is still to be drawn: options, a split or a batch that cannot be,
 * and a step that needs more than the `available` bytes.
 */
export function checkIntended(
  model: Pick<Model, "config" | "recipe" | "quirks">,
  dataset: Dataset,
  options: TrainOptions,
  available = availableMemory(model.config),
): void {
  const { recipe } = intended(model, dataset, options);
  const { config } = model;
  // Of the encoders only the layers that the model uses are drawn.
  const layers = { image: Math.max(...scalesOf(config, "image")), text: Math.max(...scalesOf(config, "text")) };
  const shaped = withHead(config, recipe.head, layers);
  checkMemory(shaped, counted(recipe, dataset, options), frugalityOf(options), available);
}

/** What the forecast of memory counts of a training. */
function counted(recipe: Recipe, dataset: Dataset, { validate }: TrainOptions): Recipe & { evaluated: number } {
  return { ...recipe, evaluated: validationCaptions(dataset, validate) };
}

function frugalityOf({ recompute, microBatch }: TrainOptions): Frugality {
  return { recompute, microBatch };
}

function effectiveRecipe(model: Pick<Model, "recipe" | "quirks">, options: TrainOptions): Recipe {
  const base = recipeOf(options.recipe ?? model.recipe);
  const quirks = options.overrides?.quirks ?? (options.recipe === undefined ? model.quirks : base.quirks);
  const recipe: Recipe = {
    ...base,
    ...options.overrides,
    quirks: { ...quirks, ...options.quirks },
    ...(options.epochs === undefined ? {} : { epochs: options.epochs }),
    ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
    ...(options.learningRate === undefined ? {} : { learningRate: options.learningRate }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  };
  if (recipe.score === "pooled" && recipe.loss === "hinge" && recipe.labels > 0) {
    throw new AmsError("the hinge over pooled vectors learns from captions and images alone", {
      where: `recipe ${recipe.name} with the hinge and labels`,
      hint: "leave out --max-violation, set overrides {labels: 0}, or choose the recipe vse",
    });
  }
  checkQueue(recipe);
  return recipe;
}

function splitItems(dataset: Dataset, split: string): Item[] {
  const items = dataset.splits[split];
  if (items === undefined || items.length === 0) {
    const filled = Object.keys(dataset.splits).filter((name) => (dataset.splits[name]?.length ?? 0) > 0);
    throw new AmsError(`${dataset.name} has no split "${split}" with images`, {
      where: dataset.root,
      hint: filled.length === 0 ? "none of its splits has images: open other data" : `it has ${filled.join(", ")}`,
    });
  }
  return items;
}

async function endEpoch(
  training: Training,
  dataset: Dataset,
  folder: string,
  options: TrainOptions,
  context: Context,
  { epochStart, stepsPerEpoch }: { epochStart: number; stepsPerEpoch: number },
  evaluating: Context["progress"],
): Promise<Evaluation | undefined> {
  const { model, recipe, progression } = training;
  const { epoch, step } = progression;
  const losses = progression.steps.filter((record) => record.epoch === epoch).map((record) => record.loss);
  const loss = losses.reduce((a, b) => a + b, 0) / losses.length;
  const images = Math.min(options.validate ?? 500, dataset.splits["val"]?.length ?? 0);
  const record: EpochRecord = { epoch, step, loss, seconds: (Date.now() - epochStart) / 1000 };
  let evaluation: Evaluation | undefined;
  if (images > 0) {
    evaluating({ label: "validating", done: 0, total: images });
    // Its own progress would push the training's display aside: it becomes a remark there.
    const remarks: Context = { ...context, progress: evaluating };
    evaluation = await evaluate(
      model,
      dataset,
      { split: "val", images, pooled: recipe.score === "pooled", onBadImage: options.onBadImage ?? "stop" },
      remarks,
    );
    const { split, images: gallery, captions, i2t, t2i, rsum, ties, interval } = evaluation;
    record.evaluation = { split, images: gallery, captions, i2t, t2i, rsum, ties, interval };
    if (evaluation.rsum > progression.bestRsum) {
      progression.bestRsum = evaluation.rsum;
      saveModel(model, path.join(folder, "best"));
    }
  }
  // What --steps ends within an epoch is measured all the same; going on later makes the rest of that epoch, and its record anew.
  progression.epochs = [...progression.epochs.filter((other) => other.epoch !== epoch), record];
  if (progression.batch >= stepsPerEpoch) Object.assign(progression, { epoch: epoch + 1, batch: 0 });
  return evaluation;
}

/** The record of a run that an error ended, until it goes on. */
function writeFailure(run: Run, error: unknown): void {
  const [failure] = String(error instanceof Error ? error.message : error).split("\n");
  writeRun(run, { status: "failed", failure });
}

function writeRun(run: Run, end: { status: string; failure?: string | undefined } = { status: run.status }): void {
  const { name, recipe, options, epochs, steps, skippedImages: missed } = run;
  const skipped = missed.length === 0 ? {} : { skippedImages: missed.length };
  const text = JSON.stringify({ name, recipe, options, ...end, steps: steps.length, ...skipped, epochs }, null, 2);
  const file = path.join(run.folder, "run.json");
  writing(file, () => {
    writeWhole(file, [`${text}\n`]);
  });
}

/** "epoch 2/5, loss 4.21, 83 images/s, val rSum 312.4, 2 min left" */
function remark(state: TrainingState): string {
  const last = state.steps.at(-1);
  const evaluation = state.epochs.at(-1)?.evaluation;
  const { validation } = state;
  return [
    `epoch ${Math.min((last?.epoch ?? 0) + 1, state.totalEpochs)}/${state.totalEpochs}`,
    ...(last === undefined ? [] : [`loss ${last.loss.toFixed(3)}`, speedText(last)]),
    ...(evaluation === undefined ? [] : [`val rSum ${evaluation.rsum.toFixed(1)}`]),
    ...(state.secondsLeft > 0 ? [duration(state.secondsLeft)] : []),
    ...(state.status === "training"
      ? []
      : [
          (state.status === "saving" ? "saving the checkpoint" : state.status) +
            (validation === undefined ? "" : `: ${validation.label} ${validation.done}/${validation.total}`),
        ]),
  ].join(", ");
}

/** "epoch 2/5: loss 4.210, val i2t R@1 31.0, t2i R@1 24.8, rSum 312.4, 41 s, 2 min left" */
function milestone({ epochs, totalEpochs, secondsLeft }: TrainingState): string {
  const last = epochs.at(-1);
  if (last === undefined) return "";
  const { epoch, loss, seconds, evaluation: e } = last;
  return [
    `epoch ${epoch + 1}/${totalEpochs}: loss ${loss.toFixed(3)}`,
    ...(e === undefined
      ? []
      : [`${e.split} i2t R@1 ${e.i2t.r1.toFixed(1)}`, `t2i R@1 ${e.t2i.r1.toFixed(1)}`, `rSum ${e.rsum.toFixed(1)}`]),
    `${seconds.toFixed(0)} s`,
    ...(epoch + 1 < totalEpochs && secondsLeft > 0 ? [duration(secondsLeft)] : []),
  ].join(", ");
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s left` : `${Math.round(seconds / 60)} min left`;
}
