/** Training history: loss and learning rate by step, and below them the recalls after each epoch. */
import { renderTable } from "../display.js";
import { makeFigure, type Figure } from "./figure.js";
import { dim, paper, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText, stepRange } from "./plotly.js";
import type { RecallPoints } from "./recall.js";

/** A training's step in its curve. */
export interface HistoryStep {
  step: number;
  epoch: number;
  loss: number;
  learningRate: number;
}

/** A training's epoch in its curve. */
export interface HistoryEpoch {
  /** Counted from 0; shown counted from 1. */
  epoch: number;
  /** Steps done when the epoch ended. */
  step: number;
  loss: number;
  evaluation?: { i2t: RecallPoints; t2i: RecallPoints; rsum: number; interval?: [number, number] };
}

/** A training's curve. */
export interface History {
  name: string;
  steps: readonly HistoryStep[];
  epochs: readonly HistoryEpoch[];
}

/** At most this many points of the raw loss are drawn. */
const mostPoints = 1500;

/**
 * Loss of every step (pale) with its running mean (strong), the learning rate on an axis of its own, and, where epochs were evaluated,
 * a second panel with the recalls both ways and rSum. Steps whose loss is not a number leave a gap and are marked.
 */
export async function historyFigure(run: History): Promise<Figure> {
  const title = `Training history: ${run.name}`;
  const evaluated = run.epochs.flatMap((epoch) =>
    epoch.evaluation === undefined ? [] : [{ ...epoch, evaluation: epoch.evaluation }],
  );
  const two = evaluated.length > 0;
  const data = [...lossTraces(run.steps), ...(two ? recallTraces(evaluated) : [])];
  const last = Math.max(1, run.steps.at(-1)?.step ?? 0, run.epochs.at(-1)?.step ?? 0);
  const steps = stepRange(last);
  const [above, below] = two
    ? [
        [0.56, 1],
        [0, 0.44],
      ]
    : [[0, 1], undefined];
  const layout = {
    ...baseLayout(title, 920, two ? 620 : 400),
    xaxis: { ...axis(two ? "" : "step"), ...steps, anchor: "y", showticklabels: !two },
    yaxis: { ...axis("loss (no unit)"), domain: above, rangemode: "tozero" },
    yaxis2: {
      ...axis("learning rate (no unit)"),
      overlaying: "y",
      side: "right",
      showgrid: false,
      ...rateTicks(run.steps),
      color: dim,
    },
    ...(below === undefined
      ? {}
      : {
          xaxis2: { ...axis("step (a point at the end of each epoch)"), ...steps, anchor: "y3" },
          yaxis3: { ...axis("recall (%)"), domain: below, anchor: "x2", range: [0, 102], dtick: 20 },
          yaxis4: {
            ...axis("rSum (sum of six recalls, %)"),
            overlaying: "y3",
            side: "right",
            anchor: "x2",
            showgrid: false,
            range: [0, 612],
            dtick: 120,
          },
        }),
    legend: { xref: "container", x: 1, xanchor: "right", y: 1, font: { size: 12 }, tracegroupgap: two ? 130 : 10 },
    margin: { l: 84, r: 250, t: 56, b: 56 }, // room for losses as 0.0065 beside the axis title
    annotations: remarks(run.steps, last),
  };
  const plotly = plotlySpec(data, layout);
  return makeFigure({
    title,
    plotly,
    svg: await drawPlotly(plotly),
    text: textOf(title, run, evaluated),
    json: plotly,
  });
}

const noNumber = ({ step }: HistoryStep): string => `the loss is not a number at step ${String(step)}`;

/** The axis of the learning rate: nothing, half and all of the largest, in powers of ten (plotly.js writes 0 as "0e+0"). */
function rateTicks(steps: readonly HistoryStep[]): Record<string, unknown> {
  const most = steps.reduce((max, s) => (Number.isFinite(s.learningRate) ? Math.max(max, s.learningRate) : max), 0);
  const text = (rate: number): string => Number(rate.toPrecision(3)).toExponential().replace("e-", "e−");
  return most > 0
    ? {
        range: [0, 1.12 * most],
        tickmode: "array",
        tickvals: [0, most / 2, most],
        ticktext: ["0", text(most / 2), text(most)],
      }
    : { range: [0, 1], tickmode: "array", tickvals: [0], ticktext: ["0"] };
}

/** What the curves alone do not say: that there is nothing yet, or where the loss stopped being a number. */
function remarks(steps: readonly HistoryStep[], last: number): Record<string, unknown>[] {
  const common = { yref: "y domain", showarrow: false, bgcolor: paper, borderpad: 4 };
  if (steps.length === 0)
    return [{ ...common, text: "no steps yet", x: 0.5, y: 0.5, xref: "x domain", font: { size: 15, color: dim } }];
  const bad = steps.find((s) => !Number.isFinite(s.loss));
  if (bad === undefined) return [];
  const text = noNumber(bad);
  return [
    {
      ...common,
      text,
      x: bad.step,
      y: 0.97,
      xref: "x",
      yanchor: "top",
      xanchor: bad.step > last / 2 ? "right" : "left",
      bordercolor: seriesColour(1),
    },
  ];
}

function lossTraces(steps: readonly HistoryStep[]): Record<string, unknown>[] {
  const kept = everyNth(steps, mostPoints);
  const smooth = runningMean(steps.map((s) => s.loss));
  const smoothed = new Map(steps.map((s, i) => [s.step, smooth[i] ?? NaN]));
  const x = kept.map((s) => s.step);
  return [
    {
      type: "scatter",
      mode: steps.length === 1 ? "markers" : "lines",
      name: "loss of each step",
      legendgroup: "loss",
      x,
      y: kept.map((s) => finite(s.loss)),
      line: { color: "#9fc6de", width: 1 },
      marker: { color: "#9fc6de" },
      hovertemplate: "step %{x}<br>loss %{y:.4g}<extra></extra>",
    },
    {
      type: "scatter",
      mode: steps.length === 1 ? "markers" : "lines",
      name: "loss, running mean",
      legendgroup: "loss",
      x,
      y: kept.map((s) => finite(smoothed.get(s.step) ?? NaN)),
      line: { color: seriesColour(0), width: 2.4 },
      marker: { color: seriesColour(0) },
      hovertemplate: "step %{x}<br>mean loss %{y:.4g}<extra></extra>",
    },
    {
      type: "scatter",
      mode: steps.length === 1 ? "markers" : "lines",
      name: "learning rate",
      legendgroup: "loss",
      yaxis: "y2",
      x,
      y: kept.map((s) => finite(s.learningRate)),
      line: { color: dim, width: 1.5, dash: "dot" },
      marker: { color: dim },
      hovertemplate: "step %{x}<br>learning rate %{y:.2e}<extra></extra>",
    },
  ];
}

type EvaluatedEpoch = HistoryEpoch & { evaluation: NonNullable<HistoryEpoch["evaluation"]> };

function recallTraces(epochs: EvaluatedEpoch[]): Record<string, unknown>[] {
  const x = epochs.map((e) => e.step);
  const directions = [
    { key: "t2i", name: "text → image", dash: "solid", open: "" },
    { key: "i2t", name: "image → text", dash: "dash", open: "-open" },
  ] as const;
  const cuts = [
    { key: "r1", name: "R@1", symbol: "circle", colour: seriesColour(0) },
    { key: "r5", name: "R@5", symbol: "square", colour: seriesColour(2) },
    { key: "r10", name: "R@10", symbol: "triangle-up", colour: seriesColour(3) },
  ] as const;
  const common = { type: "scatter", mode: "lines+markers", legendgroup: "recall", xaxis: "x2" };
  const recalls = directions.flatMap((direction) =>
    cuts.map((cut) => ({
      ...common,
      yaxis: "y3",
      name: plotlyText(`${cut.name}, ${direction.name}`),
      x,
      y: epochs.map((e) => finite(e.evaluation[direction.key][cut.key])),
      line: { color: cut.colour, dash: direction.dash, width: 2 },
      marker: { symbol: cut.symbol + direction.open, size: 7, color: cut.colour },
      customdata: epochs.map((e) => e.epoch + 1),
      hovertemplate: `epoch %{customdata}<br>${cut.name} %{y:.1f} %<extra></extra>`,
    })),
  );
  const intervals = epochs.map((e) => e.evaluation.interval);
  const sums = {
    ...common,
    yaxis: "y4",
    name: "rSum (right axis)",
    x,
    y: epochs.map((e) => finite(e.evaluation.rsum)),
    ...(intervals.every((i) => i !== undefined)
      ? {
          error_y: {
            type: "data",
            symmetric: false,
            array: epochs.map((e, i) => finite((intervals[i]?.[1] ?? NaN) - e.evaluation.rsum)),
            arrayminus: epochs.map((e, i) => finite(e.evaluation.rsum - (intervals[i]?.[0] ?? NaN))),
            color: seriesColour(1),
            thickness: 1.2,
            width: 3,
          },
        }
      : {}),
    line: { color: seriesColour(1), width: 2.6 },
    marker: { symbol: "diamond", size: 9, color: seriesColour(1) },
    customdata: epochs.map((e) => e.epoch + 1),
    hovertemplate: "epoch %{customdata}<br>rSum %{y:.1f}<extra></extra>",
  };
  return [...recalls, sums];
}

/**
 * The mean over the neighbours on both sides, 2 % of the run wide (fewer towards the ends, always as many on either side, so that a falling
 * curve is not pulled up or down). Values that are not finite are left out of the means and leave a gap.
 */
export function runningMean(values: readonly number[]): number[] {
  const half = Math.round(0.01 * values.length);
  const sums = [0];
  const counts = [0];
  values.forEach((v, i) => {
    sums.push(sums[i]! + (Number.isFinite(v) ? v : 0));
    counts.push(counts[i]! + (Number.isFinite(v) ? 1 : 0));
  });
  return values.map((v, i) => {
    if (!Number.isFinite(v)) return NaN;
    const reach = Math.min(half, i, values.length - 1 - i);
    return (sums[i + reach + 1]! - sums[i - reach]!) / (counts[i + reach + 1]! - counts[i - reach]!);
  });
}

/** At most `count` of the list, evenly spaced, with the first and the last. */
export function everyNth<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, i) => list[Math.round((i * (list.length - 1)) / (count - 1))] as T);
}

/** JSON and plotly.js know no NaN: a gap is null. Six digits are enough for a picture. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}

function textOf(title: string, run: History, evaluated: EvaluatedEpoch[]): string {
  const known = run.steps.filter(({ loss }) => Number.isFinite(loss));
  const [first, last, bad] = [known[0], known.at(-1), run.steps.find(({ loss }) => !Number.isFinite(loss))];
  const remark = bad === undefined ? "" : `; ${noNumber(bad)}`;
  const lines = [
    title,
    first === undefined || last === undefined
      ? `no steps ${bad === undefined ? "yet" : "with a loss"}${remark}`
      : `${String(run.steps.length)} steps, loss ${first.loss.toPrecision(4)} -> ${last.loss.toPrecision(4)}${remark}`,
  ];
  if (run.epochs.length === 0) return lines.join("\n");
  const of = new Map(evaluated.map((e) => [e.epoch, e.evaluation]));
  const rows = run.epochs.map((epoch) => {
    const e = of.get(epoch.epoch);
    const recalls = e === undefined ? [] : [e.t2i.r1, e.t2i.r5, e.t2i.r10, e.i2t.r1, e.i2t.r5, e.i2t.r10, e.rsum];
    return [
      String(epoch.epoch + 1),
      String(epoch.step),
      epoch.loss.toPrecision(4),
      ...recalls.map((v) => v.toFixed(1)),
    ];
  });
  const columns = [
    "epoch",
    "step",
    "loss",
    ...(evaluated.length === 0 ? [] : ["t2i R@1", "R@5", "R@10", "i2t R@1", "R@5", "R@10", "rSum"]),
  ];
  return [...lines, renderTable({ columns, rows }).text].join("\n");
}
