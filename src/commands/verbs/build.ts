/** `build`: make a model; the table of its parts. */
import { z } from "zod";
import type { Model } from "../../model/ams.js";
import { recipeOf, recipes } from "../../train/recipe.js";
import { defineCommand, option } from "../command.js";
import { wantEngine } from "../engines.js";
import { checkpointFolder } from "../models.js";
import { resolvePath, setModel } from "../session.js";
import { modelDisplay, modelSummary } from "../show/model.js";
import { shown } from "../show/shown.js";

export const recipeOption = option(z.enum(Object.keys(recipes)).optional(), {
  help: "what the training does and which quirks of the published code hold",
  value: "RECIPE",
});

export const sizeOption = option(z.enum(["tiny", "small", "base"]).optional(), {
  help: "base as published, small for laptops, tiny for tests",
  value: "SIZE",
});

export const buildCommand = defineCommand({
  name: "build",
  summary: "make a model: random weights of a size, or a checkpoint",
  about:
    "scenes-small is the finished small model for the scenes, scenes-encoders its pretrained encoders: both come with the package. " +
    "From random encoders the published loss collapses: start from encoders, or train with the recipe scenes-pretrain first.",
  options: {
    size: sizeOption,
    recipe: recipeOption,
    checkpoint: option(z.string().optional(), {
      help: "start from these weights: a shipped model, a run's name, or a folder with config.json",
      value: "NAME|DIR",
      complete: "model",
    }),
    vocabulary: option(z.string().optional(), {
      help: "a vocabulary of your own, one word piece a line (default: bert-base-uncased)",
      value: "FILE",
      complete: "file",
    }),
    seed: option(z.int().min(0).optional(), { help: "of the random weights (default 3407)", value: "N" }),
  },
  aliases: {},
  examples: [
    "build --checkpoint scenes-encoders --recipe ams-corrected",
    "build --size small",
    "build --size base --recipe ams-published",
  ],
  resultType: "Model",
  run: async ({ size, recipe, checkpoint, vocabulary, seed }, context, session): Promise<Model> => {
    await wantEngine(context, session);
    const { buildModel } = await import("../../model/build.js");
    const model = await buildModel({
      ...(size === undefined ? {} : { size }),
      ...(recipe === undefined ? {} : { recipe: recipeOf(recipe) }),
      ...(checkpoint === undefined ? {} : { checkpoint: checkpointFolder(session, checkpoint) }),
      ...(vocabulary === undefined ? {} : { vocabulary: resolvePath(session, vocabulary) }),
      ...(seed === undefined ? {} : { seed }),
    });
    setModel(session, model);
    return shown(model, () => modelDisplay(model));
  },
  json: modelSummary,
});
