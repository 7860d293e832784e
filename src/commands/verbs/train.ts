/** `train`: fit a model with a recipe; live table and curve; stop and go on. */
import path from "node:path";
import { z } from "zod";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import type { Model } from "../../model/ams.js";
import type { Recipe } from "../../train/recipe.js";
import type { Run, TrainOptions } from "../../train/trainer.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { modelOptions, shippedModels, wantModel } from "../models.js";
import { findRun, lastCheckpoint, readRuns, type StoredRun } from "../runList.js";
import { setModel, type Session } from "../session.js";
import { trainingDisplay } from "../show/training.js";
import { recipeOption, sizeOption } from "./build.js";

/** Pretrained for the scenes: where a training starts when the session has no model. */
const encoders = "scenes-encoders";

const trainShape = {
  ...dataOptions,
  ...modelOptions,
  size: sizeOption,
  recipe: recipeOption,
  epochs: option(z.int().min(1).optional(), { help: "passes over the split", value: "N" }),
  steps: option(z.int().min(1).optional(), { help: "stop after this many steps in all", value: "N" }),
  batchSize: option(z.int().min(2).optional(), { help: "image-caption pairs a step", value: "N" }),
  learningRate: option(z.number().positive().optional(), { help: "of Adam, before the schedule", value: "X" }),
  margin: option(z.number().min(0).optional(), {
    help: "of the hinge between right and hardest wrong pair",
    value: "X",
  }),
  gradClip: option(z.number().positive().optional(), { help: "limit of the gradients' global norm", value: "X" }),
  maxViolation: option(z.literal(true).optional(), {
    help: "hinge on the hardest negatives (the loss of the ams recipes)",
  }),
  seed: option(z.int().min(0).optional(), { help: "of order, crops and dropout", value: "N" }),
  split: option(z.string().optional(), { help: "the split to train on (default train)", complete: "split" }),
  validate: option(z.int().min(0).optional(), {
    help: "images of val to evaluate after each epoch, 0 for none (default: at most 500)",
    value: "N",
  }),
  skipBadImages: option(z.boolean().default(false), { help: "pass over unreadable images instead of stopping" }),
  checkpointSeconds: option(z.int().min(1).optional(), {
    help: "time between checkpoints inside an epoch (default 600)",
    value: "N",
  }),
  name: option(z.string().optional(), {
    help: "of the run and its folder (default: recipe and time)",
    value: "NAME",
  }),
  resume: option(z.union([z.boolean(), z.string()]).optional(), {
    help: "go on with this run, or with the latest one that is not finished",
    value: "RUN",
    complete: "run",
  }),
  overrides: option(z.custom<Partial<Recipe>>((value) => typeof value === "object" && value !== null).optional(), {
    help: "changes to the recipe, e.g. {flip: 0}",
    type: "Partial<Recipe>",
    codeOnly: true,
  }),
  lambdaSoftmax: option(z.literal(20).optional(), {
    help: "inverse temperature of the attention, as published; the score is defined with 20",
    value: "20",
  }),
  alpha: option(z.literal(2).optional(), {
    help: "of the threshold mining, as published; it is defined with 2",
    value: "2",
  }),
};

export const trainCommand = defineCommand({
  name: "train",
  summary: "fit the model; live table and curve; stop and go on at will",
  about:
    "Trains the session's model (or --checkpoint, or a new one of --size; else the scenes' pretrained encoders). What is not given comes from the recipe. " +
    "An interrupt (Ctrl-C) stops after the step it is in, with a checkpoint: --resume goes on from there.",
  options: trainShape,
  aliases: {
    ...dataAliases,
    lr: "learningRate",
    bs: "batchSize",
    batchSizeTrain: "batchSize",
    numEpochs: "epochs",
    loggerName: "name",
  },
  redirect: { flag: "test", verb: "eval", arguments: ["--split", "test"] },
  examples: [
    "train --epochs 5 --lr 2e-5",
    "train --data scenes --steps 200 --name first-try",
    "train --resume first-try",
    "train --dataset flickr --data_path ~/flickr30k/images --max_violation --num_epochs 25 --batch_size_train 32",
  ],
  resultType: "Run",
  run: async (options, context, session): Promise<Run> => {
    const stored = options.resume === undefined || options.resume === false ? undefined : runToResume(options, session);
    await wantEngine(context, session);
    const dataset = await wantDataset(options, context, session);
    const model = await startingModel(options, stored, context, session);
    const { train } = await import("../../train/trainer.js");
    const recipe = options.recipe ?? stored?.recipe ?? nextRecipe(model);
    if (recipe !== undefined && options.recipe === undefined && stored === undefined) {
      context.note(`the model is pretrained: going on with the recipe ${recipe} (--recipe chooses another)`);
    }
    const run = await train(model, dataset, trainOptions({ ...options, recipe }, stored), context);
    session.evaluations = []; // they were made with the weights before
    setModel(session, run.model);
    session.run = run;
    if (run.status === "stopped") {
      context.note(`stopped after step ${String(run.steps.length)}; to go on: ams train --resume ${run.name}`);
    }
    return run;
  },
  json: ({ name, folder, recipe, options, status, steps, epochs }) => ({
    name,
    folder,
    recipe,
    options,
    status,
    steps: steps.length,
    loss: steps.at(-1)?.loss ?? null,
    epochs,
  }),
});

interface Given extends Record<string, unknown> {
  resume?: boolean | string | undefined;
  name?: string | undefined;
}

/** The run of `--resume NAME` or `--name NAME --resume`; of `--resume` alone the latest that is not finished. */
function runToResume({ resume, name }: Given, session: Session): StoredRun {
  const named = typeof resume === "string" ? resume : name;
  if (named !== undefined) return findRun(path.basename(named));
  const latest = session.run?.status === "stopped" ? session.run.name : undefined;
  const open = latest ?? readRuns().find((run) => run.status !== "finished")?.name;
  if (open !== undefined) return findRun(open);
  throw new AmsError("there is no unfinished run to go on with", {
    where: "ams train --resume",
    hint: "`ams runs` lists the runs; --resume NAME --epochs N lets a finished one go on",
  });
}

async function startingModel(
  options: Given & {
    checkpoint?: string | undefined;
    model?: Model | undefined;
    size?: "tiny" | "small" | "base" | undefined;
    recipe?: string | undefined;
    seed?: number | undefined;
  },
  stored: StoredRun | undefined,
  context: Context,
  session: Session,
): Promise<Model> {
  const { checkpoint, model, size, recipe, seed } = options;
  if (stored !== undefined) {
    if (session.run?.name === stored.name) return session.run.model;
    const folder = lastCheckpoint(stored.folder);
    if (folder === undefined) {
      throw new AmsError(`run "${stored.name}" has no checkpoint to go on from`, {
        where: stored.folder,
        hint: "it ended before its first checkpoint: start it anew under another --name",
      });
    }
    return wantModel({ checkpoint: folder }, context, session);
  }
  if (checkpoint !== undefined || model !== undefined) {
    const chosen = await wantModel({ checkpoint, model }, context, session);
    if (size !== undefined && size !== chosen.config.size) {
      throw new AmsError(`the model is of size ${chosen.config.size}, not ${size}`, {
        where: checkpoint ?? "model",
        hint: `leave out --size, or ask for --size ${chosen.config.size}`,
      });
    }
    return chosen;
  }
  if (size === undefined && session.model !== undefined) return session.model;
  if (size === undefined && recipe !== "scenes-pretrain" && shippedModels().includes(encoders)) {
    context.note(`starting from the pretrained encoders ${encoders} (--size starts from random weights)`);
    return wantModel({ checkpoint: encoders }, context, session);
  }
  const { buildModel } = await import("../../model/build.js");
  return buildModel({ size: size ?? "small", ...(seed === undefined ? {} : { seed }) });
}

/** Weights that come out of the pretraining are not pretrained again: the stage after it is meant. Else the model's own recipe. */
export function nextRecipe({ recipe, source }: Pick<Model, "recipe" | "source">): string | undefined {
  return recipe === "scenes-pretrain" && source !== undefined ? "scenes-contrast" : undefined;
}

const kept = [
  "epochs",
  "steps",
  "batchSize",
  "learningRate",
  "seed",
  "split",
  "validate",
  "checkpointSeconds",
] as const;

/** What the trainer is told: as given now; a resumed run keeps what it was started with. */
function trainOptions(options: z.output<z.ZodObject<typeof trainShape>>, stored: StoredRun | undefined): TrainOptions {
  const { margin, gradClip, maxViolation, overrides, recipe, name, skipBadImages } = options;
  const before = (stored?.options ?? {}) as TrainOptions;
  const changes: Partial<Recipe> = {
    ...before.overrides,
    ...overrides,
    ...(margin === undefined ? {} : { margin }),
    ...(gradClip === undefined ? {} : { clip: gradClip }),
    ...(maxViolation === undefined ? {} : { loss: "hinge" }),
  };
  const chosen = Object.fromEntries(
    kept.map((key) => [key, options[key] ?? before[key]] as const).filter(([, value]) => value !== undefined),
  );
  const chosenName = stored?.name ?? (name === undefined ? undefined : path.basename(name));
  return {
    ...chosen,
    ...(recipe === undefined ? {} : { recipe }),
    ...(Object.keys(changes).length === 0 ? {} : { overrides: changes }),
    ...(chosenName === undefined ? {} : { name: chosenName }),
    ...(stored === undefined ? {} : { resume: true }),
    ...(skipBadImages ? { onBadImage: "skip" } : {}),
    display: trainingDisplay,
  };
}
