/** Tab: names from the types of the session, magics, and what a magic offers for its arguments. */
import type { Converter } from "tslab/dist/converter.js";
import type { CompleteReply, CompleteRequest } from "../wire/messages.js";
import { parseMagics, type FoundCall, type Names } from "../magics/parse.js";
import type { Plugins } from "../magics/plugins.js";
import { blankFirstLine, rewriteMagics, takesCode } from "../magics/rewrite.js";
import { toCodePoints, toUtf16 } from "./cursor.js";

export interface LanguageHost {
  converter: Converter;
  plugins: Plugins;
  declarations: () => string;
  names: Names;
  typeOf: (name: string, args: string) => string;
}

interface Match {
  text: string;
  type?: string;
  help?: string;
}

/** @returns cursors in code points, as the protocol counts them */
export async function complete(request: CompleteRequest, host: LanguageHost): Promise<CompleteReply> {
  const { code } = request;
  const cursor = toUtf16(code, request.cursor_pos);
  const { matches, start, end } = (await completeMagic(code, cursor, host)) ?? completeTypes(code, cursor, host);
  const startPoint = toCodePoints(code, start);
  const endPoint = toCodePoints(code, end);
  return {
    status: "ok",
    matches: matches.map(({ text }) => text),
    cursor_start: startPoint,
    cursor_end: endPoint,
    metadata: {
      _jupyter_types_experimental: matches.map(({ text, type, help }) => ({
        text,
        start: startPoint,
        end: endPoint,
        ...(type === undefined ? {} : { type }),
        ...(help === undefined ? {} : { signature: help }),
      })),
    },
  };
}

interface Found {
  matches: Match[];
  start: number;
  end: number;
}

async function completeMagic(code: string, cursor: number, host: LanguageHost): Promise<Found | undefined> {
  const lineStart = code.lastIndexOf("\n", cursor - 1) + 1;
  const before = code.slice(lineStart, cursor);
  // The name itself: `%am|`.
  const partial = /^(?:[^=]*=)?[ \t]*(%{1,2})([\w.-]*)$/.exec(before);
  if (partial !== null) {
    await host.plugins.loadFor();
    const [, percent = "%", name = ""] = partial;
    const matches = host.plugins
      .all()
      .filter((magic) => magic.name.startsWith(name) && (percent === "%" || magic.cell !== undefined))
      .map((magic) => ({ text: percent + magic.name, type: "magic", help: magic.summary }));
    if (percent === "%%")
      for (const timed of ["time", "timeit"])
        if (timed.startsWith(name)) matches.push({ text: `%%${timed}`, type: "magic", help: "" });
    return { matches, start: cursor - name.length - percent.length, end: cursor };
  }
  const parsed = parseMagics(code, host.names);
  const inside = parsed.calls.find(({ call, start }) => call.kind === "magic" && onLine(code, start, cursor));
  const target =
    inside !== undefined && inside.call.kind === "magic"
      ? { name: inside.call.name, args: lineFrom(code, inside.argsStart), argsStart: inside.argsStart }
      : parsed.cell !== undefined && cursor <= parsed.cell.bodyStart
        ? { name: parsed.cell.name, args: parsed.cell.args, argsStart: parsed.cell.argsStart }
        : undefined;
  if (target === undefined || cursor < target.argsStart) return undefined;
  await host.plugins.loadFor(`%${target.name}`);
  const completions = await host.plugins.find(target.name)?.complete?.(target.args, cursor - target.argsStart);
  if (completions === undefined) return target.name === "time" || target.name === "timeit" ? undefined : none(cursor);
  const { matches, start, end } = completions;
  return { matches, start: target.argsStart + start, end: target.argsStart + end };
}

function onLine(code: string, start: number, cursor: number): boolean {
  return start < cursor && !code.slice(start, cursor).includes("\n");
}

function lineFrom(code: string, start: number): string {
  const end = code.indexOf("\n", start);
  return code.slice(start, end < 0 ? code.length : end);
}

function none(cursor: number): Found {
  return { matches: [], start: cursor, end: cursor };
}

function completeTypes(code: string, cursor: number, host: LanguageHost): Found {
  const parsed = parseMagics(code, host.names);
  if (parsed.cell !== undefined && !takesCode(parsed.cell)) return none(cursor);
  const body = parsed.cell === undefined ? code : blankFirstLine(code, parsed.cell);
  const source = rewriteMagics(body, withoutTimed(parsed.calls), host.typeOf);
  const info = host.converter.complete(host.declarations(), source.text, source.toEdited(cursor));
  const kinds = new Map(info.original?.entries.map((entry): [string, string] => [entry.name, entry.kind]));
  const matches = info.candidates
    .filter((text) => !text.startsWith("__"))
    .map((text): Match => {
      const kind = kinds.get(text);
      return kind === undefined ? { text } : { text, type: jupyterKind(kind) };
    });
  return { matches, start: source.toOriginal(info.start), end: source.toOriginal(info.end) };
}

/** `%time code`: the code after the name is completed as code. */
function withoutTimed(calls: FoundCall[]): FoundCall[] {
  return calls.filter(({ call }) => call.kind !== "magic" || (call.name !== "time" && call.name !== "timeit"));
}

/** TypeScript's kinds -> the words that JupyterLab has icons for. */
function jupyterKind(kind: string): string {
  switch (kind) {
    case "method":
    case "function":
    case "local function":
    case "constructor":
      return "function";
    case "const":
    case "let":
    case "var":
    case "local var":
    case "parameter":
      return "instance";
    case "property":
    case "getter":
    case "setter":
      return "property";
    case "class":
    case "local class":
      return "class";
    case "interface":
      return "interface";
    case "type":
    case "alias":
    case "type parameter":
      return "type";
    case "enum":
    case "enum member":
      return "enum";
    case "module":
    case "external module name":
    case "script":
    case "directory":
      return "module";
    case "keyword":
      return "keyword";
    default:
      return kind;
  }
}
