/** JSON files from people: read with errors that say in which line and at which character the file breaks. */
import { readFile } from "node:fs/promises";
import { AmsError } from "../errors.js";

/** Reads a text file of annotations. Throws an `AmsError` with the path when it cannot be read. */
export async function readText(file: string): Promise<string> {
  try {
    const text = await readFile(file, "utf8");
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new AmsError(missing ? "this annotation file does not exist" : "this annotation file cannot be read", {
      where: file,
      hint: "check the path of the annotations",
      cause,
    });
  }
}

/** Reads a JSON file. Throws an `AmsError` with path, line and character when it is missing, truncated or no JSON. */
export async function readJson(file: string): Promise<unknown> {
  return parseJson(await readText(file), file);
}

/** Parses JSON text that comes from `file` (from `firstLine` on). */
export function parseJson(text: string, file: string, firstLine = 1): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const at = brokenAt(text);
    const before = text.slice(0, at);
    const line = firstLine + (before.match(/\n/g)?.length ?? 0);
    const place = `${file}, line ${line}, character ${at - before.lastIndexOf("\n")}`;
    if (at >= text.trimEnd().length) {
      throw new AmsError("this JSON ends too early: the file is truncated", {
        where: place,
        hint: "copy or download the file again",
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
