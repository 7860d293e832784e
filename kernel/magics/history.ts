/** %history: the cells of this session. */
import { appendFile } from "node:fs/promises";
import path from "node:path";
import { positive, readOptions } from "./options.js";
import { userError } from "./plugins.js";
import { expandHome } from "./paths.js";

/** One cell that ran: its number, what was typed, the text of its result. */
export interface HistoryEntry {
  line: number;
  input: string;
  output: string | null;
}

export const historyUsage =
  "%history [-n] [-o] [-l LAST] [-g PATTERN] [-f FILE] [RANGE...]: the inputs of this session; " +
  "-n with numbers, -o with results, -l the last ones, -g those with the pattern (* and ?), -f appended to a file, RANGE 3 or 2-5";

/** The text that %history prints; with `-f` it goes to the file and the answer says so. */
export async function showHistory(args: string, entries: HistoryEntry[]): Promise<string> {
  const { given, values, words } = readOptions(args, historyUsage, ["-n", "-o"], ["-l", "-g", "-f"]);
  // The cell that asks is the last one.
  let chosen = words.length > 0 ? words.flatMap((range) => inRange(range, entries)) : entries.slice(0, -1);
  const pattern = values.get("-g");
  if (pattern !== undefined) chosen = chosen.filter(({ input }) => glob(pattern).test(input));
  const last = values.get("-l");
  if (last !== undefined) chosen = chosen.slice(-positive(last, "-l", historyUsage));
  const text = chosen
    .map(({ line, input, output }) => {
      const shown = given.has("-o") && output !== null ? `${input}\n${output}` : input;
      return given.has("-n") ? `${String(line).padStart(4)}: ${shown.replaceAll("\n", "\n      ")}` : shown;
    })
    .join("\n");
  const file = values.get("-f");
  if (file === undefined) return text === "" ? "" : `${text}\n`;
  await appendFile(path.resolve(expandHome(file)), text === "" ? "" : `${text}\n`);
  return `${String(chosen.length)} inputs appended to ${file}\n`;
}

function inRange(range: string, entries: HistoryEntry[]): HistoryEntry[] {
  const [, from, to] = /^(\d+)(?:-(\d+)?)?$/.exec(range) ?? [];
  if (from === undefined) throw userError(`${range} is no range of cells`, historyUsage, `%history ${range}`);
  const end = to !== undefined ? Number(to) : range.includes("-") ? Infinity : Number(from);
  return entries.filter(({ line }) => line >= Number(from) && line <= end);
}

function glob(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^]*")
    .replaceAll("?", "[^]");
  return new RegExp(source);
}
