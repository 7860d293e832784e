/** plotly.js, loaded when the first figure is drawn, and what a figure may ask of it. */
import { dim, grid, ink, paper } from "../../src/plot/palette.js";

export interface PlotlyFigure {
  data: Record<string, unknown>[];
  layout?: Record<string, unknown>;
}

interface PlotlyModule {
  react(node: HTMLElement, data: unknown, layout: unknown, config: unknown): Promise<unknown>;
  purge(node: HTMLElement): void;
  Plots: { resize(node: HTMLElement): unknown };
  PlotSchema: { get(): { traces: Record<string, unknown> } };
}

/** The figure's own configuration is not asked: it could send data elsewhere. */
const config = { displaylogo: false, showSendToCloud: false, showLink: false, responsive: true, plotlyServerURL: "" };

/** Beside this script; its name has the hash of its content (set by the build). */
declare const PLOTLY_FILE: string;
const here = (document.currentScript as HTMLScriptElement | null)?.src ?? "";
let loading: Promise<PlotlyModule> | undefined;

function loadPlotly(): Promise<PlotlyModule> {
  loading ??= (import(new URL(PLOTLY_FILE, here).href) as Promise<{ default: PlotlyModule }>).then((m) => m.default);
  // A failed one may work the next time.
  loading.catch(() => (loading = undefined));
  return loading;
}

/** What keeps it from being a figure, or undefined. */
export function figureProblem(figure: unknown): string | undefined {
  const { data, layout = {} } = (figure ?? {}) as { data?: unknown; layout?: unknown };
  const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
  if (!Array.isArray(data) || !data.every(isObject)) return "it has no traces";
  if (!isObject(layout)) return "its layout is none";
  return undefined;
}

/** Draws into the node, as wide as there is room; resolves to what frees it again. */
export async function drawFigure(node: HTMLElement, figure: PlotlyFigure): Promise<() => void> {
  const plotly = await loadPlotly();
  const { traces } = plotly.PlotSchema.get();
  const unknown = figure.data
    .map(({ type = "scatter" }) => (typeof type === "string" ? type : "unknown"))
    .find((type) => !(type in traces));
  if (unknown !== undefined) {
    node.replaceChildren(
      `A trace of type "${unknown}" needs the whole of plotly.js: pip install plotly brings its own renderer.`,
    );
    return () => undefined;
  }
  const { data, layout = {} } = withoutAddresses(figure) as PlotlyFigure;
  // Buttons and sliders call plotly.js with what the figure says, addresses of pictures among it; ours have none.
  const { width, updatemenus: _menus, sliders: _sliders, ...rest } = layout;
  const host = document.createElement("div");
  if (typeof width === "number") host.style.maxWidth = `${width}px`;
  host.style.overflowX = "auto";
  const drawn = document.createElement("div");
  // Below this a figure with a legend beside it has no room left for its axes: it scrolls instead.
  drawn.style.minWidth = `${Math.min(typeof width === "number" ? width : 480, 640)}px`;
  host.append(drawn);
  node.replaceChildren(host);
  const draw = (): Promise<unknown> => {
    const themed = inTheme({ data, layout: rest });
    return plotly.react(drawn, themed.data, { ...themed.layout, autosize: true }, config);
  };
  await draw();
  const theme = new MutationObserver(() => void draw());
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  // Of itself plotly.js follows the window alone: a figure that was drawn before its page had a width would stay as it is.
  let known = host.clientWidth;
  const observer = new ResizeObserver(() => {
    if (host.clientWidth === known || host.clientWidth === 0) return;
    known = host.clientWidth;
    plotly.Plots.resize(drawn);
  });
  observer.observe(host);
  // No "img": what is in one, as the buttons of the bar, is not there for a screen reader.
  drawn.setAttribute("role", "figure");
  const summary = (layout["meta"] as { summary?: unknown } | undefined)?.summary;
  const title = (layout["title"] as { text?: unknown } | undefined)?.text;
  const label = [summary, title].find((text) => typeof text === "string" && text !== "");
  drawn.setAttribute("aria-label", typeof label === "string" ? plainText(label) : "figure");
  return () => {
    observer.disconnect();
    theme.disconnect();
    plotly.purge(drawn);
  };
}

/** In a dark theme a figure of ours, drawn for white paper, has the theme's colours in place of its own; others are left as they are. */
function inTheme(figure: PlotlyFigure): PlotlyFigure {
  if (document.body.dataset["jpThemeLight"] !== "false" || figure.layout?.["paper_bgcolor"] !== paper) return figure;
  const style = getComputedStyle(document.body);
  const colours: Record<string, string> = {
    [paper]: "--jp-layout-color0",
    [ink]: "--jp-content-font-color1",
    [dim]: "--jp-content-font-color2",
    [grid]: "--jp-border-color3",
  };
  const themed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(themed);
    if (typeof value === "string") {
      const name = colours[value];
      return name === undefined ? value : style.getPropertyValue(name).trim() || value;
    }
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, themed(inner)]));
  };
  return themed(figure) as PlotlyFigure;
}

/** Text that was escaped for plotly.js. */
function plainText(text: string): string {
  return text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
}

/** A copy without anything that plotly.js would load: sources of pictures other than data, wherever they stand. */
export function withoutAddresses(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAddresses);
  if (typeof value === "string") return value.replace(/url\s*\(/gi, "(");
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key, inner]) =>
          !(
            /(^|[.\]])source$/.test(key) &&
            typeof inner === "string" &&
            !/^data:image\/(png|jpeg|gif|webp);/.test(inner)
          ),
      )
      .map(([key, inner]) => [key, withoutAddresses(inner)]),
  );
}
