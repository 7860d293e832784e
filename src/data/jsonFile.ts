/** JSON files from people: read with errors that say in which line and at which character the file breaks. */
import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { AmsError } from "../errors.js";

/**
 * Reads a text file in UTF-8, without its byte order mark. Throws an `AmsError` with the path when it cannot be
 * read, and with line and character where it is not UTF-8: letters would be lost without a word.
 */
export async function readText(file: string, kind = "annotation file"): Promise<string> {
  const bytes = await readBytes(file, kind);
  if (isUtf8(bytes)) {
    const text = bytes.toString("utf8");
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  }
  const wide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  throw new AmsError(wide ? "this file is UTF-16 text, not UTF-8" : "this file is not UTF-8 text", {
    where: wide ? file : `${file}, ${firstWrongByte(bytes)}`,
    hint: `save it as UTF-8, for example: iconv -f ${wide ? "UTF-16" : "ISO-8859-1"} -t UTF-8 ${path.basename(file)}`,
  });
}

function firstWrongByte(bytes: Buffer): string {
  let line = 1;
  let start = 0;
  for (;;) {
    const next = bytes.indexOf(10, start);
    const end = next < 0 ? bytes.length : next;
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
    line++;
  }
  let length = 0; // of the line's longest beginning that is whole characters
  for (let end = start; end < bytes.length && end - start < 100_000; end++) {
    if (isUtf8(bytes.subarray(start, end + 1))) length = end + 1 - start;
    else if (end + 1 - start - length >= 4) break;
  }
  const character = bytes.toString("utf8", start, start + length).length + 1;
  const byte = bytes[start + length] ?? 0;
  return `line ${line}, character ${character} (byte 0x${byte.toString(16).padStart(2, "0")})`;
}

async function readBytes(file: string, kind: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new AmsError(`this ${kind} ${missing ? "does not exist" : "cannot be read"}`, {
      where: file,
      hint: "check its path",
      cause,
    });
  }
}

/** Reads a JSON file. Throws an `AmsError` with path, line and character when it is missing, truncated or no JSON. */
export async function readJson(file: string): Promise<unknown> {
  return parseJson(await readText(file), file);
}

/** Parses JSON text that comes from `file` (from `firstLine` on); `atEnd` where the file ends with it. */
export function parseJson(text: string, file: string, firstLine = 1, atEnd = true): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const at = brokenAt(text);
    const before = text.slice(0, at);
    const line = firstLine + (before.match(/\n/g)?.length ?? 0);
    const place = `${file}, line ${line}, character ${at - before.lastIndexOf("\n")}`;
    if (at >= text.trimEnd().length) {
      throw new AmsError(`this JSON ends too early: the ${atEnd ? "file is truncated" : "line is not whole"}`, {
        where: place,
        hint: atEnd ? "copy or download the file again" : "correct this line: one whole JSON object a line",
        cause,
      });
    }
    throw new AmsError(`this is not valid JSON: ${JSON.stringify(text.slice(at, at + 20))} is not expected here`, {
      where: place,
      hint: "correct the file at this place",
      cause,
    });
  }
}

const token =
  /\s*(?:([{}[\],:])|("(?:[^"\\\0-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.]))/y;

/** The index of the first character that no JSON text could have here. (JSON.parse tells it only for some errors.) */
function brokenAt(text: string): number {
  const open: string[] = []; // the brackets that are open
  let expected: "value" | "value or ]" | "key" | "key or }" | "colon" | "comma or end" = "value";
  let at = 0;
  for (;;) {
    token.lastIndex = at;
    const match = token.exec(text);
    const start = at + (/^\s*/.exec(text.slice(at, at + 1000))?.[0].length ?? 0);
    if (match === null) {
      // An unfinished string, number or word at the very end is a truncation, not a wrong character.
      return /^(?:"(?:[^"\\\n]|\\.)*\\?|[-\w.]+)$/.test(text.slice(start, start + 100_000)) ? text.length : start;
    }
    const [, bracket, string] = match;
    if (expected === "colon") {
      if (bracket !== ":") return start;
      expected = "value";
    } else if (expected === "comma or end") {
      if (bracket === ",") expected = open.at(-1) === "{" ? "key" : "value";
      else if (bracket !== (open.at(-1) === "{" ? "}" : "]") || open.pop() === undefined) return start;
    } else if (bracket === "}" && expected === "key or }") {
      open.pop();
      expected = "comma or end";
    } else if (bracket === "]" && expected === "value or ]") {
      open.pop();
      expected = "comma or end";
    } else if (expected.startsWith("key")) {
      if (string === undefined) return start;
      expected = "colon";
    } else if (bracket === "{" || bracket === "[") {
      open.push(bracket);
      expected = bracket === "{" ? "key or }" : "value or ]";
    } else if (bracket !== undefined) {
      return start;
    } else {
      expected = "comma or end";
    }
    at = token.lastIndex;
  }
}

/** What a value is, for messages: "a list", "the number 3", "nothing". */
export function whatIs(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  return `the ${typeof value} ${JSON.stringify(value)}`;
}
