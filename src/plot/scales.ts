/** Scale ablation: what every scale finds alone, and what all of them find without it. */
import { renderTable } from "../display.js";
import type { ScaleRecalls } from "../evaluate/scales.js";
import { makeFigure, type Figure } from "./figure.js";
import { ink, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, errorBars, plotlySpec } from "./plotly.js";

/** Where rSum's interval stands among those of an evaluation. */
const rsumMeasure = 6;

/** rSum of each scale alone and of all scales but it, as bars with 95 % intervals, and a line at the rSum of all of them. */
export async function scalesFigure(
  scales: readonly ScaleRecalls[],
  whole: number,
  title = "What each scale does",
): Promise<Figure> {
  const x = scales.map(({ scale }) => `scale ${scale}`);
  const kinds = [
    { name: "this scale alone", of: scales.map(({ alone }) => alone), colour: seriesColour(0) },
    { name: "all scales but this one", of: scales.map(({ without }) => without), colour: seriesColour(4) },
  ];
  const data = kinds.map(({ name, of, colour }) => ({
    type: "bar",
    name,
    x,
    y: of.map((summary) => (summary === undefined ? null : round(summary.rsum))),
    marker: { color: colour },
    error_y: errorBars(
      of.map((summary) => summary?.rsum),
      of.map((summary) => summary?.intervals[rsumMeasure]),
    ),
    hovertemplate: "%{x}<br>rSum %{y:.1f}<extra></extra>",
  }));
  const line = {
    type: "scatter",
    mode: "lines",
    name: `all scales: ${whole.toFixed(1)}`,
    x,
    y: x.map(() => round(whole)),
    line: { color: ink, dash: "dash", width: 1.5 },
    hovertemplate: "all scales<br>rSum %{y:.1f}<extra></extra>",
  };
  const layout = {
    ...baseLayout(title, 920, 420),
    barmode: "group",
    xaxis: axis("scale (1 is the shallowest)"),
    yaxis: { ...axis("rSum (sum of six recalls, %)"), rangemode: "tozero" },
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
    margin: { l: 66, r: 210, t: 56, b: 56 },
  };
  const plotly = plotlySpec([...data, line], layout);
  const { text } = renderTable({
    columns: ["scale", "weight", "rSum alone", "rSum without it"],
    rows: scales.map(({ scale, weight, alone, without }) => [
      scale,
      weight.toFixed(2),
      alone.rsum.toFixed(1),
      without?.rsum.toFixed(1) ?? null,
    ]),
    caption: `${title} (all scales: rSum ${whole.toFixed(1)})`,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text, json: plotly });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
