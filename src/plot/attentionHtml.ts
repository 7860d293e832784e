/** The attention figure as static HTML: a table whose cells share one background image; follows the notebook's light or dark theme. */
import { escapeHtml } from "../display.js";
import type { AttentionCell, AttentionRow, AttentionView } from "./attention.js";
import { cellWidth, chipOpacity, emptyRemark, isEmpty, legendLines } from "./attentionSvg.js";
import { heatColour, heatLevels } from "./palette.js";

const blue = "0,114,178";

/** The view as one `<div>` with its own styles, all under a class of its own. */
export function attentionHtml(view: AttentionView): string {
  const c = `ams-attention-${view.id}`;
  const height = Math.round(cellWidth * view.aspect);
  const heads = view.columns.map(
    ({ name, detail }) => `<th>${escapeHtml(name)}<small>${escapeHtml(detail)}</small></th>`,
  );
  const rows = view.rows.map(
    (row) =>
      `<tr class="${row.kind}">${labelHtml(view, row)}` +
      (isEmpty(row)
        ? `<td class="empty" colspan="${String(row.cells.length)}">${emptyRemark(row)}</td>`
        : row.cells.map((one) => cellHtml(row, one)).join("")) +
      `</tr>`,
  );
  return (
    `<div class="${c}"><style>${styles(`.${c}`, view, height)}</style>` +
    `<div class="top"><img class="picture" src="${view.picture}" alt="the image of this caption"><div><b>${escapeHtml(view.title)}</b>` +
    `<p class="caption">${view.caption.map((part) => captionHtml(view, part)).join("")}</p>` +
    `<p class="legend"><span class="bar"></span> 0 … strongest patch<br>${legendLines(view).map(escapeHtml).join("<br>")}</p></div></div>` +
    `<table><thead><tr><th></th>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`
  );
}

function captionHtml(view: AttentionView, { text, matches }: AttentionView["caption"][number]): string {
  if (matches === undefined) return escapeHtml(text);
  if (matches === "cut")
    return `<i class="none" title="cut off: the caption is longer than the model reads">${escapeHtml(text)}</i>`;
  return chip(view, text, matches);
}

function chip(view: AttentionView, text: string, matches: number): string {
  if (matches === 0) return `<s class="none">${escapeHtml(text)}</s>`;
  return `<span class="chip" style="background:rgba(${blue},${chipOpacity(matches, view.scaleCount).toFixed(2)})">${escapeHtml(text)}</span>`;
}

function labelHtml(view: AttentionView, row: AttentionRow): string {
  const dots = row.cells
    .slice(0, view.scaleCount)
    .map((cell) => (cell.matched ? "●" : "○"))
    .join("");
  const label = row.kind === "word" ? chip(view, row.label, row.matches) : `<i>${escapeHtml(row.label)}</i>`;
  if (isEmpty(row)) return `<th>${label}</th>`;
  return `<th>${label}<small class="dots" title="matched at ${String(row.matches)} of ${String(view.scaleCount)} scales">${dots}</small></th>`;
}

function cellHtml(row: AttentionRow, cell: AttentionCell): string {
  const heat = cell.heat === undefined ? "" : `<img src="${cell.heat}" alt="">`;
  const boxes = row.boxes.map(
    (b) =>
      `<b style="left:${percent(b.x)};top:${percent(b.y)};width:${percent(b.width)};height:${percent(b.height)}"></b>`,
  );
  const notes = cell.matched
    ? `<i>${cell.strongest.toFixed(2)}</i>${cell.cls >= 0.005 ? `<i class="cls">cls ${cell.cls.toFixed(2)}</i>` : ""}`
    : `<i class="no">no match</i>`;
  return `<td><div class="map">${heat}${boxes.join("")}${notes}</div></td>`;
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)}%`;
}

/** The notebook's own table styles (stripes, right alignment, small type) are undone here. */
function styles(c: string, view: AttentionView, height: number): string {
  const bar = Array.from({ length: heatLevels }, (_, level) => {
    const [r, g, b, a] = heatColour(level);
    return `rgba(${String(r)},${String(g)},${String(b)},${(a / 255).toFixed(2)})`;
  });
  const sum = view.scaleCount > 1 ? `${c} tr>:last-child:not(.empty){padding-left:14px!important}` : "";
  return (
    `${c}{font-family:var(--jp-ui-font-family,sans-serif);font-size:13px;line-height:1.4;max-width:1000px}` +
    `${c} .top{display:flex;gap:18px;align-items:flex-start;margin-bottom:8px}` +
    `${c} .picture{width:150px;height:auto;flex:none;border-radius:3px}` +
    `${c} p{margin:6px 0!important}` +
    `${c} .caption{font-size:17px;line-height:1.6}` +
    `${c} .chip{border-radius:3px;padding:1px 3px;margin:0 -1px;border-bottom:2px solid rgb(${blue})}` +
    `${c} .none{opacity:.6}` +
    `${c} .legend{font-size:11.5px;opacity:.75}` +
    `${c} .bar{display:inline-block;width:120px;height:10px;vertical-align:-1px;background:linear-gradient(90deg,${bar.join(",")}),#fff}` +
    `${c} table{border-collapse:collapse!important;border:0!important;margin:0!important;table-layout:auto;font-size:13px!important}` +
    `${c} tr{background:none!important;border:0!important}` +
    `${c} th,${c} td{padding:3px!important;border:0!important;text-align:center!important;vertical-align:middle!important;background:none!important}` +
    `${c} tbody th{text-align:left!important;font-weight:normal;font-size:15px;max-width:116px;min-width:100px;overflow-wrap:anywhere}` +
    `${c} th small{display:block;font-weight:normal;font-size:10.5px;opacity:.75}` +
    `${c} th .dots{color:rgb(86,180,233);opacity:1;letter-spacing:1px;font-size:12px}` +
    `${c} .special th,${c} .pad th{opacity:.55}` +
    sum +
    `${c} .empty{text-align:left!important;font-size:11.5px;opacity:.6}` +
    `${c} .map{position:relative;width:${String(cellWidth)}px;height:${String(height)}px;background:url(${view.faded}) 0 0/100% 100%;overflow:hidden;border-radius:2px}` +
    `${c} .special .map,${c} .pad .map{opacity:.6}` +
    `${c} .map img{position:absolute;left:0;top:0;width:100%!important;height:100%!important;max-width:none!important;margin:0;image-rendering:pixelated}` +
    `${c} .map b{position:absolute;box-sizing:border-box;border:1.5px solid #00e0c0}` +
    `${c} .map i{position:absolute;right:3px;top:2px;font:10.5px/1.2 sans-serif;color:#222;text-shadow:0 0 2px #fff,0 0 3px #fff,0 0 4px #fff}` +
    `${c} .map .cls{right:auto;left:3px;top:auto;bottom:2px}` +
    `${c} .map .no{right:0;left:0;top:50%;margin-top:-7px;opacity:.75}`
  );
}
