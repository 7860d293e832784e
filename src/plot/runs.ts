/** Trainings beside each other: their losses, and their recalls after each epoch. */
import { renderTable } from "../display.js";
import { makeFigure, type Figure } from "./figure.js";
import { runningMean, type History } from "./history.js";
import { seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText } from "./plotly.js";
import { fitText } from "./textWidth.js";

const mostPoints = 600;

/** Above: the running mean of each run's loss. Below: rSum with its interval after each epoch that was evaluated. One colour a run. */
export async function runsFigure(runs: readonly History[], title = "Runs compared"): Promise<Figure> {
  const dashes = ["solid", "dash", "dot", "dashdot"];
  const look = (i: number): object => ({
    color: seriesColour(i),
    width: 2.2,
    dash: dashes[Math.floor(i / 6) % dashes.length], // colours go round after six
  });
  const losses = runs.map(({ name, steps }, i) => {
    const means = runningMean(steps.map(({ loss }) => loss));
    const every = Math.max(1, Math.ceil(steps.length / mostPoints));
    const kept = steps.map((step, k) => ({ step: step.step, mean: means[k]! })).filter((_, k) => k % every === 0);
    return {
      type: "scatter",
      mode: "lines",
      name: plotlyText(fitText(name, 170, 12)),
      legendgroup: String(i),
      x: kept.map(({ step }) => step),
      y: kept.map(({ mean }) => finite(mean)),
      line: look(i),
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
            marker: { color: seriesColour(i), size: 7 },
            error_y: {
              type: "data",
              symmetric: false,
              array: epochs.map(({ evaluation: { rsum, interval } }) => finite((interval?.[1] ?? rsum) - rsum)),
              arrayminus: epochs.map(({ evaluation: { rsum, interval } }) => finite(rsum - (interval?.[0] ?? rsum))),
              thickness: 1.2,
              width: 3,
            },
            hovertemplate: "step %{x}<br>rSum %{y:.1f}<extra></extra>",
          },
        ],
  );
  const two = sums.length > 0;
  const layout = {
    ...baseLayout(title, 920, two ? 620 : 400),
    xaxis: { ...axis("step"), anchor: "y" },
    yaxis: { ...axis("loss, running mean (no unit)"), domain: two ? [0.6, 1] : [0, 1], rangemode: "tozero" },
    ...(two
      ? {
          xaxis2: { ...axis("step (a point at the end of each epoch)"), anchor: "y2", matches: "x" },
          yaxis2: { ...axis("rSum of validation (%)"), domain: [0, 0.4], anchor: "x2" },
        }
      : {}),
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
    margin: { l: 66, r: 220, t: 56, b: 56 },
  };
  const plotly = plotlySpec([...losses, ...sums], layout);
  const { text } = renderTable({
    columns: ["run", "steps", "last loss", "epochs", "best val rSum"],
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
