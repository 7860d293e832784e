/** Recall curves: how many queries find a right answer among the first K, both ways, with intervals, for one or more evaluations. */
import { renderTable } from "../display.js";
import { curveIntervals, intervalText, type Interval } from "../evaluate/bootstrap.js";
import { recalls } from "../evaluate/recall.js";
import { makeFigure, type Figure } from "./figure.js";
import { dim, seriesColour, transparent } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText } from "./plotly.js";
import { fitMiddle, wrapText } from "./textWidth.js";

/** Recalls at 1, 5 and 10, in per cent. */
export interface RecallPoints {
  r1: number;
  r5: number;
  r10: number;
}

/** An evaluation, or a published row to compare with: the latter has no ranks and shows as points. */
export interface RecallCurve {
  /** Shown in the legend; default the split's name. */
  name?: string;
  split?: string;
  /** Size of the gallery that texts are matched with; draws the line of a random order. */
  images?: number;
  i2t: RecallPoints;
  t2i: RecallPoints;
  /** Rank of the (best) right answer of each query, counted from 0; -1 for a query without any: [images] and [captions]. */
  ranks?: { i2t: ArrayLike<number>; t2i: ArrayLike<number> };
  /** The image of each caption: with it the curves have intervals. */
  owner?: Int32Array;
  /** Instead of ranks: the scores [images, captions], row-major. */
  scores?: Float32Array | Float64Array;
}

/** How the figure of recalls is drawn. */
export interface RecallOptions {
  title?: string;
  /** The largest K; default 50. */
  most?: number;
  /** What a reader must know of the rows to compare with: stands below the figure. */
  remark?: string;
}

const directions = [
  { key: "t2i", name: "text → image", dash: "solid", open: "" },
  { key: "i2t", name: "image → text", dash: "dash", open: "-open" },
] as const;

/** Of rows without ranks, each of which has one; those of evaluations are circles. */
const symbols = ["diamond", "square", "triangle-up", "cross", "x", "star", "triangle-down", "hexagon"];

/**
 * R@K in per cent over K = 1 .. 50 (logarithmic): solid for text to image, dashed for image to text, one colour an evaluation, with bands
 * of the 95 % bootstrap intervals over images. Rows without ranks (published results) are points at K = 1, 5, 10, drawn a little beside
 * each other. Curves end where K reaches the number of queries' answers.
 */
export async function recallFigure(
  evaluations: RecallCurve | readonly RecallCurve[],
  { title = "Recall at K", most = 50, remark }: RecallOptions = {},
): Promise<Figure> {
  const list = Array.isArray(evaluations) ? (evaluations as readonly RecallCurve[]) : [evaluations as RecallCurve];
  const curves = list.map((curve, index) => drawnCurve(withRanks(curve), index, most));
  const rows = curves.filter(({ curve }) => curve.ranks === undefined);
  const data = [
    ...curves.filter(({ curve }) => curve.ranks !== undefined).flatMap(curveTraces),
    ...rows.flatMap((row, r) =>
      pointTraces(row, symbols[r % symbols.length] ?? "", 1.035 ** (r - (rows.length - 1) / 2)),
    ),
  ];
  const gallery = Math.max(0, ...curves.map(({ curve }) => (curve.ranks === undefined ? 0 : (curve.images ?? 0))));
  if (gallery > 0) {
    const ks = range(Math.min(most, gallery));
    data.push({
      type: "scatter",
      mode: "lines",
      name: `random order of ${String(gallery)} images`,
      x: ks,
      y: ks.map((k) => round((100 * k) / gallery)),
      line: { color: dim, dash: "dot", width: 1.5 },
      hovertemplate: "chance<br>R@%{x} = %{y:.1f} %",
    });
  }
  const nothing = {
    text: "no evaluations",
    x: 0.5,
    y: 0.5,
    xref: "x domain",
    yref: "y domain",
    showarrow: false,
    font: { size: 15, color: dim },
  };
  const below = wrapText(remark ?? "", 860, 11, 3);
  const ticks = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000].filter((k) => k <= most);
  const layout = {
    ...baseLayout(title, 960, 460 + 18 * below.length),
    xaxis: {
      ...axis("K (answers looked at)"),
      type: "log",
      range: [Math.log10(rows.length > 2 ? 0.85 : 0.93), Math.log10(most * 1.07)],
      tickvals: ticks,
      ticktext: ticks.map(String),
    },
    yaxis: { ...axis("R@K (% of queries)"), range: [0, 102], dtick: 20 },
    legend: {
      ...{ x: 1.02, y: 1, xanchor: "left", font: { size: 12 }, tracegroupgap: 0 },
      ...(rows.length === 0
        ? {}
        : { title: { text: "points: filled text → image,<br>open image → text", font: { size: 12 } } }),
    },
    margin: { l: 66, r: 310, t: 56, b: 56 + 18 * below.length },
    annotations: [
      ...(curves.length === 0 ? [nothing] : []),
      ...below.map((line, i) => ({
        ...{ text: plotlyText(line), x: 0, xref: "paper", xanchor: "left", y: 0, yref: "paper", yanchor: "top" },
        ...{ yshift: -52 - 16 * i, showarrow: false, font: { size: 11, color: dim } },
      })),
    ],
  };
  const plotly = plotlySpec(data, layout);
  return makeFigure({
    title,
    plotly,
    svg: await drawPlotly(plotly),
    text: [textOf(title, curves, most), ...(remark === undefined ? [] : [remark])].join("\n"),
    json: plotly,
  });
}

interface DrawnCurve {
  curve: RecallCurve;
  /** What the legend turns on and off together. */
  group: string;
  colour: string;
  /** Both ways: R@K at each of `ks`, with its interval where one can be told. */
  ways: Record<"i2t" | "t2i", { ks: number[]; values: (number | null)[]; intervals?: readonly Interval[] }>;
}

function drawnCurve(curve: RecallCurve, index: number, most: number): DrawnCurve {
  const { ranks, owner } = curve;
  const asked = ranks !== undefined && owner !== undefined && owner.length > 0;
  const ranked = asked ? { ranks: { i2t: Int32Array.from(ranks.i2t), t2i: Int32Array.from(ranks.t2i) }, owner } : undefined; // prettier-ignore
  const intervals = ranked === undefined ? undefined : curveIntervals(ranked, most);
  const way = (key: "i2t" | "t2i"): DrawnCurve["ways"]["i2t"] => ({
    ...valuesOf(curve, key, most),
    ...(intervals === undefined ? {} : { intervals: intervals[key] }),
  });
  return { curve, group: String(index), colour: seriesColour(index), ways: { i2t: way("i2t"), t2i: way("t2i") } };
}

/** Band, line and the dots of published tables, both ways. */
function curveTraces({ curve, group, colour, ways }: DrawnCurve): Record<string, unknown>[] {
  return directions.flatMap(({ key, name: direction, dash, open }) => {
    const { ks, values, intervals } = ways[key];
    const name = plotlyText(`${fitMiddle(nameOf(curve), 190, 12)}, ${direction}`);
    const trace = { type: "scatter", name, legendgroup: `${group}/${key}` };
    const ends = (side: 0 | 1): number[] => (intervals ?? []).map((interval) => round(interval[side]));
    const band = {
      ...trace,
      ...{ mode: "none", showlegend: false, hoverinfo: "skip", fill: "toself", fillcolor: transparent(colour, 0.15) },
      x: [...ks, ...ks.slice().reverse()],
      y: [...ends(1), ...ends(0).reverse()],
    };
    const marked = ks.filter(isMarked);
    return [
      ...(intervals === undefined || values.some((value) => value === null) ? [] : [band]),
      {
        ...trace,
        mode: "lines",
        x: ks,
        y: values,
        line: { color: colour, dash, width: 2.2 },
        ...(intervals === undefined ? {} : { customdata: intervals.map(intervalText) }),
        hovertemplate: `${plotlyText(direction)}<br>R@%{x} = %{y:.1f} %${intervals === undefined ? "" : " (%{customdata})"}`,
      },
      {
        ...trace,
        mode: "markers",
        showlegend: false,
        x: marked,
        y: marked.map((k) => values[k - 1]),
        marker: { color: colour, symbol: `circle${open}`, size: 8 },
        hoverinfo: "skip",
      },
    ];
  });
}

/** The points of a row without ranks, its K moved by a factor so that rows do not cover each other; named once in the legend. */
function pointTraces(
  { curve, group, colour, ways }: DrawnCurve,
  symbol: string,
  moved: number,
): Record<string, unknown>[] {
  const known = directions.filter(({ key }) => ways[key].values.some((value) => value !== null));
  return known.map(({ key, name: direction, open }, i) => ({
    type: "scatter",
    mode: "markers",
    name: plotlyText(fitMiddle(nameOf(curve), 250, 12)),
    legendgroup: group,
    showlegend: i === 0,
    x: ways[key].ks.map((k) => round(k * moved)),
    y: ways[key].values,
    marker: { color: colour, symbol: symbol + open, size: 9 },
    customdata: ways[key].ks,
    hovertemplate: `${plotlyText(direction)}<br>R@%{customdata} = %{y:.1f} %`,
  }));
}

function withRanks(curve: RecallCurve): RecallCurve {
  const { scores, owner } = curve;
  if (curve.ranks !== undefined || scores === undefined || owner === undefined || owner.length === 0) return curve;
  return { ...curve, ranks: recalls(scores, scores.length / owner.length, owner).ranks };
}

/** Share of ranks below each K, in per cent. */
function valuesOf(curve: RecallCurve, key: "i2t" | "t2i", most: number): { ks: number[]; values: (number | null)[] } {
  if (curve.ranks === undefined) {
    const { r1, r5, r10 } = curve[key];
    return { ks: [1, 5, 10], values: [r1, r5, r10].map((v) => (Number.isFinite(v) ? v : null)) };
  }
  const ranks = curve.ranks[key];
  const ks = range(most);
  const found = new Array<number>(most).fill(0);
  for (let i = 0; i < ranks.length; i++) {
    const rank = ranks[i]!;
    if (rank >= 0 && rank < most) found[rank]! += 1; // NaN and missing ranks count as not found
  }
  const queries = Array.from(ranks).filter((rank) => rank !== -1).length;
  let sum = 0;
  const values = found.map((n) => (queries === 0 ? null : round((100 * (sum += n)) / queries)));
  return { ks, values };
}

function textOf(title: string, curves: readonly DrawnCurve[], most: number): string {
  const ks = [1, 5, 10, 20, 50].filter((k) => k <= most);
  const rows = curves.flatMap(({ curve, ways }) =>
    directions.map(({ key, name }) => {
      const { ks: have, values, intervals } = ways[key];
      return [
        nameOf(curve),
        name,
        ...ks.map((k) => {
          const at = have.indexOf(k);
          const value = values[at];
          if (value === undefined || value === null) return null;
          const interval = intervals?.[at];
          return interval === undefined ? value.toFixed(1) : `${value.toFixed(1)} (${intervalText(interval)})`;
        }),
      ];
    }),
  );
  return renderTable({ columns: ["evaluation", "direction", ...ks.map((k) => `R@${String(k)}`)], rows, caption: title })
    .text;
}

function nameOf(curve: RecallCurve): string {
  return curve.name ?? curve.split ?? "evaluation";
}

/** The K of published tables carry a dot. */
function isMarked(k: number): boolean {
  return k === 1 || k === 5 || k === 10;
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
