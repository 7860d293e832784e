/** Trainings beside each other: their losses, and their recalls after each epoch. */
import { renderTable } from "../display.js";
import { makeFigure, type Figure } from "./figure.js";
import { everyNth, runningMean, type History } from "./history.js";
import { seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, errorBars, plotlySpec, plotlyText, stepRange } from "./plotly.js";
import { fitMiddle } from "./textWidth.js";

const mostPoints = 600;
const dashes = ["solid", "dash", "dot", "dashdot"];
/** A run is told by its mark as well as by its colour. */
const symbols = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross"];

/** Above: the running mean of each run's loss. Below: rSum with its interval after each epoch that was evaluated. A colour and a mark a run. */
export async function runsFigure(runs: readonly History[], title = "Runs compared"): Promise<Figure> {
  const look = (i: number): object => ({
    color: seriesColour(i),
    width: 2.2,
    dash: dashes[Math.floor(i / 6) % dashes.length], // colours and marks go round after six
  });
  const mark = (i: number): object => ({ color: seriesColour(i), size: 8, symbol: symbols[i % symbols.length] });
  const losses = runs.map(({ name, steps }, i) => {
    const means = runningMean(steps.map(({ loss }) => loss));
    const kept = everyNth(
      steps.map(({ step }, k) => ({ step, mean: means[k]! })),
      mostPoints,
    );
    return {
      type: "scatter",
      mode: "lines+markers",
      name: plotlyText(fitMiddle(name, 245, 12)),
      legendgroup: String(i),
      x: kept.map(({ step }) => step),
      y: kept.map(({ mean }) => finite(mean)),
      line: look(i),
      marker: { ...mark(i), maxdisplayed: 12 },
      hovertemplate: "step %{x}<br>mean loss %{y:.4g}<extra></extra>",
    };
  });
  const evaluated = runs.map(({ epochs }) =>
    epochs.flatMap((epoch) => (epoch.evaluation === undefined ? [] : [{ ...epoch, evaluation: epoch.evaluation }])),
  );
  const sums = evaluated.flatMap((epochs, i) =>
    epochs.length === 0
      ? []
      : [
          {
            type: "scatter",
            mode: "lines+markers",
            showlegend: false,
            legendgroup: String(i),
            xaxis: "x2",
            yaxis: "y2",
            x: epochs.map(({ step }) => step),
            y: epochs.map(({ evaluation }) => finite(evaluation.rsum)),
            line: look(i),
            marker: mark(i),
            error_y: errorBars(
              epochs.map(({ evaluation }) => evaluation.rsum),
              epochs.map(({ evaluation }) => evaluation.interval),
              seriesColour(i),
            ),
            hovertemplate: "step %{x}<br>rSum %{y:.1f}<extra></extra>",
          },
        ],
  );
  const two = sums.length > 0;
  const last = Math.max(1, ...runs.map(({ steps, epochs }) => steps.at(-1)?.step ?? epochs.at(-1)?.step ?? 0));
  const steps = stepRange(last);
  const layout = {
    ...baseLayout(title, 1000, two ? 620 : 400),
    xaxis: { ...axis("step"), ...steps, anchor: "y" },
    yaxis: { ...axis("loss, running mean (no unit)"), domain: two ? [0.6, 1] : [0, 1], rangemode: "tozero" },
    ...(two
      ? {
          xaxis2: { ...axis("step (a point at the end of each epoch)"), ...steps, anchor: "y2", matches: "x" },
          yaxis2: { ...axis("validation rSum (sum of six recalls, %)"), domain: [0, 0.4], anchor: "x2" },
        }
      : {}),
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
    margin: { l: 84, r: 300, t: 56, b: 56 },
  };
  const plotly = plotlySpec([...losses, ...sums], layout);
  const { text } = renderTable({
    columns: ["run", "steps", "loss of the last step", "epochs", "best val rSum"],
    rows: runs.map(({ name, steps, epochs }, i) => {
      const best = Math.max(...evaluated[i]!.map(({ evaluation }) => evaluation.rsum));
      return [
        name,
        steps.at(-1)?.step ?? 0,
        steps.at(-1)?.loss.toPrecision(4) ?? null,
        epochs.length,
        Number.isFinite(best) ? best.toFixed(1) : null,
      ];
    }),
    caption: title,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text, json: plotly });
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}
