/** Turns the magics that the parser found into typed calls on the same line, so that lines of errors stay right. */
import ts from "typescript";
import { applyEdits, type Edit, type Edited } from "../cells/edits.js";
import { runUsage, type Inclusion } from "./include.js";
import type { CellMagic, FoundCall, MagicCall } from "./parse.js";
import { userError } from "./plugins.js";

/** The functions that the calls become; they live in `exports` beside the cell's own names. */
export const magicDeclarations = [
  "declare function __magic<T = any>(name: string, args: string, show: boolean): Promise<T>;",
  "declare function __magicHelp(name: string, args: string): Promise<void>;",
  "declare function __shell(command: string): Promise<void>;",
  "declare function __time<T>(work: () => T): Promise<Awaited<T>>;",
  "declare function __timeStart(): void;",
  "declare function __timeEnd(): void;",
  "declare function __timeit(options: string, work: () => unknown): Promise<void>;",
  "",
].join("\n");

/** A cell as the compiler gets it: with what %run put into it. */
export interface CellText extends Edited {
  /** In the order of the text. */
  inclusions?: { start: number; end: number; inclusion: Inclusion }[];
}

/**
 * @param typeOf the TypeScript type of what a magic with these arguments resolves to
 * @param more edits that go with them
 * @param inclusionOf what stands in place of a `%run`; without it, %run stays a call
 */
export function rewriteMagics(
  source: string,
  calls: FoundCall[],
  typeOf: (name: string, args: string) => string,
  more: Edit[] = [],
  inclusionOf?: (args: string) => Inclusion,
): CellText {
  const included: { start: number; inclusion: Inclusion }[] = [];
  const edits = calls.map(({ call, start, end, last }): Edit => {
    if (inclusionOf === undefined || call.kind !== "magic" || call.name !== "run")
      return { start, end, text: callText(call, last, typeOf) };
    if (!call.statement) throw userError("%run has no value", runUsage, `%run ${call.args}`);
    const inclusion = inclusionOf(call.args);
    included.push({ start, inclusion });
    return { start, end, text: inclusion.text };
  });
  const edited = applyEdits(source, [...edits, ...more]);
  const inclusions = included.map(({ start, inclusion }) => {
    const at = edited.toEdited(start);
    return { start: at, end: at + inclusion.text.length, inclusion };
  });
  return { ...edited, inclusions };
}

const codeMagics = new Set(["time", "timeit", "capture"]);

/** Whether the magic takes code, so that the body of its cell is a cell of its own. */
export function takesCode({ name }: { name: string }): boolean {
  return codeMagics.has(name);
}

/** A cell with its first line, the cell magic, blanked: offsets and lines of the body stay. */
export function blankFirstLine(source: string, cell: CellMagic): string {
  return source.slice(0, cell.bodyStart).replace(/[^\n]/g, " ") + cell.body;
}

/** `%%timeit` puts the body into a function; `%%time` is measured by the session. */
export function wrapBody(cell: CellMagic): Edit[] {
  if (cell.name !== "timeit") return [];
  const end = cell.bodyStart + cell.body.length;
  return [
    { start: 0, end: 0, text: `await __timeit(${JSON.stringify(cell.args)}, async () => {` },
    { start: end, end, text: "\n});" },
  ];
}

function callText(call: MagicCall, last: boolean, typeOf: (name: string, args: string) => string): string {
  const quote = (text: string): string => JSON.stringify(text);
  switch (call.kind) {
    case "shell":
      return `await __shell(${quote(call.command)});`;
    case "help":
      // Help for a name comes from the types: the kernel looks it up and shows it beside the result.
      return call.magic ? `await __magicHelp(${quote(call.name)}, ${quote(call.args)});` : "";
    case "magic": {
      const { name, args, statement } = call;
      // Without code, the magic itself says what it needs.
      const code = name === "timeit" ? args.replace(timeitOptions, "") : args;
      if (name === "time" && code !== "") return timed(args);
      if (name === "timeit" && code !== "") return timedOften(args);
      const show = statement && !last;
      return `await __magic<${typeOf(name, args)}>(${quote(name)}, ${quote(args)}, ${String(show)});`;
    }
  }
}

/** `%time expression` has the expression's value and type; `%time statement` declares what the statement declares. */
function timed(code: string): string {
  const expression = code.trim().replace(/;$/, "");
  if (isExpression(expression)) return `await __time(async () => (${expression}));`;
  return `__timeStart(); ${code} ; __timeEnd();`;
}

const timeitOptions = /^(?:-[nr]\s*\d+(?:\s+|$))*/;

/** `%timeit [-n loops] [-r repeats] expression`. */
function timedOften(args: string): string {
  const [options = ""] = timeitOptions.exec(args) ?? [];
  const code = args.slice(options.length);
  const expression = code.trim().replace(/;$/, "");
  const body = isExpression(expression) ? `(${expression})` : `{ ${expression} }`;
  return `await __timeit(${JSON.stringify(options.trim())}, ${/\bawait\b/.test(code) ? "async " : ""}() => ${body});`;
}

function isExpression(code: string): boolean {
  const file = ts.createSourceFile("x.ts", `async () => (${code}\n)`, ts.ScriptTarget.Latest);
  const { parseDiagnostics } = file as unknown as { parseDiagnostics: unknown[] };
  return parseDiagnostics.length === 0 && file.statements.length === 1;
}
