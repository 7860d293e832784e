/** By kind of phrase: the pointing game, and how well the captions that name such a thing find their images. */
import { renderTable } from "../display.js";
import { intervalText, wilson, type Interval } from "../evaluate/bootstrap.js";
import type { PhraseRecall } from "../evaluate/phraseRecall.js";
import type { PointingScore } from "../evaluate/pointing.js";
import { makeFigure, type Figure } from "./figure.js";
import { ink, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, errorBars, plotlySpec, plotlyText } from "./plotly.js";

/** A bar a kind of phrase (its best scale beside the sum of the scales), Wilson's 95 % intervals, and what chance would hit. */
export async function phrasesFigure(
  types: readonly (PointingScore & { type: string })[],
  title = "Pointing by kind of phrase",
): Promise<Figure> {
  const rows = types.map((row) => {
    const sum = row.scales.at(-1)!;
    const best = row.scales.slice(0, -1).reduce((a, b) => (b.accuracy > a.accuracy ? b : a), row.scales[0] ?? sum);
    return { ...row, sum, best, label: `${row.type} (${row.phrases})` };
  });
  const x = rows.map(({ label }) => label);
  const bars = [
    { name: "scales added", of: rows.map(({ sum }) => sum), colour: seriesColour(0) },
    { name: "best single scale", of: rows.map(({ best }) => best), colour: seriesColour(5) },
  ].map(({ name, of, colour }) => ({
    ...bar(
      name,
      colour,
      x,
      of.map(({ accuracy }) => accuracy),
      of.map(({ hits }, i) => wilson(hits, rows[i]!.phrases)),
    ),
    customdata: of.map(({ scale }) => scale),
    hovertemplate: "%{x}<br>scale %{customdata}: %{y:.1f} %<extra></extra>",
  }));
  const chance = {
    type: "scatter",
    mode: "markers",
    name: "chance",
    x: x.map(plotlyText),
    y: rows.map((row) => round(row.chance)),
    marker: { symbol: "line-ew", size: 26, color: ink, line: { color: ink, width: 2 } },
    hovertemplate: "%{x}<br>chance %{y:.1f} %<extra></extra>",
  };
  const plotly = plotlySpec(
    [...bars, chance],
    layoutOf(title, "kind of phrase (number of phrases)", "strongest patch in a box (% of phrases)"),
  );
  const { text } = renderTable({
    columns: ["phrases of", "number", "chance", "scales added", "best scale", "there"],
    rows: rows.map(({ type, phrases, chance: byChance, sum, best }) => [
      type,
      phrases,
      byChance.toFixed(1),
      sum.accuracy.toFixed(1),
      best.scale,
      best.accuracy.toFixed(1),
    ]),
    caption: `${title}, percent`,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text, json: plotly });
}

/** R@1, R@5 and R@10 of the captions with each kind of phrase, with 95 % intervals; the first row, the whole, also as lines across. */
export async function phraseRecallFigure(
  rows: readonly PhraseRecall[],
  title = "Recall by kind of phrase",
): Promise<Figure> {
  const x = rows.map(({ type, captions }) => `${type} (${captions})`);
  const cuts = [
    { k: 1, colour: seriesColour(0) },
    { k: 5, colour: seriesColour(5) },
    { k: 10, colour: seriesColour(2) },
  ].map(({ k, colour }) => ({ k, colour, of: rows.map(({ recalls }) => recalls.find((recall) => recall.k === k)!) }));
  const bars = cuts.map(({ k, colour, of }) => ({
    ...bar(
      `R@${k}`,
      colour,
      x,
      of.map(({ recall }) => recall),
      of.map(({ interval }) => interval),
    ),
    customdata: of.map(({ interval }) => intervalText(interval)),
    hovertemplate: `%{x}<br>R@${k} %{y:.1f} % (%{customdata})<extra></extra>`,
  }));
  const lines = cuts.flatMap(({ colour, of: [whole] }) =>
    whole === undefined
      ? []
      : [
          {
            ...{ type: "line", xref: "x domain", x0: 0, x1: 1, y0: round(whole.recall), y1: round(whole.recall) },
            ...{ line: { color: colour, dash: "dot", width: 1.2 }, layer: "below" },
          },
        ],
  );
  const plotly = plotlySpec(bars, {
    ...layoutOf(
      title,
      "captions with a phrase of this kind (their number); dotted: all captions",
      "text → image, R@K (% of captions)",
    ),
    shapes: lines,
  });
  const { text } = renderTable({
    columns: ["captions with", "captions", "images", "R@1", "95 % interval", "R@5", "95 % interval", "R@10", "95 % interval"], // prettier-ignore
    rows: rows.map(({ type, captions, images, recalls }) => [
      type,
      captions,
      images,
      ...recalls.flatMap(({ recall, interval }) => [recall.toFixed(1), intervalText(interval)]),
    ]),
    caption: `${title}, text to image, percent (a caption counts for every kind that it names)`,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text, json: plotly });
}

function bar(
  name: string,
  colour: string,
  x: readonly string[],
  values: readonly number[],
  intervals: readonly Interval[],
): Record<string, unknown> {
  return {
    type: "bar",
    name,
    x: x.map(plotlyText),
    y: values.map(round),
    marker: { color: colour },
    error_y: errorBars(values, intervals),
  };
}

function layoutOf(title: string, x: string, y: string): Record<string, unknown> {
  const kinds = axis(x);
  return {
    ...baseLayout(title, 920, 480),
    barmode: "group",
    // Room below for long names.
    xaxis: { ...kinds, tickangle: -35, title: { ...(kinds["title"] as object), standoff: 30 } },
    yaxis: { ...axis(y), range: [0, 105] },
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
    margin: { l: 66, r: 190, t: 56, b: 120 },
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
