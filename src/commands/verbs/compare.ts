/** `compare`: two runs, models or score files on the same queries; which difference is real. */
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { Context } from "../../context.js";
import type { Item } from "../../data/dataset.js";
import { AmsError } from "../../errors.js";
import type { Comparison, Evaluation } from "../../evaluate/index.js";
import { displaySymbol } from "../../display.js";
import { frame } from "../../frame.js";
import { amsHome } from "../../paths.js";
import { checkFigureFile, type Figure } from "../../plot/figure.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { checkNames, loadModel } from "../models.js";
import { findRun, runCurves, runFolder, type StoredRun } from "../runList.js";
import { scoreReader } from "../scoreFiles.js";
import type { Compared } from "../results.js";
import { resolvePath, type Session } from "../session.js";
import { formatNumber } from "../show/format.js";
import { shown } from "../show/shown.js";

type Side = string | Evaluation;

export const compareCommand = defineCommand({
  name: "compare",
  summary: "two runs, models or score files: which difference is real",
  about:
    "Recalls of A and B on the same images and captions with the interval of their difference by a paired bootstrap over images. " +
    "A and B are runs, models, files of scores (.npy, .safetensors), or evaluations; models are evaluated first. Of two runs the options that differ and the curves of their trainings are shown too.",
  options: {
    sides: option(z.array(z.union([z.string(), z.custom<Evaluation>(isEvaluation)])), {
      help: "A and B: each a run, a model, a file of scores, or an evaluation",
      value: "RUN|MODEL|FILE",
      type: "Evaluation",
      complete: "model",
    }),
    ...dataOptions,
    split: option(z.string().optional(), {
      help: "models: the split (default test)",
      value: "SPLIT",
      complete: "split",
    }),
    images: option(z.int().min(1).optional(), { help: "models: only the first N images", value: "N" }),
    captionsPerImage: option(z.int().min(1).optional(), {
      help: "models: only the first N captions of each image; scores without owners: N captions an image, in order",
      value: "N",
    }),
    folds: option(z.int().min(2).optional(), { help: "also as means over N folds", value: "N" }),
    pooled: option(z.boolean().default(false), { help: "models: by pooled features, as search's first stage scores" }),
    resume: option(z.boolean().default(false), {
      help: "models: go on with the blocks that an interrupt has kept, as it does anyway, and say so where there are none",
    }),
    fresh: option(z.boolean().default(false), { help: "models: begin anew, whatever an interrupt has kept" }),
    out: option(z.string().optional(), {
      help: "save the figure of the differences: .svg, .png, .html or .json",
      value: "FILE",
      complete: "file",
    }),
  },
  positional: { option: "sides" },
  aliases: dataAliases,
  examples: [
    "compare first-try second-try --images 200",
    "compare ours.npy theirs.safetensors --captions-per-image 5",
    "compare scenes-small scenes-encoders --split test --images 100 --out difference.svg",
  ],
  resultType: "Compared",
  run: async (options, context, session): Promise<Compared> => {
    const { sides } = options;
    const out = options.out === undefined ? undefined : resolvePath(session, options.out);
    if (out !== undefined) checkFigureFile(out); // before the work, not after it
    const [a, b] = sides;
    if (a === undefined || b === undefined || sides.length > 2) {
      throw new AmsError(`compare takes two things, not ${sides.length}`, {
        where: "ams compare",
        hint: "for example: ams compare first-try second-try, or ams compare ours.npy theirs.npy",
      });
    }
    const files = [a, b].filter((side) => isScoreFile(side, session));
    const models = [a, b].filter((side) => typeof side === "string").filter((side) => !isScoreFile(side, session));
    checkNames(session, ...models);
    const { compareEvaluations } = await import("../../evaluate/index.js");
    const read = files.length > 0 ? await scoreReader(options, context, session) : undefined;
    const finished: (() => void)[] = [];
    const work = { ...options, finished: (remove: () => void) => void finished.push(remove) };
    /** What is there already, at once: a model is then only evaluated on a gallery of that size. */
    const known = (side: Side): Evaluation | undefined =>
      typeof side !== "string" ? side : read !== undefined && isScoreFile(side, session) ? read(side, options.folds) : undefined; // prettier-ignore
    const there = [known(a), known(b)] as const;
    const first = there[0] ?? (await evaluateModel(a as string, there[1], work, context, session));
    const second = there[1] ?? (await evaluateModel(b as string, first, work, context, session));
    const name = (side: Side, letter: string): string => (typeof side === "string" ? side : (side.name ?? letter));
    const runs = models.length === 2 && isRun(a) && isRun(b) ? ([findRun(a), findRun(b)] as const) : undefined;
    const records = runs === undefined ? undefined : differingRecords(...runs);
    const comparison = compareEvaluations(first, second, [name(a, "A"), name(b, "B")], records);
    for (const remove of finished) remove();
    const compared = await withFigures(comparison, runs ?? []);
    if (out !== undefined) {
      const figure = await compared.figure();
      session.figure = figure;
      context.note(`saved ${await figure.save(out)}`);
    }
    return compared;
  },
  json: (comparison) => comparison.toJSON(),
});

function isEvaluation(value: unknown): boolean {
  return typeof value === "object" && value !== null && "ranks" in value && "owner" in value;
}

function isScoreFile(side: Side, session: Session): side is string {
  return typeof side === "string" && (/\.np[yz]$/i.test(side) || (/\.safetensors$/i.test(side) && existsSync(resolvePath(session, side)))); // prettier-ignore
}

function isRun(side: Side): side is string {
  return typeof side === "string" && !/[/\\]/.test(side) && existsSync(path.join(runFolder(side), "steps.jsonl"));
}

type CompareOptions = Parameters<(typeof compareCommand)["run"]>[0];

async function evaluateModel(
  checkpoint: string,
  other: Evaluation | undefined,
  options: CompareOptions & { finished: (remove: () => void) => void },
  context: Context,
  session: Session,
): Promise<Evaluation> {
  const { split = "test", images, captionsPerImage, folds, pooled, resume, fresh, finished } = options;
  const { chosenItems, evaluate } = await import("../../evaluate/index.js");
  const { disposeModel } = await import("../../model/ams.js");
  await wantEngine(context, session);
  const dataset = await wantDataset(options, context, session);
  splitOf(dataset, split);
  if (other !== undefined) refuseOtherGallery(checkpoint, chosenItems(dataset, split, options), other);
  const model = await loadModel(checkpoint, context, session);
  try {
    context.note(`evaluating ${checkpoint}`);
    const keep = { folder: path.join(amsHome(), "scoring"), fresh, resume, finished };
    return await evaluate(
      model,
      dataset,
      {
        split,
        pooled,
        keep,
        name: checkpoint,
        ...(images === undefined ? {} : { images }),
        ...(captionsPerImage === undefined ? {} : { captionsPerImage }),
        ...(folds === undefined ? {} : { folds }),
      },
      context,
    );
  } finally {
    disposeModel(model);
  }
}

/** Before the work: a model on another gallery than what it is compared with. */
function refuseOtherGallery(checkpoint: string, items: readonly Item[], other: Evaluation): void {
  const captions = items.reduce((sum, item) => sum + item.captions.length, 0);
  if (items.length === other.images && captions === other.owner.length) return;
  const each = other.owner.length / other.images;
  throw new AmsError(
    `${checkpoint} would be evaluated on ${items.length} images x ${captions} captions, and ${other.name ?? "the other side"} is of ${other.images} x ${other.owner.length}`,
    {
      where: "ams compare",
      hint: `choose the same gallery: --split, --images ${other.images}${Number.isInteger(each) ? ` and --captions-per-image ${each}` : ""}`,
    },
  );
}

/** With its frame and figure, and of two trainings that have both made steps their curves; all of it is shown below the tables. */
async function withFigures(comparison: Comparison, runs: readonly StoredRun[]): Promise<Compared> {
  const { comparisonFigure } = await import("../../plot/comparison.js");
  const drawn = runs.length === 2 && runs.every(({ lastStep }) => lastStep !== undefined);
  const curves = drawn
    ? await runCurves(runs, `Training curves: ${runs.map(({ name }) => name).join(", ")}`)
    : undefined;
  const parts = curves === undefined ? {} : { curves };
  let figure: Promise<Figure> | undefined;
  const compared: Compared = shown(
    {
      ...comparison,
      ...parts,
      frame: () => frame(compared),
      figure: () => (figure ??= comparisonFigure(comparison)),
      toJSON: () => ({ ...comparison.toJSON(), ...(curves === undefined ? {} : { curves: curves.json }) }),
    },
    async () => {
      const tables = await comparison[displaySymbol]();
      const { svg } = await compared.figure();
      return {
        "text/plain": [tables["text/plain"], ...(curves === undefined ? [] : [curves.text])].join("\n\n"),
        "text/html": `${String(tables["text/html"])}<div>${svg}</div>${curves === undefined ? "" : `<div>${curves.svg}</div>`}`,
      };
    },
  );
  return compared;
}

/** How far two trainings came, and the options that they do not share. */
function differingRecords(a: StoredRun, b: StoredRun): NonNullable<Comparison["records"]> {
  const text = (value: unknown): string =>
    value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  const best = ({ epochs }: StoredRun): string => {
    const sums = epochs.flatMap(({ evaluation }) => evaluation?.rsum ?? []);
    return sums.length === 0 ? "" : Math.max(...sums).toFixed(1);
  };
  const number = (value: number | undefined): string => (value === undefined ? "" : formatNumber(value));
  // The recipe is a row already, with what it was where no option named it.
  const names = [...new Set([...Object.keys(a.options), ...Object.keys(b.options)])]
    .filter((name) => name !== "recipe")
    .sort();
  const rows = [
    { what: "recipe", a: a.recipe, b: b.recipe },
    { what: "epochs made", a: String(a.epochs.length), b: String(b.epochs.length) },
    { what: "steps made", a: text(a.lastStep?.step), b: text(b.lastStep?.step) },
    { what: "mean loss of the last epoch", a: number(a.epochs.at(-1)?.loss), b: number(b.epochs.at(-1)?.loss) },
    { what: "loss of the last step", a: number(a.lastStep?.loss), b: number(b.lastStep?.loss) },
    { what: "best validation rSum", a: best(a), b: best(b) },
    ...names.map((name) => ({ what: name, a: text(a.options[name]), b: text(b.options[name]) })),
  ];
  return rows.filter((row) => row.a !== row.b);
}
