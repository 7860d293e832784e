/** Making a model: a size with random weights, a checkpoint, or pretrained encoders. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { plainCaptions } from "../data/plainCaptions.js";
import type { RegionSize } from "../data/regionFeatures.js";
import { openTokenizer, type Tokenizer } from "../data/tokens.js";
import { AmsError } from "../errors.js";
import { packageRoot } from "../paths.js";
import { disposeModel, type Model } from "./ams.js";
import { ofSize, sizes, type ModelConfig, type SizeName } from "./config.js";
import { shapeModel, withHead, type ModelHead } from "./head.js";
import { createParameters } from "./parameters.js";
import { quirks, type Quirks } from "./quirks.js";
import { loadModel } from "./store.js";
import { isTorch } from "./weights/openWeights.js";
import type { Resize } from "./weights/positions.js";
import { buildPretrained } from "./weights/pretrained.js";
import { loadPublished } from "./weights/published.js";

/** What a model is made from. */
export interface BuildOptions {
  /** Default "small". Not together with `checkpoint`, whose size is its own. */
  size?: SizeName;
  /** The recipe to train with later; its quirks hold for scores at once. */
  recipe?: { name: string; quirks: Quirks; head?: ModelHead | undefined };
  /** Quirks switched against the recipe, or against what the checkpoint was saved with. */
  quirks?: Partial<Quirks>;
  /**
   * A folder with a model, the name of one that comes with the package (see `shippedModels`), or a checkpoint of the
   * published code (model_best.pth.tar).
   */
  checkpoint?: string;
  /** Look at precomputed region features of this size instead of pictures; captions by `text`, or by a GRU over `words`. */
  regions?: RegionSize;
  words?: string[];
  /** Pretrained encoders: see `PretrainedOptions`, also for the next three. */
  vision?: string;
  text?: string;
  pixels?: number;
  resize?: Resize;
  embed?: number;
  /** Of the random weights. Default 3407. */
  seed?: number;
  /** A vocabulary of its own, one word piece a line; default: bert-base-uncased. */
  vocabulary?: string;
}

/** Names of the trained models inside the package. */
export const shippedModels = ["scenes-small", "scenes-encoders"] as const;

/** Builds a model. Errors: no such folder, weights that do not fit the asked size, options that exclude each other. */
export async function buildModel(options: BuildOptions = {}): Promise<Model> {
  const model = await built(options);
  const { recipe } = options;
  if (recipe === undefined) return model;
  const shaped = shapeModel(model, recipe.head, recipe.name);
  if (shaped !== model) disposeModel(model);
  return shaped;
}

async function built(options: BuildOptions): Promise<Model> {
  const { recipe, checkpoint, vision, text } = options;
  if (options.regions !== undefined) return regionModel(options.regions, options);
  checkTogether(options);
  if (vision !== undefined || text !== undefined) return buildPretrained(options);
  if (checkpoint !== undefined && isFile(checkpoint)) return loadFile(checkpoint, options);
  if (checkpoint !== undefined) {
    const model = await loadModel(checkpointFolder(checkpoint), { ...recipe?.quirks, ...options.quirks });
    if (options.size !== undefined && options.size !== model.config.size) {
      throw new AmsError(`the checkpoint is ${ofSize(model.config)}, not ${options.size}`, {
        where: checkpoint,
        hint: "leave out --size: a checkpoint has its own",
      });
    }
    return recipe === undefined ? model : { ...model, recipe: recipe.name };
  }
  const tokenizer = await openTokenizer(options.vocabulary);
  const config = newConfig(tokenizer, options.size, recipe?.head);
  return {
    config,
    parameters: createParameters(config, options.seed ?? 3407),
    thresholds: { mined: 0, safe: 0 },
    quirks: { ...(recipe?.quirks ?? quirks.published), ...options.quirks },
    recipe: recipe?.name ?? "ams-published",
    tokenizer: config.head?.captions === "plain" ? plainCaptions(tokenizer) : tokenizer,
  };
}

/** The sizes of a new model whose captions this tokenizer reads. */
export function newConfig(
  { vocabularySize }: Pick<Tokenizer, "vocabularySize">,
  name: SizeName = "small",
  head?: ModelHead,
): ModelConfig {
  const size: ModelConfig = sizes[name];
  return withHead({ ...size, text: { ...size.text, vocabulary: vocabularySize } }, head);
}

/** A model of region features; options of pictures are refused. */
async function regionModel(regions: RegionSize, options: BuildOptions): Promise<Model> {
  const useless = (["size", "checkpoint", "vision", "pixels", "resize", "vocabulary"] as const).find((name) => options[name] !== undefined); // prettier-ignore
  if (useless !== undefined) {
    throw new AmsError(`--${useless} means nothing for region features`, {
      where: `--regions ${regions.count}x${regions.width} together with --${useless}`,
      hint: `leave out --${useless}`,
    });
  }
  const { buildRegionModel } = await import("./regionModel.js");
  return buildRegionModel(regions, options);
}

/** Options that would be without effect are refused. */
function checkTogether(options: BuildOptions): void {
  const { checkpoint, vision, text } = options;
  const pretrained = vision !== undefined || text !== undefined;
  if (pretrained && checkpoint !== undefined) {
    throw new AmsError("weights come either from a checkpoint or from pretrained encoders", {
      where: "--checkpoint together with --vision or --text",
      hint: "leave out one of them: a checkpoint has both encoders already",
    });
  }
  const useless =
    checkpoint === undefined
      ? undefined
      : options.seed !== undefined
        ? `--seed ${options.seed}`
        : options.vocabulary !== undefined && !isFile(checkpoint)
          ? `--vocabulary ${options.vocabulary}`
          : undefined;
  if (useless !== undefined) {
    throw new AmsError("a checkpoint has its own weights and vocabulary", {
      where: `--checkpoint ${checkpoint} together with ${useless}`,
      hint: `leave out ${useless.split(" ")[0]}`,
    });
  }
  const needs = [
    ["pixels", vision, "--vision"],
    ["resize", vision, "--vision"],
    ["embed", vision ?? text, "--vision or --text"],
  ] as const;
  for (const [name, given, wanted] of needs) {
    if (options[name] === undefined || given !== undefined) continue;
    throw new AmsError(`--${name} goes with ${wanted}`, {
      where: `--${name} ${options[name]}`,
      hint: `add ${wanted}, or leave out --${name}: a size and a checkpoint have their own`,
    });
  }
}

function isFile(place: string): boolean {
  return existsSync(place) && statSync(place).isFile();
}

async function loadFile(file: string, options: BuildOptions): Promise<Model> {
  if (isTorch(file)) return loadPublished(file, options);
  throw new AmsError("this file is no checkpoint of the published code", {
    where: file,
    hint: "give model_best.pth.tar or the folder of a model; files with one encoder go to --vision and --text",
  });
}

function checkpointFolder(name: string): string {
  const shipped = path.join(packageRoot(), "models", name);
  if ((shippedModels as readonly string[]).includes(name) && !existsSync(path.resolve(name))) return shipped;
  return path.resolve(name);
}
