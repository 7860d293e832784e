/** Distributions: scores of true and wrong pairs, and how well words fit their own image and wrong ones, with the mined thresholds. */
import { renderTable } from "../display.js";
import { distributionOf, edgesOf, type Distribution, type Distributions } from "../evaluate/distributions.js";
import { against, type WordRelevance } from "../evaluate/wordRelevance.js";
import { makeFigure, type Figure } from "./figure.js";
import { dim, ink, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText } from "./plotly.js";

/** How the figure of scores is drawn. */
export interface DistributionOptions {
  title?: string;
  /** Words of which scale, from 1 (default: the deepest, from which the thresholds are mined last). */
  scale?: number;
}

const wordNames = {
  own: "words in their own image",
  hardest: "words in the hardest wrong image",
  lowest: "words in the lowest-scoring image (mined as mismatch)",
} as const;

/**
 * Above: the scores of true pairs, of each caption's hardest wrong image, and of all wrong pairs. Below, where words are given: the strongest
 * similarity of every word, with the mined threshold t and the safe one, that evaluation uses, as lines. Each curve sums to 100 %.
 */
export async function distributionFigure(
  pairs: Distributions,
  words?: WordRelevance,
  { title = "Scores of true and wrong pairs", scale }: DistributionOptions = {},
): Promise<Figure> {
  const rows = [
    { name: "true pairs", colour: 0, distribution: pairs.positive },
    { name: "hardest wrong image of each caption", colour: 1, distribution: pairs.hardest },
    { name: "all wrong pairs", colour: 2, distribution: pairs.negative },
  ];
  const deepest = words?.words.reduce((most, row) => Math.max(most, row.scale), 1) ?? 1;
  const chosen = scale ?? deepest;
  const of = (which: (typeof against)[number]): number[] =>
    (words?.words ?? []).filter((row) => row.against === which && row.scale === chosen).map((row) => row.strongest);
  const all = against.flatMap(of);
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  const wordEdges = all.length === 0 ? [] : edgesOf(low, high, 60);
  const wordRows =
    all.length === 0
      ? []
      : against.map((which, i) => ({ name: wordNames[which], colour: [0, 1, 3][i]!, distribution: distributionOf(of(which), wordEdges) })); // prettier-ignore
  const two = wordRows.length > 0;
  const data = [
    ...rows.map((row) => curve(row, pairs.edges, "score", { xaxis: "x", yaxis: "y" })),
    ...wordRows.map((row) => curve(row, wordEdges, "similarity", { xaxis: "x2", yaxis: "y2" })),
  ];
  const lines = !two || words === undefined ? [] : thresholdLines(words.thresholds);
  const layout = {
    ...baseLayout(title, 920, two ? 640 : 400),
    xaxis: { ...axis("score of a pair, S (no unit)"), anchor: "y" },
    yaxis: { ...axis("pairs (% of each kind)"), domain: two ? [0.6, 1] : [0, 1], rangemode: "tozero" },
    ...(two
      ? {
          xaxis2: { ...axis(`strongest similarity of a word at scale ${chosen}, max A (no unit)`), anchor: "y2" },
          yaxis2: { ...axis("words (% of each kind)"), domain: [0, 0.4], anchor: "x2", rangemode: "tozero" },
        }
      : {}),
    shapes: lines.map(({ x, dash }) => ({
      type: "line",
      xref: "x2",
      yref: "y2 domain",
      x0: x,
      x1: x,
      y0: 0,
      y1: 1,
      line: { color: ink, width: 1.5, dash },
    })),
    annotations: lines.map(({ x, name }, i) => ({
      xref: "x2",
      yref: "y2 domain",
      x,
      y: 1 - 0.1 * i,
      text: plotlyText(name),
      showarrow: false,
      xanchor: "left",
      font: { size: 11, color: dim },
    })),
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
    margin: { l: 66, r: 330, t: 56, b: 56 },
  };
  const plotly = plotlySpec(data, layout);
  return makeFigure({
    title,
    plotly,
    svg: await drawPlotly(plotly),
    text: textOf(title, pairs, rows, wordRows, words, chosen),
    json: plotly,
  });
}

interface Row {
  name: string;
  colour: number;
  distribution: Distribution;
}

function curve(
  { name, colour, distribution }: Row,
  edges: number[],
  what: string,
  axes: object,
): Record<string, unknown> {
  const { bins, count } = distribution;
  return {
    type: "scatter",
    mode: "lines",
    name: plotlyText(name),
    line: { color: seriesColour(colour), width: 2, shape: "hvh" },
    x: bins.map((_, k) => Number(((edges[k]! + edges[k + 1]!) / 2).toPrecision(6))),
    y: bins.map((n) => (count === 0 ? 0 : Number(((100 * n) / count).toPrecision(5)))),
    hovertemplate: `${what} %{x:.3g}<br>%{y:.2f} %<extra></extra>`,
    ...axes,
  };
}

function thresholdLines({
  mined,
  safe,
  used,
}: WordRelevance["thresholds"]): { x: number; name: string; dash: string }[] {
  const lines = [
    { x: mined, name: `mined t = ${mined.toFixed(3)}`, dash: "solid" },
    { x: safe, name: `safe t = ${safe.toFixed(3)}${used === safe ? " (in use)" : ""}`, dash: "dash" },
  ];
  return used === safe ? lines : [...lines, { x: used, name: `in use: ${used.toFixed(3)}`, dash: "dot" }];
}

function textOf(
  title: string,
  pairs: Distributions,
  rows: Row[],
  wordRows: Row[],
  words: WordRelevance | undefined,
  scale: number,
): string {
  const table = (list: Row[], caption: string): string =>
    renderTable({
      columns: ["", "number", "mean", "deviation"],
      rows: list.map(({ name, distribution: { count, mean, deviation } }) => [
        name,
        count.toLocaleString("en"),
        mean.toFixed(3),
        deviation.toFixed(3),
      ]),
      caption,
    }).text;
  return [
    table(rows, title),
    `a true pair scores above a wrong one of its caption in ${(100 * pairs.separation).toFixed(1)} % of all cases`,
    ...(words === undefined || wordRows.length === 0
      ? []
      : [
          "",
          table(wordRows, `strongest similarity of the words of ${words.captions} captions at scale ${scale}`),
          thresholdLines(words.thresholds).map(({ name }) => name).join(", "), // prettier-ignore
        ]),
  ].join("\n");
}
