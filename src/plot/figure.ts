/** What every plot function returns: one picture in all its forms, that shows itself in a notebook and saves itself as a file. */
import path from "node:path";
import { displaySymbol, escapeHtml, type MimeBundle } from "../display.js";
import { AmsError } from "../errors.js";
import { checkPlace, makeFolder, writeWhole, writing } from "../writing.js";
import { explorerMime } from "./explorer.js";
import type { ExplorerSpec } from "./explorerMaps.js";
import { plotlyText } from "./plotly.js";
import { svgToPng } from "./raster.js";

/** A figure for plotly.js: traces, layout, and the configuration that keeps it from sending anything anywhere. */
export interface PlotlySpec {
  data: Record<string, unknown>[];
  layout: Record<string, unknown>;
  config?: Record<string, unknown>;
}

/** A figure in every form that a front end may want. */
export interface Figure {
  title: string;
  /** Set where the figure is interactive: what JupyterLab's plotly renderer draws. */
  plotly?: PlotlySpec;
  /** A self-contained picture. */
  svg: string;
  /** The same picture at twice its size in pixels, on white. */
  png: Buffer;
  /** Title and numbers, for terminals. */
  text: string;
  /** A self-contained piece of HTML (nothing from the network) for figures that are not plotly's; readable without its script. */
  html?: string;
  /** Set where the figure can be explored: what JupyterLab's renderer of the extension draws. */
  explorer?: ExplorerSpec;
  /** The numbers behind the picture, as plain JSON. */
  json: unknown;
  /** What it looks like, by mime type. */
  [displaySymbol](): MimeBundle;
  /** Writes .svg, .png, .html or .json by the ending of the name; resolves to the absolute path. */
  save(file: string): Promise<string>;
}

export interface FigureParts {
  title: string;
  svg: string;
  text: string;
  plotly?: PlotlySpec;
  html?: string;
  explorer?: ExplorerSpec;
  json: unknown;
}

/** Completes a figure from its SVG: draws the PNG, and adds display, saving, and its title and text for screen readers. */
export async function makeFigure(given: FigureParts): Promise<Figure> {
  const png = await svgToPng(given.svg);
  const { plotly, html, explorer, title, text } = given;
  // The extension for JupyterLab says it where plotly.js draws the figure.
  if (plotly !== undefined) plotly.layout["meta"] = { summary: plotlyText(text) };
  const parts = { ...given, svg: described(given.svg, title, text) };
  return {
    ...parts,
    png,
    [displaySymbol]: () => ({
      "text/plain": parts.text,
      ...(plotly === undefined ? {} : { "application/vnd.plotly.v1+json": plotly, "image/svg+xml": parts.svg }),
      ...(explorer === undefined ? {} : { [explorerMime]: explorer }),
      ...(html === undefined ? {} : { "text/html": html }),
      "image/png": png.toString("base64"),
    }),
    save: (file) => Promise.resolve(file).then((place) => saveFigure({ ...parts, png }, place)),
  };
}

/** The SVG as one picture with a name and a description. */
function described(svg: string, title: string, text: string): string {
  return svg.replace(/^([^]*?<svg )([^>]*>)/, (_, start: string, rest: string) => {
    return `${start}role="img" aria-label="${escapeHtml(title)}" ${rest}<desc>${escapeHtml(text)}</desc>`;
  });
}

const endings = [".svg", ".png", ".html", ".json"];

/** For before the work: throws the AmsError that saving a figure here would give after it. Makes the file's folder. */
export function checkFigureFile(file: string): void {
  endingOf(file);
  checkPlace(file);
}

/** The ending of a figure's file. Throws an AmsError for one that no figure can be saved as. */
function endingOf(file: string): string {
  const ending = path.extname(file).toLowerCase();
  if (endings.includes(ending)) return ending;
  throw new AmsError(`a figure cannot be saved as "${ending === "" ? path.basename(file) : ending}"`, {
    where: path.resolve(file),
    hint: `end the name with ${endings.slice(0, -1).join(", ")} or ${endings.at(-1) ?? ""}, as in "figure.png"`,
  });
}

function saveFigure(figure: FigureParts & { png: Buffer }, file: string): string {
  const target = path.resolve(file);
  const ending = endingOf(target);
  const content =
    ending === ".svg"
      ? figure.svg
      : ending === ".png"
        ? figure.png
        : ending === ".json"
          ? `${JSON.stringify(figure.json)}\n`
          : page(figure);
  writing(target, () => {
    makeFolder(path.dirname(target));
    writeWhole(target, [content]);
  });
  return target;
}

/** A whole page around a figure: its own HTML, else its SVG. */
function page({ title, html, svg }: FigureParts): string {
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>` +
    `<style>:root{color-scheme:light dark}body{margin:16px;font-family:sans-serif}</style></head>` +
    `<body>${html ?? svg}</body></html>\n`
  );
}
