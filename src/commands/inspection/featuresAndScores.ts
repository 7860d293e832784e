/** `inspect features` and `inspect scores`: the model, or the features, that the options choose. */
import { existsSync } from "node:fs";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import type { Model } from "../../model/ams.js";
import { quirkSwitches } from "../../model/quirks.js";
import type { StoredTensor } from "../../model/safetensors.js";
import { recipeOf } from "../../train/recipe.js";
import { checkpointFolder, wantModel } from "../models.js";
import type { Inspection } from "../results.js";
import { resolvePath, type Session } from "../session.js";
import type { FeatureMetadata } from "./features.js";
import { checkInputs, readInputs, type Inputs } from "./inputs.js";
import type { InspectOptions } from "./options.js";
import type { ScoreChoice, Scored } from "./scores.js";
import { written } from "./written.js";

export async function inspectFeatures(
  options: InspectOptions,
  context: Context,
  session: Session,
): Promise<Inspection> {
  const inputs = wantInputs(options, session);
  await startChosen(options);
  const model = await chosenModel(options, context, session);
  checkInputs(inputs, model.config, given(options));
  const { encodeInputs, namedFeatures } = await import("./features.js");
  const tf = await import("@tensorflow/tfjs-core");
  const features = await encodeInputs(model, inputs, context);
  const { scaleWeights } = await import("../../model/ams.js");
  const { captions } = inputs;
  const about: FeatureMetadata = {
    scaleWeights: scaleWeights(model),
    thresholds: model.thresholds,
    ...(captions === undefined ? {} : { lengths: lengthsOf(captions) }),
  };
  const tensors = namedFeatures(features).map(([name, tensor]): [string, StoredTensor] => [
    name,
    { shape: tensor.shape, data: tensor.dataSync<"float32">() },
  ]);
  tf.dispose(namedFeatures(features).map(([, tensor]) => tensor));
  return written(resolvePath(session, options.out), new Map(tensors), { ams: JSON.stringify(about) });
}

export async function inspectScores(options: InspectOptions, context: Context, session: Session): Promise<Inspection> {
  const { encodeInputs, readFeatures } = await import("./features.js");
  const { featureGradients, parameterGradients, scoreFeatures } = await import("./scores.js");
  const tf = await import("@tensorflow/tfjs-core");
  const file = options.features === undefined ? undefined : resolvePath(session, options.features);
  if (file !== undefined && (options.checkpoint !== undefined || options.model !== undefined)) {
    throw new AmsError("scores are made of a checkpoint or of features, not of both", {
      where: "ams inspect scores --checkpoint --features",
      hint: "leave one of them out",
    });
  }
  const inputs = file !== undefined && options.inputs === undefined ? {} : wantInputs(options, session);
  await startChosen(options);
  if (file !== undefined) {
    const { features, lengths, ...told } = readFeatures(file);
    const mask = inputs.captions?.mask ?? maskOf(lengths, features.captions[0]?.shape[1] ?? 0);
    const choice = choiceOf(options);
    const weights = told.scaleWeights ?? features.images.map(() => 1);
    const mined = told.thresholds ?? { mined: 0, safe: 0 };
    const input = { features, mask, weights, choice, mined, owner: inputs.owner };
    try {
      const [count, words] = features.captions[0]?.shape ?? [0, 0];
      if (mask !== undefined && mask.length !== count * words) {
        throw new AmsError("the mask is of other captions than the features", {
          where: `${given(options)} and ${file}`,
          hint: "give the inputs that the features were made of",
        });
      }
      return writeScores(options, session, scoreFeatures(input), options.gradients ? featureGradients(input) : []);
    } finally {
      tf.dispose([...features.images, ...features.captions]);
    }
  }
  const model = await chosenModel(options, context, session);
  checkInputs(inputs, model.config, given(options));
  const { pixels, captions, owner } = inputs;
  if (pixels === undefined || captions === undefined) {
    throw new AmsError(
      `scores need both images and captions, and there are no ${pixels === undefined ? "pixels" : "ids and mask"}`,
      {
        where: given(options),
        hint: "give a file with pixels, ids and mask, or --inputs several times",
      },
    );
  }
  const { scaleWeights } = await import("../../model/ams.js");
  const choice = choiceOf(options, model);
  const features = await encodeInputs(model, inputs, context);
  const { images = [], captions: texts = [] } = features;
  try {
    const scored = scoreFeatures({
      features: { images, captions: texts },
      mask: captions.mask,
      weights: scaleWeights(model),
      choice,
      mined: model.thresholds,
      owner,
    });
    const gradients = options.gradients
      ? parameterGradients(model, { pixels, captions, ...(owner === undefined ? {} : { owner }) }, choice)
      : [];
    return writeScores(options, session, scored, gradients);
  } finally {
    tf.dispose([...images, ...texts]);
  }
}

function writeScores(
  { out }: InspectOptions,
  session: Session,
  { scales, total, images, captions, loss, thresholds }: Scored,
  gradients: [string, StoredTensor][],
): Inspection {
  const shape = [images, captions];
  const tensors = new Map<string, StoredTensor>([
    ...scales.map((data, k): [string, StoredTensor] => [`scale_${k + 1}`, { shape, data }]),
    ["total", { shape, data: total }],
    ...(loss === undefined ? [] : [["loss", { shape: [], data: Float32Array.of(loss) }] as [string, StoredTensor]]),
    ...gradients,
  ]);
  return written(resolvePath(session, out), tensors, { thresholds: JSON.stringify(thresholds) }, loss);
}

function choiceOf({ mode, threshold, recipe, quirk = [] }: InspectOptions, model?: Model): ScoreChoice {
  const chosen = recipeOf(recipe ?? model?.recipe ?? "ams-published");
  const base = recipe === undefined && model !== undefined ? model.quirks : chosen.quirks;
  return { mode, threshold, recipe: chosen, quirks: { ...base, ...quirkSwitches(quirk) } };
}

async function startChosen({ engine }: InspectOptions): Promise<void> {
  const { startEngine } = await import("../../engine/index.js");
  await startEngine(engine);
}

/** A checkpoint by name or folder, or files of bare weights: `--checkpoint A --checkpoint B` or `--checkpoint A B`. */
async function chosenModel(options: InspectOptions, context: Context, session: Session): Promise<Model> {
  const named = options.checkpoint === undefined ? [] : [options.checkpoint].flat();
  const all = [...named, ...(options.files ?? [])];
  const files = all.map((file) => resolvePath(session, file));
  const [first, firstFile] = [all[0], files[0]];
  if (first === undefined || firstFile === undefined) return wantModel(options as { model?: Model }, context, session);
  if (all.length === 1 && !/\.safetensors$/i.test(first)) {
    const { buildModel } = await import("../../model/build.js");
    const { recipe, quirk = [] } = options;
    return buildModel({
      checkpoint: checkpointFolder(session, first),
      quirks: quirkSwitches(quirk),
      ...(recipe === undefined ? {} : { recipe: recipeOf(recipe) }),
    });
  }
  const missing = files.find((file) => !existsSync(file));
  if (missing !== undefined) {
    throw new AmsError("there is no such file of weights", {
      where: missing,
      hint: "give --checkpoint FILE [FILE...] or a folder",
    });
  }
  const { modelOfFiles } = await import("../../model/stateFiles.js");
  return modelOfFiles(files);
}

function wantInputs(options: InspectOptions, session: Session): Inputs {
  if (options.inputs !== undefined)
    return readInputs([options.inputs].flat().map((file) => resolvePath(session, file)));
  throw new AmsError(`inspect ${options.what} needs --inputs: pixels, ids and mask to look at`, {
    where: `ams inspect ${options.what}`,
    hint: "ams inspect pixels and ams inspect tokens make such files",
  });
}

function given({ inputs }: InspectOptions): string {
  return inputs === undefined ? "--inputs" : [inputs].flat().join(", ");
}

function lengthsOf({ mask, count, words }: NonNullable<Inputs["captions"]>): number[] {
  return Array.from({ length: count }, (_, c) => mask.subarray(c * words, (c + 1) * words).lastIndexOf(1) + 1);
}

function maskOf(lengths: number[] | undefined, words: number): Int32Array | undefined {
  if (lengths === undefined) return undefined;
  return Int32Array.from(lengths.flatMap((length) => Array.from({ length: words }, (_, t) => Number(t < length))));
}
