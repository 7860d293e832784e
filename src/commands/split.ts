/** Splits an argument line as a shell does: blanks separate, quotes and backslashes keep together; no expansion of any kind. */
import { AmsError } from "../errors.js";

export interface Word {
  /** The word with quotes and backslashes resolved. */
  text: string;
  /** Where it stands in the line, quotes included: [start, end) in UTF-16 units. */
  start: number;
  end: number;
}

/**
 * 'single' quotes keep everything; "double" quotes know \" and \\ ; outside, a backslash keeps the next character, except that it stays
 * where it is before an ordinary letter or digit (so that Windows paths survive).
 * An unclosed quote is an error, or, with `open`, ends with the line (completion of a half-written word).
 */
export function splitWords(line: string, { open = false } = {}): Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < line.length) {
    if (/\s/.test(line.charAt(at))) {
      at += 1;
      continue;
    }
    const start = at;
    let text = "";
    while (at < line.length && !/\s/.test(line.charAt(at))) {
      const c = line.charAt(at);
      if (c === "'" || c === '"') {
        const quoted = readQuoted(line, at, open);
        text += quoted.text;
        at = quoted.end;
      } else if (c === "\\" && at + 1 < line.length && !/[\p{L}\p{N}]/u.test(line.charAt(at + 1))) {
        text += line.charAt(at + 1);
        at += 2;
      } else {
        text += c;
        at += 1;
      }
    }
    words.push({ text, start, end: at });
  }
  return words;
}

function readQuoted(line: string, start: number, open: boolean): { text: string; end: number } {
  const quote = line.charAt(start);
  let text = "";
  for (let at = start + 1; at < line.length; at++) {
    const c = line.charAt(at);
    if (c === quote) return { text, end: at + 1 };
    const next = line.charAt(at + 1);
    if (quote === '"' && c === "\\" && (next === '"' || next === "\\")) {
      text += next;
      at += 1;
    } else text += c;
  }
  if (open) return { text, end: line.length };
  throw new AmsError(`a quote is opened and never closed: ${line.slice(start)}`, {
    where: line,
    hint: `add the closing ${quote}, or put a backslash before a quote that belongs to the text`,
  });
}

/** The word written so that `splitWords` reads it back. */
export function quoteWord(text: string): string {
  if (/^[\p{L}\p{N}_\-./:=,~@%+]+$/u.test(text)) return text;
  return `"${text.replace(/["\\]/g, (c) => `\\${c}`)}"`;
}
