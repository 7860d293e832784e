/** From `--checkpoint` to a model: shipped models by name, runs by name, folders by path; without it, the session's model. */
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { breathe, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Model } from "../model/ams.js";
import type { ModelConfig, SizeName } from "../model/config.js";
import type { ModelHead } from "../model/head.js";
import { packageRoot } from "../paths.js";
import { option } from "./command.js";
import { nearest } from "./nearest.js";
import { checkpointFolders, readRuns, runFolder } from "./runList.js";
import { resolvePath, setModel, type Session } from "./session.js";

/** The finished small model, which eval, search and plot use when the session has none. */
export const defaultModel = "scenes-small";

/** Options of every verb that uses a model. */
export const modelOptions = {
  checkpoint: option(z.string().optional(), {
    help: "the model: a shipped one, a run's name, a folder with config.json, or the published code's model_best.pth.tar",
    value: "NAME|DIR|FILE",
    complete: "model",
  }),
  model: option(z.custom<Model>(isModel).optional(), {
    help: "a model that you built; it stays the session's model",
    type: "Model",
    codeOnly: true,
  }),
};

function isModel(value: unknown): boolean {
  return typeof value === "object" && value !== null && "parameters" in value && "config" in value;
}

/** Names of the models that come with the package, e.g. `scenes-small`. */
export function shippedModels(): string[] {
  return modelFolders(path.join(packageRoot(), "models"));
}

function modelFolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(path.join(folder, name, "config.json")))
    .sort();
}

/** The folder of a model's files, or the file of the published code itself. Throws an AmsError that lists what there is. */
export function checkpointFolder(session: Session, text: string): string {
  const shipped = path.join(packageRoot(), "models", text);
  const file = resolvePath(session, text);
  if (existsSync(file) && statSync(file).isFile()) return file;
  const candidates = [file, ...(isName(text) ? [shipped, runFolder(text)] : [])];
  for (const candidate of candidates) {
    // Of a run the best of its validations, or, where nothing was validated, its newest checkpoint.
    const best = [candidate, path.join(candidate, "best"), path.join(candidate, "last")];
    const found = [...best, ...checkpointFolders(candidate)].find((f) => existsSync(path.join(f, "config.json")));
    if (found !== undefined) return found;
  }
  const names = [...shippedModels(), ...readRuns().map((run) => run.name)];
  const near = nearest(text, names);
  throw new AmsError(`there is no model "${text}"`, {
    where: `--checkpoint ${text} (looked for config.json in ${candidates.join(", ")})`,
    hint:
      near.length > 0
        ? `did you mean ${near.join(" or ")}?`
        : names.length > 0
          ? `give a folder with config.json and model.safetensors, or one of ${names.join(", ")}`
          : "give a folder with config.json and model.safetensors, or make one: ams train",
  });
}

/** Throws the AmsError of `checkpointFolder` for the first that is no model: to be called before data are opened or drawn. */
export function checkNames(session: Session, ...checkpoints: (string | undefined)[]): void {
  for (const checkpoint of checkpoints) if (checkpoint !== undefined) checkpointFolder(session, checkpoint);
}

/** A path relative to the session's folder where there is one, else the name in the hub's cache that it then is. */
export function encoderPlace(session: Session, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const file = resolvePath(session, text);
  return existsSync(file) ? file : text;
}

function isName(text: string): boolean {
  return !/[/\\]/.test(text) && text !== "." && text !== "..";
}

/** What was found in files of other programs, one line each. */
async function noteWeights({ weights = [] }: Model, context: Context): Promise<void> {
  const { reportLine } = await import("../model/weights/report.js");
  for (const report of weights) context.note(reportLine(report));
}

/** The model that a verb works on; it becomes the session's. */
export async function wantModel(
  options: { checkpoint?: string | undefined; model?: Model | undefined },
  context: Context,
  session: Session,
): Promise<Model> {
  let { model } = options;
  if (model === undefined && options.checkpoint !== undefined)
    model = await loadModel(options.checkpoint, context, session);
  model ??= session.model;
  if (model === undefined) {
    if (!shippedModels().includes(defaultModel)) {
      throw new AmsError("there is no model yet", {
        where: "no --checkpoint was given, and none was built or trained in this session",
        hint: "give --checkpoint DIR, or make one: ams train",
      });
    }
    context.note(`using the model ${defaultModel} that comes with the package (--checkpoint chooses another)`);
    model = await loadModel(defaultModel, context, session);
  }
  if (options.model === undefined && (await isAgain(model, session.model))) {
    (await import("../model/ams.js")).disposeModel(model);
    return session.model!;
  }
  setModel(session, model);
  return model;
}

/** Whether a model is the session's, loaded once more: what was measured with that one then holds. */
async function isAgain(loaded: Model, own: Model | undefined): Promise<boolean> {
  if (own === undefined || loaded === own || loaded.source === undefined || loaded.source !== own.source) return false;
  const { modelFingerprint } = await import("../model/fingerprint.js");
  return loaded.thresholds.safe === own.thresholds.safe && modelFingerprint(loaded) === modelFingerprint(own);
}

/** The sizes of a new model with random weights, before it is built. */
export async function newConfig(
  size: SizeName | undefined,
  { vocabulary, head }: { vocabulary?: string | undefined; head?: ModelHead | undefined } = {},
): Promise<ModelConfig> {
  const { openTokenizer } = await import("../data/tokens.js");
  const build = await import("../model/build.js");
  return build.newConfig(await openTokenizer(vocabulary), size, head);
}

/** From so many weights on, drawing them takes a second or more: ten in all for a base model. */
const manyWeights = 2e7;

/** Tells that the random weights of a new model will be drawn, where that takes long; gives hosts the time to show it. */
export async function sayDrawing(config: ModelConfig, context: Pick<Context, "progress">): Promise<void> {
  const { parameterCount } = await import("../train/memory.js");
  const weights = parameterCount(config);
  if (weights < manyWeights) return;
  const label = `building a ${config.size} model: drawing ${String(Math.round(weights / 1e6))} million weights`;
  context.progress({ label, done: 0, total: 0 });
  await breathe();
}

/** The model of a name, folder or file; the session keeps its own. */
export async function loadModel(checkpoint: string, context: Context, session: Session): Promise<Model> {
  const { buildModel } = await import("../model/build.js");
  const model = await buildModel({ checkpoint: checkpointFolder(session, checkpoint) });
  await noteWeights(model, context);
  return model;
}
