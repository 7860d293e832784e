/** How wide a text is in the font of the figures, from a table: there is no browser here that could measure it. */

/** Advance widths of DejaVu Sans for the characters U+0020 .. U+007E, in hundredths of the font size. */
const regular = [
  32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
  84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69, 61,
  69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59,
  82, 59, 59, 52, 64, 34, 64, 84,
];
/** Bold letters are about this much wider. */
const boldFactor = 1.12;
/** Of characters above U+007E: most alphabets, and the full square of Chinese, Japanese, Korean and emoji. */
const otherWidth = 66;
const squareWidth = 100;

/** Width in pixels of one line at a font size in pixels (within a few per cent for DejaVu Sans and Verdana). */
export function textWidth(text: string, size: number, bold = false): number {
  let sum = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0x300 && code < 0x370) continue; // combining marks sit on the letter before
    sum += regular[code - 32] ?? (code >= 0x1100 ? squareWidth : otherWidth);
  }
  return (sum / 100) * size * (bold ? boldFactor : 1);
}

/** The text, cut with an ellipsis where it is wider than `width` pixels. */
export function fitText(text: string, width: number, size: number, bold = false): string {
  if (textWidth(text, size, bold) <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && textWidth(`${characters.join("")}…`, size, bold) > width) characters.pop();
  return `${characters.join("").trimEnd()}…`;
}

/** The text, with an ellipsis in its middle where it is wider: names of runs differ at their ends. */
export function fitMiddle(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text;
  const characters = Array.from(text);
  let kept = characters.length - 1;
  const cut = (): string =>
    `${characters.slice(0, Math.ceil(kept / 2)).join("")}…${characters.slice(characters.length - Math.floor(kept / 2)).join("")}`;
  while (kept > 0 && textWidth(cut(), size) > width) kept--;
  return cut();
}

/** The text in lines of at most `width` pixels, broken at spaces; at most `lines` lines, the last one cut with an ellipsis. */
export function wrapText(text: string, width: number, size: number, lines: number): string[] {
  const out: string[] = [];
  for (const word of text.split(/\s+/).filter((w) => w !== "")) {
    const last = out.at(-1);
    if (last !== undefined && textWidth(`${last} ${word}`, size) <= width) out[out.length - 1] = `${last} ${word}`;
    else out.push(word);
  }
  const kept = out.slice(0, lines);
  if (out.length > lines) kept[lines - 1] = `${kept[lines - 1] ?? ""} ${out.slice(lines).join(" ")}`;
  return kept.map((line) => fitText(line, width, size));
}
