/** Recall curves: how many queries find a right answer among the first K, both ways, for one or more evaluations. */
import { renderTable } from "../display.js";
import { recalls } from "../evaluate/recall.js";
import { makeFigure, type Figure } from "./figure.js";
import { dim, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText } from "./plotly.js";
import { fitText } from "./textWidth.js";

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
  /** Instead of ranks: the scores [images, captions], row-major, and the image of each caption. */
  scores?: Float32Array | Float64Array;
  owner?: Int32Array;
}

/** How the figure of recalls is drawn. */
export interface RecallOptions {
  title?: string;
  /** The largest K; default 50. */
  most?: number;
}

const directions = [
  { key: "t2i", name: "text → image", dash: "solid", dot: "circle", point: "diamond" },
  { key: "i2t", name: "image → text", dash: "dash", dot: "circle-open", point: "diamond-open" },
] as const;

/**
 * R@K in per cent over K = 1 .. 50 (logarithmic): solid for text to image, dashed for image to text, one colour an evaluation.
 * Rows without ranks (published results) are points at K = 1, 5, 10. Curves end where K reaches the number of queries' answers.
 */
export async function recallFigure(
  evaluations: RecallCurve | readonly RecallCurve[],
  { title = "Recall at K", most = 50 }: RecallOptions = {},
): Promise<Figure> {
  const list = Array.isArray(evaluations) ? (evaluations as readonly RecallCurve[]) : [evaluations as RecallCurve];
  const curves = list.map(withRanks);
  const data: Record<string, unknown>[] = [];
  curves.forEach((curve, index) => {
    const name = nameOf(curve);
    for (const { key, name: direction, dash, dot, point } of directions) {
      const { ks, values } = valuesOf(curve, key, most);
      const colour = seriesColour(index);
      const trace = {
        type: "scatter",
        name: plotlyText(`${fitText(name, 190, 12)}, ${direction}`),
        legendgroup: `${String(index)}/${key}`,
      };
      const hovertemplate = `${plotlyText(direction)}<br>R@%{x} = %{y:.1f} %`;
      const line = { color: colour, dash, width: 2.2 };
      if (curve.ranks !== undefined) data.push({ ...trace, mode: "lines", x: ks, y: values, line, hovertemplate });
      data.push({
        ...trace,
        mode: "markers",
        showlegend: curve.ranks === undefined,
        x: ks.filter(isMarked),
        y: values.filter((_, i) => isMarked(ks[i] ?? 0)),
        marker: {
          color: colour,
          symbol: curve.ranks === undefined ? point : dot,
          size: curve.ranks === undefined ? 10 : 8,
        },
        ...(curve.ranks === undefined ? { hovertemplate } : { hoverinfo: "skip" }),
      });
    }
  });
  const gallery = Math.max(0, ...curves.map((curve) => (curve.ranks === undefined ? 0 : (curve.images ?? 0))));
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
  const ticks = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000].filter((k) => k <= most);
  const layout = {
    ...baseLayout(title, 920, 440),
    xaxis: {
      ...axis("K (answers looked at)"),
      type: "log",
      range: [Math.log10(0.93), Math.log10(most * 1.07)],
      tickvals: ticks,
      ticktext: ticks.map(String),
    },
    yaxis: { ...axis("R@K (% of queries)"), range: [0, 102], dtick: 20 },
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 }, tracegroupgap: 0 },
    margin: { l: 66, r: 270, t: 56, b: 56 },
    annotations: curves.length === 0 ? [nothing] : [],
  };
  const plotly = plotlySpec(data, layout);
  return makeFigure({
    title,
    plotly,
    svg: await drawPlotly(plotly),
    text: textOf(title, curves, most),
    json: plotly,
  });
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

function textOf(title: string, curves: readonly RecallCurve[], most: number): string {
  const ks = [1, 5, 10, 20, 50].filter((k) => k <= most);
  const rows = curves.flatMap((curve) =>
    directions.map(({ key, name }) => {
      const { ks: have, values } = valuesOf(curve, key, most);
      return [
        nameOf(curve),
        name,
        ...ks.map((k) => {
          const value = values[have.indexOf(k)];
          return value === undefined || value === null ? null : value.toFixed(1);
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
