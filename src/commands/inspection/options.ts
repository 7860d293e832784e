/** The options of `inspect`. */
import { z } from "zod";
import { engineNames } from "../../engine/types.js";
import { option } from "../command.js";
import { modelOptions } from "../models.js";
import { quirkOption, recipeOption } from "../verbs/build.js";

export const inspectShape = {
  what: option(z.enum(["pixels", "tokens", "features", "scores"]), { help: "what to look at", value: "WHAT" }),
  files: option(z.array(z.string()).optional(), {
    help: "pixels: image files; tokens: one text file with a caption a line; features, scores: more files of the checkpoint",
    value: "FILE",
    complete: "file",
  }),
  out: option(z.string(), {
    help: "the file to write: safetensors, or JSON for tokens",
    value: "FILE",
    complete: "file",
  }),
  size: option(z.int().min(1).max(4096).optional(), { help: "pixels: side of the result (default 384)", value: "N" }),
  maxLength: option(z.int().min(3).max(512).optional(), {
    help: "tokens: how many a caption has, [CLS] and [SEP] included (default 30)",
    value: "N",
  }),
  vocabulary: option(z.string().optional(), {
    help: "tokens: a vocabulary of your own, one word piece a line (default: bert-base-uncased)",
    value: "FILE",
    complete: "file",
  }),
  checkpoint: option(z.union([z.string(), z.array(z.string())]).optional(), {
    help: "features, scores: the model, as a name, a folder, or bare safetensors of the encoders' weights",
    value: "NAME|DIR|FILE",
    complete: "model",
  }),
  model: modelOptions.model,
  inputs: option(z.union([z.string(), z.array(z.string())]).optional(), {
    help: "features, scores: safetensors with pixels [B,3,S,S], ids and mask [C,30], or what inspect pixels and tokens wrote",
    value: "FILE",
    complete: "file",
  }),
  features: option(z.string().optional(), {
    help: "scores: of these features (image_scale_1..6, text_scale_1..6) instead of a checkpoint's",
    value: "FILE",
    complete: "file",
  }),
  mode: option(z.enum(["train", "evaluation"]).default("evaluation"), {
    help: "scores: as a training step or as the evaluation makes them",
    value: "MODE",
  }),
  threshold: option(z.number().optional(), {
    help: "scores: regions up to this similarity match no word (default: by the recipe, 0 without a mined one)",
    value: "X",
  }),
  recipe: recipeOption,
  quirk: quirkOption,
  gradients: option(z.boolean().default(false), {
    help: "scores: also the loss's gradient of every parameter, before clipping; with --features of the features",
  }),
  engine: option(z.enum(["auto", ...engineNames]).default("auto"), { help: "what computes", value: "ENGINE" }),
};

export type InspectOptions = z.output<z.ZodObject<typeof inspectShape>>;
