/** Confusion: the images that are most often taken for each other, as a map of score differences. */
import { renderTable } from "../display.js";
import type { Confusion, ConfusionMatrix } from "../evaluate/confusions.js";
import { makeFigure, type Figure } from "./figure.js";
import { baseLayout, drawPlotly, axis, plotlySpec, plotlyText } from "./plotly.js";
import { grid, paper, wrong } from "./palette.js";
import { fitText } from "./textWidth.js";

/** What the figure of confusions shows. */
export interface ConfusionInput {
  matrix: ConfusionMatrix;
  /** The hardest confusions, for the text. */
  hardest: readonly Confusion[];
  /** Ids of images and texts of captions by their row and column of the scores; numbers where they are not known. */
  imageName?: (image: number) => string;
  /** The text of a caption by its column. */
  captionText?: (caption: number) => string;
}

/** Of the cells, in pixels. */
const [width, height] = [440, 440];

/**
 * Row: the image whose captions ask; column: the image that is found. Colour: how much the found image scores above the right one for
 * the caption where this is most: orange where the wrong image wins, grey where the right one does by far.
 */
export async function confusionFigure(input: ConfusionInput, title = "Hardest confusions"): Promise<Figure> {
  const { matrix, hardest, imageName = String, captionText = (caption) => `caption ${caption}` } = input;
  const names = matrix.images.map((image) => plotlyText(fitText(imageName(image), 110, 11)));
  const places = names.map((_, i) => i);
  // The scale is made for what is confused: pairs far from it are all of the same grey.
  const margins = matrix.margins.flat().filter(Number.isFinite);
  const wins = margins.filter((margin) => margin > 0);
  const most = Math.max(...(wins.length > 0 ? wins : margins.map(Math.abs)), 1e-9);
  const n = names.length;
  const cells = places.flatMap((row) =>
    places.map((column) => ({ row, column, margin: matrix.margins[row]![column]! })),
  );
  const known = cells.filter(({ margin }) => Number.isFinite(margin));
  const data = [
    {
      // Squares, not a heat map: the small bundle of plotly.js, with which pictures are drawn here, has none.
      type: "scatter",
      mode: "markers",
      x: known.map(({ column }) => column),
      y: known.map(({ row }) => row),
      marker: {
        symbol: "square",
        size: Math.floor(Math.min(width, height) / n) - 1,
        color: known.map(({ margin }) => Number(margin.toPrecision(5))),
        cmin: -most,
        cmax: most,
        // From grey (never confused) over white to the orange of wrong answers.
        colorscale: [
          [0, grid],
          [0.5, paper],
          [1, wrong],
        ],
        line: { color: grid, width: 1 },
        colorbar: {
          title: { text: "score of the found image minus the right one's (no unit)", side: "right" },
          thickness: 14,
        },
      },
      customdata: known.map(({ row, column }) => [row, column].map((i) => plotlyText(imageName(matrix.images[i]!)))),
      hovertemplate:
        "captions of %{customdata[0]}<br>find %{customdata[1]}<br>%{marker.color:.3g} above the right one<extra></extra>",
    },
  ];
  const ticks = { tickmode: "array", tickvals: places, ticktext: names, showgrid: false };
  const layout = {
    ...baseLayout(title, width + 330, height + 206),
    xaxis: { ...axis("image that is found"), ...ticks, tickangle: -45, range: [-0.5, n - 0.5] },
    yaxis: { ...axis("image whose captions ask"), ...ticks, range: [n - 0.5, -0.5] },
    margin: { l: 180, r: 150, t: 56, b: 150 },
    showlegend: false,
  };
  const plotly = plotlySpec(data, layout);
  const table = renderTable({
    columns: ["caption", "its image", "found instead", "margin", "rank"],
    rows: hardest.map(({ caption, image, wrongImage, margin, rank }) => [
      captionText(caption),
      imageName(image),
      imageName(wrongImage),
      margin.toFixed(3),
      rank + 1,
    ]),
    caption: title,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text: table.text, json: plotly });
}
