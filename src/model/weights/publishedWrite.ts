/** A model as a checkpoint of the published code: {epoch, model: [image state, text state], best_rsum, opt, Eiters}. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { isBertVocabulary } from "../../data/vocabulary.js";
import { AmsError } from "../../errors.js";
import { writeWhole } from "../../writing.js";
import type { Model } from "../ams.js";
import type { ModelConfig } from "../config.js";
import { parameter, parameterSpecs, randomStart } from "../parameters.js";
import { Namespace } from "./pickle.js";
import type { PublishedProgress } from "./published.js";
import { Float, FloatTensor, OrderedDict, writeTorch } from "./torchWrite.js";

export interface WritePublishedOptions {
  progress?: Partial<PublishedProgress>;
  /**
   * `opt` as an argparse.Namespace, as the published code writes it; torch.load then needs weights_only=False. Default: a
   * dictionary of the same, which every torch.load takes (the published code never reads it).
   */
  namespace?: boolean;
}

export interface WrittenPublished {
  /** The checkpoint and, where the vocabulary is not that of bert-base-uncased, `vocab.txt` beside it. */
  files: string[];
  /** Names of tensors that AMS never reads and that the model was not built from: they are at a random start. */
  invented: string[];
}

/**
 * Writes a model so that the published code resumes from it or tests it: {epoch, model: [image state, text state],
 * best_rsum, opt, Eiters} with its names, and `ams` with the scale weights that it would lose. Parts that AMS never reads
 * (last layers, final norm, poolers) are those that the model was built from, else invented. Errors: a model of another head than AMS's; the folder has the
 * vocabulary of another model.
 */
export function writePublished(model: Model, file: string, options: WritePublishedOptions = {}): WrittenPublished {
  const { config, parameters, spare, thresholds } = model;
  if (config.head !== undefined) {
    throw new AmsError(`the published code has no place for a model of the recipe ${model.recipe}`, {
      where: file,
      hint: "export it as a folder: ams export weights --out DIR",
    });
  }
  const vocabulary = writeVocabulary(model, path.dirname(file));
  const invented: string[] = [];
  const state = (prefix: "img." | "txt."): OrderedDict =>
    new OrderedDict(
      parameterSpecs(config, { complete: true })
        .filter(({ name }) => name.startsWith(prefix))
        .map((spec): [string, FloatTensor] => {
          const own = parameters.get(spec.name);
          const kept = spare?.get(spec.name);
          if (own === undefined && kept === undefined) invented.push(spec.name);
          const values = (): Float32Array =>
            (own?.dataSync() as Float32Array | undefined) ??
            (kept?.data as Float32Array | undefined) ??
            randomStart(spec, 0);
          return [spec.name.slice(prefix.length), new FloatTensor(spec.shape, values)];
        }),
    );
  const { epoch = 0, eiters = 0, bestRsum = 0, options: given = {} } = { ...model.progress, ...options.progress };
  const opt = new Map<string, unknown>(
    Object.entries({
      ...defaults(config),
      ...given,
      thres: new Float(thresholds.mined),
      thres_safe: new Float(thresholds.safe),
    }),
  );
  const namespace = new Namespace();
  namespace.attributes = opt;
  const scaleWeights = config.scales.map((_, k) => parameter(parameters, `b${k + 1}`).dataSync()[0] as number);
  writeTorch(
    file,
    new Map<string, unknown>([
      ["epoch", epoch],
      ["model", [state("img."), state("txt.")]],
      ["best_rsum", new Float(bestRsum)],
      ["opt", options.namespace === true ? namespace : opt],
      ["Eiters", eiters],
      ["ams", new Map<string, unknown>([["scale_weights", scaleWeights.map((weight) => new Float(weight))]])],
    ]),
  );
  return { files: [file, ...vocabulary], invented };
}

/** A vocabulary of its own goes where `loadPublished` looks for it. */
function writeVocabulary({ tokenizer: { words } }: Model, folder: string): string[] {
  if (words.length === 0 || isBertVocabulary(words)) return [];
  const file = path.join(folder, "vocab.txt");
  const text = `${words.join("\n")}\n`;
  if (existsSync(file) && readFileSync(file, "utf8") !== text) {
    throw new AmsError("the vocabulary of another model is in the way", {
      where: file,
      hint: "choose another folder: a checkpoint is read with the vocab.txt beside it",
    });
  }
  writeWhole(file, [text]);
  return [file];
}

/** The flags of the published command line with their defaults. */
function defaults({ image, embed }: ModelConfig): Record<string, unknown> {
  return {
    image_root: "",
    dataset: "flickr",
    lambda_softmax: new Float(20),
    alpha: new Float(2),
    image_res: image.pixels,
    batch_size_train: 32,
    batch_size_test: 8,
    test: false,
    margin: 0.2,
    num_epochs: 25,
    embed_size: embed,
    grad_clip: new Float(2),
    learning_rate: 2e-5,
    lr_update: 15,
    workers: 2,
    logger_name: "runs/runX",
    resume: "",
    max_violation: true,
    mean_neg: 0,
    stnd_neg: 0,
    mean_pos: 0,
    stnd_pos: 0,
  };
}
