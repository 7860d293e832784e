/** In what a training runs: a line of environment.jsonl in the run's folder for every start of it. */
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { packageRoot } from "../paths.js";
import { writeWhole, writing } from "../writing.js";
import type { Recipe } from "./recipe.js";

export interface EnvironmentRecord {
  /** When it was started, ISO 8601. */
  started: string;
  version: string;
  node: string;
  platform: string;
  cpu: string;
  cpus: number;
  memoryBytes: number;
  /** tfjs's name of the backend. */
  backend: string;
  tfjs: string;
  /** Of the folder that it was started in; absent where that is no git repository. */
  git?: { commit: string; changed: boolean };
  /** The file beside this one with the YAML that started it, where an experiment did. */
  experiment?: string;
  /** With everything that options changed, the seed included. */
  recipe: Recipe;
}

/** `experiment` is the YAML that starts it, which is kept beside the line as it was written. */
export function writeEnvironment(folder: string, recipe: Recipe, cwd: string, experiment?: string): void {
  const file = path.join(folder, "environment.jsonl");
  const kept = experiment === undefined ? {} : { experiment: keepExperiment(folder, experiment) };
  writing(file, () => {
    appendFileSync(file, `${JSON.stringify({ ...environmentRecord(recipe, cwd), ...kept })}\n`);
  });
}

/** experiment.yaml; where a later start comes from another text, experiment-2.yaml and so on. */
function keepExperiment(folder: string, text: string): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? "experiment.yaml" : `experiment-${String(n)}.yaml`;
    const file = path.join(folder, name);
    if (existsSync(file) && readFileSync(file, "utf8") !== text) continue;
    writing(file, () => {
      writeWhole(file, [text]);
    });
    return name;
  }
}

function environmentRecord(recipe: Recipe, cwd: string): Omit<EnvironmentRecord, "experiment"> {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string };
  const git = gitState(cwd);
  return {
    started: new Date().toISOString(),
    version,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? "unknown",
    cpus: cpus().length,
    memoryBytes: totalmem(),
    backend: tf.getBackend(),
    tfjs: tf.version_core,
    ...(git === undefined ? {} : { git }),
    recipe,
  };
}

/** The commit of a folder, and whether files that git knows were changed since. */
export function gitState(cwd: string): { commit: string; changed: boolean } | undefined {
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", args, { cwd, encoding: "utf8", timeout: 10_000 });
    return status === 0 ? stdout.trim() : undefined;
  };
  const commit = git("rev-parse", "HEAD");
  if (commit === undefined) return undefined;
  return { commit, changed: git("status", "--porcelain", "--untracked-files=no") !== "" };
}
