/** A model on disk: a folder with `model.safetensors`, `config.json` and, when it is not BERT's, `vocab.txt`. */
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { plainCaptions } from "../data/plainCaptions.js";
import { openTokenizer, type Tokenizer } from "../data/tokens.js";
import { isBertVocabulary } from "../data/vocabulary.js";
import { AmsError } from "../errors.js";
import { writeWhole, writing } from "../writing.js";
import type { Model } from "./ams.js";
import { ofSize, type ModelConfig } from "./config.js";
import { parameterSpecs, parametersOf, type Parameters } from "./parameters.js";
import type { Quirks } from "./quirks.js";
import { openSafetensors, writeSafetensors, type StoredTensor } from "./safetensors.js";
import { readStoredConfig, type StoredConfig } from "./stored.js";
import { finite, floatTypes, type TensorEntry } from "./tensorFile.js";

/** The values of parameters, in their order. */
export function parameterValues(parameters: Iterable<[string, tf.Tensor]>): [string, StoredTensor][] {
  return [...parameters].map(([name, variable]) => [
    name,
    { shape: variable.shape, data: variable.dataSync() as Float32Array },
  ]);
}

/** Writes a model into a folder. `half` stores the weights with 16 bits. Throws AmsError where it cannot be written. */
export function saveModel(model: Model, folder: string, { half = false } = {}): void {
  const custom = !isBertVocabulary(model.tokenizer.words);
  const stored: StoredConfig = {
    format: "ams",
    config: model.config,
    recipe: model.recipe,
    quirks: model.quirks,
    thresholds: model.thresholds,
    ...(custom ? { vocabulary: "vocab.txt" } : {}),
  };
  writing(folder, () => {
    mkdirSync(folder, { recursive: true });
    if (custom) writeWhole(path.join(folder, "vocab.txt"), [`${model.tokenizer.words.join("\n")}\n`]);
    writeSafetensors(path.join(folder, "model.safetensors"), parameterValues(model.parameters), { half });
    writeWhole(path.join(folder, "config.json"), [`${JSON.stringify(stored, null, 2)}\n`]);
  });
}

/**
 * Reads a model that `saveModel` wrote; `switches` are quirks that hold instead of the stored ones, also for what is restored.
 * Errors name the file and the parameters that do not fit.
 */
export async function loadModel(folder: string, switches: Partial<Quirks> = {}): Promise<Model> {
  const configFile = path.join(folder, "config.json");
  if (!existsSync(configFile)) {
    throw new AmsError("no model in this folder: it has no config.json", {
      where: path.resolve(folder),
      hint: "give the folder of a model (config.json and model.safetensors), such as a run's best/ folder",
    });
  }
  const stored = readStoredConfig(configFile);
  const vocabularyFile = stored.vocabulary === undefined ? undefined : path.join(folder, stored.vocabulary);
  const written = await openTokenizer(vocabularyFile);
  const tokenizer = stored.config.head?.captions === "plain" ? plainCaptions(written) : written;
  checkVocabulary(tokenizer, stored.config, vocabularyFile ?? configFile);
  const file = path.join(folder, "model.safetensors");
  const { tensors, close } = openSafetensors(file);
  let parameters: Parameters;
  try {
    checkTensors(tensors, stored.config, file); // before memory is taken for what the configuration says
    parameters = parametersOf(stored.config, ({ name }) =>
      finite((tensors.get(name) as TensorEntry).read(), name, file),
    );
  } finally {
    close();
  }
  const { config, thresholds, recipe } = stored;
  const quirks = { ...stored.quirks, ...switches };
  const model: Model = { config, parameters, thresholds, quirks, recipe, tokenizer, source: folder };
  forgetByQuirk(model);
  return model;
}

/** What a checkpoint of the published code loses: the scale weights s_k become 1 and the thresholds 0, unless corrected. */
export function forgetByQuirk(model: Model): void {
  if (!model.quirks.restoreThresholds) model.thresholds = { mined: 0, safe: 0 };
  if (model.quirks.restoreScaleWeights) return;
  model.config.scales.forEach((_, k) => {
    tf.tidy(() => {
      model.parameters.get(`b${k + 1}`)?.assign(tf.ones([1]));
    });
  });
}

/** Word pieces are numbered by their lines: with another number of lines captions would get other embeddings. */
function checkVocabulary({ vocabularySize }: Tokenizer, { text }: ModelConfig, file: string): void {
  if (vocabularySize === text.vocabulary) return;
  throw new AmsError(`the vocabulary has ${vocabularySize} word pieces and the configuration says ${text.vocabulary}`, {
    where: file,
    hint: "put the vocab.txt that the model was trained with beside its config.json, or export the model again",
  });
}

/** Copies stored values into parameters; every parameter must be there with its shape, others are left alone. */
export function assignParameters(
  parameters: Parameters,
  tensors: Map<string, StoredTensor>,
  config: ModelConfig,
  file: string,
): void {
  checkTensors(tensors, config, file);
  for (const [name, variable] of parameters) {
    const { shape, data } = tensors.get(name) as StoredTensor;
    tf.tidy(() => {
      variable.assign(tf.tensor(finite(data, name, file), shape, "float32"));
    });
  }
}

function isFloat(tensor: TensorEntry | StoredTensor): boolean {
  return "dtype" in tensor ? floatTypes.has(tensor.dtype) : tensor.data instanceof Float32Array;
}

function checkTensors(tensors: Map<string, TensorEntry | StoredTensor>, config: ModelConfig, file: string): void {
  const wrong: string[] = [];
  for (const { name, shape } of parameterSpecs(config)) {
    const found = tensors.get(name);
    if (found === undefined) wrong.push(`${name} is missing`);
    else if (!isFloat(found)) wrong.push(`${name} is of another type, weights are floats`);
    else if (found.shape.join() !== shape.join()) {
      wrong.push(`${name} is [${found.shape.join(", ")}] and should be [${shape.join(", ")}]`);
    }
  }
  if (wrong.length > 0) {
    const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : "";
    throw new AmsError(`the weights do not fit a model ${ofSize(config)}: ${wrong.slice(0, 3).join("; ")}${more}`, {
      where: file,
      hint: "choose the size that the checkpoint was trained with, or another checkpoint",
    });
  }
}
