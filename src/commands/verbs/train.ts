/** `train`: fit a model with a recipe; live table and curve; stop and go on. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Context } from "../../context.js";
import type { Dataset, Opened } from "../../data/dataset.js";
import { refuseRegions } from "../../data/regionFeatures.js";
import { AmsError } from "../../errors.js";
import type { Model } from "../../model/ams.js";
import { ofSize, type ModelConfig } from "../../model/config.js";
import { quirks, quirkSwitches } from "../../model/quirks.js";
import { readStoredConfig } from "../../model/stored.js";
import { recipes, type Recipe } from "../../train/recipe.js";
import type { Run, TrainOptions } from "../../train/trainer.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, openDataset, wantDataset, type DataChoice } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { modelOptions, newConfig, sayDrawing, shippedModels, wantModel } from "../models.js";
import { checkpointFolders, findRun, readRuns, runFolder, type StoredRun } from "../runList.js";
import { resolvePath, setModel, type Session } from "../session.js";
import { trainingDisplay } from "../show/training.js";
import { overridesProblem } from "../overrides.js";
import { batchSizeOption, microBatchOption, quirkOption, recipeOption, recomputeOption, sizeOption } from "./build.js";

/** Pretrained for the scenes: where a training starts when the session has no model. */
const encoders = "scenes-encoders";

/** What the published training on Flickr30K and MS-COCO starts from, by their names in the hub's cache. */
const publishedEncoders = { vision: "google/vit-base-patch16-384", text: "bert-base-uncased" };

const trainShape = {
  ...dataOptions,
  ...modelOptions,
  size: sizeOption,
  recipe: recipeOption,
  quirk: quirkOption,
  epochs: option(z.int().min(1).optional(), { help: "passes over the split", value: "N" }),
  steps: option(z.int().min(1).optional(), { help: "stop after this many steps in all", value: "N" }),
  batchSize: batchSizeOption,
  recompute: recomputeOption,
  microBatch: microBatchOption,
  precision: option(z.enum(["float32", "bfloat16"]).optional(), {
    help: "of the linear layers' products: bfloat16 is faster, on TensorFlow, with 8 bits of mantissa (default: the recipe's)",
  }),
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
  skipBadImages: option(z.boolean().default(false), {
    help: "pass over missing and unreadable images, count and list them, instead of stopping (also where the run is resumed)",
  }),
  checkpointSeconds: option(z.int().min(1).optional(), {
    help: "time between checkpoints inside an epoch (default 600)",
    value: "N",
  }),
  name: option(z.string().optional(), {
    help: "of the run and its folder (default: recipe and time)",
    value: "NAME",
  }),
  resume: option(z.union([z.boolean(), z.string()]).optional(), {
    help: "go on with this run, with the latest unfinished one that has a checkpoint, or with the published code's model_best.pth.tar",
    value: "RUN|FILE",
    complete: "run",
  }),
  tensorboard: option(z.union([z.boolean(), z.string()]).optional(), {
    help: "also write event files for TensorBoard, into the run's folder or into DIR/NAME (also where the run is resumed)",
    value: "DIR",
    complete: "folder",
  }),
  overrides: option(
    z
      .custom<Partial<Recipe>>((value) => overridesProblem(value) === undefined, {
        error: ({ input }) => overridesProblem(input),
      })
      .optional(),
    {
      help: "changes to the recipe, e.g. {flip: 0}; also in the YAML of a whole experiment",
      value: "{SETTING: VALUE}",
      type: "Partial<Recipe>",
      codeOnly: true,
    },
  ),
  loggerName: option(z.string().optional(), {
    help: "the run's folder, as published; its last part becomes the run's --name",
    value: "PATH",
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
    "Trains the session's model (or --checkpoint, or a new one of --size; else the scenes' pretrained encoders, on flickr30k and coco the published ones from the hub's cache). " +
    "What is not given comes from the recipe. " +
    "An interrupt (Ctrl-C) stops at once, with a checkpoint of the last finished step: --resume goes on from there.",
  options: trainShape,
  aliases: {
    ...dataAliases,
    lr: "learningRate",
    bs: "batchSize",
    batchSizeTrain: "batchSize",
    numEpochs: "epochs",
  },
  redirect: { flag: "test", verb: "eval", arguments: ["--split", "test"], drops: true },
  examples: [
    "train --epochs 5 --lr 2e-5",
    "train --data scenes --steps 200 --name first-try",
    "train --resume first-try",
    "train --name second-try --tensorboard",
    "train --resume model_best.pth.tar --recipe ams-corrected",
    "train --dataset flickr --data_path ~/flickr30k/images --max_violation --num_epochs 25 --batch_size_train 32",
  ],
  resultType: "Run",
  run: async (given, context, session): Promise<Run> => {
    const startFrom = publishedFile(given, session);
    const { tensorboard } = given;
    const options = {
      ...given,
      ...(startFrom === undefined ? {} : { resume: undefined, checkpoint: startFrom }),
      tensorboard: typeof tensorboard === "string" ? resolvePath(session, tensorboard) : tensorboard,
    };
    const name = runName(options);
    const stored =
      options.resume === undefined || options.resume === false ? undefined : runToResume({ ...options, name }, session);
    if (stored !== undefined) {
      context.note(goingOn(stored, options));
      checkResumed(options, stored, context);
    }
    const engine = await wantEngine(context, session);
    const passes = options.skipBadImages || (stored?.options as TrainOptions | undefined)?.onBadImage === "skip";
    const dataset = await trainingData({ ...options, skipBadImages: passes }, stored, context, session);
    const { checkIntended, train } = await import("../../train/trainer.js");
    const told = (recipe: string | undefined): TrainOptions => ({
      ...trainOptions({ ...options, name, recipe }, stored),
      ...(startFrom === undefined ? {} : { startFrom }),
      ...(session.experiment === undefined ? {} : { experiment: session.experiment }),
    });
    const { overrides } = told(options.recipe);
    if (overrides?.precision === "bfloat16" && engine.name !== "native" && engine.name !== "gpu") {
      context.note(`precision bfloat16 does nothing on engine ${engine.name}: only TensorFlow has such products`);
    }
    const check = (config: ModelConfig): void => {
      checkIntended({ config, recipe: "ams-published", quirks: quirks.published }, dataset, told(options.recipe));
    };
    const model = await startingModel(options, dataset, check, stored, context, session);
    const recipe = options.recipe ?? stored?.recipe ?? nextRecipe(model, dataset);
    if (recipe !== undefined && options.recipe === undefined && stored === undefined) {
      context.note(`the model is pretrained: going on with the recipe ${recipe} (--recipe chooses another)`);
    }
    const run = await train(model, dataset, told(recipe), context);
    session.evaluations = []; // they were made with the weights before
    setModel(session, run.model);
    session.run = run;
    if (run.status === "stopped") {
      const anew =
        "begins again at epoch 1 with these weights; --quirk resumeSchedule=corrected goes on where it stopped";
      const published = run.model.quirks.resumeSchedule ? "" : ` (the published recipe ${anew})`;
      context.note(
        `stopped after step ${String(run.steps.length)}; to go on: ams train --resume ${run.name}${published}`,
      );
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

/** The file of `--resume model_best.pth.tar`, which a training of the published code has written. */
function publishedFile(
  { resume, checkpoint }: { resume?: boolean | string | undefined; checkpoint?: string | undefined },
  session: Session,
): string | undefined {
  if (typeof resume !== "string") return undefined;
  const file = resolvePath(session, resume);
  if (!existsSync(file) || !statSync(file).isFile()) return undefined;
  if (checkpoint === undefined) return file;
  throw new AmsError("a training goes on either from a file or from a checkpoint", {
    where: `--resume ${resume} together with --checkpoint ${checkpoint}`,
    hint: "leave out --checkpoint: the file has the weights",
  });
}

/** The run of `--resume NAME` or `--name NAME --resume`; of `--resume` alone the latest unfinished one with a checkpoint. */
function runToResume({ resume, name }: Given, session: Session): StoredRun {
  const named = typeof resume === "string" ? resume : name;
  if (named !== undefined) return findRun(path.basename(named));
  const latest = session.run?.status === "stopped" ? session.run.name : undefined;
  const goesOn = ({ status, folder }: StoredRun): boolean =>
    ["stopped", "failed", "unfinished"].includes(status) && checkpointFolders(folder).length > 0;
  const open = latest ?? readRuns().find(goesOn)?.name;
  if (open !== undefined) return findRun(open);
  throw new AmsError("there is no unfinished run to go on with", {
    where: "ams train --resume",
    hint: "`ams runs` lists the runs; --resume NAME --epochs N lets a finished one go on",
  });
}

/** `going on with run NAME (ams-corrected, small, step 40 of 200)`, known before data and model are read; without --steps the epochs. */
function goingOn(
  { name, folder, recipe, options, epochs }: StoredRun,
  given: z.output<z.ZodObject<typeof trainShape>>,
): string {
  const [checkpoint] = checkpointFolders(folder);
  const before = options as TrainOptions;
  const step = checkpoint === undefined ? undefined : Number(/\d+$/.exec(checkpoint)?.[0]);
  const steps = given.steps ?? before.steps;
  const passes = given.epochs ?? before.epochs ?? before.overrides?.epochs ?? recipes[recipe]?.epochs;
  const ofAll =
    steps !== undefined ? ` of ${steps}` : passes === undefined ? "" : `, ${epochs.length} of ${passes} epochs`;
  const about = [
    given.recipe ?? recipe,
    ...(checkpoint === undefined ? [] : sizeIn(checkpoint)),
    ...(step === undefined ? ["no checkpoint"] : [`step ${step}${ofAll}`]),
  ];
  return `going on with run ${name} (${about.join(", ")})`;
}

/** Of a checkpoint's model, as a list of one; empty where it is damaged, which is told when the weights are read. */
function sizeIn(checkpoint: string): string[] {
  try {
    return [readStoredConfig(path.join(checkpoint, "config.json")).config.size];
  } catch {
    return [];
  }
}

/** A run that goes on has its name and its weights: throws where the line asks for others. Notes what else is another than before. */
function checkResumed(options: z.output<z.ZodObject<typeof trainShape>>, stored: StoredRun, context: Context): void {
  const refused = (what: string, where: string, leave: string): AmsError =>
    new AmsError(`run "${stored.name}" goes on ${what}`, {
      where: `ams train --resume ${stored.name} ${where}`,
      hint: `leave out ${leave}; a training of its own begins without --resume, under another --name`,
    });
  if (options.name !== undefined && options.name !== stored.name)
    throw refused("under its own name", `--name ${options.name}`, "--name");
  const { checkpoint } = options;
  if (checkpoint !== undefined || options.model !== undefined)
    throw refused("from its own last checkpoint", `--checkpoint ${checkpoint ?? "MODEL"}`, "--checkpoint");
  const { recipe = stored.recipe } = options;
  if (!isDeepStrictEqual(recipes[recipe]?.head, recipes[stored.recipe]?.head))
    throw refused(`with the model of its recipe ${stored.recipe}`, `--recipe ${recipe}`, "--recipe");
  const before = { ...recipes[stored.recipe], ...stored.options, recipe: stored.recipe };
  const changed = (["recipe", "seed", "batchSize", "learningRate"] as const).flatMap((key) => {
    const [now, then] = [options[key], (before as Record<string, unknown>)[key] as string | number | undefined];
    return now === undefined || then === undefined || now === then ? [] : [`${key} ${now} instead of ${then}`];
  });
  if (changed.length > 0) {
    const steps = stored.lastStep?.step ?? 0;
    context.note(
      `run "${stored.name}" goes on with ${changed.join(", ")}: its first ${steps} steps were the other's, its record now names the new ones`,
    );
  }
}

/** The name of the run to be. The published --logger_name is a path, of which the last part counts. */
function runName({
  name,
  loggerName,
}: {
  name?: string | undefined;
  loggerName?: string | undefined;
}): string | undefined {
  if (name === undefined) return loggerName === undefined ? undefined : path.basename(loggerName);
  if (!/[/\\]/.test(name)) return name;
  throw new AmsError("the name of a run is no path", {
    where: `--name ${name}`,
    hint: `write --name ${path.basename(name)}; runs lie in ${path.dirname(runFolder("run"))}, and AMS_HOME moves them`,
  });
}

/** The data set as chosen; that of a resumed run is the one that it was trained on. */
async function trainingData(
  choice: DataChoice,
  stored: StoredRun | undefined,
  context: Context,
  session: Session,
): Promise<Dataset> {
  const chosen = [choice.data, choice.root, choice.annotations, choice.captions].some((value) => value !== undefined);
  const before = stored?.options["data"] as { name?: string; root?: string; opened?: Opened } | undefined;
  const { name, root, opened } = before ?? {};
  if (chosen || stored === undefined || name === undefined || root === undefined) {
    return wantDataset(choice, context, session);
  }
  const open = session.dataset;
  if (open?.name === name && open.root === root) return open;
  const annotated = name === "flickr30k" || name === "coco";
  // The scenes are drawn to order: theirs is the folder around their images, however they were asked for.
  const where =
    name === "scenes" ? { data: path.dirname(root) } : (opened ?? (annotated ? { data: name, root } : { data: root }));
  try {
    const { skipProblems, leftOut = [] } = opened ?? {};
    return await openDataset(where, { skipProblems, leftOut, skipBadImages: choice.skipBadImages }, context, session);
  } catch (cause) {
    const place = annotated ? `${name} --root ${root} --annotations DIR` : `${where.data} --captions FILE`;
    throw new AmsError(`the data that run "${stored.name}" was trained on cannot be opened: ${name}`, {
      where: `${root}${cause instanceof AmsError ? ` (${cause.message})` : ""}`,
      hint: `say where it is: ams train --name ${stored.name} --resume --data ${name === "scenes" ? "DIR" : place}; or, where only images are missing, pass over them: --skip-bad-images`,
      cause,
    });
  }
}

/** The model of a run's newest checkpoint that can be read; the trainer then restores the newest whole one into it. */
async function checkpointModel(stored: StoredRun, context: Context, session: Session): Promise<Model> {
  const folders = checkpointFolders(stored.folder);
  for (const checkpoint of folders) {
    try {
      return await wantModel({ checkpoint }, context, session);
    } catch (error) {
      context.note(`checkpoint ${checkpoint} cannot be read (${(error as Error).message}): trying the one before`);
    }
  }
  throw new AmsError(
    folders.length === 0
      ? `run "${stored.name}" has no checkpoint to go on from`
      : `no checkpoint of run "${stored.name}" can be read`,
    {
      where: path.join(stored.folder, "checkpoints"),
      hint: `${folders.length === 0 ? "it ended before its first checkpoint: " : ""}start it anew under another --name`,
    },
  );
}

/** `check` throws for the sizes of a new model that cannot be trained so: before its weights are drawn. */
async function startingModel(
  options: Given & {
    checkpoint?: string | undefined;
    model?: Model | undefined;
    size?: "tiny" | "small" | "base" | undefined;
    recipe?: string | undefined;
    seed?: number | undefined;
  },
  dataset: Dataset,
  check: (config: ModelConfig) => void,
  stored: StoredRun | undefined,
  context: Context,
  session: Session,
): Promise<Model> {
  const { checkpoint, model, size, recipe, seed } = options;
  const ofThatSize = (chosen: Model, where: string): Model => {
    if (size === undefined || size === chosen.config.size) return chosen;
    throw new AmsError(`the model is ${ofSize(chosen.config)}, not ${size}`, {
      where,
      hint: "leave out --size: the model has its own",
    });
  };
  if (stored !== undefined) {
    const own = session.run?.name === stored.name ? session.run.model : undefined;
    return ofThatSize(own ?? (await checkpointModel(stored, context, session)), `run "${stored.name}"`);
  }
  if (checkpoint !== undefined || model !== undefined) {
    return ofThatSize(await wantModel({ checkpoint, model }, context, session), checkpoint ?? "model");
  }
  if (size === undefined && session.model !== undefined) return session.model;
  // Every model that is made here looks at pictures.
  refuseRegions(Object.values(dataset.splits).flatMap(([first]) => first?.image ?? []));
  if (size === undefined && ofPhotographs(dataset)) return publishedStart(dataset, seed, context);
  if (size === undefined && recipe !== "scenes-pretrain" && shippedModels().includes(encoders)) {
    context.note(`starting from the pretrained encoders ${encoders} (--size starts from random weights)`);
    return wantModel({ checkpoint: encoders }, context, session);
  }
  const config = await newConfig(size);
  check(config);
  await sayDrawing(config, context);
  const { buildModel } = await import("../../model/build.js");
  return buildModel({ size: size ?? "small", ...(seed === undefined ? {} : { seed }) });
}

/** The sets that the published code trains on. */
function ofPhotographs({ name }: Dataset): boolean {
  return name === "flickr30k" || name === "coco";
}

/** A new model over the encoders that the published code loads by itself. Throws an AmsError that says how to get them where they are not here. */
async function publishedStart(dataset: Dataset, seed: number | undefined, context: Context): Promise<Model> {
  const { vision, text } = publishedEncoders;
  const { findWeights, hubCache } = await import("../../model/weights/hub.js");
  try {
    findWeights(vision, "--vision");
    findWeights(text, "--text");
  } catch (cause) {
    throw new AmsError(
      `a training on ${dataset.name} starts from encoders pretrained on photographs, and none are given`,
      {
        where: `ams train without --checkpoint (${vision} and ${text} are not both in ${hubCache()})`,
        hint: `fetch them once: hf download ${vision} and hf download ${text}; or name yours: ams build --vision DIR --text DIR --out ams-start, then train --checkpoint ams-start; --size starts from random weights`,
        cause,
      },
    );
  }
  context.note(`starting from the pretrained encoders ${vision} and ${text} (--checkpoint chooses others)`);
  const { buildModel } = await import("../../model/build.js");
  return buildModel({ ...publishedEncoders, ...(seed === undefined ? {} : { seed }) });
}

/**
 * Weights that come out of the scenes' pretraining are not pretrained again: the stage after it is meant, on photographs the published
 * training. Else (undefined) the model's own recipe.
 */
export function nextRecipe({ recipe, source }: Pick<Model, "recipe" | "source">, dataset: Dataset): string | undefined {
  if (recipe !== "scenes-pretrain" || source === undefined) return undefined;
  return ofPhotographs(dataset) ? "ams-published" : "scenes-contrast";
}

const keptOptions = [
  "epochs",
  "steps",
  "batchSize",
  "recompute",
  "microBatch",
  "learningRate",
  "seed",
  "split",
  "validate",
  "checkpointSeconds",
  "tensorboard",
] as const;

/** What the trainer is told: as given now; a resumed run keeps what it was started with. */
function trainOptions(options: z.output<z.ZodObject<typeof trainShape>>, stored: StoredRun | undefined): TrainOptions {
  const { margin, gradClip, maxViolation, precision, overrides, recipe, name, skipBadImages } = options;
  const before = (stored?.options ?? {}) as TrainOptions;
  // Another recipe brings its own quirks.
  const kept = options.recipe === undefined || options.recipe === stored?.recipe ? before.quirks : undefined;
  const quirks = { ...kept, ...quirkSwitches(options.quirk ?? []) };
  const changes: Partial<Recipe> = {
    ...before.overrides,
    ...overrides,
    ...(margin === undefined ? {} : { margin }),
    ...(gradClip === undefined ? {} : { clip: gradClip }),
    ...(precision === undefined ? {} : { precision }),
    ...(maxViolation === undefined ? {} : { loss: "hinge" }),
  };
  const chosen = Object.fromEntries(
    keptOptions.map((key) => [key, options[key] ?? before[key]] as const).filter(([, value]) => value !== undefined),
  );
  const chosenName = stored?.name ?? name;
  return {
    ...chosen,
    ...(recipe === undefined ? {} : { recipe }),
    ...(Object.keys(changes).length === 0 ? {} : { overrides: changes }),
    ...(Object.keys(quirks).length === 0 ? {} : { quirks }),
    ...(chosenName === undefined ? {} : { name: chosenName }),
    ...(stored === undefined ? {} : { resume: true }),
    ...(skipBadImages || before.onBadImage === "skip" ? { onBadImage: "skip" } : {}),
    display: trainingDisplay,
  };
}
