/** The curves of several trainings over each other: running means of their losses, and below them rSum after each epoch. */
import { makeFigure, type Figure } from "./figure.js";
import { runningMean, type History } from "./history.js";
import { seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText } from "./plotly.js";

const dashes = ["solid", "dash", "dot", "dashdot"];

/** Every run has a colour and a kind of line of its own; the second panel is there when some run was validated. */
export async function curvesFigure(runs: readonly History[]): Promise<Figure> {
  const title = `Training curves: ${runs.map(({ name }) => name).join(", ")}`;
  const validated = runs.map(({ epochs }) =>
    epochs.flatMap(({ step, evaluation }) => (evaluation === undefined ? [] : [{ step, rsum: evaluation.rsum }])),
  );
  const two = validated.some((points) => points.length > 0);
  const line = (run: number): Record<string, unknown> => ({
    color: seriesColour(run),
    width: 2,
    dash: dashes[run % dashes.length],
  });
  const losses = runs.map(({ name, steps }, run) => ({
    type: "scatter",
    mode: "lines",
    name: plotlyText(name),
    legendgroup: name,
    x: steps.map(({ step }) => step),
    y: runningMean(steps.map(({ loss }) => loss)).map((loss) => (Number.isFinite(loss) ? loss : null)),
    line: line(run),
    xaxis: "x",
    yaxis: "y",
  }));
  const sums = validated.map((points, run) => ({
    type: "scatter",
    mode: "lines+markers",
    name: plotlyText(`${runs[run]!.name}, rSum`),
    legendgroup: runs[run]!.name,
    showlegend: false,
    x: points.map(({ step }) => step),
    y: points.map(({ rsum }) => rsum),
    line: line(run),
    xaxis: "x2",
    yaxis: "y2",
  }));
  const layout = {
    ...baseLayout(title, 760, two ? 560 : 360),
    xaxis: { ...axis(two ? "" : "step"), anchor: "y" },
    yaxis: { ...axis("loss, running mean"), domain: two ? [0.56, 1] : [0, 1], rangemode: "tozero" },
    ...(two
      ? {
          xaxis2: { ...axis("step (a point at the end of each epoch)"), anchor: "y2", matches: "x" },
          yaxis2: { ...axis("validation rSum"), domain: [0, 0.44], anchor: "x2" },
        }
      : {}),
    legend: { orientation: "h", x: 0, y: -0.16 },
  };
  const plotly = plotlySpec([...losses, ...(two ? sums : [])], layout);
  const last = ({ name, steps }: History, run: number): string => {
    const loss = (losses[run]!.y.at(-1) ?? null)?.toFixed(4) ?? "none";
    const best = Math.max(...validated[run]!.map(({ rsum }) => rsum));
    const rsum = Number.isFinite(best) ? `, best validation rSum ${best.toFixed(1)}` : "";
    return `${name}: ${String(steps.length)} steps, loss ${loss} (running mean)${rsum}`;
  };
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text: [title, ...runs.map(last)].join("\n"), json: plotly }); // prettier-ignore
}
