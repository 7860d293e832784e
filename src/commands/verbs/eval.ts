/** `eval`: recalls of both directions on a split. */
import path from "node:path";
import { z } from "zod";
import type { Context } from "../../context.js";
import type { EvaluateOptions, Evaluation } from "../../evaluate/index.js";
import type { Model } from "../../model/ams.js";
import { amsHome } from "../../paths.js";
import { checkPlace } from "../../writing.js";
import { defineCommand, option, optionDetails } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { AmsError } from "../../errors.js";
import { checkNames, loadModel, modelOptions, wantModel } from "../models.js";
import { kebab } from "../optionInfo.js";
import { scoreReader } from "../scoreFiles.js";
import { resolvePath, trainedAs, type Session } from "../session.js";

export const evalCommand = defineCommand({
  name: "eval",
  alias: "evaluate",
  summary: "recalls both ways, with intervals, beside rows to compare with",
  about:
    "Scores every image of the split with every caption at every scale. R@K is the percentage of queries with a right answer among the first K; " +
    "rSum the sum of the six. Equal scores count against the right answer; the intervals are 95 % bootstraps over images. " +
    "An interrupt keeps the finished blocks: the same line goes on with them.",
  options: {
    ...dataOptions,
    ...modelOptions,
    checkpoint: option(z.union([z.array(z.string()), z.string()]).optional(), {
      ...optionDetails(modelOptions.checkpoint),
      help: `${optionDetails(modelOptions.checkpoint).help}; several times: the mean of their scores (an ensemble)`,
    }),
    scores: option(z.union([z.array(z.string()), z.string()]).optional(), {
      help: "instead of a model: scores [images, captions] made elsewhere, as safetensors with owner [captions] (the image of each) or as .npy; several times: their mean",
      value: "FILE",
      complete: "file",
    }),
    split: option(z.string().optional(), {
      help: "the split to evaluate on (default test)",
      value: "SPLIT",
      complete: "split",
    }),
    images: option(z.int().min(1).optional(), { help: "only the first N images (default: all)", value: "N" }),
    captionsPerImage: option(z.int().min(1).optional(), {
      help: "only the first N captions of each image",
      value: "N",
    }),
    threshold: option(z.number().optional(), {
      help: "regions up to this similarity match no word (default: the model's mined safe threshold)",
      value: "X",
    }),
    pointing: option(z.boolean().default(false), {
      help: "also the pointing game, per scale and kind of phrase: does a phrase's strongest patch lie in its boxes?",
    }),
    folds: option(z.int().min(2).optional(), {
      help: "also the mean over N equal parts of the images, each ranked by itself (default: 5 for MS-COCO's 5,000 test images)",
      value: "N",
    }),
    scales: option(z.boolean().default(false), { help: "also every scale alone, and all scales but one" }),
    memory: option(z.number().positive().optional(), {
      help: "gigabytes for the captions' features (default 2); less memory means encoding the images several times",
      value: "GB",
    }),
    resume: option(z.union([z.boolean(), z.string()]).optional(), {
      help: "go on with the blocks that an interrupted evaluation has kept, as it does anyway, and say so where there are none; with a value, as published, the same as --checkpoint",
      value: "NAME|DIR|FILE",
      complete: "model",
    }),
    fresh: option(z.boolean().default(false), { help: "begin anew, whatever an interrupted evaluation has kept" }),
    save: option(z.string().optional(), {
      help: "write the scores to this .npy (NumPy) or .safetensors file; --scores, compare and NumPy read it",
      value: "FILE",
      complete: "file",
    }),
    saveScales: option(z.boolean().default(false), {
      help: "with --save: also the scores of each scale alone, unweighted, as NAME.scale-1 and so on beside it",
    }),
    words: option(z.int().min(1).optional(), {
      help: "also what the words of N captions find in their own image and in wrong ones (for ams.frame and plot distribution)",
      value: "N",
    }),
    skipBadImages: option(z.boolean().default(false), {
      help: "leave missing and unreadable images out, count and name them, instead of stopping",
    }),
    pooled: option(z.boolean().default(false), { help: "score by pooled features, as search's first stage does" }),
  },
  aliases: dataAliases,
  redirect: { flag: "test", verb: "eval", arguments: ["--split", "test"] },
  examples: [
    "eval --split test",
    "eval --split val --images 200",
    "eval --checkpoint scenes-small --data scenes --split test-style",
    "eval --split test --images 200 --pointing",
    "eval --checkpoint first --checkpoint second --save both.npy",
    "eval --split test --scales --folds 5",
    "eval --split test --images 200 --save scores.npy --save-scales",
    "eval --split test --images 200 --words 50",
    "eval --scores scores.safetensors",
    "eval --scores sims.npy --captions-per-image 5",
    "eval --dataset flickr --data_path ~/flickr30k/images --resume runs/flickr/best --test",
  ],
  resultType: "Evaluation",
  run: async (options, context, session): Promise<Evaluation> => {
    const save = options.save === undefined ? undefined : resolvePath(session, options.save);
    const { checkSaveName, saveScores } = await import("../../evaluate/index.js");
    if (save !== undefined) {
      // Before the work, not after it.
      checkSaveName(save);
      checkPlace(save);
    }
    refuseSaveScales(options);
    refuseForPooled(options);
    const finished: (() => void)[] = [];
    const evaluation =
      options.scores === undefined
        ? await evaluateModels(options, (remove) => finished.push(remove), context, session)
        : await evaluateGiven(list(options.scores), options, context, session);
    if (save !== undefined) context.note(`saved ${saveScores(save, evaluation).join(" and ")}`);
    for (const remove of finished) remove();
    return evaluation;
  },
  json: (evaluation) => evaluation.toJSON(),
});

type EvalOptions = Parameters<(typeof evalCommand)["run"]>[0];

const list = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** One model, or the mean of the scores of several. `finished` is given what removes the scores that were kept on the way. */
async function evaluateModels(
  options: EvalOptions,
  finished: (remove: () => void) => void,
  context: Context,
  session: Session,
): Promise<Evaluation> {
  const { split = "test", images, captionsPerImage, threshold, pooled, memory, folds, scales } = options;
  const checkpoints = checkpointsOf(options);
  if (checkpoints.length > 1) refuseForEnsembles(options);
  checkNames(session, ...checkpoints);
  const onBadImage = options.skipBadImages ? "skip" : "stop";
  const { evaluate, openEnsemble, pointing, saveScores, scaleFile } = await import("../../evaluate/index.js");
  await wantEngine(context, session);
  const dataset = await wantDataset(options, context, session);
  splitOf(dataset, split);
  const keep = {
    folder: path.join(amsHome(), "scoring"),
    fresh: options.fresh,
    resume: options.resume === true,
    finished,
  };
  const save = options.save === undefined ? undefined : resolvePath(session, options.save);
  const onScale: EvaluateOptions["onScale"] = (scale, scores, count, owner) => {
    const matrix = { scores, owner, images: count, dataset: dataset.name, split, name: `scale ${String(scale)}` };
    context.note(`saved ${saveScores(scaleFile(save!, scale), matrix).join(" and ")}`);
  };
  const evaluateOne = (model: Model, name: string | undefined): Promise<Evaluation> =>
    evaluate(
      model,
      dataset,
      {
        split,
        pooled,
        onBadImage,
        scales,
        keep,
        ...(options.saveScales && save !== undefined ? { onScale } : {}),
        ...(name === undefined ? {} : { name }),
        ...(folds === undefined ? {} : { folds }),
        ...(memory === undefined ? {} : { memory: memory * 1e9 }),
        ...(images === undefined ? {} : { images }),
        ...(captionsPerImage === undefined ? {} : { captionsPerImage }),
        ...(threshold === undefined ? {} : { threshold }),
      },
      context,
    );
  if (checkpoints.length > 1) {
    const { disposeModel } = await import("../../model/ams.js");
    const ensemble = openEnsemble();
    for (const checkpoint of checkpoints) {
      const model = await loadModel(checkpoint, context, session);
      try {
        context.note(`scoring with ${checkpoint}`);
        ensemble.add(checkpoint, await evaluateOne(model, checkpoint));
      } finally {
        disposeModel(model);
      }
    }
    return remember(ensemble.finish({ folds }), session);
  }
  const model = await wantModel({ model: options.model, checkpoint: checkpoints[0] }, context, session);
  // First, as it tells at once when the data has no boxes.
  const game = options.pointing
    ? await pointing(
        model,
        dataset,
        { split, images: images ?? Infinity, captionsPerImage: captionsPerImage ?? Infinity, onBadImage },
        context,
      )
    : undefined;
  const evaluation = await evaluateOne(model, checkpoints[0] ?? trainedAs(session, model));
  if (game !== undefined) evaluation.pointing = game;
  if (options.words !== undefined) {
    const { wordRelevance } = await import("../../evaluate/index.js");
    evaluation.words = await wordRelevance(evaluation, { captions: options.words }, context);
  }
  return remember(evaluation, session);
}

/** Of `--checkpoint`, or of the published `--resume FILE`. */
function checkpointsOf({ checkpoint, resume, model }: EvalOptions): string[] {
  const named = list(checkpoint);
  if (typeof resume === "string" && (named.length > 0 || model !== undefined)) {
    throw new AmsError("two models are named: with a value, --resume is the same as --checkpoint", {
      where: `--resume ${resume} together with ${named.map((name) => `--checkpoint ${name}`).join(" ") || "a model"}`,
      hint: "to go on with an interrupted evaluation write --resume last and without a value",
    });
  }
  return typeof resume === "string" ? [resume] : named;
}

function refuseForEnsembles({ pointing, words, scales, saveScales, model }: EvalOptions): void {
  const extra = pointing
    ? "--pointing"
    : words !== undefined
      ? "--words"
      : scales
        ? "--scales"
        : saveScales
          ? "--save-scales"
          : model === undefined
            ? undefined
            : "a model";
  if (extra === undefined) return;
  throw new AmsError(`an ensemble is the mean of scores, without ${extra}`, {
    where: "ams eval with several --checkpoint",
    hint: "evaluate one of its models for that",
  });
}

function refuseForPooled(options: EvalOptions): void {
  if (!options.pooled) return;
  const exactOnly = ["threshold", "memory", "scales", "fresh"] as const;
  const extra = options.resume === true ? "resume" : exactOnly.find((name) => options[name] !== undefined && options[name] !== false); // prettier-ignore
  if (extra === undefined) return;
  throw new AmsError(`pooled scores are one number a pair, computed at once: --${extra} has no effect on them`, {
    where: `ams eval --pooled --${extra}`,
    hint: `leave out --${extra}, or --pooled`,
  });
}

function refuseSaveScales({ saveScales, save, pooled }: EvalOptions): void {
  if (!saveScales || (save !== undefined && !pooled)) return;
  throw new AmsError(pooled ? "pooled scores have no scales to save" : "--save-scales needs a file to save beside", {
    where: "ams eval --save-scales",
    hint: pooled ? "leave out --pooled or --save-scales" : "say where: --save scores.npy --save-scales",
  });
}

/** Recalls of matrices made elsewhere, or of the mean of several. */
async function evaluateGiven(
  files: string[],
  options: EvalOptions,
  context: Context,
  session: Session,
): Promise<Evaluation> {
  const { folds, images, data } = options;
  const modelOnly = ["checkpoint", "model", "threshold", "pooled", "pointing", "words", "scales", "saveScales", "memory", "resume", "fresh", "skipBadImages"] as const; // prettier-ignore
  const extra =
    modelOnly.find((name) => options[name] !== undefined && options[name] !== false) ??
    (images !== undefined && data === undefined ? "images" : undefined);
  if (extra !== undefined) {
    throw new AmsError(`a score matrix made elsewhere is evaluated as it is, without --${kebab(extra)}`, {
      where: `--scores ${files.join(" --scores ")}`,
      hint: "leave it out, or leave out --scores to evaluate a model",
    });
  }
  const { openEnsemble } = await import("../../evaluate/index.js");
  const read = await scoreReader(options, context, session);
  let evaluation: Evaluation;
  if (files.length === 1) evaluation = read(files[0] ?? "", folds);
  else {
    const ensemble = openEnsemble();
    for (const file of files) ensemble.add(file, read(file));
    evaluation = ensemble.finish({ folds });
  }
  return data === undefined ? evaluation : remember(evaluation, session);
}

/** For later figures and tables; a later evaluation of the same kind takes the place of an earlier one. */
function remember(evaluation: Evaluation, session: Session): Evaluation {
  session.evaluations = [...session.evaluations.filter((other) => !sameKind(other, evaluation)), evaluation];
  return evaluation;
}

/** A later evaluation of the same gallery takes the place of an earlier one (each keeps its whole score matrix). */
function sameKind(a: Evaluation, b: Evaluation): boolean {
  return (
    a.dataset === b.dataset &&
    a.split === b.split &&
    a.images === b.images &&
    a.scoredBy === b.scoredBy &&
    (a.scoredBy !== "given" || a.name === b.name) &&
    a.members?.length === b.members?.length
  );
}
