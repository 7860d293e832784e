/** The attention figure as SVG: one faded image, used in every cell, with the cell's heat map over it. */
import { escapeHtml } from "../display.js";
import type { AttentionCell, AttentionRow, AttentionView } from "./attention.js";
import { dim, fontFamily, heatColour, heatLevels, ink, missed, paper, right, trueBox } from "./palette.js";
import { fitText, textWidth, wrapText } from "./textWidth.js";

const margin = 14;
const labelWidth = 122;
const gap = 6;
/** Between the last scale and the sum. */
export const sumGap = 14;
const captionSize = 17;
/** Height of the row of a word that has no map at all. */
const emptyHeight = 30;

/** Draws the view at a width of about 900 pixels, on white. */
export function attentionSvg(view: AttentionView): string {
  const cell = cellWidth;
  const cellHeight = Math.round(cell * view.aspect);
  const hasSum = view.scaleCount > 1;
  const x = (column: number): number =>
    margin + labelWidth + column * (cell + gap) + (hasSum && column === view.scaleCount ? sumGap : 0);
  const width = Math.max(620, x(view.columns.length) + margin - gap + (hasSum ? sumGap : 0));
  const pictureWidth = Math.min(150, 150 / view.aspect);
  const pictureHeight = pictureWidth * view.aspect;
  const textLeft = margin + pictureWidth + 18;
  const caption = captionLines(view, textLeft, width - margin);
  const legendTop = margin + 40 + caption.lines * 28;
  const explained = legend(view, textLeft, legendTop, width - margin);
  const headTop = Math.max(margin + pictureHeight, legendTop + explained.height) + 20;
  let y = headTop + 36;
  const heads = view.columns.map(
    ({ name, detail }, k) =>
      text(x(k) + cell / 2, headTop + 10, name, 13, ink, `text-anchor="middle" font-weight="bold"`) +
      text(x(k) + cell / 2, headTop + 26, detail, 10.5, dim, `text-anchor="middle"`),
  );
  const rows = view.rows.map((row) => {
    const top = y;
    if (isEmpty(row)) {
      y += emptyHeight + gap;
      const remark = text(x(0), top + emptyHeight / 2 + 4, emptyRemark(row), 11, dim);
      return `<g class="row ${row.kind}">${labelSvg(view, row, top, emptyHeight)}${remark}</g>`;
    }
    y += cellHeight + gap;
    const cells = row.cells.map((c, k) => cellSvg(view, row, c, k, x(k), top, cell, cellHeight));
    return `<g class="row ${row.kind}">${labelSvg(view, row, top, cellHeight)}${cells.join("")}</g>`;
  });
  const height = y + margin;
  return (
    opening(width, height) +
    `<title>${escapeHtml(view.title)}</title>` +
    sharedImage(view, cellHeight) +
    `<rect width="100%" height="100%" fill="${paper}"/>` +
    `<image x="${n(margin)}" y="${n(margin)}" width="${n(pictureWidth)}" height="${n(pictureHeight)}" xlink:href="${view.picture}"/>` +
    text(textLeft, margin + 15, view.title, 15, ink, `font-weight="bold"`) +
    caption.svg +
    explained.svg +
    heads.join("") +
    rows.join("") +
    `</svg>`
  );
}

/** Pictures below each other as one. */
export function stackedSvg(svgs: readonly string[]): string {
  const sizes = svgs.map((svg) => {
    const [, width = "0", height = "0"] = / width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
    return { width: Number(width), height: Number(height) };
  });
  let y = 0;
  const placed = svgs.map((svg, i) => {
    const inner = svg.replace("<svg ", `<svg y="${n(y)}" `);
    y += sizes[i]!.height;
    return inner;
  });
  const width = Math.max(...sizes.map((size) => size.width));
  return `${opening(width, y)}<rect width="100%" height="100%" fill="${paper}"/>${placed.join("")}</svg>`;
}

/** The caption in words on as many lines as it needs: a chip behind what is matched, a stroke through what is not. */
function captionLines(view: AttentionView, left: number, end: number): { svg: string; lines: number } {
  let svg = "";
  let x = left;
  let line = 0;
  const parts = view.caption.flatMap(({ text: whole, matches }) =>
    (whole.match(/\s+|\S+/g) ?? []).map((part) => ({ part, matches })),
  );
  for (const { part, matches } of parts) {
    const width = textWidth(part, captionSize);
    if (x + width > end && x > left) {
      x = left;
      line++;
      if (part.trim() === "") continue;
    }
    const y = margin + 46 + line * 28;
    if (part.trim() !== "") {
      if (typeof matches === "number" && matches > 0) {
        svg += `<rect x="${n(x - 1)}" y="${n(y - 17)}" width="${n(width + 2)}" height="23" rx="3" fill="${right}" fill-opacity="${n(chipOpacity(matches, view.scaleCount))}"/>`;
      }
      const grey = matches === 0 || matches === "cut";
      const decoration =
        matches === 0 ? ` text-decoration="line-through"` : matches === "cut" ? ` font-style="italic"` : "";
      svg += text(
        x,
        y,
        part,
        captionSize,
        grey ? dim : ink,
        `textLength="${n(width)}" lengthAdjust="spacingAndGlyphs"${decoration}`,
      );
    }
    x += width;
  }
  return { svg, lines: line + 1 };
}

/** Width of a map in pixels: six of them, their sum and the words make about 900. */
const cellWidth = 100;
/** From one column to the next. */
export const cellPitch = cellWidth + gap;

/** The maps of one row as a picture of their own, without a background. */
export function stripSvg(view: AttentionView, row: AttentionRow): { svg: string; width: number; height: number } {
  const height = Math.round(cellWidth * view.aspect);
  const left = (column: number): number =>
    gap / 2 + column * cellPitch + (view.scaleCount > 1 && column === view.scaleCount ? sumGap : 0);
  const width = left(row.cells.length - 1) + cellWidth + gap / 2;
  const cells = row.cells.map((cell, k) => cellSvg(view, row, cell, k, left(k), 0, cellWidth, height));
  const svg = `${opening(width, height)}${sharedImage(view, height)}${cells.join("")}</svg>`;
  return { svg, width, height };
}

/** The heat scale as a picture of its own. */
export function legendBar(): string {
  return `${opening(barWidth, 10)}<rect width="100%" height="100%" fill="${paper}"/>${heatBar(0, 0)}</svg>`;
}

function opening(width: number, height: number): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${n(width)}" height="${n(height)}" ` +
    `viewBox="0 0 ${n(width)} ${n(height)}" font-family="${fontFamily}">`
  );
}

/** The faded image that every cell shows. */
function sharedImage(view: AttentionView, height: number): string {
  return `<defs><image id="i${view.id}" width="${n(cellWidth)}" height="${n(height)}" preserveAspectRatio="none" xlink:href="${view.faded}"/></defs>`;
}

/** Whether a row has nothing to show in any map. */
export function isEmpty(row: AttentionRow): boolean {
  return row.cells.every((cell) => cell.heat === undefined && !(cell.cls > 0));
}

/** What stands in place of the maps of an empty row. */
export function emptyRemark(row: AttentionRow): string {
  return row.matches > 0
    ? "no patch has a value above 0"
    : row.kind === "pad"
      ? "no region matches the pads at any scale"
      : "no region matches this word at any scale";
}

/** How strong the chip of a matched word is: stronger the more scales match it. */
export function chipOpacity(matches: number, scales: number): number {
  return matches === 0 ? 0 : 0.12 + 0.33 * (matches / Math.max(1, scales));
}

/** The sentences that explain the figure, shared with the HTML. */
export function legendLines(view: AttentionView): string[] {
  const { show, hasCls, scaleCount, rows, weights, score, threshold } = view;
  const value = show === "weights" ? "attention weight" : "word-region product";
  return [
    `Each map is scaled to its own strongest patch; the number is that patch's ${value}` +
      `${hasCls ? ", cls what the whole-image region has" : ""}.`,
    (score === "pooled"
      ? "The model scores by the cosine of mean features: no word attends to a patch or matches one."
      : scaleCount > 1
        ? `Blue words match a region at some of the ${String(scaleCount)} scales (a dot each); struck-through words match none.`
        : "Blue words match a region; struck-through words match none.") +
      (rows.some((row) => row.boxes.length > 0)
        ? " Outlines: where the thing really is; where its phrase points: a dot inside of them, a cross outside."
        : ""),
    ...(score === "relevant"
      ? [
          `Grey patches without colour are irrelevant to the word (product up to ${threshold.toFixed(2)}): they take no part in the score.`,
        ]
      : []),
    ...(weights === undefined ? [] : [`${weightsLine(weights)}.`]),
  ];
}

/** What to know of the column "sum". */
export function weightsLine(weights: readonly number[]): string {
  return `sum: the scales times their learned weights ${weights.map((weight) => weight.toFixed(2)).join(", ")}`;
}

function legend(view: AttentionView, left: number, top: number, end: number): { svg: string; height: number } {
  const lines = legendLines(view).flatMap((line) => wrapText(line, end - left, 11, 3));
  const svg =
    heatBar(left, top) +
    text(left + barWidth + 8, top + 9, "0 … strongest patch", 11, dim) +
    lines.map((line, i) => text(left, top + 27 + i * 16, line, 11, dim)).join("");
  return { svg, height: 20 + lines.length * 16 };
}

const barWidth = heatLevels * 5;

function heatBar(left: number, top: number): string {
  const steps = Array.from({ length: heatLevels }, (_, level) => {
    const [r, g, b, a] = heatColour(level);
    return `<rect x="${n(left + level * 5)}" y="${n(top)}" width="5.3" height="10" fill="rgb(${String(r)},${String(g)},${String(b)})" fill-opacity="${n(a / 255)}"/>`;
  });
  return steps.join("");
}

function labelSvg(view: AttentionView, row: AttentionRow, top: number, height: number): string {
  const plain = row.kind !== "word";
  const dotted = height > emptyHeight && view.score !== "pooled";
  const baseline = top + height / 2 + (dotted ? -4 : 5);
  const label = fitText(row.label, labelWidth - 20, 15);
  const chip =
    row.matches > 0 && !plain && view.score !== "pooled"
      ? `<rect x="${n(margin)}" y="${n(baseline - 16)}" width="${n(textWidth(label, 15) + 10)}" height="22" rx="3" fill="${right}" fill-opacity="${n(chipOpacity(row.matches, view.scaleCount))}"/>`
      : "";
  const struck = row.matches === 0 ? ` text-decoration="line-through"` : "";
  const dots = row.cells
    .slice(0, dotted ? view.scaleCount : 0)
    .map(
      (c, k) =>
        `<circle cx="${n(margin + 9 + k * 11)}" cy="${n(baseline + 17)}" r="3.4" fill="${c.matched ? (plain ? dim : right) : "none"}" stroke="${plain ? dim : right}"/>`,
    );
  const style = `${plain ? `font-style="italic"` : ""}${struck}`;
  return chip + text(margin + 5, baseline, label, 15, plain || row.matches === 0 ? dim : ink, style) + dots.join("");
}

function cellSvg(
  view: AttentionView,
  row: AttentionRow,
  cell: AttentionCell,
  column: number,
  left: number,
  top: number,
  width: number,
  height: number,
): string {
  const faint = row.kind === "word" && cell.matched ? "" : ` opacity="0.6"`;
  const heat =
    cell.heat === undefined
      ? ""
      : `<image class="heat" width="${n(width)}" height="${n(height)}" preserveAspectRatio="none" style="image-rendering:pixelated" xlink:href="${cell.heat}"/>`;
  const boxes = row.boxes.map(
    (b) =>
      `<rect x="${n(b.x * width)}" y="${n(b.y * height)}" width="${n(b.width * width)}" height="${n(b.height * height)}" fill="none" stroke="${trueBox}" stroke-width="1.5"/>`,
  );
  const point = cell.point === undefined ? "" : pointMark(cell.point, width, height);
  const note = cell.matched
    ? halo(width - 4, 12, cell.strongest.toFixed(2), "end") +
      (cell.cls >= 0.005 ? halo(4, height - 5, `cls ${cell.cls.toFixed(2)}`, "start") : "")
    : halo(width / 2, height / 2 + 4, "no match", "middle");
  return (
    `<g class="cell" data-column="${String(column)}" transform="translate(${n(left)} ${n(top)})">` +
    `<g${faint}><use xlink:href="#i${view.id}"/>${heat}</g>${boxes.join("")}${point}${note}</g>`
  );
}

/** Where a phrase points: a dot in a box, a cross outside. */
function pointMark({ x, y, inside }: NonNullable<AttentionCell["point"]>, width: number, height: number): string {
  const [cx, cy] = [x * width, y * height];
  if (inside) {
    return `<circle class="point" cx="${n(cx)}" cy="${n(cy)}" r="3.5" fill="${trueBox}" stroke="${ink}" stroke-width="1"/>`;
  }
  const cross = `M${n(cx - 3.5)} ${n(cy - 3.5)}l7 7m0 -7l-7 7`;
  return (
    `<path class="point" d="${cross}" fill="none" stroke="${ink}" stroke-width="4"/>` +
    `<path d="${cross}" fill="none" stroke="${missed}" stroke-width="2"/>`
  );
}

/** Small text that can be read on any picture. */
function halo(x: number, y: number, content: string, anchor: string): string {
  return text(
    x,
    y,
    content,
    10.5,
    ink,
    `text-anchor="${anchor}" stroke="${paper}" stroke-width="3" stroke-opacity="0.85" paint-order="stroke" stroke-linejoin="round"`,
  );
}

function text(x: number, y: number, content: string, size: number, fill: string, more = ""): string {
  return `<text x="${n(x)}" y="${n(y)}" font-size="${n(size)}" fill="${fill}" ${more}>${escapeHtml(content)}</text>`;
}

/** A number for an attribute: at most two decimals. */
function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}
