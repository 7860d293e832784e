/** A curve the size of a word, for live displays: as inline SVG and as block characters. */
import { series } from "./palette.js";

/** How a small curve is drawn, in pixels. */
export interface SparklineOptions {
  width?: number;
  height?: number;
  /** Read by screen readers and shown as a tooltip, e.g. "loss". Must not come from data. */
  label?: string;
}

/** Values from left to right as an inline SVG in pixels; NaN and infinite values leave a gap. Empty or constant data is a flat line. */
export function sparkline(
  values: ArrayLike<number>,
  { width = 240, height = 36, label = "curve" }: SparklineOptions = {},
): string {
  const points = thin(Array.from(values), Math.max(2, Math.floor(width)));
  const { low, high } = range(points);
  const x = (i: number): number => (points.length < 2 ? width / 2 : 2 + (i / (points.length - 1)) * (width - 6));
  const y = (v: number): number => (high > low ? height - 3 - ((v - low) / (high - low)) * (height - 6) : height / 2);
  let path = "";
  let pen = "M";
  let last = "";
  points.forEach((v, i) => {
    if (!Number.isFinite(v)) {
      pen = "M";
      return;
    }
    path += `${pen}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    pen = "L";
    last = `<circle cx="${x(i).toFixed(1)}" cy="${y(v).toFixed(1)}" r="2.2" fill="${series[1]}"/>`;
  });
  const line =
    path === ""
      ? ""
      : `<path d="${path}" fill="none" stroke="${series[0]}" stroke-width="1.5" stroke-linejoin="round"/>`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${label}" width="${String(width)}" height="${String(height)}" ` +
    `viewBox="0 0 ${String(width)} ${String(height)}" style="vertical-align:middle"><title>${label}</title>${line}${last}</svg>`
  );
}

const blocks = "▁▂▃▄▅▆▇█";

/** Values from left to right as at most `width` block characters; where there is no finite value, a space. */
export function blockLine(values: ArrayLike<number>, width = 40): string {
  const points = thin(Array.from(values), width);
  const { low, high } = range(points);
  return points
    .map((v) => {
      if (!Number.isFinite(v)) return " ";
      return blocks[high > low ? Math.min(7, Math.floor(((v - low) / (high - low)) * 8)) : 3] ?? " ";
    })
    .join("");
}

/** At most `count` values: the mean of the finite ones in each of `count` equal stretches. */
export function thin(values: number[], count: number): number[] {
  if (values.length <= count) return values;
  return Array.from({ length: count }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / count), Math.floor(((i + 1) * values.length) / count));
    const finite = part.filter((v) => Number.isFinite(v));
    return finite.length === 0 ? NaN : finite.reduce((a, b) => a + b, 0) / finite.length;
  });
}

function range(values: number[]): { low: number; high: number } {
  const finite = values.filter((v) => Number.isFinite(v));
  return { low: Math.min(...finite), high: Math.max(...finite) };
}
