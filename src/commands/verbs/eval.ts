/** `eval`: recalls of both directions on a split. */
import { z } from "zod";
import type { Evaluation } from "../../evaluate/index.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { modelOptions, wantModel } from "../models.js";

export const evalCommand = defineCommand({
  name: "eval",
  alias: "evaluate",
  summary: "recalls both ways, with intervals, beside rows to compare with",
  about:
    "Scores every image of the split with every caption at every scale. R@K is the percentage of queries with a right answer among the first K; " +
    "rSum the sum of the six. Equal scores count against the right answer; the interval is a 95 % bootstrap over images.",
  options: {
    ...dataOptions,
    ...modelOptions,
    split: option(z.string().default("test"), { help: "the split to evaluate on", value: "SPLIT", complete: "split" }),
    images: option(z.int().min(1).optional(), { help: "only the first N images (default: all)", value: "N" }),
    captionsPerImage: option(z.int().min(1).optional(), {
      help: "only the first N captions of each image",
      value: "N",
    }),
    threshold: option(z.number().optional(), {
      help: "regions up to this similarity match no word (default: the model's mined safe threshold)",
      value: "X",
    }),
    pooled: option(z.boolean().default(false), { help: "score by pooled features, as search's first stage does" }),
  },
  aliases: { ...dataAliases, resume: "checkpoint" },
  redirect: { flag: "test", verb: "eval", arguments: ["--split", "test"] },
  examples: [
    "eval --split test",
    "eval --split val --images 200",
    "eval --checkpoint scenes-small --data scenes --split test-style",
    "eval --dataset flickr --data_path ~/flickr30k/images --resume runs/flickr/best --test",
  ],
  resultType: "Evaluation",
  run: async (options, context, session): Promise<Evaluation> => {
    const { split, images, captionsPerImage, threshold, pooled } = options;
    await wantEngine(context, session);
    const dataset = await wantDataset(options, context, session);
    splitOf(dataset, split);
    const model = await wantModel(options, context, session);
    const { evaluate } = await import("../../evaluate/index.js");
    const evaluation = await evaluate(
      model,
      dataset,
      {
        split,
        pooled,
        ...(images === undefined ? {} : { images }),
        ...(captionsPerImage === undefined ? {} : { captionsPerImage }),
        ...(threshold === undefined ? {} : { threshold }),
      },
      context,
    );
    session.evaluations = [...session.evaluations.filter((other) => !sameKind(other, evaluation)), evaluation];
    return evaluation;
  },
  json: (evaluation) => evaluation.toJSON(),
});

/** A later evaluation of the same gallery takes the place of an earlier one (each keeps its whole score matrix). */
function sameKind(a: Evaluation, b: Evaluation): boolean {
  return a.dataset === b.dataset && a.split === b.split && a.images === b.images && a.scoredBy === b.scoredBy;
}
