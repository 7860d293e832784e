/** Checkpoints: everything that a training needs to go on, written so that the last good one always stays. */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../errors.js";
import type { Model } from "../model/ams.js";
import { readSafetensors, writeSafetensors } from "../model/safetensors.js";
import { assignParameters, forgetByQuirk, parameterValues, saveModel } from "../model/store.js";
import { writeWhole, writing } from "../writing.js";
import { momentsOf, type Adam } from "./optimiser.js";
import type { QueueState } from "./queue.js";
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
  /** Of a recipe with a queue. */
  queue?: QueueState;
  /** Of the data that the training runs on. */
  fingerprint: string;
  recipe: string;
  options: Record<string, unknown>;
  steps: StepRecord[];
  epochs: EpochRecord[];
}

/** Lists the checksum of every other file, as `sha256sum -c` reads it; written last. */
const sums = "SHA256SUMS";

const keep = 2;
const folderOf = (step: number): string => `step-${String(step).padStart(8, "0")}`;

/**
 * Writes a checkpoint beside the earlier ones and removes all but the last two, which happens last: neither a kill at any moment
 * nor a full disk costs more than the checkpoint that was being written. Throws an AmsError where it cannot be written.
 */
export function saveCheckpoint(
  folder: string,
  model: Model,
  adam: Adam,
  auxiliary: Map<string, tf.Variable>,
  progression: Progression,
): string {
  const target = path.join(folder, folderOf(progression.step));
  const temporary = `${target}.tmp`;
  removeUnfinished(folder);
  try {
    writing(target, () => {
      mkdirSync(temporary, { recursive: true });
      saveModel(model, temporary);
      const moments = [...adam.moments].flatMap(([name, { first, second }]): [string, tf.Tensor][] => [
        [`first/${name}`, first],
        [`second/${name}`, second],
      ]);
      const rest = [...auxiliary].map(([name, variable]): [string, tf.Tensor] => [`auxiliary/${name}`, variable]);
      writeSafetensors(path.join(temporary, "optimiser.safetensors"), parameterValues([...moments, ...rest]));
      writeWhole(path.join(temporary, "state.json"), [JSON.stringify(progression)]);
      const lines = readdirSync(temporary).map((name) => `${checksum(path.join(temporary, name))}  ${name}\n`);
      writeWhole(path.join(temporary, sums), lines);
      // A checkpoint of the same step (the end of an epoch after a time's) steps aside, and goes when the new one is there.
      const aside = `${target}.old`;
      if (existsSync(target)) renameSync(target, aside);
      renameSync(temporary, target);
      syncFolder(folder);
      rmSync(aside, { recursive: true, force: true });
    });
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  for (const old of checkpointsIn(folder).slice(0, -keep)) rmSync(old, { recursive: true, force: true });
  return target;
}

/** What a killed process left of a checkpoint that it was writing goes; one that had stepped aside for it comes back. */
function removeUnfinished(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const place = path.join(folder, name);
    const target = /^(.*step-\d+)\.old$/.exec(place)?.[1];
    if (target !== undefined && !existsSync(target)) renameSync(place, target);
    else if (target !== undefined || /^step-\d+\.tmp$/.test(name)) rmSync(place, { recursive: true, force: true });
  }
}

/** After a power cut too, the rename has happened. Windows has no such call for folders. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** sha256 of a file of any size. */
function checksum(file: string): string {
  const hash = createHash("sha256");
  const handle = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(1 << 20);
    for (let length = readSync(handle, buffer); length > 0; length = readSync(handle, buffer)) {
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(handle);
  }
  return hash.digest("hex");
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
 * Restores the newest checkpoint whose files are whole into a model, an optimiser and the auxiliary variables. Damaged ones are
 * named through `note`, passed over, and renamed to step-N.damaged, so that they count no more. With a `fingerprint`, a run on
 * other data is refused before anything is changed.
 */
export function restoreCheckpoint(
  folder: string,
  model: Model,
  adam: Adam,
  auxiliary: Map<string, tf.Variable>,
  note: (line: string) => void,
  fingerprint?: string,
): Progression {
  removeUnfinished(folder);
  const all = checkpointsIn(folder).reverse();
  const damaged: string[] = [];
  for (const candidate of all) {
    const state = readState(candidate, note);
    if (state === undefined) {
      damaged.push(candidate);
      continue;
    }
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
    writing(folder, () => {
      for (const place of damaged) {
        rmSync(`${place}.damaged`, { recursive: true, force: true });
        renameSync(place, `${place}.damaged`);
      }
    });
    if (damaged.length > 0) note(`going on from step ${state.step}: the newest checkpoint that is whole`);
    return state;
  }
  throw new AmsError(all.length === 0 ? "there is no checkpoint to resume from" : "no checkpoint is whole", {
    where: folder,
    hint: "start the training anew under another name",
  });
}

/** The state of a checkpoint all of whose files have their checksums, else undefined. */
function readState(folder: string, note: (line: string) => void): Progression | undefined {
  try {
    const listed = readFileSync(path.join(folder, sums), "utf8").trimEnd().split("\n");
    const names = new Set<string>();
    for (const line of listed) {
      const [, wanted, name] = /^([0-9a-f]{64}) {2}([\w.-]+)$/.exec(line) ?? [];
      if (wanted === undefined || name === undefined) throw new Error(`${sums} is not a list of checksums`);
      if (checksum(path.join(folder, name)) !== wanted) throw new Error(`${name} does not have its checksum`);
      names.add(name);
    }
    const missing = ["model.safetensors", "optimiser.safetensors", "state.json"].find((name) => !names.has(name));
    if (missing !== undefined) throw new Error(`${sums} lacks ${missing}`);
    return JSON.parse(readFileSync(path.join(folder, "state.json"), "utf8")) as Progression;
  } catch (error) {
    note(`checkpoint ${folder} is damaged (${(error as Error).message}): using the one before`);
    return undefined;
  }
}
