/** Runs on disk: what trainings have written down under the folder of runs. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../errors.js";
import { amsHome } from "../paths.js";
import type { Figure } from "../plot/figure.js";
import type { EpochRecord, StepRecord } from "../train/records.js";
import { isTrained } from "../train/runLock.js";
import { suggestion } from "./nearest.js";

/** A run as its folder keeps it. */
export interface StoredRun {
  name: string;
  folder: string;
  recipe: string;
  /** The options that it was started with. */
  options: Record<string, unknown>;
  /**
   * "training": a live process has it. "failed": an error ended it. "unfinished": its process ended without writing the end.
   * "unreadable": its record is damaged.
   */
  status: "training" | "finished" | "stopped" | "failed" | "unfinished" | "unreadable";
  /** What went wrong in one that failed. */
  failure?: string;
  epochs: EpochRecord[];
  /** Steps done, and the loss of the last one; undefined before the first. */
  lastStep: Pick<StepRecord, "step" | "loss"> | undefined;
  /** When its files were last written. */
  changed: Date;
}

export function runFolder(name: string): string {
  return path.join(amsHome(), "runs", name);
}

/** All runs, the latest first. */
export function readRuns(): StoredRun[] {
  const folder = path.join(amsHome(), "runs");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(path.join(folder, entry.name, "steps.jsonl")))
    .map((entry) => readRun(entry.name))
    .sort((a, b) => b.changed.getTime() - a.changed.getTime());
}

/** One run by name. Throws an AmsError with the nearest names, or with the record that cannot be read. */
export function findRun(name: string): StoredRun {
  if (existsSync(path.join(runFolder(name), "steps.jsonl"))) {
    const run = readRun(name);
    if (run.status !== "unreadable") return run;
    throw new AmsError(`the record of run "${name}" cannot be read`, {
      where: path.join(run.folder, "run.json"),
      hint: "remove the run's folder, or restore this file",
    });
  }
  const names = readRuns().map((run) => run.name);
  throw new AmsError(`there is no run "${name}"`, {
    where: runFolder(name),
    hint: names.length === 0 ? "make one: ams train" : suggestion(name, names, "`ams runs` lists them"),
  });
}

function readRun(name: string): StoredRun {
  const folder = runFolder(name);
  const steps = path.join(folder, "steps.jsonl");
  const changed = statSync(steps).mtime;
  const lastStep = readSteps(name).at(-1);
  const known = { name, folder, recipe: "?", options: {}, epochs: [], lastStep, changed };
  const records = newestFirst([path.join(folder, "run.json"), ...checkpointStates(folder)]);
  const training = isTrained(folder) ? { status: "training" as const } : {};
  if (records.length === 0) return { ...known, status: "unfinished", ...training };
  // A damaged record hides no run: an older one serves, and the list goes on without any.
  for (const record of records) {
    const told = readRecord(record);
    if (told !== undefined) return { ...known, ...told, ...training };
  }
  return { ...known, status: "unreadable" };
}

type Told = Pick<StoredRun, "recipe" | "options" | "status" | "failure" | "epochs">;

/** What a run.json or a checkpoint's state.json tells of its run; undefined when it is damaged. */
function readRecord(file: string): Told | undefined {
  let stored: Partial<Told> | null;
  try {
    stored = JSON.parse(readFileSync(file, "utf8")) as Partial<Told> | null;
  } catch {
    return undefined;
  }
  const { recipe, options, epochs, status, failure } = stored ?? {};
  if (recipe === undefined || options === undefined || epochs === undefined) return undefined;
  if (status === "failed") return { recipe, options, epochs, status, ...(failure === undefined ? {} : { failure }) };
  // "training" on disk: its process ended without writing the end, where it does not still run.
  return { recipe, options, epochs, status: status === "finished" || status === "stopped" ? status : "unfinished" };
}

/**
 * The run's steps, read from its log. A line cut short by a crash ends the list; steps that a resumed training did again
 * count as it did them the last time.
 */
export function readSteps(name: string): StepRecord[] {
  const steps: StepRecord[] = [];
  for (const line of readFileSync(path.join(runFolder(name), "steps.jsonl"), "utf8").split("\n")) {
    if (line === "") continue;
    let record: StepRecord;
    try {
      record = JSON.parse(line) as StepRecord;
    } catch {
      break;
    }
    while ((steps.at(-1)?.step ?? 0) >= record.step) steps.pop();
    steps.push(record);
  }
  return steps;
}

/** The losses and validations of runs over each other. */
export async function runCurves(runs: readonly StoredRun[], title?: string): Promise<Figure> {
  const { runsFigure } = await import("../plot/runs.js");
  return runsFigure(
    runs.map(({ name, epochs }) => ({ name, epochs, steps: readSteps(name) })),
    title,
  );
}

/** Of the first six that can be read. Throws an AmsError where there are none. */
export async function latestCurves(runs: readonly StoredRun[]): Promise<Figure> {
  const readable = runs.filter(({ status }) => status !== "unreadable").slice(0, 6);
  if (readable.length > 0) return runCurves(readable);
  throw new AmsError("there are no runs to draw", { where: "ams plot runs", hint: "make one: ams train" });
}

/** The folders of a run's checkpoints, the newest first. */
export function checkpointFolders(folder: string): string[] {
  return checkpointStates(folder)
    .map((file) => path.dirname(file))
    .reverse();
}

function checkpointStates(folder: string): string[] {
  const checkpoints = path.join(folder, "checkpoints");
  if (!existsSync(checkpoints)) return [];
  return readdirSync(checkpoints)
    .filter((name) => /^step-\d+$/.test(name))
    .sort()
    .map((name) => path.join(checkpoints, name, "state.json"))
    .filter((file) => existsSync(file));
}

function newestFirst(files: string[]): string[] {
  return files.filter((file) => existsSync(file)).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
}
