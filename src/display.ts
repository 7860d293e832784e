/** Rich output: what a value shows in a notebook, and the small pieces of HTML that tables are made of. */

/** Mime type -> data; always with `text/plain`, so that terminals and exports show something. */
export type MimeBundle = Record<string, unknown> & { "text/plain": string };

/** A value with a method under this key shows itself (the convention of Deno's Jupyter kernel). */
export const displaySymbol: unique symbol = Symbol.for("Jupyter.display");

/** A value that knows how it is shown. */
export interface Displayable {
  /** What it looks like, by mime type. */
  [displaySymbol](): MimeBundle | Promise<MimeBundle>;
}

export function isDisplayable(value: unknown): value is Displayable {
  return (
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    typeof (value as Partial<Displayable>)[displaySymbol] === "function"
  );
}

/** Escapes text that comes from data for HTML and SVG, attribute values included. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${String(c.charCodeAt(0))};`);
}

/** Text that comes from data, for a terminal: control characters, which could move its cursor or hide text, become \u{fffd}. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}

/** Decimal: "212 kB", "20.4 MB", "1.5 GB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export interface Table {
  columns: string[];
  /** One array a row; numbers are right-aligned. `null` shows as an empty cell. */
  rows: (string | number | null)[][];
  caption?: string;
}

/** "", "12.5", "-3", "1,024", "40 %", "83-88". */
const numberOrRange = /^$|^[-+]?[\d.,]+(-[\d.,]+)? ?%?$/;

/** A table as text with aligned columns and as HTML with escaped cells. Format numbers before (`n.toFixed(1)`). */
export function renderTable({ columns, rows, caption }: Table): { text: string; html: string } {
  const cells = rows.map((row) => columns.map((_, i) => String(row[i] ?? "")));
  const numeric = columns.map((_, i) => rows.length > 0 && cells.every((row) => numberOrRange.test(row[i] ?? "")));
  const widths = columns.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: string[]): string =>
    row
      .map((cell, i) => (numeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  const text = [
    ...(caption === undefined ? [] : [caption]),
    line(columns),
    widths.map((w) => "-".repeat(w)).join("  "),
    ...cells.map(line),
  ].join("\n");
  const cell = (tag: string, value: string, i: number): string =>
    `<${tag} style="text-align:${numeric[i] ? "right;white-space:nowrap" : "left"}">${escapeHtml(value)}</${tag}>`;
  const html =
    `<table>${caption === undefined ? "" : `<caption style="caption-side:top;text-align:left">${escapeHtml(caption)}</caption>`}` +
    `<thead><tr>${columns.map((name, i) => cell("th", name, i)).join("")}</tr></thead>` +
    `<tbody>${cells.map((row) => `<tr>${row.map((v, i) => cell("td", v, i)).join("")}</tr>`).join("")}</tbody></table>`;
  return { text, html };
}
