/**
 * %run FILE: the statements of a file, or of a notebook's code cells, in place of the magic. They run as if they stood in the
 * cell, so that their names and types are there afterwards; errors name the file's own lines.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { applyEdits, type Edit, type Edited } from "../cells/edits.js";
import { splitWords } from "./options.js";
import { parseMagics, type FoundCall, type Names } from "./parse.js";
import { expandHome } from "./paths.js";
import { userError } from "./plugins.js";

export const runUsage =
  "%run FILE [ARGUMENT...]: runs a .ts, .js or .ipynb file as if it stood in the cell; process.argv has the arguments";

export interface Inclusion {
  file: string;
  /** The file's text; of a notebook that of its code cells. */
  written: string;
  /** What stands in place of the magic. */
  text: string;
  /** Offset in `text` -> offset in `written`. */
  toFile: (offset: number) => number;
}

/** @param rewrite turns the magics of the file into calls */
export function include(
  args: string,
  folder: string,
  names: Names,
  rewrite: (source: string, calls: FoundCall[]) => Edited,
): Inclusion {
  const [name, ...given] = splitWords(args);
  if (name === undefined) throw userError("%run needs the name of a file", runUsage, "%run");
  const file = path.resolve(expandHome(name));
  const written = sourceOf(file, args);
  const parsed = parseMagics(written, names);
  const nested = parsed.cell?.name ?? parsed.calls.find(({ call }) => call.kind === "magic" && call.name === "run");
  if (nested !== undefined)
    throw userError(`%run cannot run ${name}: it has a cell magic or a %run of its own`, runUsage, `%run ${args}`);
  const called = rewrite(written, parsed.calls);
  const placed = placeImports(called.text, path.dirname(file), folder);
  const argv = `process.argv.splice(1, Infinity, ${[file, ...given].map((word) => JSON.stringify(word)).join(", ")}); `;
  return {
    file,
    written,
    text: argv + placed.text,
    toFile: (offset) => called.toOriginal(placed.toOriginal(Math.max(0, offset - argv.length))),
  };
}

function sourceOf(file: string, args: string): string {
  const fail = (what: string): never => {
    throw userError(what, runUsage, `%run ${args}`);
  };
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return fail(`%run cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
  switch (path.extname(file)) {
    case ".ipynb":
      return notebookSource(text) ?? fail(`${file} is no notebook`);
    case ".ts":
    case ".mts":
    case ".cts":
    case ".js":
    case ".mjs":
    case ".cjs":
      return text.replace(/^#!/, "//");
    default:
      return fail(`%run cannot run ${path.basename(file)}: it is no .ts, .js or .ipynb file`);
  }
}

function notebookSource(text: string): string | undefined {
  try {
    const { cells } = JSON.parse(text) as { cells: { cell_type: string; source: string | string[] }[] };
    return cells
      .filter(({ cell_type: type }) => type === "code")
      .map(({ source }) => (typeof source === "string" ? source : source.join("")))
      .join("\n\n");
  } catch {
    return undefined;
  }
}

/** Relative imports mean what they mean in the file's own folder. */
function placeImports(text: string, from: string, to: string): Edited {
  if (from === to) return applyEdits(text, []);
  const edits: Edit[] = [];
  for (const { fileName, pos } of ts.preProcessFile(text, true, true).importedFiles) {
    if (!/^\.{1,2}(\/|$)/.test(fileName)) continue;
    const relative = path.relative(to, path.resolve(from, fileName)).replaceAll("\\", "/");
    // `pos` is that of the opening quote.
    const start = pos + 1;
    edits.push({ start, end: start + fileName.length, text: relative.startsWith(".") ? relative : `./${relative}` });
  }
  return applyEdits(text, edits);
}
