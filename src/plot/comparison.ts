/** Two evaluations beside each other: by how much each recall differs, and whether that is real. */
import { renderTable } from "../display.js";
import type { Comparison, MeasureDifference } from "../evaluate/compare.js";
import { makeFigure, type Figure } from "./figure.js";
import { ink, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, errorBars, plotlySpec, plotlyText } from "./plotly.js";
import { fitMiddle } from "./textWidth.js";

/**
 * B minus A of the six recalls with its 95 % interval, and below on an axis of its own of rSum. Filled: real (the interval leaves zero
 * out), open: within chance.
 */
export async function comparisonFigure(
  comparison: Pick<Comparison, "a" | "b" | "dataset" | "split" | "measures">,
): Promise<Figure> {
  const { a, b, dataset, split, measures } = comparison;
  const about = [dataset, split].filter((part) => part !== "").join(" ");
  const title = `${b} against ${a}${about === "" ? "" : ` (${about})`}`;
  const whole = measures.filter(({ measure }) => measure === "rSum");
  const single = measures.filter(({ measure }) => measure !== "rSum").reverse(); // the first on top
  const trace = (rows: readonly MeasureDifference[], axes: object): Record<string, unknown> => ({
    type: "scatter",
    mode: "markers",
    showlegend: false,
    ...axes,
    x: rows.map(({ difference }) => round(difference)),
    y: rows.map(({ measure }) => measure),
    marker: {
      color: seriesColour(0),
      size: 11,
      symbol: rows.map(({ real }) => (real ? "circle" : "circle-open")),
      line: { width: 2, color: seriesColour(0) },
    },
    error_x: errorBars(
      rows.map(({ difference }) => difference),
      rows.map(({ interval }) => interval),
    ),
    customdata: rows.map(({ a: from, b: to, p, real }) => [
      from.toFixed(1),
      to.toFixed(1),
      p.toFixed(3),
      verdict(real),
    ]),
    hovertemplate: `%{y}: %{x:.1f}<br>${plotlyText(a)} %{customdata[0]}, ${plotlyText(b)} %{customdata[1]}<br>p %{customdata[2]}, %{customdata[3]}<extra></extra>`,
  });
  const sign = (symbol: string, name: string): Record<string, unknown> => ({
    ...{ type: "scatter", mode: "markers", name, x: [null], y: ["rSum"], xaxis: "x2", yaxis: "y2" },
    marker: { symbol, color: seriesColour(0), size: 11, line: { width: 2, color: seriesColour(0) } },
  });
  const differences = (name: string, rows: readonly MeasureDifference[]): Record<string, unknown> => ({
    ...axis(name),
    ...{ range: spread(rows), zeroline: true, zerolinecolor: ink, zerolinewidth: 1.5 },
  });
  const of = (name: string): string => fitMiddle(name, 150, 13);
  const plotly = plotlySpec(
    [trace(single, {}), trace(whole, { xaxis: "x2", yaxis: "y2" }), sign("circle", "real"), sign("circle-open", "within chance")], // prettier-ignore
    {
      ...baseLayout(title, 760, 480),
      xaxis: { ...differences(`B − A in percentage points (A = ${of(a)}, B = ${of(b)})`, single), anchor: "y" },
      yaxis: { ...axis("recall"), domain: [0.42, 1] },
      xaxis2: { ...differences("rSum, B − A in percentage points", whole), anchor: "y2" },
      yaxis2: { ...axis("sum"), domain: [0, 0.16], anchor: "x2" },
      legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
      margin: { l: 100, r: 150, t: 56, b: 56 },
    },
  );
  const signed = (value: number): string => `${value >= 0 ? "+" : ""}${value.toFixed(1)}`;
  const { text } = renderTable({
    columns: ["recall", "B - A", "95 % interval", "difference"],
    rows: measures.map(({ measure, difference, interval, real }) => [
      measure,
      signed(difference),
      interval.map(signed).join(" to "),
      verdict(real),
    ]),
    caption: `${title}, percentage points`,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text, json: plotly });
}

const verdict = (real: boolean): string => (real ? "real" : "within chance");

/** A range around zero that holds every interval. */
function spread(rows: readonly MeasureDifference[]): [number, number] {
  const most = Math.max(1, ...rows.flatMap(({ interval }) => interval.map(Math.abs)));
  return [-1.12 * most, 1.12 * most];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
