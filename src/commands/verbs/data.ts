/** `data`: open a data set; the table of its splits and a few samples. */
import { z } from "zod";
import type { Dataset } from "../../data/dataset.js";
import { defaultCounts } from "../../data/emojiScenes/splits.js";
import { leaveOut } from "../../data/items.js";
import type { Displayable } from "../../display.js";
import { AmsError } from "../../errors.js";
import type { Context } from "../../context.js";
import { frame } from "../../frame.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, filledSplits, openDataset, splitOf } from "../datasets.js";
import type { OpenedDataset } from "../results.js";
import { datasetDisplay } from "../show/dataset.js";
import { formatCount } from "../show/format.js";
import { shown } from "../show/shown.js";

const count = (split: string): z.ZodOptional<z.ZodInt> =>
  option(z.int().min(0).optional(), { help: `scenes: number of ${split} images`, value: "N" });

export const dataCommand = defineCommand({
  name: "data",
  summary: "open a data set: table of splits and samples",
  about:
    "scenes is the embedded set: it is drawn in seconds and kept. flickr30k and coco need the images and the JSON annotation files; " +
    "a folder of your own needs a table (.csv, .tsv, .jsonl) with the columns image and caption. The data set stays open for the verbs after it.",
  options: {
    ...dataOptions,
    check: option(z.boolean().default(false), {
      help: "also decode every image: those that cannot be read are listed, and refused or (--skip-problems) left out",
    }),
    size: option(z.int().min(1).max(100_000).optional(), {
      help: "scenes: number of train images; without --val and --test these have a tenth and a fifth of it, at most their default",
      value: "N",
    }),
    train: count("train"),
    val: count("val"),
    test: option(z.int().min(0).optional(), {
      help: "scenes: number of images in each of the three test splits",
      value: "N",
    }),
    seed: option(z.int().min(0).optional(), {
      help: "scenes: another seed draws other scenes (default 1)",
      value: "N",
    }),
    pixels: option(z.int().min(32).max(512).optional(), {
      help: "scenes: side of the images (default 128)",
      value: "N",
    }),
    split: option(z.string().optional(), {
      help: "the split that samples come from (default: the first with images)",
      complete: "split",
    }),
    samples: option(z.int().min(0).max(100).default(6), { help: "samples to show", value: "N" }),
  },
  positional: { option: "data" },
  aliases: dataAliases,
  examples: [
    "data scenes",
    "data scenes --size 20000 --samples 12 --split test-style",
    "data flickr30k --root ~/flickr30k/images --annotations ~/flickr30k",
    "data ~/my-photos --captions ~/my-photos/captions.csv",
  ],
  resultType: "OpenedDataset",
  run: async (options, context, session): Promise<OpenedDataset> => {
    const { data = session.dataset ?? "scenes", samples, skipProblems } = options;
    const { size, seed, pixels } = options;
    const share = (parts: number, most: number): number | undefined =>
      size === undefined ? undefined : Math.min(most, Math.ceil(size / parts));
    const { train = size, val = share(10, defaultCounts.val), test = share(5, defaultCounts.test) } = options;
    const { train: onlyTrain, val: onlyVal, test: onlyTest } = options;
    const sceneOptions = { size, train: onlyTrain, val: onlyVal, test: onlyTest, seed, pixels };
    const given = Object.entries(sceneOptions).find(([, value]) => value !== undefined)?.[0];
    if (given !== undefined && data !== "scenes") {
      throw new AmsError(`--${given} is for the scenes, which are drawn to order`, {
        where: `ams data ${typeof data === "string" ? data : data.name}`,
        hint: "leave it out; eval --images N evaluates on the first N images of any data set",
      });
    }
    const counts = {
      ...(train === undefined ? {} : { train }),
      ...(val === undefined ? {} : { val }),
      ...(test === undefined ? {} : { test, "test-pairs": test, "test-style": test }),
    };
    const scenes = { counts, ...(seed === undefined ? {} : { seed }), ...(pixels === undefined ? {} : { pixels }) };
    const dataset =
      typeof data === "string"
        ? await openDataset({ ...options, data }, { scenes, skipProblems }, context, session)
        : data;
    session.dataset = dataset;
    if (options.check) await check(dataset, skipProblems, context);
    const split = options.split ?? filledSplits(dataset)[0] ?? "train";
    splitOf(dataset, split);
    return withFrame(shown(dataset, () => datasetDisplay(dataset, split, samples, context)));
  },
  json: ({ name, root, fingerprint, splits, leftOut = [], boxesRead }) => ({
    name,
    root,
    fingerprint,
    splits: Object.fromEntries(
      Object.entries(splits).map(([split, items]) => [
        split,
        { images: items.length, captions: items.reduce((sum, item) => sum + item.captions.length, 0) },
      ]),
    ),
    leftOut,
    ...(boxesRead === undefined ? {} : { boxesRead }),
  }),
});

/** The same object with the method `frame`, which does not count as one of its properties. */
function withFrame(dataset: Dataset & Displayable): OpenedDataset {
  return Object.defineProperty(dataset, "frame", {
    value: () => frame(dataset),
    configurable: true,
    enumerable: false,
  }) as OpenedDataset;
}

/** Refuses a data set with unreadable images, or leaves these out of it. */
async function check(dataset: Dataset, skip: boolean, context: Context): Promise<void> {
  const { checkImages } = await import("../../data/batches.js");
  const bad = await checkImages(dataset.splits, context);
  const images = Object.values(dataset.splits).reduce((sum, items) => sum + items.length, 0);
  if (bad.length === 0) {
    context.note(`all ${formatCount(images)} images can be read`);
    return;
  }
  const some = bad.slice(0, 5).map(({ id, reason }) => `${id} (${reason})`);
  const names = some.join(", ") + (bad.length > some.length ? ", ..." : "");
  const message = `${formatCount(bad.length)} of ${formatCount(images)} images cannot be read: ${names}`;
  if (!skip) {
    throw new AmsError(message, {
      where: dataset.root,
      hint: "replace them by intact ones, or leave them out: ams data ... --check --skip-problems",
    });
  }
  const ids = bad.map(({ id }) => id);
  leaveOut(dataset, new Set(ids));
  dataset.leftOut = [...(dataset.leftOut ?? []), ...bad.map(({ id, reason }) => ({ image: id, reason }))];
  // What opens it again, as a resumed run does, leaves out the same ones.
  if (dataset.opened !== undefined) dataset.opened.leftOut = [...(dataset.opened.leftOut ?? []), ...ids];
  context.note(`left out, as ${message}`);
}
