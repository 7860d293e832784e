/** The result of an evaluation: recalls both ways with their interval, the scores behind them, and how it shows itself. */
import { displaySymbol, escapeHtml, renderTable, type MimeBundle } from "../display.js";
import type { Item } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import { rsumInterval } from "./bootstrap.js";
import { duration } from "./progress.js";
import { recalls, type Direction, type Recalls } from "./recall.js";
import { references, type Reference } from "./references.js";

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
  model?: Model;
  /** The threshold of the exact score; absent for pooled scores and for scores made elsewhere. */
  threshold?: number;
  /** "exact": the attention score; "pooled": vectors; "given": a matrix made elsewhere. */
  scoredBy: "exact" | "pooled" | "given";
  toJSON(): EvaluationSummary & Record<string, unknown>;
  [displaySymbol](): MimeBundle;
}

export type EvaluationParts = Pick<
  Evaluation,
  "dataset" | "split" | "scores" | "owner" | "items" | "seconds" | "scoredBy"
> &
  Partial<Pick<Evaluation, "model" | "threshold">> & { images: number };

/** Ranks the scores and completes the evaluation. Throws AmsError for NaN scores and wrong sizes (see `recalls`). */
export function makeEvaluation(parts: EvaluationParts): Evaluation {
  const { i2t, t2i, rsum, ties, ranks } = recalls(parts.scores, parts.images, parts.owner);
  const interval = rsumInterval(ranks, parts.owner);
  const summary = {
    split: parts.split,
    images: parts.images,
    captions: parts.owner.length,
    i2t,
    t2i,
    rsum,
    ties,
    interval,
  };
  const evaluation: Evaluation = {
    ...parts,
    ...summary,
    ranks,
    toJSON: () => {
      const { dataset, seconds, scoredBy, threshold } = parts;
      return { ...summary, dataset, scoredBy, ...(threshold === undefined ? {} : { threshold }), seconds };
    },
    [displaySymbol]: () => show(evaluation),
  };
  return evaluation;
}

/** The table beside its references, with what was measured above and remarks below. */
function show(evaluation: Evaluation): MimeBundle {
  const { dataset, split, images, captions, i2t, t2i, rsum, interval, ties, seconds, scoredBy } = evaluation;
  const whole = (n: number): string => n.toLocaleString("en");
  const { rows, remark } = references(dataset, split, images);
  const table = renderTable({
    columns: ["", ...headers("i2t"), ...headers("t2i"), "rSum"],
    rows: [["this model", ...cells(i2t), ...cells(t2i), rsum.toFixed(1)], ...rows.map(referenceCells)],
    caption:
      `${[dataset, split].filter((part) => part !== "").join(" ")}: ${whole(images)} images x ${whole(captions)} captions` +
      `${scoredBy === "pooled" ? ", pooled score" : ""}, in percent`,
  });
  const remarks = [
    `rSum ${rsum.toFixed(1)}, 95 % interval over images ${interval[0].toFixed(1)} to ${interval[1].toFixed(1)}; ` +
      `${ties === 0 ? "no ties" : `${whole(ties)} tied queries, counted as missed`}; ${duration(seconds)}`,
    ...(remark === undefined ? [] : [remark]),
  ];
  return {
    "text/plain": [table.text, ...remarks].join("\n"),
    "text/html": table.html + remarks.map((line) => `<div>${escapeHtml(line)}</div>`).join(""),
  };
}

const headers = (way: string): string[] => [`${way} R@1`, "R@5", "R@10", "medR", "meanR"];

const percent = (value: number | string): string => (typeof value === "number" ? value.toFixed(1) : value);

function cells({ r1, r5, r10, medr, meanr }: Direction): string[] {
  return [r1.toFixed(1), r5.toFixed(1), r10.toFixed(1), String(medr), meanr.toFixed(1)];
}

function referenceCells({ name, i2t, t2i, rsum }: Reference): string[] {
  const way = (recall: Reference["i2t"]): string[] => [...(recall ?? ["", "", ""]).map(percent), "", ""];
  return [name, ...way(i2t), ...way(t2i), rsum?.toFixed(1) ?? ""];
}
