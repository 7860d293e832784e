/** Two evaluations of the same queries side by side: which difference is real. */
import { displaySymbol, escapeHtml, renderTable, type Displayable, type MimeBundle } from "../display.js";
import { AmsError } from "../errors.js";
import { measures, pairedDifferences, type Difference, type Ranked } from "./bootstrap.js";
import type { Evaluation } from "./evaluation.js";
import type { Direction } from "./recall.js";

/** A row of the comparison; values in percent, differences in percentage points (second minus first). */
export interface MeasureDifference extends Difference {
  measure: (typeof measures)[number];
  a: number;
  b: number;
}

/** Two evaluations of the same queries, and which of their differences are real. */
export interface Comparison extends Displayable {
  /** The names of the two. */
  a: string;
  b: string;
  dataset: string;
  split: string;
  images: number;
  captions: number;
  /** i2t and t2i R@1, 5, 10 and rSum. */
  measures: MeasureDifference[];
  /** The same as means over the folds, where both were evaluated in folds. */
  folds?: { count: number; measures: MeasureDifference[] };
  /** Of two trainings: what differs in their records. */
  records?: { what: string; a: string; b: string }[];
  /** What `--json` prints. */
  toJSON(): Record<string, unknown>;
}

/**
 * Paired bootstrap over images (see `pairedDifferences`): each resample asks both the same queries. Throws AmsError for evaluations of
 * different images or captions.
 */
export function compareEvaluations(
  a: Evaluation,
  b: Evaluation,
  names: [string, string] = [a.name ?? "A", b.name ?? "B"],
  records?: Comparison["records"],
): Comparison {
  const same =
    a.images === b.images && a.owner.length === b.owner.length && a.owner.every((image, c) => image === b.owner[c]);
  const sameIds = a.items.every(({ id }, i) => b.items[i] === undefined || b.items[i].id === id);
  if (!same || !sameIds) {
    const size = (e: Evaluation): string => `${e.images} images x ${e.captions} captions`;
    throw new AmsError(
      same
        ? "the two evaluations are of different images"
        : `the two evaluations are of different galleries: ${size(a)}, ${size(b)}`,
      {
        where: `${names[0]} and ${names[1]}`,
        hint: "evaluate both on the same images and captions, in the same order: only then are their queries pairs",
      },
    );
  }
  const parts = {
    a: names[0],
    b: names[1],
    dataset: a.dataset,
    split: a.split,
    images: a.images,
    captions: a.captions,
    measures: differences(a, b, a, b),
    ...(a.folds !== undefined && a.folds.count === b.folds?.count
      ? { folds: { count: a.folds.count, measures: differences(a.folds, b.folds, a.folds.each, b.folds.each) } }
      : {}),
    ...(records === undefined ? {} : { records }),
  };
  return { ...parts, toJSON: () => parts, [displaySymbol]: () => show(parts) };
}

interface Summary {
  i2t: Direction;
  t2i: Direction;
  rsum: number;
}

function differences(
  a: Summary,
  b: Summary,
  rankedA: Ranked | readonly Ranked[],
  rankedB: Ranked | readonly Ranked[],
): MeasureDifference[] {
  const values = ({ i2t, t2i, rsum }: Summary): number[] => [i2t.r1, i2t.r5, i2t.r10, t2i.r1, t2i.r5, t2i.r10, rsum];
  const [of, to] = [values(a), values(b)];
  return pairedDifferences(rankedA, rankedB).map((difference, m) => {
    return { measure: measures[m]!, a: of[m]!, b: to[m]!, ...difference };
  });
}

function show(parts: Omit<Comparison, "toJSON" | typeof displaySymbol>): MimeBundle {
  const { a, b, dataset, split, images, captions, folds, records } = parts;
  const whole = (n: number): string => n.toLocaleString("en");
  const signed = (value: number): string => `${value >= 0 ? "+" : ""}${value.toFixed(1)}`;
  const table = (rows: MeasureDifference[], caption: string): { text: string; html: string } =>
    renderTable({
      columns: ["", `A: ${a}`, `B: ${b}`, "B - A", "95 % interval", "p", "difference"],
      rows: rows.map(({ measure, a: from, b: to, difference, interval, p, real }) => [
        measure,
        from.toFixed(1),
        to.toFixed(1),
        signed(difference),
        `${signed(interval[0])} to ${signed(interval[1])}`,
        p.toFixed(3),
        real ? (difference > 0 ? "real: B is better" : "real: A is better") : "within chance",
      ]),
      caption,
    });
  const about = `${[dataset, split].filter((part) => part !== "").join(" ")}: ${whole(images)} images x ${whole(captions)} captions`;
  const tables = [
    table(parts.measures, `${about}, in percent`),
    ...(folds === undefined ? [] : [table(folds.measures, `mean of ${folds.count} folds, in percent`)]),
    ...(records === undefined || records.length === 0
      ? []
      : [
          renderTable({
            columns: ["of the runs", `A: ${a}`, `B: ${b}`],
            rows: records.map(({ what, a: from, b: to }) => [what, from, to]),
            caption: "what differs",
          }),
        ]),
  ];
  const remark =
    "Paired bootstrap over images: both answer the same resampled queries. It speaks of the test images, not of another training's seed.";
  return {
    "text/plain": [...tables.map(({ text }) => text), remark].join("\n\n"),
    "text/html": tables.map(({ html }) => html).join("") + `<div>${escapeHtml(remark)}</div>`,
  };
}
