/** Worker thread: plotly.js in a made-up browser window (jsdom), which draws figures as SVG. Started by plotly.ts. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { parentPort } from "node:worker_threads";
import { vendored } from "../vendored.js";
import { textWidth } from "./textWidth.js";

export interface DrawRequest {
  id: number;
  data: unknown[];
  layout: Record<string, unknown>;
  width: number;
  height: number;
}

export type DrawReply = { id: number; svg: string } | { id: number; error: string };

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The little of the DOM that is used here (the types of the whole DOM would be seen by every file of the package). */
interface Node {
  tagName: string;
  textContent: string | null;
  children: ArrayLike<Node>;
  parentElement: Node | null;
  getAttribute(name: string): string | null;
}

interface Window {
  Element: { prototype: object };
  SVGElement: { prototype: object };
  document: { createElement(name: string): object };
  Math: { random: () => number };
  URL: { createObjectURL: () => string };
  Plotly: { toImage(figure: object, options: object): Promise<string> };
  eval(code: string): void;
}

const load = createRequire(__filename);
const window = openWindow();

/** A window with plotly.js in it. Loaded as text: in Node, plotly.js cannot be imported without a DOM. */
function openWindow(): Window {
  const { JSDOM } = load("jsdom") as { JSDOM: new (html: string, options: object) => { window: Window } };
  const { window } = new JSDOM("<!doctype html><body></body>", { runScripts: "outside-only", pretendToBeVisual: true });
  window.URL.createObjectURL = () => ""; // asked for at load, never used for SVG
  // jsdom has no layout: every box is 0 x 0, and labels, legends and margins fall over each other
  const onPage = function (this: Node): Rectangle {
    return rectangle(pageBoxOf(this));
  };
  const own = function (this: Node): Rectangle {
    return rectangle(boxOf(this));
  };
  const length = function (this: Node): number {
    return widthOf(this);
  };
  Object.assign(window.Element.prototype, { getBoundingClientRect: onPage });
  Object.assign(window.SVGElement.prototype, { getBBox: own, getComputedTextLength: length });
  // the basic bundle: scatter, bar and pie, half the size of the full one
  const bundle = path.join(vendored("plotly.js"), "plotly-basic.min.js");
  window.eval(readFileSync(bundle, "utf8"));
  return window;
}

/** The box of an SVG element in its own coordinates, from the font table; elements without text count as points. */
function boxOf(node: Node): Box {
  const name = node.tagName.toLowerCase();
  const x = Number(node.getAttribute("x") ?? 0) || 0;
  const y = Number(node.getAttribute("y") ?? 0) || 0;
  if (name === "text") {
    const lines = Math.max(1, Array.from(node.children).filter((c) => c.getAttribute("class") === "line").length);
    const size = fontOf(node).size;
    const width = widthOf(node);
    const anchor = styleOf(node, "text-anchor") ?? node.getAttribute("text-anchor");
    const left = x - (anchor === "middle" ? width / 2 : anchor === "end" ? width : 0);
    return { left, top: y - 0.93 * size, right: left + width, bottom: y + (0.24 + 1.3 * (lines - 1)) * size };
  }
  if (name === "rect" || name === "image") {
    const width = Number(node.getAttribute("width") ?? 0) || 0;
    return { left: x, top: y, right: x + width, bottom: y + (Number(node.getAttribute("height") ?? 0) || 0) };
  }
  const boxes = Array.from(node.children, (child) => moved(boxOf(child), child.getAttribute("transform")));
  return boxes.length === 0 ? { left: x, top: y, right: x, bottom: y } : boxes.reduce(union);
}

type Rectangle = Box & { x: number; y: number; width: number; height: number };

/** The box of an element after its own and all outer transforms. */
function pageBoxOf(node: Node): Box {
  let box = boxOf(node);
  for (let n: Node | null = node; n !== null; n = n.parentElement) box = moved(box, n.getAttribute("transform"));
  return box;
}

function rectangle({ left, top, right, bottom }: Box): Rectangle {
  return { left, top, right, bottom, x: left, y: top, width: right - left, height: bottom - top };
}

function union(a: Box, b: Box): Box {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

/** The box around a box that was moved by a transform attribute (translate, rotate and scale, the last one first). */
function moved(box: Box, transform: string | null): Box {
  let { left, top, right, bottom } = box;
  for (const [, name, list] of Array.from((transform ?? "").matchAll(/(\w+)\(([^)]*)\)/g)).reverse()) {
    const [a = 0, b, c = 0] = (list ?? "").split(/[\s,]+/).map(Number);
    if (name === "translate") {
      [left, right, top, bottom] = [left + a, right + a, top + (b ?? 0), bottom + (b ?? 0)];
    } else if (name === "scale") {
      [left, right, top, bottom] = [left * a, right * a, top * (b ?? a), bottom * (b ?? a)];
    } else if (name === "rotate") {
      const [cos, sin] = [Math.cos((a * Math.PI) / 180), Math.sin((a * Math.PI) / 180)];
      const corners = [left, right].flatMap((x) => [top, bottom].map((y) => [x - (b ?? 0), y - c] as const));
      const xs = corners.map(([x, y]) => (b ?? 0) + x * cos - y * sin);
      const ys = corners.map(([x, y]) => c + x * sin + y * cos);
      [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    }
  }
  return { left, top, right, bottom };
}

/** The widest line of a text element. */
function widthOf(node: Node): number {
  const lines = Array.from(node.children).filter((child) => child.getAttribute("class") === "line");
  return Math.max(
    ...(lines.length === 0 ? [node] : lines).map((line) => {
      const { size, bold } = fontOf(line);
      return textWidth(line.textContent ?? "", size, bold);
    }),
  );
}

function fontOf(node: Node): { size: number; bold: boolean } {
  return {
    size: parseFloat(styleOf(node, "font-size") ?? "12") || 12,
    bold: /^(bold|[6-9]00)$/.test(styleOf(node, "font-weight") ?? ""),
  };
}

/** A property of the element's style attribute, or of the nearest ancestor that sets it. */
function styleOf(node: Node | null, property: string): string | undefined {
  for (let n = node; n !== null; n = n.parentElement) {
    const found = new RegExp(`(?:^|;)\\s*${property}\\s*:\\s*([^;]+)`).exec(n.getAttribute("style") ?? "");
    if (found?.[1] !== undefined) return found[1].trim();
  }
  return undefined;
}

async function draw({ data, layout, width, height }: DrawRequest): Promise<string> {
  let state = 1; // plotly draws element ids at random: the same figure shall give the same picture
  window.Math.random = () => (state = (state * 16807) % 2147483647) / 2147483647;
  const uri = await window.Plotly.toImage({ data, layout }, { format: "svg", width, height });
  return decodeURIComponent(uri.slice(uri.indexOf(",") + 1));
}

/** One figure after the other: the seeded numbers of one must not mix with another's. */
let queue: Promise<unknown> = Promise.resolve();

parentPort?.on("message", (request: DrawRequest) => {
  const drawn = queue.then(() => draw(request));
  queue = drawn.catch(() => undefined);
  drawn.then(
    (svg) => parentPort?.postMessage({ id: request.id, svg } satisfies DrawReply),
    (error: unknown) =>
      parentPort?.postMessage({
        id: request.id,
        error: error instanceof Error ? error.message : String(error),
      } satisfies DrawReply),
  );
});
