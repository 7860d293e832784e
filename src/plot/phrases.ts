/** The pointing game by kind of phrase: how often the strongest patch lies in the thing that is named. */
import { renderTable } from "../display.js";
import type { PointingScore } from "../evaluate/pointing.js";
import { makeFigure, type Figure } from "./figure.js";
import { ink, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText } from "./plotly.js";

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
  const x = rows.map(({ label }) => plotlyText(label));
  const bars = [
    { name: "scales added", of: rows.map(({ sum }) => sum), colour: seriesColour(0) },
    { name: "best single scale", of: rows.map(({ best }) => best), colour: seriesColour(5) },
  ].map(({ name, of, colour }) => {
    const intervals = of.map(({ hits }, i) => wilson(hits, rows[i]!.phrases));
    return {
      type: "bar",
      name,
      x,
      y: of.map(({ accuracy }) => round(accuracy)),
      marker: { color: colour },
      customdata: of.map(({ scale }) => scale),
      error_y: {
        type: "data",
        symmetric: false,
        array: of.map(({ accuracy }, i) => round(Math.max(0, intervals[i]![1] - accuracy))),
        arrayminus: of.map(({ accuracy }, i) => round(Math.max(0, accuracy - intervals[i]![0]))),
        color: ink,
        thickness: 1.2,
        width: 4,
      },
      hovertemplate: "%{x}<br>scale %{customdata}: %{y:.1f} %<extra></extra>",
    };
  });
  const chance = {
    type: "scatter",
    mode: "markers",
    name: "chance",
    x,
    y: rows.map((row) => round(row.chance)),
    marker: { symbol: "line-ew", size: 26, color: ink, line: { color: ink, width: 2 } },
    hovertemplate: "%{x}<br>chance %{y:.1f} %<extra></extra>",
  };
  const layout = {
    ...baseLayout(title, 920, 480),
    barmode: "group",
    xaxis: {
      ...axis(""),
      tickangle: -35, // room below for long names
      title: { text: "kind of phrase (number of phrases)", standoff: 30 },
    },
    yaxis: { ...axis("strongest patch in a box (% of phrases)"), range: [0, 105] },
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
    margin: { l: 66, r: 190, t: 56, b: 120 },
  };
  const plotly = plotlySpec([...bars, chance], layout);
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

/** The 95 % interval of a share of n, in percent (E. B. Wilson 1927). */
export function wilson(hits: number, n: number): [number, number] {
  if (n === 0) return [0, 100];
  const [z, share] = [1.96, hits / n];
  const middle = share + z ** 2 / (2 * n);
  const half = z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
  const scale = 100 / (1 + z ** 2 / n);
  return [scale * (middle - half), scale * (middle + half)];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
