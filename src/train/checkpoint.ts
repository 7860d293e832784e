/** Checkpoints: everything that a training needs to go on, written so that the last good one always stays. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../errors.js";
import type { Model } from "../model/ams.js";
import { readSafetensors, writeSafetensors } from "../model/safetensors.js";
import { assignParameters, forgetByQuirk, parameterValues, saveModel } from "../model/store.js";
import { momentsOf, type Adam } from "./optimiser.js";
import type { EpochRecord, StepRecord } from "./records.js";

/** Where a training stands, beside its tensors. */
export interface Progression {
  step: number;
  epoch: number;
  /** Batches of this epoch that are done. */
  batch: number;
  adamStep: number;
  bestRsum: number;
  thresholds: { mined: number; safe: number };
  /** Of the data that the training runs on. */
  fingerprint: string;
  recipe: string;
  options: Record<string, unknown>;
  steps: StepRecord[];
  epochs: EpochRecord[];
}

interface StateFile extends Progression {
  /** sha256 of the files beside this one. */
  checksums: Record<string, string>;
}

const keep = 2;
const folderOf = (step: number): string => `step-${String(step).padStart(8, "0")}`;

/** Writes a checkpoint beside the earlier ones and removes all but the last two. */
export function saveCheckpoint(
  folder: string,
  model: Model,
  adam: Adam,
  auxiliary: Map<string, tf.Variable>,
  progression: Progression,
): string {
  const target = path.join(folder, folderOf(progression.step));
  const temporary = `${target}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  saveModel(model, temporary);
  const moments = [...adam.moments].flatMap(([name, { first, second }]): [string, tf.Tensor][] => [
    [`first/${name}`, first],
    [`second/${name}`, second],
  ]);
  const rest = [...auxiliary].map(([name, variable]): [string, tf.Tensor] => [`auxiliary/${name}`, variable]);
  writeSafetensors(path.join(temporary, "optimiser.safetensors"), parameterValues([...moments, ...rest]));
  const checksums = Object.fromEntries(
    ["model.safetensors", "optimiser.safetensors"].map((name) => [name, checksum(path.join(temporary, name))]),
  );
  const state: StateFile = { ...progression, checksums };
  writeFileSync(path.join(temporary, "state.json"), JSON.stringify(state), { flush: true });
  rmSync(target, { recursive: true, force: true });
  renameSync(temporary, target);
  for (const old of checkpointsIn(folder).slice(0, -keep)) rmSync(old, { recursive: true, force: true });
  return target;
}

function checksum(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Folders of complete checkpoints, oldest first. */
export function checkpointsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^step-\d+$/.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/**
 * Restores the newest checkpoint whose files are whole into a model, an optimiser and the auxiliary variables. Damaged
 * ones are named through `note` and passed over. With a `fingerprint`, a run on other data is refused before anything is
 * changed.
 */
export function restoreCheckpoint(
  folder: string,
  model: Model,
  adam: Adam,
  auxiliary: Map<string, tf.Variable>,
  note: (line: string) => void,
  fingerprint?: string,
): Progression {
  const all = checkpointsIn(folder).reverse();
  for (const candidate of all) {
    const state = readState(candidate, note);
    if (state === undefined) continue;
    if (fingerprint !== undefined && state.fingerprint !== fingerprint) {
      throw new AmsError("the run was trained on other data than is loaded now", {
        where: candidate,
        hint: "load the data that the run began with (run.json names it), or start a new run",
      });
    }
    const file = path.join(candidate, "model.safetensors");
    assignParameters(model.parameters, readSafetensors(file).tensors, model.config, file);
    const { tensors } = readSafetensors(path.join(candidate, "optimiser.safetensors"));
    for (const [name, { shape, data }] of tensors) {
      const [kind, rest] = [name.slice(0, name.indexOf("/")), name.slice(name.indexOf("/") + 1)];
      const target =
        kind === "auxiliary" ? auxiliary.get(rest) : momentsOf(adam, rest, shape)[kind as "first" | "second"];
      tf.tidy(() => target?.assign(tf.tensor(data as Float32Array, shape, "float32")));
    }
    adam.step = state.adamStep;
    model.thresholds = state.thresholds;
    forgetByQuirk(model);
    return state;
  }
  throw new AmsError(all.length === 0 ? "there is no checkpoint to resume from" : "no checkpoint is whole", {
    where: folder,
    hint: "start the training anew under another name",
  });
}

function readState(folder: string, note: (line: string) => void): StateFile | undefined {
  try {
    const state = JSON.parse(readFileSync(path.join(folder, "state.json"), "utf8")) as StateFile;
    for (const [name, wanted] of Object.entries(state.checksums)) {
      if (checksum(path.join(folder, name)) !== wanted) throw new Error(`${name} does not have its checksum`);
    }
    return state;
  } catch (error) {
    note(`checkpoint ${folder} is damaged (${(error as Error).message}): using the one before`);
    return undefined;
  }
}
