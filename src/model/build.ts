/** Making a model: a size with random weights, or a folder of weights. */
import { existsSync } from "node:fs";
import path from "node:path";
import { openTokenizer } from "../data/tokens.js";
import { AmsError } from "../errors.js";
import { packageRoot } from "../paths.js";
import type { Model } from "./ams.js";
import { sizes, type ModelConfig, type SizeName } from "./config.js";
import { createParameters } from "./parameters.js";
import { quirks, type Quirks } from "./quirks.js";
import { loadModel } from "./store.js";

export interface BuildOptions {
  /** Default "small". Not together with `checkpoint`, whose size is its own. */
  size?: SizeName;
  /** The recipe to train with later; its quirks hold for scores at once. */
  recipe?: { name: string; quirks: Quirks };
  /** A folder with a model, or the name of one that comes with the package (see `shippedModels`). */
  checkpoint?: string;
  /** Of the random weights. Default 3407. */
  seed?: number;
  /** A vocabulary of its own, one word piece a line; default: bert-base-uncased. */
  vocabulary?: string;
}

/** Names of the trained models inside the package. */
export const shippedModels = ["scenes-small", "scenes-encoders"] as const;

/** Builds a model. Errors: no such folder, weights that do not fit the asked size. */
export async function buildModel(options: BuildOptions = {}): Promise<Model> {
  const { recipe } = options;
  if (options.checkpoint !== undefined) {
    const model = await loadModel(checkpointFolder(options.checkpoint));
    if (options.size !== undefined && options.size !== model.config.size) {
      throw new AmsError(`the checkpoint is of size ${model.config.size}, not ${options.size}`, {
        where: options.checkpoint,
        hint: `leave out --size, or ask for --size ${model.config.size}`,
      });
    }
    return recipe === undefined ? model : { ...model, recipe: recipe.name, quirks: recipe.quirks };
  }
  const tokenizer = await openTokenizer(options.vocabulary);
  const size: ModelConfig = sizes[options.size ?? "small"];
  const config = { ...size, text: { ...size.text, vocabulary: tokenizer.vocabularySize } };
  return {
    config,
    parameters: createParameters(config, options.seed ?? 3407),
    thresholds: { mined: 0, safe: 0 },
    quirks: recipe?.quirks ?? quirks.published,
    recipe: recipe?.name ?? "ams-published",
    tokenizer,
  };
}

function checkpointFolder(name: string): string {
  const shipped = path.join(packageRoot(), "models", name);
  if ((shippedModels as readonly string[]).includes(name) && !existsSync(path.resolve(name))) return shipped;
  return path.resolve(name);
}
