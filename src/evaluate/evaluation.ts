/** The result of an evaluation: recalls both ways with their interval, the scores behind them, and how it shows itself. */
import { displaySymbol, escapeHtml, renderTable, type MimeBundle } from "../display.js";
import type { Item } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import { intervalText, measures, recallIntervals, type Interval, type Measured } from "./bootstrap.js";
import { foldsOf, type Folds } from "./folds.js";
import type { Pointing } from "./pointing.js";
import { duration } from "./progress.js";
import { recalls, type Direction, type Recalls } from "./recall.js";
import { references, type Reference } from "./references.js";
import type { ScaleRecalls, ScaleSummary } from "./scales.js";
import type { WordRelevance } from "./wordRelevance.js";

/** The numbers of an evaluation, without what they were made of. */
export interface EvaluationSummary {
  split: string;
  images: number;
  captions: number;
  i2t: Direction;
  t2i: Direction;
  /** Sum of the six recalls, in percent. */
  rsum: number;
  /** Queries whose true item has exactly the score of a wrong one; they count as missed. */
  ties: number;
  /** 95 % bootstrap interval of rSum over images. */
  interval: [number, number];
}

/** One model of an ensemble. */
export interface Member {
  name: string;
  i2t: Direction;
  t2i: Direction;
  rsum: number;
}

/** An evaluation with its scores and the rank of every query. */
export interface Evaluation extends EvaluationSummary {
  dataset: string;
  /** [images, captions], row-major. */
  scores: Float32Array | Float64Array;
  /** The image of each caption. */
  owner: Int32Array;
  /** Rank from 0 of every query's true item. */
  ranks: Recalls["ranks"];
  items: Item[];
  seconds: number;
  /** The 95 % bootstrap intervals over images of all recalls, in the order of `measures`; the last is `interval`. */
  intervals: Measured<Interval>;
  /** What was evaluated: a model's or a file's name. */
  name?: string;
  /** The gallery in equal parts, where that was asked for or is the data set's protocol. */
  folds?: Folds;
  /** Every scale alone and left out, where that was asked for. */
  scales?: ScaleRecalls[];
  /** Of an ensemble: its models, each by itself; `scores` are the means of theirs. */
  members?: Member[];
  model?: Model;
  /** The threshold of the exact score; absent for pooled scores and for scores made elsewhere. */
  threshold?: number;
  /** "exact": the attention score; "pooled": vectors; "given": a matrix made elsewhere. */
  scoredBy: "exact" | "pooled" | "given";
  /** The pointing game of the same images, where it was asked for. */
  pointing?: Pointing;
  /** What the words of some captions find, where it was asked for. */
  words?: WordRelevance;
  /** What `--json` prints. */
  toJSON(): EvaluationSummary & Record<string, unknown>;
  /** What it looks like, by mime type. */
  [displaySymbol](): MimeBundle;
}

export type EvaluationParts = Pick<
  Evaluation,
  "dataset" | "split" | "scores" | "owner" | "items" | "seconds" | "scoredBy"
> &
  Partial<Pick<Evaluation, "model" | "threshold" | "pointing" | "name" | "scales" | "members">> & {
    images: number;
    /** Evaluate also in so many folds. Default: five for MS-COCO's 5,000 test images, else none. */
    folds?: number | undefined;
  };

/** The images that MS-COCO's five folds of 1,000 are made of. */
const cocoImages = 5000;

function usualFolds(dataset: string, split: string, images: number): number {
  return /coco/i.test(dataset) && split === "test" && images === cocoImages ? 5 : 1;
}

/** Ranks the scores and completes the evaluation. Throws AmsError for NaN scores and wrong sizes (see `recalls`, `foldsOf`). */
export function makeEvaluation({ folds: asked, ...parts }: EvaluationParts): Evaluation {
  const { i2t, t2i, rsum, ties, ranks } = recalls(parts.scores, parts.images, parts.owner);
  const intervals = recallIntervals({ ranks, owner: parts.owner });
  const count = asked ?? usualFolds(parts.dataset, parts.split, parts.images);
  const folds = count > 1 ? foldsOf(parts.scores, parts.images, parts.owner, count) : undefined;
  const summary = {
    split: parts.split,
    images: parts.images,
    captions: parts.owner.length,
    i2t,
    t2i,
    rsum,
    ties,
    interval: intervals[6],
  };
  const evaluation: Evaluation = {
    ...parts,
    ...summary,
    ranks,
    intervals,
    ...(folds === undefined ? {} : { folds }),
    toJSON: () => {
      const { dataset, seconds, scoredBy, threshold, name, scales, members } = parts;
      const { pointing } = evaluation;
      return {
        ...summary,
        intervals: Object.fromEntries(measures.map((measure, m) => [measure, intervals[m]])),
        dataset,
        ...(name === undefined ? {} : { name }),
        scoredBy,
        ...(threshold === undefined ? {} : { threshold }),
        ...(members === undefined ? {} : { members }),
        ...(folds === undefined ? {} : { folds: foldsJson(folds) }),
        ...(scales === undefined ? {} : { scales }),
        ...(pointing === undefined ? {} : { pointing: pointing.toJSON() }),
        seconds,
      };
    },
    [displaySymbol]: () => show(evaluation),
  };
  return evaluation;
}

/** Without the ranks of every query. */
function foldsJson({ each, ...folds }: Folds): Record<string, unknown> {
  return { ...folds, each: each.map(({ i2t, t2i, rsum, ties }) => ({ i2t, t2i, rsum, ties })) };
}

const whole = (n: number): string => n.toLocaleString("en");

/** The tables beside their references, with what was measured above and remarks below. */
function show(evaluation: Evaluation): MimeBundle {
  const { dataset, split, images, captions, rsum, interval, ties, seconds, scoredBy, folds, scales, members } =
    evaluation;
  const about = scoredBy === "given" && split === "given" ? dataset : [dataset, split].filter((part) => part !== "").join(" "); // prettier-ignore
  const { rows, remark } = references(dataset, split, images);
  const what = members === undefined ? (evaluation.name ?? "this model") : `mean of ${members.length}`;
  const tables = [
    renderTable({
      columns: ["model", ...headers("i2t"), ...headers("t2i"), "rSum"],
      rows: [
        ...(members ?? []).map(({ name, ...member }) => recallCells(name, member)),
        recallCells(what, evaluation),
        intervalCells(evaluation.intervals),
        ...rows.map(referenceCells),
      ],
      caption:
        `${about}: ${whole(images)} images x ${whole(captions)} captions` +
        `${scoredBy === "pooled" ? ", pooled score" : ""}, in percent`,
    }),
  ];
  if (folds !== undefined) {
    const beside = references(dataset, split, folds.images, folds.count);
    tables.push(
      renderTable({
        columns: ["model", ...headers("i2t"), ...headers("t2i"), "rSum"],
        rows: [recallCells(what, folds), intervalCells(folds.intervals), ...beside.rows.map(referenceCells)],
        caption: `${about}: mean of ${folds.count} folds of ${whole(folds.images)} images, in percent`,
      }),
    );
  }
  if (scales !== undefined) tables.push(scalesTable(evaluation, scales));
  const remarks = [
    `rSum ${rsum.toFixed(1)}, 95 % interval over images ${interval[0].toFixed(1)} to ${interval[1].toFixed(1)}; ` +
      `${ties === 0 ? "no ties" : `${whole(ties)} tied queries, counted as missed`}; ${duration(seconds)}`,
    ...(remark === undefined ? [] : [remark]),
  ];
  const game = evaluation.pointing?.[displaySymbol]();
  const [first, ...others] = tables;
  return {
    "text/plain": [
      first?.text ?? "",
      ...remarks,
      ...others.flatMap(({ text }) => ["", text]),
      ...(game === undefined ? [] : ["", game["text/plain"]]),
    ].join("\n"),
    "text/html":
      (first?.html ?? "") +
      remarks.map((line) => `<div>${escapeHtml(line)}</div>`).join("") +
      others.map(({ html }) => html).join("") +
      (game === undefined ? "" : String(game["text/html"])),
  };
}

/** Every scale alone and left out, below the whole. */
function scalesTable(whole: Evaluation, scales: ScaleRecalls[]): { text: string; html: string } {
  const row = (name: string, { i2t, t2i, rsum, intervals }: ScaleSummary): string[] => [
    name,
    ...[i2t, t2i].flatMap(({ r1, r5, r10 }) => [r1, r5, r10].map((value) => value.toFixed(1))),
    rsum.toFixed(1),
    intervalText(intervals[6]),
  ];
  return renderTable({
    columns: ["scales", "i2t R@1", "R@5", "R@10", "t2i R@1", "R@5", "R@10", "rSum", "95 % interval"],
    rows: [
      row("all", whole),
      ...scales.map(({ scale, alone }) => row(`${scale} alone`, alone)),
      ...scales.flatMap(({ scale, without }) => (without === undefined ? [] : [row(`all but ${scale}`, without)])),
    ],
    caption: "recalls of the scales, in percent",
  });
}

function intervalCells(intervals: Measured<Interval>): string[] {
  const [i1, i5, i10, t1, t5, t10, sum] = intervals.map(intervalText) as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return ["95 % interval", i1, i5, i10, "", "", t1, t5, t10, "", "", sum];
}

function recallCells(name: string, { i2t, t2i, rsum }: Pick<Member, "i2t" | "t2i" | "rsum">): string[] {
  return [name, ...cells(i2t), ...cells(t2i), rsum.toFixed(1)];
}

const headers = (way: string): string[] => [`${way} R@1`, "R@5", "R@10", "medR", "meanR"];

const percent = (value: number | string): string => (typeof value === "number" ? value.toFixed(1) : value);

function cells({ r1, r5, r10, medr, meanr }: Direction): string[] {
  return [r1.toFixed(1), r5.toFixed(1), r10.toFixed(1), medianText(medr), meanr.toFixed(1)];
}

function referenceCells({ name, i2t, t2i, rsum }: Reference): string[] {
  const way = (recall: Reference["i2t"]): string[] => [...(recall ?? ["", "", ""]).map(percent), "", ""];
  return [name, ...way(i2t), ...way(t2i), rsum?.toFixed(1) ?? ""];
}

/** A mean of medians over folds is no whole number. */
function medianText(median: number): string {
  return Number.isInteger(median) ? String(median) : median.toFixed(1);
}
