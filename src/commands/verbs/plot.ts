/** `plot`: figures of attention, recalls, training history and hits. */
import { z } from "zod";
import type { Context } from "../../context.js";
import type { Item } from "../../data/dataset.js";
import { AmsError } from "../../errors.js";
import type { Evaluation } from "../../evaluate/index.js";
import type { Figure } from "../../plot/figure.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { modelOptions, wantModel } from "../models.js";
import { suggestion } from "../nearest.js";
import { findRun, readRuns, readSteps } from "../runList.js";
import { resolvePath, type Session } from "../session.js";
import { evalCommand } from "./eval.js";

const figures = ["attention", "recall", "history", "gallery"] as const;

const plotShape = {
  figure: option(z.enum(figures), { help: "which figure", value: "FIGURE" }),
  ...dataOptions,
  ...modelOptions,
  split: option(z.union([z.array(z.string()), z.string()]).optional(), {
    help: "the split (default test); recall takes several",
    value: "SPLIT",
    complete: "split",
  }),
  item: option(z.union([z.int().min(0), z.string()]).default(0), {
    help: "attention: number or id of the image in the split",
    value: "N|ID",
  }),
  caption: option(z.union([z.int().min(0), z.string()]).default(0), {
    help: "attention: number of the image's caption, or a text of your own",
    value: "N|TEXT",
  }),
  image: option(z.string().optional(), {
    help: "attention: a picture of your own instead of an item",
    value: "FILE",
    complete: "file",
  }),
  direction: option(z.enum(["t2i", "i2t"]).default("t2i"), {
    help: "gallery: captions look for images, or images for captions",
  }),
  queries: option(z.int().min(1).max(50).default(5), { help: "gallery: number of queries", value: "N" }),
  k: option(z.int().min(1).max(20).default(5), { help: "gallery: hits a query", value: "N" }),
  images: option(z.int().min(1).optional(), {
    help: "recall, gallery: evaluate on the first N images of the split",
    value: "N",
  }),
  run: option(z.string().optional(), { help: "history: the run (default: the latest)", value: "RUN", complete: "run" }),
  out: option(z.string().optional(), {
    help: "also save the figure: .svg, .png, .html or .json",
    value: "FILE",
    complete: "file",
  }),
};

type PlotOptions = z.output<z.ZodObject<typeof plotShape>>;

export const plotCommand = defineCommand({
  name: "plot",
  summary: "a figure: attention, recall, history, gallery",
  about:
    "attention: what every word of a caption looks at, at every scale. recall: R@K over K for the session's evaluations (or the given splits). " +
    "history: loss and recalls of a training. gallery: queries of the latest evaluation with their best hits.",
  options: plotShape,
  positional: { option: "figure" },
  aliases: dataAliases,
  examples: [
    "plot attention --item 3 --caption 1",
    'plot attention --image photo.jpg --caption "a dog on the beach" --out attention.html',
    "plot recall --split test --split test-style",
    "plot history --run first-try --out history.svg",
    "plot gallery --queries 8",
  ],
  resultType: "Figure",
  run: async (options, context, session): Promise<Figure> => {
    const figure = await draw(options, context, session);
    session.figure = figure;
    if (options.out !== undefined) context.note(`saved ${await figure.save(resolvePath(session, options.out))}`);
    return figure;
  },
  json: ({ title, json }) => ({ title, figure: json }),
});

async function draw(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  switch (options.figure) {
    case "attention":
      return attention(options, context, session);
    case "recall": {
      const { recallFigure } = await import("../../plot/recall.js");
      return recallFigure(await evaluations(options, context, session));
    }
    case "history":
      return history(options.run, session);
    case "gallery":
      return gallery(options, context, session);
  }
}

async function attention(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  await wantEngine(context, session);
  const { caption, image } = options;
  const { drawAttention } = await import("../attention.js");
  if (image !== undefined) {
    if (typeof caption === "number") {
      throw new AmsError("a picture of your own needs a caption", {
        where: `ams plot attention --image ${image}`,
        hint: 'add --caption "what the picture shows"',
      });
    }
    const model = await wantModel(options, context, session);
    return drawAttention(model, { image: resolvePath(session, image), caption });
  }
  const dataset = await wantDataset(options, context, session);
  const split = splitsOf(options)[0] ?? "test";
  const item = itemOf(splitOf(dataset, split), options.item, split);
  const text = typeof caption === "string" ? caption : item.captions[caption]?.text;
  if (text === undefined) {
    throw new AmsError(`image ${item.id} has no caption ${String(caption)}`, {
      where: `ams plot attention --item ${String(options.item)} --caption ${String(caption)}`,
      hint: `its captions are 0 to ${String(item.captions.length - 1)}; a text of your own works too`,
    });
  }
  const model = await wantModel(options, context, session);
  return drawAttention(model, { image: item.image, caption: text, item });
}

function itemOf(items: Item[], wanted: number | string, split: string): Item {
  const item = items.find(({ id }) => id === String(wanted)) ?? items[Number(wanted)];
  if (item !== undefined) return item;
  throw new AmsError(`split ${split} has no image ${String(wanted)}`, {
    where: `--item ${String(wanted)}`,
    hint:
      typeof wanted === "number"
        ? `give 0 to ${String(items.length - 1)}`
        : suggestion(
            wanted,
            items.map(({ id }) => id),
            `give an id such as ${items[0]?.id ?? ""}, or 0 to ${String(items.length - 1)}`,
          ),
  });
}

/** Each asked split's latest evaluation in the session, made where it is missing; without a split, all of the session. */
async function evaluations(options: PlotOptions, context: Context, session: Session): Promise<Evaluation[]> {
  const { checkpoint, model, images } = options;
  const asked = splitsOf(options);
  const fresh = checkpoint !== undefined || model !== undefined || images !== undefined || options.data !== undefined;
  if (asked.length === 0 && !fresh && session.evaluations.length > 0) return latestOfEachSplit(session.evaluations);
  const result: Evaluation[] = [];
  for (const split of asked.length === 0 ? ["test"] : asked) {
    const found = fresh ? undefined : session.evaluations.findLast((evaluation) => evaluation.split === split);
    result.push(found ?? (await evalCommand.run({ ...options, split, pooled: false }, context, session)));
  }
  return result;
}

function latestOfEachSplit(all: Evaluation[]): Evaluation[] {
  return all.filter((evaluation, i) => !all.slice(i + 1).some(({ split }) => split === evaluation.split));
}

function splitsOf({ split }: PlotOptions): string[] {
  return split === undefined ? [] : typeof split === "string" ? [split] : split;
}

/** Of the named run, else the session's, else the latest on disk. */
export async function history(name: string | undefined, session: Session): Promise<Figure> {
  const { historyFigure } = await import("../../plot/history.js");
  if (name === undefined && session.run !== undefined) return historyFigure(session.run);
  const latest = name ?? readRuns().find((run) => run.status !== "unreadable")?.name;
  if (latest === undefined) {
    throw new AmsError("there is no run to draw", { where: "ams plot history", hint: "make one: ams train" });
  }
  const run = findRun(latest);
  return historyFigure({ name: run.name, steps: readSteps(run.name), epochs: run.epochs });
}

async function gallery(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { galleryFigure, galleryOf } = await import("../../plot/gallery.js");
  const { direction, queries, k } = options;
  const title =
    direction === "t2i" ? "Captions and the images found for them" : "Images and the captions found for them";
  const all = await evaluations(options, context, session);
  const chosen = splitsOf(options).length > 0 ? all : all.slice(-1);
  const rows = chosen.flatMap((evaluation) => galleryOf(evaluation, { direction, count: queries, k }));
  return galleryFigure({ title: `${title} (${chosen.map(({ split }) => split).join(", ")})`, rows });
}
