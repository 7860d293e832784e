/** `build`: make a model; the table of its parts. */
import path from "node:path";
import { z } from "zod";
import type { Model } from "../../model/ams.js";
import { quirkNames, quirkSwitches } from "../../model/quirks.js";
import { recipeOf, recipes } from "../../train/recipe.js";
import { checkPlace } from "../../writing.js";
import { defineCommand, option } from "../command.js";
import type { Context } from "../../context.js";
import type { Dataset } from "../../data/dataset.js";
import type { Frugality } from "../../train/memory.js";
import type { TrainingPlan } from "../../train/plan.js";
import { dataAliases, dataOptions, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { checkNames, checkpointFolder, encoderPlace, newConfig, sayDrawing } from "../models.js";
import { resolvePath, setModel } from "../session.js";
import { modelDisplay, modelSummary } from "../show/model.js";
import { shown } from "../show/shown.js";

export const recipeOption = option(z.enum(Object.keys(recipes)).optional(), {
  help: "what the training does and which quirks of the published code hold",
  value: "RECIPE",
});

/** Each quirk of the published code by itself, on top of what the recipe says. */
export const quirkOption = option(
  z.array(z.enum(quirkNames.flatMap((name) => [`${name}=published`, `${name}=corrected`]))).optional(),
  {
    help: "one quirk of the published code switched against the recipe",
    value: "NAME=published|corrected",
    values: `write NAME=published or NAME=corrected with one of the names ${quirkNames.join(", ")}`,
  },
);

export const sizeOption = option(z.enum(["tiny", "small", "base"]).optional(), {
  help: "base as published, small for laptops, tiny for tests",
  value: "SIZE",
});

export const batchSizeOption = option(z.int().min(2).optional(), { help: "image-caption pairs a step", value: "N" });

export const recomputeOption = option(z.boolean().optional(), {
  help: "less memory: compute the layers' insides twice instead of keeping them (a third more time)",
});

export const microBatchOption = option(z.int().min(1).optional(), {
  help: "less memory: encode so many pairs at a time; the loss still sees the whole batch, the same to rounding (in bfloat16 to its)",
  value: "N",
});

export const buildCommand = defineCommand({
  name: "build",
  summary: "make a model: random weights of a size, or a checkpoint",
  about:
    "scenes-small is the finished small model for the scenes, scenes-encoders its pretrained encoders: both come with the package. " +
    "In a terminal the model ends with the command, unless --out keeps it. " +
    "From random encoders the published loss collapses: start from encoders (--vision and --text, as published), or train with the recipe scenes-pretrain first. " +
    "The table tells what a training by the recipe takes: operations and memory of a step, and at the speed that is measured here the hours for the data that are open; --batch-size, --recompute and --micro-batch are for this forecast alone.",
  options: {
    size: sizeOption,
    recipe: recipeOption,
    quirk: quirkOption,
    checkpoint: option(z.string().optional(), {
      help: "start from these weights: a shipped model, a run's name, a folder with config.json, or the published code's model_best.pth.tar",
      value: "NAME|DIR|FILE",
      complete: "model",
    }),
    vision: option(z.string().optional(), {
      help: "a pretrained ViT: a folder or file of Hugging Face or PyTorch, or a name in the local hub cache",
      value: "NAME|PATH",
      complete: "encoder",
    }),
    text: option(z.string().optional(), {
      help: "a pretrained BERT, likewise; its vocabulary comes along",
      value: "NAME|PATH",
      complete: "encoder",
    }),
    regions: option(
      z
        .string()
        .regex(/^[1-9]\d*x[1-9]\d*$/, "write COUNTxWIDTH, such as 36x2048")
        .optional(),
      {
        help: "look at precomputed region features (36x2048 as NAAF's authors); captions by --text, or a GRU over the words of the open data",
        value: "COUNTxWIDTH",
      },
    ),
    pixels: option(z.int().min(1).optional(), {
      help: "side of the image, where the ViT was trained at another one: its positions are resized",
      value: "N",
    }),
    resize: option(z.enum(["bicubic", "bilinear"]).optional(), {
      help: "how positions are resized (default bicubic, as transformers does)",
      value: "HOW",
    }),
    embed: option(z.int().min(1).optional(), {
      help: "width of the projections over pretrained encoders (default 1024)",
      value: "N",
    }),
    vocabulary: option(z.string().optional(), {
      help: "a vocabulary of your own, one word piece a line (default: the text encoder's, else bert-base-uncased)",
      value: "FILE",
      complete: "file",
    }),
    seed: option(z.int().min(0).optional(), { help: "of the random weights (default 3407)", value: "N" }),
    ...dataOptions,
    out: option(z.string().optional(), {
      help: "also write the model into this folder, for train --checkpoint DIR and the others",
      value: "DIR",
      complete: "folder",
    }),
    batchSize: batchSizeOption,
    recompute: recomputeOption,
    microBatch: microBatchOption,
    measure: option(z.boolean().default(true), {
      help: "measure the speed of a step here, to tell how long a training takes",
    }),
  },
  aliases: { ...dataAliases, bs: "batchSize", batchSizeTrain: "batchSize" },
  examples: [
    "build --checkpoint scenes-encoders --recipe ams-corrected",
    "build --size small",
    "build --vision google/vit-base-patch16-384 --text bert-base-uncased --out my-model",
    "build --checkpoint model_best.pth.tar --recipe ams-published",
    "build --size base --recipe ams-published",
  ],
  resultType: "Model",
  run: async (
    {
      recipe,
      quirk = [],
      checkpoint,
      vocabulary,
      vision,
      text,
      data,
      root,
      annotations,
      captions,
      measure,
      out,
      regions,
      batchSize,
      recompute,
      microBatch,
      ...given
    },
    context,
    session,
  ): Promise<Model> => {
    const folder = out === undefined ? undefined : resolvePath(session, out);
    checkNames(session, checkpoint);
    if (folder !== undefined) checkPlace(path.join(folder, "model.safetensors"), folder); // before the work, not after it
    await wantEngine(context, session);
    const { buildModel } = await import("../../model/build.js");
    const choice = { data, root, annotations, captions };
    const chosen = Object.values(choice).some((value) => value !== undefined);
    const dataset = chosen ? await wantDataset(choice, context, session) : session.dataset;
    if (regions !== undefined && dataset !== undefined) await noteOtherData(regions, dataset, context);
    const file = vocabulary === undefined ? undefined : resolvePath(session, vocabulary);
    if ([regions, checkpoint, vision, text].every((from) => from === undefined)) {
      const head = recipe === undefined ? undefined : recipeOf(recipe).head;
      await sayDrawing(await newConfig(given.size, { vocabulary: file, head }), context);
    }
    const model = await buildModel({
      ...defined(given),
      ...(regions === undefined ? {} : await regionOptions(regions, text, dataset)),
      ...(recipe === undefined ? {} : { recipe: recipeOf(recipe) }),
      ...(checkpoint === undefined ? {} : { checkpoint: checkpointFolder(session, checkpoint) }),
      ...defined({ vocabulary: file }),
      quirks: quirkSwitches(quirk),
      ...defined({ vision: encoderPlace(session, vision), text: encoderPlace(session, text) }),
    });
    setModel(session, model);
    if (folder !== undefined) {
      const { saveModel } = await import("../../model/store.js");
      saveModel(model, folder);
      context.note(`written to ${folder}; to train it: ams train --checkpoint ${out}`);
    }
    const plan = await planOf(model, dataset, measure, { batchSize, recompute, microBatch });
    if (plan !== undefined) plans.set(model, plan);
    return shown(model, () => modelDisplay(model, plan));
  },
  json: (model) => ({ ...modelSummary(model), ...(plans.has(model) ? { plan: plans.get(model) } : {}) }),
});

/** Of `--regions 36x2048`; without a BERT the words are those of the training captions. */
async function regionOptions(
  size: string,
  text: string | undefined,
  dataset: Dataset | undefined,
): Promise<{ regions: { count: number; width: number }; words?: string[] }> {
  const [count = 0, width = 0] = size.split("x").map(Number);
  const regions = { count, width };
  if (text !== undefined) return { regions };
  const { wordsOf } = await import("../../model/regionModel.js");
  const items = dataset?.splits["train"] ?? [];
  return { regions, words: wordsOf(items.flatMap(({ captions }) => captions.map((caption) => caption.text))) };
}

/** Tells where the open data are not what a model of `--regions` will look at. */
async function noteOtherData(regions: string, dataset: Dataset, context: Context): Promise<void> {
  const { regionSizeIn, regionsText } = await import("../../data/regionFeatures.js");
  const size = regionSizeIn(dataset);
  const own = size === undefined ? undefined : `${size.count}x${size.width}`;
  if (own === regions) return;
  const fitting = size === undefined ? "has pictures" : `has ${regionsText(size)} an image: --regions ${own} fits them`;
  context.note(`the model will not fit the open data: ${dataset.name} ${fitting}`);
}

/** What was foretold of trainings; the model itself knows nothing of it. */
const plans = new WeakMap<Model, TrainingPlan>();

/** What a training of the model with its recipe takes; undefined where that is a recipe of elsewhere. */
async function planOf(
  model: Model,
  dataset: Dataset | undefined,
  measure: boolean,
  { batchSize, ...frugality }: Frugality & { batchSize: number | undefined },
): Promise<TrainingPlan | undefined> {
  const named = recipes[model.recipe];
  if (named === undefined) return undefined;
  const recipe = { ...named, quirks: model.quirks, ...(batchSize === undefined ? {} : { batchSize }) };
  const { measureSpeed, planTraining, withSpeed } = await import("../../train/plan.js");
  const plan = planTraining(model, recipe, dataset === undefined ? undefined : { dataset, split: "train" }, frugality);
  return measure ? withSpeed(plan, measureSpeed(model, recipe)) : plan;
}

/** Without the entries that were not given. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
