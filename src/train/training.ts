/** The state of a training: what it works on, and its folder, new or restored. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import type { Dataset, Item } from "../data/dataset.js";
import { AmsError } from "../errors.js";
import type { Model } from "../model/ams.js";
import { Random } from "../random.js";
import { restoreCheckpoint, type Progression } from "./checkpoint.js";
import { labelClasses } from "./labels.js";
import type { Auxiliary } from "./objective.js";
import { createAdam, type Adam } from "./optimiser.js";
import type { Recipe } from "./recipe.js";
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

/** The auxiliary variables by name. */
export function auxiliaryMap({ logScale, classes }: Auxiliary): Map<string, tf.Variable> {
  return new Map([["logScale", logScale], ...(classes === undefined ? [] : [["classes", classes] as const])]);
}

/** Frees what is not the model. */
export function disposeTraining({ adam, auxiliary }: Training): void {
  for (const { first, second } of adam.moments.values()) tf.dispose([first, second]);
  for (const variable of auxiliaryMap(auxiliary).values()) variable.dispose();
}

/** A new folder, or the one of a run that goes on with its training restored. */
export function openFolder(folder: string, training: Training, options: TrainOptions, context: Context): void {
  const { model, recipe, progression } = training;
  if (options.resume === true) {
    if (options.name === undefined) {
      throw new AmsError("--resume needs the name of the run", {
        where: "--resume",
        hint: "%ams runs lists them; give --name NAME --resume",
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
      Object.assign(progression, { ...found, options: progression.options });
    } else {
      for (const { first, second } of training.adam.moments.values()) tf.dispose([first, second]);
      training.adam = createAdam();
      // Steps are counted from 0 again: the old checkpoints would be taken for newer ones.
      renameSync(checkpoints, `${checkpoints}-until-step-${found.step}-${Date.now()}`);
    }
  } else {
    if (existsSync(folder)) {
      throw new AmsError(`there is a run named ${path.basename(folder)} already`, {
        where: folder,
        hint: "choose another --name, or add --resume to go on with it",
      });
    }
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
