/** The gallery of hits as SVG: a row a query; pictures side by side, captions below each other. */
import { escapeHtml } from "../display.js";
import type { GalleryView } from "./gallery.js";
import { dim, fontFamily, ink, paper, right as rightColour, wrong } from "./palette.js";
import type { Thumbnail } from "./raster.js";
import { fitText, textWidth, wrapText } from "./textWidth.js";

const margin = 14;
const queryWidth = 200;
const side = 128;
const gap = 12;
const lineHeight = 26;

type Row = GalleryView["rows"][number];
type Hit = Row["hits"][number];

/** Draws the view on white, about 920 pixels wide for five pictures a row. */
export function gallerySvg(view: GalleryView): string {
  const columns = Math.max(1, ...view.rows.map((row) => row.hits.filter((hit) => hit.picture !== undefined).length));
  const width = Math.max(920, margin * 2 + queryWidth + 16 + columns * (side + gap) - gap);
  let y = margin + 36;
  let body = "";
  for (const row of view.rows) {
    const drawn = rowSvg(row, y, width);
    body += drawn.svg;
    y += drawn.height;
    body += `<line x1="${n(margin)}" x2="${n(width - margin)}" y1="${n(y - 9)}" y2="${n(y - 9)}" stroke="#e4e4e4"/>`;
  }
  if (view.rows.length === 0) {
    body += text(margin, y + 16, "no queries", 14, dim);
    y += 30;
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${n(width)}" height="${n(y + margin)}" ` +
    `viewBox="0 0 ${n(width)} ${n(y + margin)}" font-family="${fontFamily}"><title>${escapeHtml(view.title)}</title>` +
    `<rect width="100%" height="100%" fill="${paper}"/>` +
    text(margin, margin + 16, fitText(view.title, width - 2 * margin, 16, true), 16, ink, `font-weight="bold"`) +
    body +
    `</svg>`
  );
}

/** The mark of a hit, beside its colour: a tick, a cross, or nothing. */
export function markOf(right: boolean | undefined): string {
  return right === undefined ? "" : right ? "✓ " : "✗ ";
}

function rowSvg(row: Row, top: number, width: number): { svg: string; height: number } {
  const left = margin + queryWidth + 16;
  const query = querySvg(row, top);
  const pictures = row.hits.some((hit) => hit.picture !== undefined);
  const captioned = pictures && row.hits.some((hit) => hit.text !== undefined);
  const scores = row.hits.map((hit) => hit.score).filter((score) => Number.isFinite(score));
  const [low, high] = [Math.min(0, ...scores), Math.max(0, ...scores)];
  const hits = row.hits.map((hit, i) =>
    pictures
      ? pictureHit(hit, left + i * (side + gap), top)
      : captionHit(hit, left, top + i * lineHeight, width - margin, high > low ? (hit.score - low) / (high - low) : 0),
  );
  const height = pictures ? side + 24 + (captioned ? 34 : 0) : row.hits.length * lineHeight;
  return { svg: `<g class="query">${query.svg}${hits.join("")}</g>`, height: Math.max(height, query.height) + 20 };
}

function querySvg({ text: query, picture, note }: Row, top: number): { svg: string; height: number } {
  const lines = query === undefined ? [] : wrapText(query, queryWidth, 14, 6);
  const above = picture === undefined ? lines.length * 19 : side;
  const svg =
    (picture === undefined ? "" : pictureSvg(picture, margin, top)) +
    lines.map((line, i) => text(margin, top + 15 + i * 19, line, 14, ink)).join("") +
    (note === undefined ? "" : text(margin, top + above + 17, fitText(note, queryWidth + 10, 11), 11, dim));
  return { svg, height: above + 24 };
}

function pictureHit({ picture, score, right, text: caption }: Hit, x: number, top: number): string {
  const frame =
    right === true
      ? `<rect class="right" x="${n(x - 2.5)}" y="${n(top - 2.5)}" width="${n(side + 5)}" height="${n(side + 5)}" fill="none" stroke="${rightColour}" stroke-width="5"/>`
      : "";
  const lines = caption === undefined ? [] : wrapText(caption, side, 11, 2);
  return (
    (picture === undefined ? "" : pictureSvg(picture, x, top)) +
    frame +
    scoreSvg(x, top + side + 18, score, right) +
    lines.map((line, i) => text(x, top + side + 34 + i * 15, line, 11, dim)).join("")
  );
}

function captionHit(hit: Hit, x: number, top: number, end: number, share: number): string {
  const left = x + 150;
  return (
    `<rect x="${n(x + 78)}" y="${n(top + 6)}" width="${n(Math.max(0, 60 * (Number.isFinite(share) ? share : 0)))}" height="10" fill="${hit.right === true ? rightColour : "#b8b8b8"}"/>` +
    scoreSvg(x, top + 16, hit.score, hit.right) +
    text(
      left,
      top + 16,
      fitText(hit.text ?? "", end - left, 14, hit.right === true),
      14,
      ink,
      hit.right === true ? `font-weight="bold"` : "",
    )
  );
}

function scoreSvg(x: number, y: number, score: number, right: boolean | undefined): string {
  const mark = markOf(right);
  const colour = right === undefined ? dim : right ? rightColour : wrong;
  return (
    (mark === "" ? "" : text(x, y, mark.trim(), 15, colour, `class="mark" font-weight="bold"`)) +
    text(
      x + (mark === "" ? 0 : textWidth(mark, 15) + 2),
      y,
      score.toFixed(2),
      12.5,
      right === true ? rightColour : dim,
      right === true ? `font-weight="bold"` : "",
    )
  );
}

function pictureSvg({ uri }: Thumbnail, x: number, y: number): string {
  return `<image x="${n(x)}" y="${n(y)}" width="${n(side)}" height="${n(side)}" preserveAspectRatio="xMidYMid meet" xlink:href="${uri}"/>`;
}

function text(x: number, y: number, content: string, size: number, fill: string, more = ""): string {
  return `<text x="${n(x)}" y="${n(y)}" font-size="${n(size)}" fill="${fill}" ${more}>${escapeHtml(content)}</text>`;
}

function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}
