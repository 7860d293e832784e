/** plotly.js figures drawn as SVG on this machine, without a browser: the main thread's side of plotlyWorker.ts. */
import { createHash } from "node:crypto";
import path from "node:path";
import { Worker } from "node:worker_threads";
import type { PlotlySpec } from "./figure.js";
import { dim, fontFamily, grid, ink, paper, series } from "./palette.js";
import { fitText } from "./textWidth.js";
import type { DrawReply, DrawRequest } from "./plotlyWorker.js";

/** What every plotly figure has in common; a figure's own layout goes over it. */
export function baseLayout(title: string, width: number, height: number): Record<string, unknown> {
  return {
    width,
    height,
    title: {
      text: plotlyText(fitText(title, width - 30, 17)),
      x: 0.01,
      xanchor: "left",
      y: 0.97,
      yanchor: "top",
      font: { size: 17 },
    },
    font: { family: fontFamily, size: 13, color: ink },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    colorway: [...series],
    margin: { l: 66, r: 24, t: 56, b: 56 },
    hovermode: "closest",
  };
}

/** Lines of the grid, ticks and title of an axis. */
export function axis(title: string): Record<string, unknown> {
  return {
    title: { text: plotlyText(title), standoff: 10, font: { size: 13 } },
    gridcolor: grid,
    zeroline: false,
    linecolor: dim,
    showline: true,
    ticks: "outside",
    tickcolor: dim,
    automargin: false,
  };
}

/** Range and ticks of an axis of steps from 0 to the last: there is no half of a step. */
export function stepRange(last: number): Record<string, unknown> {
  return { range: [-0.015 * last, 1.015 * last], ...(last <= 10 ? { dtick: 1 } : {}) };
}

/** Error bars from values to their intervals [low, high], rounded to hundredths; none where there is no interval. */
export function errorBars(
  values: readonly (number | undefined)[],
  intervals: readonly (readonly [number, number] | undefined)[],
  colour = ink,
): Record<string, unknown> {
  const lengths = (side: 0 | 1): number[] =>
    values.map((value = NaN, i) => {
      const length = Math.abs((intervals[i]?.[side] ?? value) - value);
      return Number.isFinite(length) ? Math.round(100 * length) / 100 : 0;
    });
  const ends = { array: lengths(1), arrayminus: lengths(0) };
  return { type: "data", symmetric: false, ...ends, color: colour, thickness: 1.2, width: 4 };
}

/** Text from data for plotly.js, which reads `<b>`, `<a href>` and entities as markup. */
export function plotlyText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** A figure as plotly's mime type wants it; never with the button that sends the data to plotly's servers. */
export function plotlySpec(data: Record<string, unknown>[], layout: Record<string, unknown>): PlotlySpec {
  return { data, layout, config: { showSendToCloud: false, displaylogo: false } };
}

const idleMilliseconds = 60_000;
let worker: Worker | undefined;
let idle: NodeJS.Timeout | undefined;
let count = 0;
const waiting = new Map<number, { resolve: (svg: string) => void; reject: (error: Error) => void }>();

/**
 * Draws a figure as SVG. The first call starts the worker thread (about a second; jsdom and plotly.js are loaded there and the calling
 * thread stays free); it ends by itself after a minute without work. Ids in the SVG come from the figure's content, so that several
 * pictures can stand in one page.
 */
export async function drawPlotly({ data, layout }: PlotlySpec): Promise<string> {
  const started = startWorker();
  const id = count++;
  const request: DrawRequest = { id, data, layout, width: Number(layout["width"]), height: Number(layout["height"]) };
  const svg = await new Promise<string>((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    started.postMessage(request);
  });
  return uniqueIds(svg, createHash("sha256").update(JSON.stringify({ data, layout })).digest("hex").slice(0, 8));
}

function startWorker(): Worker {
  clearTimeout(idle);
  if (worker !== undefined) {
    worker.ref();
    return worker;
  }
  const fresh = new Worker(path.join(__dirname, "plotlyWorker.js"));
  worker = fresh;
  fresh.on("message", (reply: DrawReply) => {
    const request = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ("svg" in reply) request?.resolve(reply.svg);
    else request?.reject(new Error(`plotly.js could not draw the figure: ${reply.error}`));
    if (waiting.size === 0) rest(fresh);
  });
  fresh.on("error", (error) => {
    lose(fresh, error);
  });
  fresh.on("exit", (code) => {
    lose(fresh, new Error(`the drawing thread ended with code ${String(code)}`));
  });
  return fresh;
}

/** Lets the program end while the thread waits, and ends the thread when nothing comes for a while. */
function rest(thread: Worker): void {
  thread.unref();
  idle = setTimeout(() => {
    if (worker === thread) worker = undefined;
    void thread.terminate();
  }, idleMilliseconds);
  idle.unref();
}

function lose(thread: Worker, error: Error): void {
  if (worker !== thread) return;
  worker = undefined;
  for (const { reject } of waiting.values()) reject(error);
  waiting.clear();
}

function uniqueIds(svg: string, mark: string): string {
  const ids = [...new Set(Array.from(svg.matchAll(/\sid="([^"]+)"/g), (found) => found[1] ?? ""))];
  let out = svg;
  for (const id of ids.sort((a, b) => b.length - a.length)) {
    out = out
      .replaceAll(`id="${id}"`, `id="${mark}-${id}"`)
      .replaceAll(`#${id})`, `#${mark}-${id})`)
      .replaceAll(`#${id}"`, `#${mark}-${id}"`)
      .replaceAll(`#${id}'`, `#${mark}-${id}'`);
  }
  return out;
}
