/** The gallery of hits as SVG: a row a query; pictures side by side, captions below each other. */
import { escapeHtml } from "../display.js";
import { dashArrays, type GalleryMark, type GalleryView } from "./gallery.js";
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

interface Drawn {
  svg: string;
  height: number;
}

function rowSvg(row: Row, top: number, width: number): Drawn {
  const left = margin + queryWidth + 16;
  const query = querySvg(row, top);
  const pictures = row.hits.some((hit) => hit.picture !== undefined);
  const scores = row.hits.map((hit) => hit.score).filter((score) => Number.isFinite(score));
  const [low, high] = [Math.min(0, ...scores), Math.max(0, ...scores)];
  const share = (score: number): number => (high > low ? (score - low) / (high - low) : 0);
  let y = top;
  const hits = row.hits.map((hit, i) => {
    const drawn = pictures
      ? pictureHit(hit, left + i * (side + gap), top)
      : captionHit(hit, left, y, width - margin, share(hit.score));
    if (!pictures) y += drawn.height;
    return drawn;
  });
  const height = pictures ? Math.max(...hits.map((hit) => hit.height)) : y - top;
  const svg = `<g class="query">${query.svg}${hits.map((hit) => hit.svg).join("")}</g>`;
  return { svg, height: Math.max(height, query.height) + 20 };
}

function querySvg({ text: query, picture, note }: Row, top: number): Drawn {
  const lines = query === undefined ? [] : wrapText(query, queryWidth, 14, 6);
  const above = picture === undefined ? lines.length * 19 : side;
  const svg =
    (picture === undefined ? "" : pictureSvg(picture, margin, top)) +
    lines.map((line, i) => text(margin, top + 15 + i * 19, line, 14, ink)).join("") +
    (note === undefined ? "" : text(margin, top + above + 17, fitText(note, queryWidth + 10, 11), 11, dim));
  return { svg, height: above + 24 };
}

/** The most lines that a text below a picture takes. */
const mostLines = 4;

function pictureHit({ picture, score, right, text: caption, marks }: Hit, x: number, top: number): Drawn {
  const frame =
    right === true
      ? `<rect class="right" x="${n(x - 2.5)}" y="${n(top - 2.5)}" width="${n(side + 5)}" height="${n(side + 5)}" fill="none" stroke="${rightColour}" stroke-width="5"/>`
      : "";
  const lines = caption === undefined ? [] : wrapText(caption, side, 11, mostLines);
  let y = top + side + 34 + lines.length * 15;
  let remarks = "";
  for (const mark of marks) {
    const drawn = markSvg(mark, x, y);
    remarks += drawn.svg;
    y += drawn.height;
  }
  const svg =
    (picture === undefined ? "" : pictureSvg(picture, x, top)) +
    frame +
    scoreSvg(x, top + side + 18, score, right) +
    lines.map((line, i) => text(x, top + side + 34 + i * 15, line, 11, dim)).join("") +
    remarks;
  return { svg, height: lines.length + marks.length === 0 ? side + 24 : y - top - 6 };
}

/** The line of a frame as it is in the picture, then the text that it stands for. */
function markSvg({ text: mark, frame }: GalleryMark, x: number, y: number): Drawn {
  const sample = frame === undefined ? 0 : 26;
  const line =
    frame === undefined
      ? ""
      : `<line x1="${n(x)}" x2="${n(x + 21)}" y1="${n(y - 4)}" y2="${n(y - 4)}" stroke="${frame.colour}" stroke-width="2.5" stroke-dasharray="${dashArrays[frame.dash]}"/>`;
  const lines = wrapText(mark, side - sample, 11, 2);
  const words = lines.map((part, i) => text(x + sample, y + i * 15, part, 11, dim)).join("");
  return { svg: line + words, height: 15 * lines.length };
}

function captionHit(hit: Hit, x: number, top: number, end: number, share: number): Drawn {
  const left = x + 150;
  const bold = hit.right === true;
  const caption = wrapText(hit.text ?? "", (end - left) / (bold ? 1.12 : 1), 14, 2);
  const marks = wrapText(hit.marks.map((mark) => mark.text).join(", "), end - left, 11, 2);
  const below = top + 16 + 18 * Math.max(0, caption.length - 1);
  const svg =
    `<rect x="${n(x + 78)}" y="${n(top + 6)}" width="${n(Math.max(0, 60 * (Number.isFinite(share) ? share : 0)))}" height="10" fill="${bold ? rightColour : "#b8b8b8"}"/>` +
    scoreSvg(x, top + 16, hit.score, hit.right) +
    caption.map((line, i) => text(left, top + 16 + 18 * i, line, 14, ink, bold ? `font-weight="bold"` : "")).join("") +
    marks.map((line, i) => text(left, below + 15 * (i + 1), line, 11, dim)).join("");
  return { svg, height: below - top - 16 + lineHeight + 15 * marks.length };
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
