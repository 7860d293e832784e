/** `plot`: figures of attention, recalls, training history and hits. */
import path from "node:path";
import { z } from "zod";
import type { Context } from "../../context.js";
import type { Item } from "../../data/dataset.js";
import { AmsError } from "../../errors.js";
import type { Evaluation, ReferenceRecalls } from "../../evaluate/index.js";
import type { Model } from "../../model/ams.js";
import { checkFigureFile, type Figure } from "../../plot/figure.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { checkNames, loadModel, modelOptions, wantModel } from "../models.js";
import { suggestion } from "../nearest.js";
import { findRun, latestCurves, readRuns, readSteps, runCurves } from "../runList.js";
import { resolvePath, trainedAs, type Session } from "../session.js";
import { evalCommand } from "./eval.js";

/** Every kind of figure. */
export const figures = [
  "attention",
  "recall",
  "history",
  "runs",
  "gallery",
  "confusion",
  "distribution",
  "scales",
  "phrases",
  "phrase-recall",
  "sizes",
] as const;

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
  againstCaption: option(z.union([z.int().min(0), z.string()]).optional(), {
    help: "attention: beside it the same image with another of its captions, or a text of your own",
    value: "N|TEXT",
  }),
  againstCheckpoint: option(z.string().optional(), {
    help: "attention: beside it the same pair as another model sees it",
    value: "NAME|DIR|FILE",
    complete: "model",
  }),
  direction: option(z.enum(["t2i", "i2t"]).default("t2i"), {
    help: "gallery: captions look for images, or images for captions",
  }),
  queries: option(z.int().min(1).max(50).default(5), { help: "gallery: number of queries", value: "N" }),
  k: option(z.int().min(1).max(20).default(5), { help: "gallery: hits a query", value: "N" }),
  count: option(z.int().min(2).max(40).default(12), { help: "confusion: number of images", value: "N" }),
  words: option(z.int().min(0).default(100), {
    help: "distribution: captions whose words are looked at (0: only the scores of pairs)",
    value: "N",
  }),
  scale: option(z.int().min(1).optional(), {
    help: "distribution: words at this scale (default: the deepest)",
    value: "K",
  }),
  images: option(z.int().min(1).optional(), {
    help: "recall, gallery, confusion, distribution, scales, phrases, phrase-recall: evaluate on the first N images of the split",
    value: "N",
  }),
  scores: option(z.union([z.array(z.string()), z.string()]).optional(), {
    help: "recall, confusion, distribution: instead of a model a score matrix, as eval --scores takes it (.npy, .safetensors); recall draws several",
    value: "FILE",
    complete: "file",
  }),
  captionsPerImage: option(z.int().min(1).optional(), {
    help: "recall, gallery, confusion, distribution: only the first N captions of each image; scores without owners: N captions an image, in order",
    value: "N",
  }),
  skipBadImages: option(z.boolean().default(false), {
    help: "figures of an evaluation: leave missing and unreadable images out, count and name them, instead of stopping",
  }),
  run: option(z.union([z.array(z.string()), z.string()]).optional(), {
    help: "history: the run (default: the latest); runs takes several (default: the latest six)",
    value: "RUN",
    complete: "run",
  }),
  out: option(z.string().optional(), {
    help: "also save the figure: .svg, .png, .html or .json",
    value: "FILE",
    complete: "file",
  }),
};

type PlotOptions = z.output<z.ZodObject<typeof plotShape>>;

export const plotCommand = defineCommand({
  name: "plot",
  summary:
    "a figure: attention, recall, history, runs, gallery, confusion, distribution, scales, phrases, phrase-recall, sizes",
  about:
    "attention: what every word of a caption looks at, at every scale. recall: R@K over K with intervals for the session's evaluations (or the given splits), beside published rows. " +
    "history: loss and recalls of a training. gallery: queries of the latest evaluation with their best hits. " +
    "confusion: the images that its captions take for each other. distribution: scores of true and wrong pairs, and of words with the mined thresholds. " +
    "runs: losses and recalls of several trainings. scales: rSum of every scale alone, and of all but it. " +
    "phrases: the pointing game by kind of phrase. phrase-recall: recalls of the captions that name people, animals, vehicles and so on. sizes: lengths of the captions and sizes of the images.",
  options: plotShape,
  positional: { option: "figure" },
  aliases: dataAliases,
  examples: [
    "plot attention --item 3 --caption 1",
    'plot attention --image photo.jpg --caption "a dog on the beach" --out attention.html',
    'plot attention --item 3 --against-caption "a cat in the snow"',
    "plot attention --item 3 --against-checkpoint scenes-encoders",
    "plot recall --split test --split test-style",
    "plot history --run first-try --out history.svg",
    "plot gallery --queries 8",
    "plot confusion --split test --images 200",
    "plot confusion --scores scores.npy",
    "plot distribution --words 50",
    "plot runs --run first-try --run second-try",
    "plot scales --images 200",
    "plot phrases --images 100",
    "plot phrase-recall --split test --images 200",
    "plot sizes --data scenes",
  ],
  resultType: "Figure",
  run: async (options, context, session): Promise<Figure> => {
    const out = options.out === undefined ? undefined : resolvePath(session, options.out);
    if (out !== undefined) checkFigureFile(out); // before the work, not after it
    refuseForScores(options);
    if (options.scores === undefined) checkNames(session, options.checkpoint, options.againstCheckpoint);
    const figure = await draw(options, context, session);
    session.figure = figure;
    if (out !== undefined) context.note(`saved ${await figure.save(out)}`);
    return figure;
  },
  json: ({ title, json }) => ({ title, figure: json }),
});

async function draw(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  switch (options.figure) {
    case "attention":
      return attention(options, context, session);
    case "recall":
      return recall(options, context, session);
    case "history":
      return history(runsOf(options)[0], session);
    case "runs":
      return runsOf(options).length > 0 ? runCurves(runsOf(options).map(findRun)) : latestCurves(readRuns());
    case "scales":
      return scales(options, context, session);
    case "phrases":
      return phrases(options, context, session);
    case "phrase-recall":
      return phraseRecall(options, context, session);
    case "sizes":
      return sizes(options, context, session);
    case "gallery":
      return gallery(options, context, session);
    case "confusion":
      return confusion(options, context, session);
    case "distribution":
      return distribution(options, context, session);
  }
}

async function attention(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { againstCaption, againstCheckpoint } = options;
  await wantEngine(context, session);
  const { compareAttention, drawAttention } = await import("../attention.js");
  const { image, caption, captionOf, item } = await pairOf(options, context, session);
  const model = await wantModel(options, context, session);
  const request = { image, caption, ...(item === undefined ? {} : { item }) };
  if (againstCaption === undefined && againstCheckpoint === undefined) return drawAttention(model, request);
  const other = againstCaption === undefined ? caption : captionOf(againstCaption, "--against-caption");
  const otherModel = againstCheckpoint === undefined ? model : await loadModel(againstCheckpoint, context, session);
  const nameOf = (text: string, checkpoint: string): string =>
    [...(againstCheckpoint === undefined ? [] : [checkpoint]), ...(againstCaption === undefined ? [] : [text])].join(
      ": ",
    );
  // A pooled model has products of words and patches to show, but no attention.
  const pooled = [model, otherModel].filter(({ config }) => config.head?.score === "pooled").length;
  const shown = ["Attention", "Attention and products", "Products"][pooled]!;
  const source = model.source === undefined ? "this model" : path.basename(model.source);
  const own = options.checkpoint ?? trainedAs(session, model) ?? source;
  try {
    return await compareAttention(
      [
        { model, request: { ...request, name: nameOf(caption, own) } },
        {
          model: otherModel,
          request: { ...request, caption: other, name: nameOf(other, againstCheckpoint ?? own) },
        },
      ],
      `${shown} of two ${againstCheckpoint === undefined ? "captions" : "models"}`,
    );
  } finally {
    if (otherModel !== model) (await import("../../model/ams.js")).disposeModel(otherModel);
  }
}

interface Pair {
  image: string;
  caption: string;
  item?: Item;
  /** Another caption of the same image, by number or as given. */
  captionOf: (wanted: number | string, flag: string) => string;
}

/** The picture and caption that `--image`, or `--split`, `--item` and `--caption` mean. */
async function pairOf(options: PlotOptions, context: Context, session: Session): Promise<Pair> {
  const { caption, image } = options;
  if (image !== undefined) {
    const textOnly = (wanted: number | string, flag: string): string => {
      if (typeof wanted === "string") return wanted;
      throw new AmsError("a picture of your own needs a caption", {
        where: `ams plot attention --image ${image}`,
        hint: `add ${flag} "what the picture shows"`,
      });
    };
    return { image: resolvePath(session, image), caption: textOnly(caption, "--caption"), captionOf: textOnly };
  }
  const dataset = await wantDataset(options, context, session);
  const split = splitsOf(options)[0] ?? "test";
  const item = itemOf(splitOf(dataset, split), options.item, split);
  const captionOf = (wanted: number | string, flag: string): string => {
    const text = typeof wanted === "string" ? wanted : item.captions[wanted]?.text;
    if (text !== undefined) return text;
    throw new AmsError(`image ${item.id} has no caption ${String(wanted)}`, {
      where: `ams plot attention --item ${String(options.item)} ${flag} ${String(wanted)}`,
      hint: `its captions are 0 to ${String(item.captions.length - 1)}; a text of your own works too`,
    });
  };
  return { image: item.image, caption: captionOf(caption, "--caption"), item, captionOf };
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

/** What `eval` also does only where a figure needs it. */
const onlyRecalls = {
  pooled: false,
  pointing: false,
  scales: false,
  saveScales: false,
  fresh: false,
  words: undefined,
} as const;

const asksForModel = ({ checkpoint, model }: PlotOptions): boolean => checkpoint !== undefined || model !== undefined;
const asksForGallery = ({ images, captionsPerImage, data, root, annotations, captions }: PlotOptions): boolean =>
  [images, captionsPerImage, data, root, annotations, captions].some((value) => value !== undefined);

/** The splits to show scores of; undefined: whatever the session has. */
function splitsShown(options: PlotOptions): (string | undefined)[] {
  const asked = splitsOf(options);
  if (asked.length > 0) return asked;
  return [asksForModel(options) || asksForGallery(options) ? "test" : undefined];
}

/**
 * The session's evaluations of a split (undefined: of any) that are of the model, data and images that the options ask for; where they ask for
 * none of these, of the open data set.
 */
async function keptEvaluations(
  split: string | undefined,
  options: PlotOptions,
  context: Context,
  session: Session,
): Promise<Evaluation[]> {
  const ofModel = asksForModel(options);
  if (session.evaluations.length === 0) return [];
  if (ofModel) {
    await wantEngine(context, session);
    await wantModel(options, context, session); // another model empties the list
  }
  let found = session.evaluations.filter((each) => split === undefined || each.split === split);
  if (ofModel) found = found.filter((each) => each.model === session.model);
  if (!ofModel && !asksForGallery(options)) {
    const open = session.dataset?.name;
    return found.filter((each) => split === undefined || open === undefined || each.dataset === open);
  }
  const { chosenItems } = await import("../../evaluate/index.js");
  const dataset = await wantDataset(options, context, session);
  const wanted = chosenItems(dataset, split ?? "test", options);
  return found.filter((each) => each.dataset === dataset.name && sameItems(each.items, wanted));
}

function sameItems(a: readonly Item[], b: readonly Item[]): boolean {
  const textOf = ({ id, image, captions }: Item): string => [id, image, ...captions.map(({ text }) => text)].join("\n");
  return a.length === b.length && a.every((item, i) => item === b[i] || textOf(item) === textOf(b[i]!));
}

/**
 * What a figure of scores shows: those of `--scores`, or of each asked split the latest evaluation of every kind (exact, pooled), made where there
 * is none; without a split all of the session.
 */
async function evaluations(options: PlotOptions, context: Context, session: Session): Promise<Evaluation[]> {
  const score = (split: string | undefined, scores?: string): Promise<Evaluation> =>
    evalCommand.run({ ...options, ...onlyRecalls, split, scores }, context, session);
  const result: Evaluation[] = [];
  for (const file of listOf(options.scores)) result.push(await score(splitsOf(options)[0], file));
  if (result.length > 0) return result;
  for (const split of splitsShown(options)) {
    const found = latestOfEach(kindOf, await keptEvaluations(split, options, context, session));
    result.push(...(found.length > 0 ? found : [await score(split)]));
  }
  return result;
}

/** Throws an AmsError for options that a matrix made elsewhere leaves no room for. */
function refuseForScores(options: PlotOptions): void {
  const { figure, scale, scores } = options;
  const [files, splits] = [listOf(scores), splitsOf(options)];
  if (files.length === 0) return;
  const where = `ams plot ${figure} --scores ${files.join(" --scores ")}`;
  if (figure !== "recall" && figure !== "confusion" && figure !== "distribution") {
    throw new AmsError(`${figure} needs more than scores`, {
      where,
      hint: "--scores is for recall, confusion and distribution",
    });
  }
  if (figure !== "recall" && files.length > 1) {
    throw new AmsError(`${figure} is drawn of one matrix, not of ${String(files.length)}`, {
      where,
      hint: "leave one --scores; their mean is an evaluation: ams eval --scores A --scores B --save mean.npy",
    });
  }
  if (splits.length > 1) {
    throw new AmsError(`a score matrix belongs to one split, not to ${splits.join(" and ")}`, {
      where,
      hint: "leave one --split",
    });
  }
  if (scale !== undefined) {
    throw new AmsError("scores that were made elsewhere have no words at a scale", {
      where: `${where} --scale ${String(scale)}`,
      hint: "leave out --scale, or --scores to look at the words of a model",
    });
  }
}

const splitKey = ({ split }: Evaluation): string => split;
const kindOf = ({ dataset, split, scoredBy, members, name }: Evaluation): string =>
  JSON.stringify([dataset, split, scoredBy, members?.length, scoredBy === "given" ? name : undefined]);

/** The last of those with one key, in their order. */
function latestOfEach(key: (evaluation: Evaluation) => string, all: readonly Evaluation[]): Evaluation[] {
  return all.filter((evaluation, i) => !all.slice(i + 1).some((other) => key(other) === key(evaluation)));
}

/** What tells evaluations apart in a legend: of model, data set, split, kind of score and size what is not the same for all; always the split. */
function namesOf(all: readonly Evaluation[]): string[] {
  const parts = all.map(({ name, dataset, split, scoredBy, images }) => [
    name ?? (scoredBy === "given" ? "given scores" : "this model"),
    dataset,
    split,
    `${scoredBy} score`,
    `${images.toLocaleString("en")} images`,
  ]);
  const differs = (p: number): boolean => new Set(parts.map((row) => row[p])).size > 1;
  return parts.map((row, i) => {
    const given = all[i]?.scoredBy === "given";
    return row.filter((part, p) => part !== "" && (differs(p) || (p === 0 && given) || (p === 2 && !given))).join(", ");
  });
}

/** The split of a figure's title, with how it was scored where that is not the exact score. */
function splitTitle({ split, scoredBy, name }: Evaluation): string {
  if (scoredBy === "exact") return split;
  const how = scoredBy === "pooled" ? "pooled score" : path.basename(name ?? "given scores");
  return split === "given" ? how : `${split}, ${how}`;
}

function listOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}

const splitsOf = ({ split }: PlotOptions): string[] => listOf(split);
const runsOf = ({ run }: PlotOptions): string[] => listOf(run);

/** The evaluation of the first asked split, with a part that not every evaluation has. */
async function evaluationWith(
  part: "scales" | "pointing",
  options: PlotOptions,
  context: Context,
  session: Session,
): Promise<Evaluation> {
  const split = splitsOf(options)[0] ?? "test";
  const kept = await keptEvaluations(split, options, context, session);
  const found = kept.findLast((each) => each[part] !== undefined);
  if (found !== undefined) return found;
  const asked = { ...onlyRecalls, [part]: true, scores: undefined };
  return evalCommand.run({ ...options, ...asked, split }, context, session);
}

async function scales(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { scalesFigure } = await import("../../plot/scales.js");
  const { scales: found = [], rsum, split } = await evaluationWith("scales", options, context, session);
  return scalesFigure(found, rsum, `What each scale does (${split})`);
}

async function phrases(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { phrasesFigure } = await import("../../plot/phrases.js");
  const { pointing, split } = await evaluationWith("pointing", options, context, session);
  return phrasesFigure(pointing?.types ?? [], `Pointing by kind of phrase (${split})`);
}

/** Each evaluation's curve, and the rows that may stand beside it as points. */
async function recall(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { recallFigure } = await import("../../plot/recall.js");
  const { references } = await import("../../evaluate/index.js");
  const all = await evaluations(options, context, session);
  const points = (recalls: ReferenceRecalls | undefined): { r1: number; r5: number; r10: number } => {
    const [r1 = NaN, r5 = NaN, r10 = NaN] = (recalls ?? []).map((value) => (typeof value === "number" ? value : NaN));
    return { r1, r5, r10 };
  };
  const gallery = ({ dataset, split, images }: Evaluation): string => JSON.stringify([dataset, split, images]);
  const galleries = latestOfEach(gallery, all);
  const beside = galleries.map(({ dataset, split, images }) => ({ split, ...references(dataset, split, images) }));
  const known = beside.flatMap(({ split, rows }) =>
    rows.map(({ name, i2t, t2i }) => ({
      name: galleries.length === 1 ? name : `${split}: ${name}`,
      i2t: points(i2t),
      t2i: points(t2i),
    })),
  );
  const remarks = [...new Set(beside.flatMap(({ remark }) => remark ?? []))];
  const published = known.filter(({ i2t, t2i }) => [i2t.r1, t2i.r1].some((value) => !Number.isNaN(value)));
  const names = namesOf(all);
  const model = all.every(({ name, scoredBy }) => name === all[0]?.name && scoredBy !== "given") ? all[0]?.name : undefined; // prettier-ignore
  const shown = galleries.map(({ split, images }) => `${split}, ${String(images)} images`).join("; ");
  const curves = all.map((evaluation, i) => ({ ...evaluation, name: names[i]! }));
  return recallFigure([...curves, ...published], {
    title: `Recall at K (${model === undefined ? "" : `${model}: `}${shown})`,
    ...(remarks.length === 0 ? {} : { remark: remarks.join(" ") }),
  });
}

async function phraseRecall(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { phraseRecalls } = await import("../../evaluate/index.js");
  const { phraseRecallFigure } = await import("../../plot/phrases.js");
  const evaluation = await oneEvaluation(options, context, session);
  const gallery = `${splitTitle(evaluation)}, ${String(evaluation.images)} images`;
  return phraseRecallFigure(phraseRecalls(evaluation), `Recall by kind of phrase (${gallery})`);
}

/** So many images of each split are opened for their sizes. */
const measured = 300;

async function sizes(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { datasetSummary } = await import("../../data/summary.js");
  const { sizesFigure } = await import("../../plot/sizes.js");
  const { imageSize } = await import("../../data/decode.js");
  const { featuresFile } = await import("../../data/regionFeatures.js");
  const dataset = await wantDataset(options, context, session);
  const asked = splitsOf(options);
  const summaries = (await datasetSummary(dataset, undefined, context)).filter(
    ({ split }) => asked.length === 0 || asked.includes(split),
  );
  const splits = [];
  for (const { split, lengths, cut } of summaries) {
    context.signal.throwIfAborted();
    const pictures = splitOf(dataset, split).filter(({ image }) => featuresFile(image) === undefined);
    const items = pictures.slice(0, options.images ?? measured);
    const images = await Promise.all(
      items.map(async ({ image }) => {
        context.signal.throwIfAborted();
        return imageSize(image);
      }),
    );
    splits.push({ split, lengths, cut, images });
  }
  return sizesFigure(splits, `Lengths of captions and sizes of images (${dataset.name})`);
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
  const all = latestOfEach(splitKey, await evaluations(options, context, session));
  const chosen = splitsOf(options).length > 0 ? all : all.slice(-1);
  const rows = chosen.flatMap((evaluation) => galleryOf(evaluation, { direction, count: queries, k }));
  return galleryFigure({ title: `${title} (${chosen.map(splitTitle).join("; ")})`, rows });
}

/** The latest evaluation of the first asked split. */
async function oneEvaluation(options: PlotOptions, context: Context, session: Session): Promise<Evaluation> {
  const all = latestOfEach(splitKey, await evaluations(options, context, session));
  const evaluation = splitsOf(options).length > 0 ? all[0] : all.at(-1);
  if (evaluation === undefined) throw new Error("no evaluation was made");
  return evaluation;
}

async function confusion(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { captionsOf, confusionMatrix, hardestConfusions } = await import("../../evaluate/index.js");
  const { confusionFigure } = await import("../../plot/confusion.js");
  const evaluation = await oneEvaluation(options, context, session);
  const { items } = evaluation;
  const captions = captionsOf(evaluation);
  return confusionFigure(
    {
      matrix: confusionMatrix(evaluation, options.count),
      hardest: hardestConfusions(evaluation, "t2i", options.count),
      imageName: (image) => items[image]?.id ?? `image ${image}`,
      captionText: (caption) => captions[caption]?.text ?? `caption ${caption}`,
      picture: (image) => items[image]?.image,
    },
    `Hardest confusions (${splitTitle(evaluation)})`,
  );
}

/** Throws an AmsError where there are no words at a scale to be shown, since the model has none or the evaluation lacks them. */
function refuseScale(
  scale: number,
  words: number,
  { model, scoredBy, images }: { model?: Model; scoredBy?: Evaluation["scoredBy"]; images?: number | undefined },
): void {
  const refused = (what: string, hint: string): AmsError =>
    new AmsError(what, { where: `ams plot distribution --scale ${scale}`, hint });
  if (words === 0) throw refused("--words 0 leaves no words to look at", "leave out --words or --scale");
  if (model === undefined) {
    throw refused(
      "scores without one model have no words at a scale",
      "leave out --scale, or evaluate a model: ams eval",
    );
  }
  if (model.config.head?.score === "pooled") {
    throw refused(
      "the model compares images and captions as wholes: there are no words at a scale",
      "leave out --scale, or choose a model with attention (--checkpoint scenes-small)",
    );
  }
  if (scoredBy === "pooled") {
    throw refused(
      "the pooled score compares images and captions as wholes: there are no words at a scale",
      "leave out --scale, or evaluate without --pooled: ams eval",
    );
  }
  if ((images ?? 2) < 2)
    throw refused("words are compared between at least two images", "leave out --scale or --images");
  const scales = model.config.scales.length;
  if (scale > scales) throw refused(`the model has no scale ${scale}`, `give 1 to ${scales}`);
}

async function distribution(options: PlotOptions, context: Context, session: Session): Promise<Figure> {
  const { scoreDistributions, wordRelevance } = await import("../../evaluate/index.js");
  const { distributionFigure } = await import("../../plot/distribution.js");
  const { scale, words: count } = options;
  const [split] = splitsShown(options);
  if (scale !== undefined && (await keptEvaluations(split, options, context, session)).length === 0) {
    await wantEngine(context, session);
    const { images } = options;
    refuseScale(scale, count, { model: await wantModel(options, context, session), images }); // before all pairs are scored for nothing
  }
  const evaluation = await oneEvaluation(options, context, session);
  if (scale !== undefined) refuseScale(scale, count, evaluation);
  const withWords =
    count > 0 && evaluation.model !== undefined && evaluation.scoredBy === "exact" && evaluation.images > 1;
  const isMade = evaluation.words?.captions === Math.min(count, evaluation.captions);
  if (withWords && !isMade) evaluation.words = await wordRelevance(evaluation, { captions: count }, context);
  const words = withWords ? evaluation.words : undefined;
  return distributionFigure(scoreDistributions(evaluation), words, {
    title: `Scores of true and wrong pairs (${splitTitle(evaluation)})`,
    ...(scale === undefined ? {} : { scale }),
  });
}
