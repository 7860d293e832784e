/** Confusion: the images that are most often taken for each other, as a map of score differences. */
import { renderTable } from "../display.js";
import type { Confusion, ConfusionMatrix } from "../evaluate/confusions.js";
import { makeFigure, type Figure } from "./figure.js";
import { baseLayout, drawPlotly, axis, plotlySpec, plotlyText } from "./plotly.js";
import { dim, grid, ink, paper, wrong } from "./palette.js";
import { thumbnail, type Picture, type Thumbnail } from "./raster.js";
import { fitText, wrapText } from "./textWidth.js";

/** What the figure of confusions shows. */
export interface ConfusionInput {
  matrix: ConfusionMatrix;
  /** The hardest confusions: the first of them are shown below the map, all of them in the text. */
  hardest: readonly Confusion[];
  /** Ids of images and texts of captions by their row and column of the scores; numbers where they are not known. */
  imageName?: (image: number) => string;
  /** The text of a caption by its column. */
  captionText?: (caption: number) => string;
  /** An image by its row of the scores, where it is there to be shown. */
  picture?: (image: number) => Picture | undefined;
}

/** Of the cells, in pixels. */
const [width, height] = [440, 440];
const margin = { l: 180, r: 150, t: 56, b: 150 };
/** Of pictures: beside the map, and of the confusions below it, two a row. */
const [small, large] = [Math.floor(height / 16), 72];
const [rowHeight, columnWidth, mostRows] = [large + 14, 384, 6];

/**
 * Row: the image whose captions ask; column: the image that is found. Colour: how much the found image scores above the right one for
 * the caption where this is most: orange where the wrong image wins, grey where the right one does by far. With pictures, they stand beside
 * the rows and columns, and below are the hardest confusions: the caption, its image and the one found instead, with scores and rank.
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
  const thumbnails = await thumbnailsOf(input, matrix.images, 2 * small);
  const shown = thumbnails.size === 0 ? [] : hardest.slice(0, 2 * mostRows);
  const pairs = await thumbnailsOf(input, shown.flatMap(({ image, wrongImage }) => [image, wrongImage]), 1.5 * large); // prettier-ignore
  const below = shown.length === 0 ? 0 : 40 + Math.ceil(shown.length / 2) * rowHeight;
  const beside = thumbnails.size === 0 ? [] : matrix.images.flatMap((image, place) => besideMap(thumbnails.get(image), place, n)); // prettier-ignore
  const listed = shown.map((confusion, i) => listedAt(i, confusion, pairs, captionText));
  const heading = { ...at(16 - margin.l, 22 + margin.b), text: "the hardest confusions: the caption's image, and the one that is found first", font: { size: 13 } }; // prettier-ignore
  const ticks = {
    ...{ tickmode: "array", tickvals: places, ticktext: names, showgrid: false },
    ...(thumbnails.size === 0 ? {} : { ticklen: small + 6, tickcolor: paper }),
  };
  const base = baseLayout(title, width + margin.l + margin.r, height + margin.t + margin.b + below);
  const layout = {
    ...base,
    title: { ...(base["title"] as object), y: 1 - 19 / (base["height"] as number) },
    xaxis: { ...axis("image that is found"), ...ticks, tickangle: -45, range: [-0.5, n - 0.5] },
    yaxis: { ...axis("image whose captions ask"), ...ticks, range: [n - 0.5, -0.5] },
    margin: { ...margin, b: margin.b + below },
    showlegend: false,
    images: [...beside, ...listed.flatMap(({ images }) => images)],
    annotations: shown.length === 0 ? [] : [heading, ...listed.flatMap(({ texts }) => texts)],
  };
  const plotly = plotlySpec(data, layout);
  const table = renderTable({
    columns: ["caption", "its image", "score", "rank", "found instead", "score", "margin"],
    rows: hardest.map((confusion) => [
      captionText(confusion.caption),
      imageName(confusion.image),
      confusion.score.toFixed(3),
      confusion.rank + 1,
      imageName(confusion.wrongImage),
      confusion.wrongScore.toFixed(3),
      confusion.margin.toFixed(3),
    ]),
    caption: title,
  });
  return makeFigure({ title, plotly, svg: await drawPlotly(plotly), text: table.text, json: plotly });
}

/** What can be shown of these images, each once; a picture that cannot be read is left out. */
async function thumbnailsOf(
  { picture }: ConfusionInput,
  images: readonly number[],
  size: number,
): Promise<Map<number, Thumbnail>> {
  const found = new Map<number, Thumbnail>();
  for (const image of new Set(images)) {
    const file = picture?.(image);
    const drawn = file === undefined ? undefined : await thumbnail(file, size).catch(() => undefined);
    if (drawn !== undefined) found.set(image, drawn);
  }
  return found;
}

type Layout = Record<string, unknown>;

/** A place in pixels right of the map's left edge and below its lower edge, for plotly.js. */
function at(x: number, y: number): Layout {
  return { xref: "paper", yref: "paper", x: x / width, y: -y / height, xanchor: "left", yanchor: "top", showarrow: false, align: "left" }; // prettier-ignore
}

function pictureAt({ uri }: Thumbnail, x: number, y: number, size: number): Layout {
  return {
    ...{ xref: "paper", yref: "paper", x: x / width, y: -y / height, xanchor: "left", yanchor: "top" },
    ...{ source: uri, sizex: size / width, sizey: size / height, sizing: "contain", layer: "above" },
  };
}

/** The picture of a row left of the map, and of the same column below it. */
function besideMap(drawn: Thumbnail | undefined, place: number, count: number): Layout[] {
  if (drawn === undefined) return [];
  const middle = ((place + 0.5) * width) / count - small / 2;
  return [pictureAt(drawn, -small - 4, middle - height, small), pictureAt(drawn, middle, 4, small)];
}

/** The i-th of the list below the map: both pictures, the caption in at most three lines, and the numbers. */
function listedAt(
  i: number,
  { caption, image, wrongImage, score, wrongScore, rank }: Confusion,
  thumbnails: ReadonlyMap<number, Thumbnail>,
  captionText: (caption: number) => string,
): { images: Layout[]; texts: Layout[] } {
  const [x, y] = [(i % 2) * columnWidth - margin.l + 16, margin.b + 46 + Math.floor(i / 2) * rowHeight];
  const images = [image, wrongImage].flatMap((which, side) => {
    const drawn = thumbnails.get(which);
    return drawn === undefined ? [] : [pictureAt(drawn, x + side * (large + 4), y, large)];
  });
  const left = x + 2 * (large + 4) + 6;
  const lines = wrapText(captionText(caption), columnWidth - 2 * large - 26, 11, 3).map(plotlyText);
  const numbers = [`\u2713 ${score.toFixed(2)}, rank ${rank + 1}`, `\u2717 ${wrongScore.toFixed(2)}, rank 1`];
  const texts = [
    { ...at(left, y - 2), text: lines.join("<br>"), font: { size: 11, color: ink } },
    { ...at(left, y + large - 30), text: numbers.join("<br>"), font: { size: 11, color: dim } },
  ];
  return { images, texts };
}
