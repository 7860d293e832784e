/**
 * The attention figure as static HTML: words as text in the notebook's light or dark theme, the maps of a word as one picture.
 * Only inline styles and `<img>`: notebooks that are not trusted yet drop `<style>` and `<svg>`, and everything must stay readable.
 */
import { escapeHtml } from "../display.js";
import type { AttentionRow, AttentionView } from "./attention.js";
import {
  cellPitch,
  chipOpacity,
  emptyRemark,
  isEmpty,
  legendBar,
  legendLines,
  stripSvg,
  sumGap,
} from "./attentionSvg.js";

const blue = "0,114,178";
const plainCell = "border:0;background:none;padding:3px 6px 3px 0;text-align:left;vertical-align:middle";

/** The view as one `<div>`. */
export function attentionHtml(view: AttentionView): string {
  const rows = view.rows.map(
    (row) => `<tr style="border:0;background:none">${labelHtml(view, row)}${mapsHtml(view, row)}</tr>`,
  );
  return (
    `<div style="max-width:1000px;font-size:13px;line-height:1.4">` +
    `<div style="display:flex;gap:18px;align-items:flex-start"><img width="150" alt="the image of this caption" src="${view.picture}">` +
    `<div><b>${escapeHtml(view.title)}</b>` +
    `<div class="caption" style="font-size:17px;line-height:1.7">${view.caption.map((part) => captionHtml(view, part)).join("")}</div>` +
    `<div style="font-size:11px;opacity:0.8"><img height="10" alt="heat scale" style="vertical-align:middle" src="${svgUri(legendBar())}"> ` +
    `0 … strongest patch<br>${legendLines(view).map(escapeHtml).join("<br>")}</div></div></div>` +
    `<table style="border-collapse:collapse;border:0;margin:8px 0 0 0;font-size:13px">` +
    `<tr style="border:0;background:none"><td style="${plainCell}"></td><td style="${plainCell};white-space:nowrap">${headsHtml(view)}</td></tr>` +
    `${rows.join("")}</table></div>`
  );
}

function headsHtml(view: AttentionView): string {
  return view.columns
    .map(({ name, detail }, k) => {
      const gap = view.scaleCount > 1 && k === view.scaleCount ? `margin-left:${String(sumGap)}px;` : "";
      return (
        `<div style="display:inline-block;width:${String(cellPitch)}px;${gap}text-align:center"><b>${escapeHtml(name)}</b><br>` +
        `<span style="font-size:10.5px;opacity:0.75">${escapeHtml(detail)}</span></div>`
      );
    })
    .join("");
}

function captionHtml(view: AttentionView, { text, matches }: AttentionView["caption"][number]): string {
  if (matches === undefined) return escapeHtml(text);
  if (matches === "cut") {
    return `<i style="opacity:0.6" title="cut off: the caption is longer than the model reads">${escapeHtml(text)}</i>`;
  }
  return chip(view, text, matches);
}

function chip(view: AttentionView, text: string, matches: number): string {
  if (view.score === "pooled") return escapeHtml(text);
  if (matches === 0) return `<s style="opacity:0.6">${escapeHtml(text)}</s>`;
  const shade = chipOpacity(matches, view.scaleCount).toFixed(2);
  return (
    `<span style="background-color:rgba(${blue},${shade});border-bottom:2px solid rgb(${blue});border-radius:3px;padding:1px 3px">` +
    `${escapeHtml(text)}</span>`
  );
}

function labelHtml(view: AttentionView, row: AttentionRow): string {
  const plain = row.kind !== "word";
  const pooled = view.score === "pooled";
  const dots = row.cells
    .slice(0, view.scaleCount)
    .map((cell) => (cell.matched ? "●" : "○"))
    .join("");
  const label = plain ? `<i>${escapeHtml(row.label)}</i>` : chip(view, row.label, row.matches);
  const below = `<br><span style="font-size:12px;letter-spacing:1px;color:${plain ? "inherit" : "rgb(46,146,206)"}">${dots}</span>`;
  return (
    `<td style="${plainCell};font-size:15px;min-width:110px;max-width:116px;overflow-wrap:anywhere${plain ? ";opacity:0.6" : ""}"` +
    `${pooled ? "" : ` title="matched at ${String(row.matches)} of ${String(view.scaleCount)} scales"`}>${label}${isEmpty(row) || pooled ? "" : below}</td>`
  );
}

function mapsHtml(view: AttentionView, row: AttentionRow): string {
  if (isEmpty(row)) return `<td style="${plainCell};font-size:11px;opacity:0.7">${emptyRemark(row)}</td>`;
  const { svg, width, height } = stripSvg(view, row);
  return (
    `<td style="${plainCell}"><img width="${String(width)}" height="${String(height)}" style="max-width:none" ` +
    `alt="maps of ${escapeHtml(row.label)}" src="${svgUri(svg)}"></td>`
  );
}

/** An SVG as the source of an `<img>`, where it can neither run scripts nor load anything. */
function svgUri(svg: string): string {
  return `data:image/svg+xml,${svg.replace(/[%#<>"&\s]|[^\x20-\x7e]/gu, encodeURIComponent)}`;
}
