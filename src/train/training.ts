/** The state of a training: what it works on, and its folder, new or restored. */
import { appendFileSync, existsSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import type { Dataset, Item } from "../data/dataset.js";
import { AmsError } from "../errors.js";
import type { Model } from "../model/ams.js";
import { Random } from "../random.js";
import { makeFolder, writeWhole, writing } from "../writing.js";
import { checkpointsIn, restoreCheckpoint, type Progression } from "./checkpoint.js";
import { eventFiles, eventFolder, setEventsAside } from "./eventLog.js";
import { labelClasses } from "./labels.js";
import type { Auxiliary } from "./objective.js";
import { createAdam, type Adam } from "./optimiser.js";
import { createQueue, queueVariables } from "./queue.js";
import type { Recipe } from "./recipe.js";
import type { StepRecord } from "./records.js";
import type { TrainOptions } from "./trainer.js";

/** Everything that changes while a training runs. */
export interface Training {
  model: Model;
  recipe: Recipe;
  items: Item[];
  classes: string[];
  auxiliary: Auxiliary;
  adam: Adam;
  totalSteps: number;
  progression: Progression;
}

/** A training at its start. */
export function prepare(
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
      where: dataset.root,
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
    ...(recipe.queue === undefined ? {} : { queue: createQueue(model, recipe.queue) }),
  };
  const { display: _display, experiment: _experiment, overrides, ...plain } = options;
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
        quirks: recipe.quirks,
        data: {
          name: dataset.name,
          root: dataset.root,
          ...(dataset.opened === undefined ? {} : { opened: dataset.opened }),
        },
      },
      steps: [],
      epochs: [],
    },
  };
}

/** The auxiliary variables by name. */
export function auxiliaryMap({ logScale, classes, queue }: Auxiliary): Map<string, tf.Variable> {
  return new Map([
    ["logScale", logScale],
    ...(classes === undefined ? [] : [["classes", classes] as const]),
    ...(queue === undefined ? [] : queueVariables(queue)),
  ]);
}

/** Frees what is not the model. */
export function disposeTraining({ adam, auxiliary }: Training): void {
  for (const { first, second } of adam.moments.values()) tf.dispose([first, second]);
  for (const variable of auxiliaryMap(auxiliary).values()) variable.dispose();
}

/** A new folder, or the one of a run that goes on with its training restored. */
export function openFolder(folder: string, training: Training, options: TrainOptions, context: Context): void {
  const { model, recipe, progression } = training;
  const events = eventFolder(folder, options.tensorboard);
  if (options.resume === true) {
    if (options.name === undefined) {
      throw new AmsError("--resume needs the name of the run", {
        where: "--resume",
        hint: "ams runs lists them; give --name NAME --resume",
      });
    }
    const checkpoints = path.join(folder, "checkpoints");
    const auxiliary = auxiliaryMap(training.auxiliary);
    const found = restoreCheckpoint(
      checkpoints,
      model,
      training.adam,
      auxiliary,
      (line) => {
        context.note(line);
      },
      progression.fingerprint,
    );
    // The published code restarts at epoch 0 with the weights alone.
    if (recipe.quirks.resumeSchedule) {
      if (options.steps !== undefined && found.step >= options.steps) {
        throw new AmsError(`${found.step} steps are done already: nothing is left to train`, {
          where: `run "${options.name}", up to --steps ${options.steps} (as given now, else as when it began)`,
          hint: `--steps counts from the run's beginning: give --steps above ${found.step}`,
        });
      }
      Object.assign(progression, { ...found, options: progression.options });
      // The log goes on from the checkpoint: later steps are made again, and a kill may have cut its last line short.
      const log = stepLog(folder);
      writing(log, () => {
        writeWhole(
          log,
          found.steps.map((record) => `${JSON.stringify(record)}\n`),
        );
      });
    } else {
      context.note(
        `the published recipe begins again at epoch 1 with the weights of step ${found.step}; to go on where it stopped: --quirk resumeSchedule=corrected`,
      );
      for (const { first, second } of training.adam.moments.values()) tf.dispose([first, second]);
      training.adam = createAdam();
      // Steps are counted from 0 again: the old checkpoints and log would be taken for newer ones.
      const suffix = `until-step-${found.step}-${Date.now()}`;
      renameSync(checkpoints, `${checkpoints}-${suffix}`);
      if (existsSync(stepLog(folder))) renameSync(stepLog(folder), path.join(folder, `steps-${suffix}.jsonl`));
      if (events !== undefined) setEventsAside(events, suffix);
    }
  } else {
    // A folder without a checkpoint is what a process leaves that is killed before its first step: nothing is in it.
    const log = stepLog(folder);
    const began = existsSync(log) && statSync(log).size > 0;
    if (began || checkpointsIn(path.join(folder, "checkpoints")).length > 0) {
      throw new AmsError(`there is a run named ${path.basename(folder)} already`, {
        where: folder,
        hint: "choose another --name, or add --resume to go on with it",
      });
    }
    if (events !== undefined && events !== folder && eventFiles(events).length > 0) {
      throw new AmsError(`there are event files of a run named ${path.basename(folder)} already`, {
        where: events,
        hint: "choose another --name or another folder for --tensorboard, or remove them",
      });
    }
  }
  try {
    makeFolder(folder);
  } catch (cause) {
    throw new AmsError("the run's folder cannot be made", {
      where: folder,
      hint: "free space or set AMS_HOME to a folder that can be written",
      cause,
    });
  }
  logSteps(folder, []); // a run is there once it has a log
}

/** The run's log: one line of JSON a step. */
function stepLog(folder: string): string {
  return path.join(folder, "steps.jsonl");
}

/** Adds steps to the run's log. Throws an AmsError where the disk is full. */
export function logSteps(folder: string, steps: StepRecord[]): void {
  const file = stepLog(folder);
  writing(file, () => {
    appendFileSync(file, steps.map((record) => `${JSON.stringify(record)}\n`).join(""));
  });
}
