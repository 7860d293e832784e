/** The gallery of hits as static HTML, in the notebook's light or dark theme. */
import { escapeHtml } from "../display.js";
import type { GalleryView } from "./gallery.js";
import { markOf } from "./gallerySvg.js";
import type { Thumbnail } from "./raster.js";

type Row = GalleryView["rows"][number];
type Hit = Row["hits"][number];

/** The view as one `<div>` with its own styles, all under a class of its own. */
export function galleryHtml(view: GalleryView): string {
  const c = `ams-gallery-${view.id}`;
  return (
    `<div class="${c}"><style>${styles(`.${c}`)}</style><b>${escapeHtml(view.title)}</b>` +
    (view.rows.length === 0 ? "<p>no queries</p>" : view.rows.map(rowHtml).join("")) +
    `</div>`
  );
}

function rowHtml(row: Row): string {
  const query =
    row.picture === undefined
      ? `<div>${escapeHtml(row.text ?? "")}</div>`
      : pictureHtml(row.picture, "the image that asks");
  const note = row.note === undefined ? "" : `<small>${escapeHtml(row.note)}</small>`;
  const pictures = row.hits.some((hit) => hit.picture !== undefined);
  return (
    `<div class="row"><div class="query">${query}${note}</div>` +
    `<div class="${pictures ? "hits" : "lines"}">${row.hits.map(hitHtml).join("")}</div></div>`
  );
}

function hitHtml({ picture, text, score, right }: Hit, index: number): string {
  const state = right === undefined ? "" : right ? " right" : " wrong";
  const mark = right === undefined ? "" : `<span class="mark">${markOf(right).trim()}</span> `;
  const image = picture === undefined ? "" : pictureHtml(picture, `hit ${String(index + 1)}`);
  const caption = text === undefined ? "" : `<span class="text">${escapeHtml(text)}</span>`;
  return `<div class="hit${state}">${image}<span class="score">${mark}${score.toFixed(2)}</span>${caption}</div>`;
}

function pictureHtml({ uri }: Thumbnail, alt: string): string {
  return `<img src="${uri}" alt="${alt}">`;
}

function styles(c: string): string {
  return (
    `${c}{font-family:var(--jp-ui-font-family,sans-serif);font-size:14px;line-height:1.4;max-width:1000px}` +
    `${c} .row{display:flex;gap:16px;padding:12px 0;border-bottom:1px solid rgba(128,128,128,.3)}` +
    `${c} .query{flex:0 0 200px;overflow-wrap:anywhere}` +
    `${c} small{display:block;opacity:.65;font-size:11.5px;margin-top:4px}` +
    `${c} .hits{display:flex;flex-wrap:wrap;gap:12px}` +
    `${c} .hits .hit{width:128px}` +
    `${c} img{display:block;box-sizing:border-box;width:128px!important;height:128px!important;object-fit:contain;margin:0}` +
    `${c} .hits .right img{outline:5px solid rgb(0,114,178)}` +
    `${c} .hits .text{display:block;font-size:11.5px;opacity:.75;overflow-wrap:anywhere}` +
    `${c} .score{font-size:12.5px;display:inline-block;margin-top:5px}` +
    `${c} .lines{flex:1}` +
    `${c} .lines .hit{display:flex;gap:12px;align-items:baseline}` +
    `${c} .lines .score{flex:0 0 62px;margin:0}` +
    `${c} .right .score,${c} .lines .right .text{font-weight:bold}` +
    `${c} .mark{font-weight:bold;color:rgb(213,94,0)}` +
    `${c} .right .mark{color:rgb(46,146,206)}`
  );
}
