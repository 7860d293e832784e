/** What a data set's captions and images measure: word pieces a caption, pixels an image. */
import { renderTable } from "../display.js";
import { makeFigure, type Figure } from "./figure.js";
import { ink, seriesColour } from "./palette.js";
import { axis, baseLayout, drawPlotly, plotlySpec, plotlyText } from "./plotly.js";

/** Lengths of a split's captions. */
export interface SplitSizes {
  split: string;
  /** Captions of 1, 2, ... word pieces; the last entry counts all longer ones. */
  lengths: readonly number[];
  /** Captions that lose their end. */
  cut: number;
  /** Widths and heights of the images that were looked at. */
  images: readonly { width: number; height: number }[];
}

/** Above: lengths of captions, with a line where the model cuts. Below: the longer and the shorter side of the images. Each split sums to 100 %. */
export async function sizesFigure(
  splits: readonly SplitSizes[],
  title = "Lengths of captions and sizes of images",
): Promise<Figure> {
  const most = Math.max(1, ...splits.map(({ lengths }) => lengths.length));
  const captions = splits.map(({ split, lengths }, i) => ({
    type: "scatter",
    mode: "lines",
    name: plotlyText(split),
    legendgroup: split,
    x: lengths.map((_, k) => k + 1),
    y: shares(lengths),
    line: { color: seriesColour(i), width: 2, shape: "hvh" },
    hovertemplate: "%{x} pieces<br>%{y:.1f} %<extra></extra>",
  }));
  const sides = splits.flatMap(({ split, images }, i) =>
    ([Math.max, Math.min] as const).map((side, s) => {
      const counts = new Map<number, number>();
      for (const { width, height } of images) {
        const value = 10 * Math.round(side(width, height) / 10);
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      const sorted = [...counts].sort(([a], [b]) => a - b);
      return {
        type: "scatter",
        mode: "lines+markers",
        name: plotlyText(`${split}, ${s === 0 ? "longer" : "shorter"} side`),
        legendgroup: split,
        xaxis: "x2",
        yaxis: "y2",
        x: sorted.map(([value]) => value),
        y: shares(sorted.map(([, count]) => count)),
        line: { color: seriesColour(i), width: 1.5, dash: s === 0 ? "solid" : "dot" },
        marker: { color: seriesColour(i), symbol: s === 0 ? "circle" : "circle-open", size: 7 },
        hovertemplate: "%{x} px<br>%{y:.1f} %<extra></extra>",
      };
    }),
  );
  const layout = {
    ...baseLayout(title, 920, 620),
    xaxis: { ...axis("word pieces a caption"), anchor: "y", range: [0, most + 2] },
    yaxis: { ...axis("captions (%)"), domain: [0.6, 1], rangemode: "tozero" },
    xaxis2: { ...axis("side of an image (pixels, in steps of 10)"), anchor: "y2", rangemode: "tozero" },
    yaxis2: { ...axis("images (%)"), domain: [0, 0.4], anchor: "x2", rangemode: "tozero" },
    shapes: [
      {
        type: "line",
        xref: "x",
        yref: "y domain",
        x0: most - 0.5,
        x1: most - 0.5,
        y0: 0,
        y1: 1,
        line: { color: ink, width: 1.5, dash: "dash" },
      },
    ],
    legend: { x: 1.02, y: 1, xanchor: "left", font: { size: 12 } },
    margin: { l: 66, r: 230, t: 56, b: 56 },
  };
  const plotly = plotlySpec([...captions, ...sides], layout);
  const middle = (values: number[]): number | null =>
    values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
  const { text } = renderTable({
    columns: [
      "split",
      "captions",
      "mean pieces",
      "cut",
      "images looked at",
      "median longer side",
      "median shorter side",
    ],
    rows: splits.map(({ split, lengths, cut, images }) => {
      const count = lengths.reduce((a, b) => a + b, 0);
      const sum = lengths.reduce((a, n, k) => a + n * (k + 1), 0);
      return [
        split,
        count,
        count === 0 ? null : (sum / count).toFixed(1),
        cut,
        images.length,
        middle(images.map(({ width, height }) => Math.max(width, height))),
        middle(images.map(({ width, height }) => Math.min(width, height))),
      ];
    }),
    caption: `${title} (captions of more than ${most - 1} pieces lose their end)`,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text, json: plotly });
}

/** Counts as percent of their sum. */
function shares(counts: readonly number[]): number[] {
  const sum = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => (sum === 0 ? 0 : Number(((100 * count) / sum).toPrecision(4))));
}
