/** How errors look in the notebook: mapped to the lines of the cells, without the kernel's own frames. */
import path from "node:path";
import util from "node:util";
import { interrupted } from "../wire/failures.js";
import type { ErrorContent } from "../wire/messages.js";
import type { CompiledCell, Position, TypeProblem } from "./compile.js";

/** The kernel's compiled folder: frames inside it are nobody's business. */
const kernelFolder = path.join(__dirname, "..") + path.sep;
const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
const faint = (text: string): string => `\u001b[2m${text}\u001b[22m`;

export interface CellSource {
  written: string;
  /** The compiled code. */
  code: string;
  /** Lines of the compiled code: a frame behind them is the kernel's own call of the cell. */
  lines: number;
  toCell: CompiledCell["toCell"];
}

export interface CellErrors {
  /** Remembers a cell or a file under the name that its stack frames carry, e.g. `[cell 3]`. */
  add: (name: string, source: CellSource) => void;
  /** Stack traces inside a text: `[cell 3]:5:12` of the compiled code -> line and column as written, own frames dropped. */
  mapText: (text: string) => string;
  describe: (error: unknown) => ErrorContent;
}

/** `[cell 3]:5:12`, `(/home/me (old)/beside.ts:5:12)` */
const framePosition = /(\[cell [^\]]+\]|(?<=\(|\bat |file:\/\/)(?:\/|[A-Za-z]:)[^:\n]+):(\d+):(\d+)/g;
const firstPosition = new RegExp(framePosition.source);

/** What an interrupted cell fails with. */
export function createInterrupted(): Error {
  return Object.assign(new Error(interrupted.evalue), { name: interrupted.ename });
}

/** @param added called with everything that is remembered */
export function createCellErrors(added: (name: string, source: CellSource) => void = () => undefined): CellErrors {
  const cells = new Map<string, CellSource>();
  const locate = (name: string, line: number, column: number): { source: CellSource; at: Position } | undefined => {
    const source = cells.get(name);
    return source === undefined ? undefined : { source, at: source.toCell({ line: line - 1, column: column - 1 }) };
  };
  /** A frame of the kernel's own: in its folder, in Node's vm, or its call of the cell behind the cell's last line. */
  const isOwnFrame = (frame: string): boolean => {
    if (!/^\s+at /.test(frame)) return false;
    if (frame.includes(kernelFolder) || /\(?node:(internal|vm|async_hooks)/.test(frame)) return true;
    const [, name = "", line] = firstPosition.exec(frame) ?? [];
    return Number(line) > (cells.get(name)?.lines ?? Infinity);
  };
  const mapFrame = (frame: string): string =>
    frame.replace(framePosition, (whole, name: string, line: string, column: string) => {
      const found = locate(name, Number(line), Number(column));
      if (found === undefined) return whole;
      const { line: row, column: place, file } = found.at;
      return `${file?.name ?? name}:${String(row + 1)}:${String(place + 1)}`;
    });
  const mapText = (text: string): string =>
    text.includes("[cell ") || /^[ \t]+at /m.test(text)
      ? text
          .split("\n")
          .filter((line) => !isOwnFrame(line))
          .map(mapFrame)
          .join("\n")
      : text;
  /**
   * The line where the error was thrown, when a cell or a file beside the notebook threw it; and where another cell or file
   * threw it, the line of the last cell that led there.
   */
  const framesOf = (frames: string[]): string[] => {
    const known = frames.flatMap((frame) => {
      const [, name = "", line, column] = firstPosition.exec(frame) ?? [];
      const found = locate(name, Number(line), Number(column));
      return found === undefined ? [] : [{ name, ...found }];
    });
    const [thrown] = known;
    const running = known.findLast(({ name }) => name.startsWith("[cell "))?.name;
    const caller = known.find(({ name, at }) => name === running && at.file === undefined);
    if (thrown === undefined) return [];
    const shown = caller === undefined || caller.name === thrown.name ? [thrown] : [thrown, caller];
    return shown.map(
      ({ name, source, at }) =>
        (shown.length > 1 || at.file !== undefined ? `${faint(at.file?.name ?? name)}\n` : "") +
        codeFrame(at.file?.text ?? source.written, at, 1),
    );
  };
  const describeError = (error: Error): ErrorContent => {
    const ename = nameOf(error);
    const { message: evalue } = error;
    const frames = (typeof error.stack === "string" ? error.stack : "")
      .split("\n")
      .filter((line) => /^\s+at /.test(line))
      .filter((line) => !isOwnFrame(line));
    const own = frames.some((frame) => frame.includes("[cell "));
    const traceback = [
      `${red(ename)}: ${evalue}`,
      ...framesOf(frames),
      // Beyond the cell only what the cell called is of interest; without a cell all there is.
      ...(own ? frames.slice(0, frames.findLastIndex((frame) => frame.includes("[cell ")) + 1) : frames).map(mapFrame),
    ];
    const fields = ownFields(error);
    if (fields !== undefined) traceback.push(fields);
    const { cause } = error;
    if (cause !== undefined) {
      const [first, ...rest] = describe(cause).traceback;
      traceback.push(`${faint("caused by")} ${first ?? ""}`, ...rest);
    }
    return { ename, evalue, traceback };
  };
  const describe = (error: unknown): ErrorContent => {
    const lines = userLines(error);
    if (lines !== undefined) {
      const [what = "", ...rest] = lines;
      return { ename: "AmsError", evalue: lines.join("\n"), traceback: [red(what), ...rest] };
    }
    const { ename, evalue, traceback } = interrupted;
    if ((error as Error | undefined)?.name === ename) return { ename, evalue, traceback };
    if (util.types.isNativeError(error) || error instanceof Error) return describeError(error);
    const text = typeof error === "string" ? error : util.inspect(error);
    return { ename: "Thrown", evalue: text, traceback: [`${red("Thrown")}: ${text}`] };
  };
  return {
    add(name, source) {
      cells.set(name, source);
      added(name, source);
    },
    mapText,
    describe,
  };
}

const builtinErrors = new Set(
  [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].map(
    ({ name }) => name,
  ),
);

/** The error's name; that of its class, where the class has only inherited one (`class E2 extends Error`). */
function nameOf(error: Error): string {
  const { name } = error;
  const given: unknown = (error.constructor as { name?: unknown } | undefined)?.name;
  const className = typeof given === "string" ? given : "";
  const inherited = builtinErrors.has(name) && !Object.hasOwn(error, "name");
  return (inherited ? className : name) || name || className || "Error";
}

/** What the error carries besides its message, e.g. `{ code: 'ENOENT' }`. */
function ownFields(error: Error): string | undefined {
  const fields = Object.entries(Object.getOwnPropertyDescriptors(error)).filter(
    ([key, { enumerable }]) => enumerable === true && !["name", "message", "stack", "cause"].includes(key),
  );
  if (fields.length === 0) return undefined;
  const shown = Object.defineProperties({}, Object.fromEntries(fields));
  return util.inspect(shown, { depth: 1, maxArrayLength: 10, maxStringLength: 200, breakLength: 100 });
}

/** An error for people says itself in lines; known by its shape, since plugins bring their own class. */
function userLines(error: unknown): string[] | undefined {
  const candidate = error as { name?: unknown; lines?: unknown } | null | undefined;
  if (candidate?.name !== "AmsError" || typeof candidate.lines !== "function") return undefined;
  return (candidate.lines as () => string[]).call(error);
}

/** The errors of a cell's types, each with its place and the line; at most ten. */
export function describeProblems(problems: TypeProblem[], written: string): ErrorContent {
  const place = ({ start: { line, column, file } }: TypeProblem): string =>
    `${file === undefined ? "" : `${path.relative(process.cwd(), file.name)}, `}line ${String(line + 1)}, column ${String(column + 1)}`;
  const shown = problems.slice(0, 10);
  const traceback = shown.flatMap((problem) => [
    `${red(`TS${String(problem.code)}`)} ${problem.message}`,
    ...(problem.start.file === undefined ? [] : [faint(problem.start.file.name)]),
    codeFrame(problem.start.file?.text ?? written, problem.start, problem.length),
  ]);
  if (problems.length > shown.length) traceback.push(`and ${String(problems.length - shown.length)} more`);
  const [first] = problems;
  // TypeScript numbers what its parser finds from 1000 to 1999.
  const syntax = problems.some(({ code }) => code >= 1000 && code < 2000);
  return {
    ename: syntax ? "SyntaxError" : "TypeScriptError",
    evalue: first === undefined ? "" : `${first.message} (TS${String(first.code)}, ${place(first)})`,
    traceback,
  };
}

/** The line with one before and one after, and a mark under the place. */
function codeFrame(source: string, { line, column }: Position, length: number): string {
  const lines = source.split("\n");
  const width = String(Math.min(lines.length, line + 2)).length;
  const rows: string[] = [];
  for (let i = Math.max(0, line - 1); i <= Math.min(lines.length - 1, line + 1); i++) {
    const text = lines[i]!;
    const number = String(i + 1).padStart(width);
    rows.push(i === line ? `> ${number} | ${text}` : faint(`  ${number} | ${text}`));
    if (i === line) {
      const marks = "^".repeat(Math.max(1, Math.min(length, text.length - column)));
      rows.push(`  ${" ".repeat(width)} | ${" ".repeat(column)}${red(marks)}`);
    }
  }
  return rows.join("\n");
}
