/** `export`: weights as a folder, tables as CSV, figures as files. */
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import type { Model } from "../../model/ams.js";
import { checkFigureFile } from "../../plot/figure.js";
import type { Run } from "../../train/trainer.js";
import { checkPlace, writing } from "../../writing.js";
import { defineCommand, option } from "../command.js";
import { checkNames, modelOptions, wantModel } from "../models.js";
import { findRun, readRuns, type StoredRun } from "../runList.js";
import { resolvePath, type Session } from "../session.js";
import type { Exported } from "../results.js";
import { shown, tablesBundle } from "../show/shown.js";
import { epochsCsv, evaluationsCsv } from "../show/csv.js";
import { history } from "./plot.js";

export const exportCommand = defineCommand({
  name: "export",
  summary: "write weights, a table or a figure to files",
  about:
    "weights: a folder with model.safetensors and config.json that --checkpoint reads; with --torch one file for the published code (and vocab.txt beside it, where the vocabulary is not BERT's). table: the session's evaluations, or the epochs of a run, as CSV. " +
    "figure: the last figure of the session, or the history of a run.",
  options: {
    what: option(z.enum(["weights", "table", "figure"]).optional(), { help: "what to write", value: "WHAT" }),
    torch: option(z.string().optional(), {
      help: "write the weights into this file, as the published code writes its checkpoints (e.g. model_best.pth.tar)",
      value: "FILE",
      complete: "file",
    }),
    namespace: option(z.boolean().default(false), {
      help: "with --torch: the options as an argparse.Namespace, as published (torch.load then needs weights_only=False)",
    }),
    out: option(z.string().optional(), {
      help: "the folder of weights, the .csv of a table, the .svg, .png, .html or .json of a figure (defaults: ams-model, ams-table.csv, ams-figure.svg)",
      value: "PATH",
      complete: "file",
    }),
    ...modelOptions,
    half: option(z.boolean().default(false), { help: "weights: 16 bits each, half the size" }),
    run: option(z.string().optional(), {
      help: "table, figure: of this run; with --torch: its best weights, epochs and steps",
      value: "RUN",
      complete: "run",
    }),
  },
  positional: { option: "what" },
  aliases: {},
  examples: [
    "export weights --out my-model --half",
    "export --torch model_best.pth.tar --run first-try",
    "export table --out recalls.csv",
    "export table --run first-try --out epochs.csv",
    "export figure --out attention.png",
  ],
  resultType: "Exported",
  run: async (options, context, session): Promise<Exported> => {
    const { what, run } = options;
    const target = (name: string): string => resolvePath(session, options.out ?? name);
    if (options.torch !== undefined) return exportTorch(options.torch, options, context, session);
    if (what === undefined) {
      throw new AmsError("export needs WHAT: weights, table or figure", {
        where: "ams export",
        hint: "for example: ams export weights --out my-model, or ams export --torch model_best.pth.tar",
        usage: true,
      });
    }
    if (what === "weights") {
      const { startEngine } = await import("../../engine/index.js");
      await startEngine();
      const { saveModel } = await import("../../model/store.js");
      const folder = target("ams-model");
      checkNames(session, options.checkpoint);
      checkPlace(path.join(folder, "model.safetensors"), folder); // before the work, not after it
      saveModel(await wantModel(options, context, session), folder, { half: options.half });
      return exported(["model.safetensors", "config.json"].map((name) => path.join(folder, name)));
    }
    if (what === "table") {
      const file = target("ams-table.csv");
      if (path.extname(file).toLowerCase() !== ".csv") {
        throw new AmsError("a table is written as CSV", { where: file, hint: "end the name with .csv" });
      }
      const table = tableOf(run, session);
      checkFile(file, context);
      writing(file, () => writeFileSync(file, table));
      return exported([file]);
    }
    const file = target("ams-figure.svg");
    checkFigureFile(file);
    const figure = run === undefined && session.figure !== undefined ? session.figure : await history(run, session);
    return exported([await figure.save(file)]);
  },
  json: ({ files }) => ({ files }),
});

interface TorchExport {
  what?: "weights" | "table" | "figure" | undefined;
  checkpoint?: string | undefined;
  model?: Model | undefined;
  run?: string | undefined;
  out?: string | undefined;
  half: boolean;
  namespace: boolean;
}

/** One file as the published code writes it. The epochs, steps and best rSum are those of the run that made the weights. */
async function exportTorch(name: string, options: TorchExport, context: Context, session: Session): Promise<Exported> {
  const { what, run, half, out, namespace } = options;
  if ((what !== undefined && what !== "weights") || half || out !== undefined) {
    throw new AmsError("--torch names the file and always writes float32 weights", {
      where: `--torch ${name} with ${half ? "--half" : out === undefined ? String(what) : "--out"}`,
      hint: "leave out the other option: ams export --torch FILE",
    });
  }
  const file = resolvePath(session, name);
  checkNames(session, options.checkpoint);
  checkFile(file, context);
  const { startEngine } = await import("../../engine/index.js");
  await startEngine();
  const { writePublished } = await import("../../model/weights/publishedWrite.js");
  const { checkpoint, model: given } = options;
  const stored = run === undefined ? undefined : findRun(run);
  const own = given === undefined && checkpoint === undefined ? run : checkpoint;
  const model = await wantModel({ model: given, checkpoint: own }, context, session);
  const trained = stored ?? (session.run?.model === model ? session.run : undefined);
  const { files, invented } = writing(file, () =>
    writePublished(model, file, {
      namespace,
      ...(trained === undefined ? {} : { progress: progressOf(trained) }),
    }),
  );
  if (invented.length > 0) {
    context.note(
      `${String(invented.length)} tensors that AMS never reads (last layers, poolers) have random values: the model was not built from files that hold them`,
    );
  }
  return exported(files);
}

/** Throws what writing this file would give after the work. A folder that is not there is made, and said so: it may be a slip. */
function checkFile(file: string, context: Context): void {
  const folder = path.dirname(file);
  const isNew = !existsSync(folder);
  checkPlace(file);
  if (isNew) context.note(`made the folder ${folder}`);
}

function progressOf(run: StoredRun | Run): { epoch: number; eiters: number; bestRsum: number } {
  const sums = run.epochs.map(({ evaluation }) => evaluation?.rsum ?? 0);
  // By their numbers: a run that went on from a file of the published code does not begin with the first.
  const last = "steps" in run ? run.steps.at(-1) : run.lastStep;
  const epochs = (run.epochs.at(-1)?.epoch ?? -1) + 1;
  return { epoch: epochs, eiters: last?.step ?? 0, bestRsum: Math.max(0, ...sums) };
}

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
