/** `export`: weights as a folder, tables as CSV, figures as files. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { AmsError } from "../../errors.js";
import { writing } from "../../writing.js";
import { defineCommand, option } from "../command.js";
import { modelOptions, wantModel } from "../models.js";
import { findRun, readRuns } from "../runList.js";
import { resolvePath, type Session } from "../session.js";
import type { Exported } from "../results.js";
import { shown, tablesBundle } from "../show/shown.js";
import { epochsCsv, evaluationsCsv } from "../show/csv.js";
import { history } from "./plot.js";

export const exportCommand = defineCommand({
  name: "export",
  summary: "write weights, a table or a figure to files",
  about:
    "weights: a folder with model.safetensors and config.json that --checkpoint reads. table: the session's evaluations, or the epochs of a run, as CSV. " +
    "figure: the last figure of the session, or the history of a run.",
  options: {
    what: option(z.enum(["weights", "table", "figure"]), { help: "what to write", value: "WHAT" }),
    out: option(z.string().optional(), {
      help: "the folder of weights, the .csv of a table, the .svg, .png, .html or .json of a figure (defaults: ams-model, ams-table.csv, ams-figure.svg)",
      value: "PATH",
      complete: "file",
    }),
    ...modelOptions,
    half: option(z.boolean().default(false), { help: "weights: 16 bits each, half the size" }),
    run: option(z.string().optional(), { help: "table, figure: of this run", value: "RUN", complete: "run" }),
  },
  positional: { option: "what" },
  aliases: {},
  examples: [
    "export weights --out my-model --half",
    "export table --out recalls.csv",
    "export table --run first-try --out epochs.csv",
    "export figure --out attention.png",
  ],
  resultType: "Exported",
  run: async (options, context, session): Promise<Exported> => {
    const { what, run } = options;
    const target = (name: string): string => resolvePath(session, options.out ?? name);
    if (what === "weights") {
      const { startEngine } = await import("../../engine/index.js");
      await startEngine();
      const { saveModel } = await import("../../model/store.js");
      const folder = target("ams-model");
      saveModel(await wantModel(options, context, session), folder, { half: options.half });
      return exported(["model.safetensors", "config.json"].map((name) => path.join(folder, name)));
    }
    if (what === "table") {
      const file = target("ams-table.csv");
      if (path.extname(file).toLowerCase() !== ".csv") {
        throw new AmsError("a table is written as CSV", { where: file, hint: "end the name with .csv" });
      }
      const table = tableOf(run, session);
      writing(file, () => {
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, table);
      });
      return exported([file]);
    }
    const figure = run === undefined && session.figure !== undefined ? session.figure : await history(run, session);
    return exported([await figure.save(target("ams-figure.svg"))]);
  },
  json: ({ files }) => ({ files }),
});

function tableOf(run: string | undefined, session: Session): string {
  if (run !== undefined) return epochsCsv(findRun(run).epochs);
  if (session.evaluations.length > 0) return evaluationsCsv(session.evaluations);
  if (session.run !== undefined) return epochsCsv(session.run.epochs);
  const latest = readRuns().find((run) => run.status !== "unreadable");
  if (latest !== undefined) return epochsCsv(latest.epochs);
  throw new AmsError("there is no table to write", {
    where: "ams export table",
    hint: "evaluate or train first (ams eval, ams train), or name a run: --run NAME",
  });
}

function exported(files: string[]): Exported {
  return shown({ files }, () => tablesBundle({ columns: ["written"], rows: files.map((file) => [file]) }));
}
