/**
 * The gallery of hits as static HTML, in the notebook's light or dark theme. Only tables, pictures and inline styles: what a notebook
 * that is not trusted yet still shows.
 */
import { escapeHtml } from "../display.js";
import type { GalleryView } from "./gallery.js";
import { markOf } from "./gallerySvg.js";
import type { Thumbnail } from "./raster.js";

type Row = GalleryView["rows"][number];
type Hit = Row["hits"][number];

const plainCell = "border:0;background:none;text-align:left;vertical-align:top;padding:8px 12px 8px 0";
const small = "font-size:11.5px;opacity:0.75";

/** The view as one `<div>`, its pictures `side` pixels large. */
export function galleryHtml(view: GalleryView, side = 128): string {
  return (
    `<div style="max-width:1000px;font-size:14px;line-height:1.4"><b>${escapeHtml(view.title)}</b>` +
    (view.rows.length === 0 ? "<p>no queries</p>" : view.rows.map((row) => rowHtml(row, side)).join("")) +
    `</div>`
  );
}

function rowHtml(row: Row, side: number): string {
  const query =
    row.picture === undefined
      ? escapeHtml(row.text ?? "")
      : pictureHtml(row.picture, "the image that asks", false, side);
  const note = row.note === undefined ? "" : `<div style="${small}">${escapeHtml(row.note)}</div>`;
  const pictures = row.hits.some((hit) => hit.picture !== undefined);
  const hits = pictures
    ? row.hits.map((hit, i) => pictureHit(hit, i, side)).join("")
    : `<td style="${plainCell}">${row.hits.map(captionHit).join("")}</td>`;
  return (
    `<table style="border-collapse:collapse;border:0;margin:0;font-size:14px"><tr style="border:0;background:none">` +
    `<td style="${plainCell};width:200px;min-width:200px;max-width:200px;overflow-wrap:anywhere;white-space:normal">${query}${note}</td>${hits}</tr></table>`
  );
}

function pictureHit({ picture, score, right, text, marks }: Hit, index: number, side: number): string {
  const image = picture === undefined ? "" : pictureHtml(picture, `hit ${String(index + 1)}`, right === true, side);
  const caption =
    text === undefined
      ? ""
      : `<div style="${small};width:${String(side)}px;white-space:normal">${escapeHtml(text)}</div>`;
  const remarks = marks.map(({ text: mark, frame }) => {
    const line = frame === undefined ? "" : `border-bottom:3px ${frame.dash} ${frame.colour};`;
    return `<div style="font-size:11.5px;line-height:1.7;width:${String(side)}px;white-space:normal"><span style="${line}">${escapeHtml(mark)}</span></div>`;
  });
  return `<td style="${plainCell}">${image}<div style="font-size:12.5px">${scoreHtml(score, right)}</div>${caption}${remarks.join("")}</td>`;
}

function captionHit({ score, right, text, marks }: Hit): string {
  const caption = escapeHtml(text ?? "");
  const remark = escapeHtml(marks.map((mark) => mark.text).join(", "));
  return (
    `<div><span style="display:inline-block;min-width:70px;font-size:12.5px">${scoreHtml(score, right)}</span>` +
    (right === true ? `<b>${caption}</b>` : caption) +
    (remark === "" ? "" : `<div style="${small};margin-left:74px">${remark}</div>`) +
    "</div>"
  );
}

function scoreHtml(score: number, right: boolean | undefined): string {
  const value = score.toFixed(2);
  if (right === undefined) return value;
  const mark = `<b class="mark" style="color:rgb(${right ? "46,146,206" : "213,94,0"})">${markOf(right).trim()}</b> `;
  return mark + (right ? `<b>${value}</b>` : value);
}

/** A right hit has a frame; the others leave its room free. */
function pictureHtml({ uri, width, height }: Thumbnail, alt: string, right: boolean, side: number): string {
  const frame = right ? "border:4px solid rgb(0,114,178)" : "border:4px solid transparent";
  return `<img ${width >= height ? "width" : "height"}="${String(side)}" style="${frame};box-sizing:border-box" src="${uri}" alt="${alt}">`;
}
