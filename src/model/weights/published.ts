/** Checkpoints of the published code (checkpoint.pth.tar, model_best.pth.tar), read into a model. */
import { existsSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { openTokenizer, type Tokenizer } from "../../data/tokens.js";
import { AmsError } from "../../errors.js";
import type { Model } from "../ams.js";
import { ofSize, type ImageEncoderConfig, type ModelConfig, type SizeName, type TextEncoderConfig } from "../config.js";
import { quirks, type Quirks } from "../quirks.js";
import { forgetByQuirk } from "../store.js";
import type { TensorEntry } from "../tensorFile.js";
import { assemble, configOf, type Source } from "./assemble.js";
import { findEncoder, withSettings } from "./encoder.js";
import { Namespace } from "./pickle.js";
import { tensorsOf } from "./openWeights.js";
import { openTorch, TorchTensor, type TorchFile } from "./torchFile.js";

/** How far the training was that wrote a checkpoint, as far as the file says it. */
export interface PublishedProgress {
  /** Epochs that are done. */
  epoch: number;
  /** Updates that are done. */
  eiters: number;
  bestRsum: number;
  /** The options of its command line. */
  options: Record<string, unknown>;
}

/** A checkpoint whose tensors are still in the file. */
export interface OpenCheckpoint {
  file: string;
  /** States of the image and the text encoder, names as in the file. */
  states: [Map<string, TensorEntry>, Map<string, TensorEntry>];
  progress: PublishedProgress;
  /** What an export of this package adds: published checkpoints lose their scale weights. */
  scaleWeights: number[] | undefined;
  /** The state of torch.optim.Adam, where the program that wrote the file kept it (the published code does not). */
  optimiser: unknown;
  torch: TorchFile;
}

const optimiserKeys = ["optimizer", "optimiser", "optimizer_state_dict", "optim"];

/** Opens {epoch, model: [image state, text state], best_rsum, opt, Eiters}. Errors name what the file has instead. */
export function openCheckpoint(file: string): OpenCheckpoint {
  const torch = openTorch(file);
  try {
    return checkpointOf(file, torch);
  } catch (error) {
    torch.close();
    throw error;
  }
}

function checkpointOf(file: string, torch: TorchFile): OpenCheckpoint {
  const { value } = torch;
  const top = value instanceof Map ? (value as Map<unknown, unknown>) : new Map<unknown, unknown>([["model", value]]);
  const model = top.get("model");
  const states = Array.isArray(model) ? (model as unknown[]).map(tensorsOf) : [];
  const [image, text] = states;
  if (states.length !== 2 || image === undefined || text === undefined) {
    const keys = [...top.keys()].filter((key) => typeof key === "string");
    const has = value instanceof Map ? `a dictionary of ${keys.slice(0, 6).join(", ")}` : "no dictionary";
    throw new AmsError('this is no checkpoint of the published code: it has no "model" with two states', {
      where: `${file} (it has ${has})`,
      hint: "give checkpoint.pth.tar or model_best.pth.tar; single encoders go to --vision and --text",
    });
  }
  const number = (key: string, isUsable: (x: number) => boolean): number => {
    const found = top.get(key) ?? 0;
    const x = scalarOf(found);
    if (x !== undefined && isUsable(x)) return x;
    throw new AmsError(`${key} of the checkpoint is ${x === undefined ? "no number" : String(x)}`, {
      where: file,
      hint: "the file is damaged or edited: take another checkpoint of the same training",
    });
  };
  const isCount = (x: number): boolean => Number.isSafeInteger(x) && x >= 0;
  const ams = top.get("ams");
  const weights: unknown = ams instanceof Map ? ams.get("scale_weights") : undefined;
  return {
    file,
    states: [image, text],
    progress: {
      epoch: number("epoch", isCount),
      eiters: number("Eiters", isCount),
      bestRsum: number("best_rsum", (x) => Number.isFinite(x) && x >= 0),
      options: optionsOf(top.get("opt")),
    },
    scaleWeights: Array.isArray(weights) && weights.every(Number.isFinite) ? weights : undefined,
    optimiser: optimiserKeys.map((key) => top.get(key)).find((found) => found !== undefined),
    torch,
  };
}

/** A number, or a tensor of one; else undefined. */
export function scalarOf(found: unknown): number | undefined {
  if (found instanceof TorchTensor) return found.shape.every((n) => n === 1) ? found.read()[0] : undefined;
  return typeof found === "number" ? found : undefined;
}

/** Names and plain values or lists of them, as a command line has them; others are left out. */
function optionsOf(opt: unknown): Record<string, unknown> {
  const attributes =
    opt instanceof Namespace ? opt.attributes : opt instanceof Map ? (opt as Map<unknown, unknown>) : [];
  const named = [...attributes].filter(
    (entry): entry is [string, unknown] => typeof entry[0] === "string" && isPlain(entry[1]),
  );
  return Object.fromEntries(named.filter(([name]) => name !== "__proto__"));
}

function isPlain(value: unknown): boolean {
  const isScalar = (x: unknown): boolean => x === null || ["boolean", "number", "string"].includes(typeof x);
  return Array.isArray(value) ? value.every(isScalar) : isScalar(value);
}

/** The mined thresholds, which the published code keeps among its options; 0 where they are missing. */
export function publishedThresholds({ options }: PublishedProgress): { mined: number; safe: number } {
  const threshold = (name: string): number => {
    const found = options[name];
    return typeof found === "number" && Number.isFinite(found) ? found : 0;
  };
  return { mined: threshold("thres"), safe: threshold("thres_safe") };
}

export interface PublishedOptions {
  /** The checkpoint must be of this size. */
  size?: SizeName;
  recipe?: { name: string; quirks: Quirks };
  /** Quirks switched against the recipe. */
  quirks?: Partial<Quirks>;
  /** Default: vocab.txt beside the file, else that of bert-base-uncased. */
  vocabulary?: string;
}

/**
 * Reads a checkpoint of the published code into a model. Its mined thresholds (in `opt`) hold where the recipe restores
 * them, its scale weights are 1 (the published code does not save them). Errors: see `openCheckpoint` and `assemble`.
 */
export async function loadPublished(file: string, options: PublishedOptions = {}): Promise<Model> {
  const opened = openCheckpoint(file);
  try {
    const { states, progress, scaleWeights } = opened;
    const source = (state: Map<string, TensorEntry>, side: "image" | "text"): Source => {
      return { ...withSettings(findEncoder(state, side, file), undefined), file };
    };
    const sources = [source(states[0], "image"), source(states[1], "text")];
    const config = modelConfig(sources, file);
    if (options.size !== undefined && options.size !== config.size) {
      throw new AmsError(`the checkpoint is ${ofSize(config)}, not ${options.size}`, {
        where: file,
        hint: "leave out --size: a checkpoint has its own",
      });
    }
    const tokenizer = await vocabularyOf(config, file, options.vocabulary);
    const { parameters, spare, reports } = assemble(config, sources, 0);
    scaleWeights?.forEach((weight, k) => {
      const target = parameters.get(`b${k + 1}`);
      tf.tidy(() => target?.assign(tf.tensor1d([weight])));
    });
    const model: Model = {
      config,
      parameters,
      thresholds: publishedThresholds(progress),
      quirks: { ...(options.recipe?.quirks ?? quirks.published), ...options.quirks },
      recipe: options.recipe?.name ?? "ams-published",
      tokenizer,
      source: file,
      weights: reports,
      spare,
      progress,
    };
    forgetByQuirk(model);
    return model;
  } finally {
    opened.torch.close();
  }
}

/** The given vocabulary, else that of vocab.txt beside the file where its length fits, else that of bert-base-uncased. */
async function vocabularyOf({ text }: ModelConfig, file: string, given: string | undefined): Promise<Tokenizer> {
  const beside = path.join(path.dirname(file), "vocab.txt");
  const isBeside = given === undefined && existsSync(beside);
  const first = await openTokenizer(given ?? (isBeside ? beside : undefined));
  if (first.vocabularySize === text.vocabulary) return first;
  // A vocabulary of another model may lie in the same folder.
  const other = isBeside ? await openTokenizer() : first;
  if (other.vocabularySize === text.vocabulary) return other;
  throw new AmsError(
    `the checkpoint knows ${text.vocabulary} word pieces, the vocabulary has ${first.vocabularySize}`,
    {
      where: `${file}, with ${given ?? (isBeside ? beside : "the vocabulary of bert-base-uncased")}`,
      hint: "put the vocab.txt that it was trained with beside it, or give it: ams build --checkpoint FILE --vocabulary FILE",
    },
  );
}

function modelConfig([image, text]: Source[], file: string): ModelConfig {
  const [imageConfig, textConfig] = [image?.sizes as ImageEncoderConfig, text?.sizes as TextEncoderConfig];
  const projections = [...(image?.entries.keys() ?? [])].filter((name) => /^img\.fc\d+\.weight$/.test(name));
  const embed = image?.entries.get("img.fc1.weight")?.shape[0];
  if (embed === undefined) {
    throw new AmsError("the checkpoint has no projections fc1, fc2, ...", {
      where: file,
      hint: "it holds encoders only: give them to --vision and --text",
    });
  }
  return configOf(imageConfig, textConfig, { scales: projections.length, embed, maxLength: 30 });
}
