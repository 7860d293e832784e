/** A curve small enough for one line of a display: block characters for terminals, a picture for notebooks. */

import { escapeHtml } from "../../display.js";

const blocks = "▁▂▃▄▅▆▇█";

/** Averages `values` (NaN left out) into at most `buckets` neighbouring groups, so that a long noisy series stays readable. */
export function bucketMeans(values: number[], buckets: number): number[] {
  const finite = values.filter((v) => Number.isFinite(v));
  const count = Math.min(buckets, finite.length);
  const means: number[] = [];
  for (let b = 0; b < count; b++) {
    const group = finite.slice(Math.floor((b * finite.length) / count), Math.floor(((b + 1) * finite.length) / count));
    means.push(group.reduce((sum, v) => sum + v, 0) / group.length);
  }
  return means;
}

/** The series as `width` block characters, lowest value ▁, highest █. */
export function textCurve(values: number[], width = 40): string {
  const means = bucketMeans(values, width);
  const low = Math.min(...means);
  const span = Math.max(...means) - low;
  return means.map((v) => blocks[span > 0 ? Math.round(((v - low) / span) * 7) : 0] ?? "").join("");
}

/** The series as an `<img>` with the SVG inside (a data URI survives every front end's sanitizer and has no ids). */
export function htmlCurve(values: number[], label: string, width = 320, height = 56): string {
  const means = bucketMeans(values, width / 2);
  if (means.length < 2) return "";
  const low = Math.min(...means);
  const span = Math.max(...means) - low || 1;
  const point = (v: number, i: number): string =>
    `${((i / (means.length - 1)) * (width - 6) + 3).toFixed(1)},${(height - 4 - ((v - low) / span) * (height - 8)).toFixed(1)}`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}">` +
    `<line x1="0" y1="${String(height - 1)}" x2="${String(width)}" y2="${String(height - 1)}" stroke="#8888" />` +
    `<polyline points="${means.map(point).join(" ")}" fill="none" stroke="#4c78a8" stroke-width="1.5" /></svg>`;
  return `<img alt="${escapeHtml(label)}" width="${String(width)}" height="${String(height)}" src="data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}">`;
}
