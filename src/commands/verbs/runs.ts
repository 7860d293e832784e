/** `runs`: the trainings on disk. */
import { z } from "zod";
import { defineCommand, option } from "../command.js";
import { asTyped } from "../../errors.js";
import { frame } from "../../frame.js";
import type { RunList } from "../results.js";
import { readRuns, latestCurves, type StoredRun } from "../runList.js";
import { shown, tablesBundle } from "../show/shown.js";

export const runsCommand = defineCommand({
  name: "runs",
  summary: "list the trainings on disk, the latest first",
  about: "A run's name serves as --checkpoint (its best model), as --resume of train and as --run of plot and export.",
  options: {
    last: option(z.int().min(1).default(20), { help: "at most so many", value: "N" }),
  },
  aliases: {},
  examples: ["runs", "runs --last 5"],
  resultType: "RunList",
  run: ({ last }): Promise<RunList> => {
    const runs = readRuns().slice(0, last);
    const list: RunList = shown({ runs, frame: () => frame(list), figure: () => latestCurves(runs) }, () =>
      tablesBundle(runsTable(runs)),
    );
    return Promise.resolve(list);
  },
  json: ({ runs }) => ({ runs: runs.map(({ changed, ...run }) => ({ ...run, changed: changed.toISOString() })) }),
});

function runsTable(runs: StoredRun[]): Parameters<typeof tablesBundle>[0] {
  return {
    ...(runs.length === 0 ? { caption: asTyped("no runs yet: ams train makes one") } : {}),
    columns: ["run", "recipe", "status", "epochs", "steps", "loss", "val rSum", "last change"],
    rows: runs.map(({ name, recipe, status, failure, epochs, lastStep, changed }) => {
      const best = Math.max(...epochs.map((epoch) => epoch.evaluation?.rsum ?? -Infinity));
      return [
        name,
        recipe,
        status === "failed" && failure !== undefined ? `${status}: ${short(failure)}` : status,
        epochs.length,
        lastStep?.step ?? null,
        (epochs.at(-1)?.loss ?? lastStep?.loss)?.toFixed(3) ?? null,
        Number.isFinite(best) ? best.toFixed(1) : null,
        changed.toISOString().slice(0, 16).replace("T", " "),
      ];
    }),
  };
}

function short(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
