/** `data`: open a data set; the table of its splits and a few samples. */
import { z } from "zod";
import type { Dataset } from "../../data/dataset.js";
import { AmsError } from "../../errors.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, filledSplits, openDataset, splitOf } from "../datasets.js";
import { datasetDisplay } from "../show/dataset.js";
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
    skipProblems: option(z.boolean().default(false), {
      help: "leave out rows with missing images or empty captions instead of refusing the set",
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
    "data scenes --train 20000 --samples 12 --split test-style",
    "data flickr30k --root ~/flickr30k/images --annotations ~/flickr30k",
    "data ~/my-photos --captions ~/my-photos/captions.csv",
  ],
  resultType: "Dataset",
  run: async (options, context, session): Promise<Dataset> => {
    const { data = session.dataset ?? "scenes", samples, skipProblems } = options;
    const { train, val, test, seed, pixels } = options;
    const sceneOptions = { train, val, test, seed, pixels };
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
    const split = options.split ?? filledSplits(dataset)[0] ?? "train";
    splitOf(dataset, split);
    return shown(dataset, () => datasetDisplay(dataset, split, samples));
  },
  json: ({ name, root, fingerprint, splits }) => ({
    name,
    root,
    fingerprint,
    splits: Object.fromEntries(
      Object.entries(splits).map(([split, items]) => [
        split,
        { images: items.length, captions: items.reduce((sum, item) => sum + item.captions.length, 0) },
      ]),
    ),
  }),
});
