/** One execute request: magics -> calls, compile, run, show the result; what went wrong becomes the reply's error. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "../language/inspect.js";
import type { LanguageHost } from "../language/complete.js";
import { withContext, type ContextHost } from "../magics/context.js";
import type { HistoryEntry } from "../magics/history.js";
import { include, type Inclusion } from "../magics/include.js";
import { parseMagics, type CellMagic, type ParsedMagics } from "../magics/parse.js";
import { userError } from "../magics/plugins.js";
import { blankFirstLine, rewriteMagics, takesCode, wrapBody } from "../magics/rewrite.js";
import { phases, type Executed, type RequestNumber, type Task } from "../wire/link.js";
import type { ErrorContent, Payload, UserExpression } from "../wire/messages.js";
import { capturedType, readCapture, type Captured, type Captures } from "./capture.js";
import type { Compiler } from "./compile.js";
import { toBundle, type DisplayHost, type MimeBundle } from "./display.js";
import { applyEdits } from "./edits.js";
import { createInterrupted, describeProblems, type CellErrors } from "./errors.js";
import type { Modules } from "./modules.js";
import type { Runner } from "./run.js";
import { keepAssigned, merge, type SessionState } from "./state.js";

export type ExecuteTask = Task & { type: "execute" };

export interface ExecuteHost {
  state: SessionState;
  compiler: Compiler;
  runner: Runner;
  modules: Modules;
  errors: CellErrors;
  language: LanguageHost;
  context: ContextHost;
  displays: DisplayHost;
  captures: Captures;
  /** Every cell of this session, for %history. */
  history: HistoryEntry[];
  /** The notebook's folder. */
  folder: string;
  /** Resolves once the debugger knows the code that was compiled. */
  debugReady: () => Promise<void>;
  showResult: (request: RequestNumber, content: object) => void;
}

/** How a cell that succeeded ends: its result as text, and pages of help. */
interface Outcome {
  text: string | null;
  payload: Payload[];
}

/** The errors of a cell's types, on their way to the reply. */
class TypeErrors extends Error {
  constructor(readonly content: ErrorContent) {
    super(content.evalue);
  }
}

export async function execute(task: ExecuteTask, host: ExecuteHost): Promise<Executed> {
  const { code, silent, store_history: stored } = task.content;
  const { plugins, names } = host.language;
  const entry: HistoryEntry = { line: task.count, input: code, output: null };
  if (silent !== true && stored !== false) host.history.push(entry);
  host.runner.setPhase(phases.compiling);
  try {
    let outcome: Outcome = { text: null, payload: [] };
    if (isExit(code, host)) outcome.payload.push({ source: "ask_exit", keepkernel: false });
    else if (code.trim() !== "") {
      await plugins.loadFor(code);
      const parsed = parseMagics(code, names);
      const { cell } = parsed;
      if (cell === undefined) outcome = await runCode(task, parsed, host);
      else if (takesCode(cell)) {
        const { calls } = parseMagics(blankFirstLine(code, cell), names);
        outcome = await runCode(task, { cell, calls }, host);
      } else outcome = await runCellMagic(task, cell, host);
    }
    entry.output = outcome.text;
    const user_expressions: Record<string, UserExpression> = {};
    for (const [key, expression] of Object.entries(task.content.user_expressions ?? {}))
      user_expressions[key] = await evaluate(task, expression, host);
    return { status: "ok", user_expressions, ...outcome };
  } catch (error) {
    return { status: "error", ...describe(error, host) };
  }
}

/** What people type to leave a console, unless it is a name of theirs. */
function isExit(code: string, { state }: ExecuteHost): boolean {
  const name = /^\s*(exit|quit)\s*(?:\(\s*\))?\s*;?\s*$/.exec(code)?.[1];
  return name !== undefined && !state.has(name);
}

function describe(error: unknown, { errors }: ExecuteHost): ErrorContent {
  return error instanceof TypeErrors ? error.content : errors.describe(error);
}

/** The name that a cell's stack frames carry; cells without a count of their own get the request's number too. */
function cellName({ count, request, content }: ExecuteTask): string {
  const counted = content.silent !== true && content.store_history !== false;
  return counted ? `[cell ${String(count)}]` : `[cell ${String(count)}:${String(request)}]`;
}

async function runCode(task: ExecuteTask, { cell, calls }: ParsedMagics, host: ExecuteHost): Promise<Outcome> {
  const { state, compiler, runner, errors, language } = host;
  const { code } = task.content;
  const { names, typeOf } = language;
  const inclusionOf = (args: string): Inclusion =>
    include(args, host.folder, names, (text, found) => rewriteMagics(text, found, typeOf));
  const source =
    cell === undefined
      ? rewriteMagics(code, calls, typeOf, [], inclusionOf)
      : rewriteMagics(blankFirstLine(code, cell), calls, typeOf, wrapBody(cell), inclusionOf);
  const capture = cell?.name === "capture" ? readCapture(cell.args) : undefined;
  host.context.livePicture = undefined;
  const start = state.beginCell();
  const compiled = compiler.compile(source, code, start.declarations, state);
  if (!compiled.ok) throw new TypeErrors(describeProblems(compiled.problems, code));
  const { code: output, declarations, sources, resultName, toCell } = compiled.cell;
  const name = cellName(task);
  errors.add(name, { written: code, code: output, lines: output.split("\n").length, toCell });
  for (const [declared, text] of sources) language.sources.set(declared, text);
  const timing = state.values as { __timeStart(): void; __timeEnd(): void };
  const captured = capture === undefined ? undefined : host.captures.start(task.request, capture);
  if (cell?.name === "time") timing.__timeStart();
  await host.debugReady();
  try {
    await runner.run(task.request, output, name, cellArguments(host));
  } catch (error) {
    const kept = keepAssigned(declarations, state.has);
    if (captured === undefined || capture?.name === undefined) state.endCell(start, kept);
    else {
      // Without a cell of its own: after an interrupt no more code runs.
      state.values[capture.name] = captured;
      state.endCell(start, merge(kept, "", `declare const ${capture.name}: ${capturedType};`));
    }
    // What a failed cell has shown helps to see why it failed.
    host.captures.end(task.request);
    captured?.show();
    throw error;
  } finally {
    if (cell?.name === "time") timing.__timeEnd();
  }
  state.endCell(start, declarations);
  let text: string | null;
  try {
    text = await showResult(task, resultName === undefined ? undefined : takeResult(state, resultName), host);
  } finally {
    host.captures.end(task.request);
  }
  if (captured !== undefined && capture?.name !== undefined) await assignCaptured(task, capture.name, captured, host);
  const payload: Payload[] = [];
  for (const { call } of calls)
    if (call.kind === "help" && !call.magic) payload.push(await pageFor(call.name, call.detail, language));
  return { text, payload };
}

/** Makes the variable of `%%capture NAME`, with its type. */
async function assignCaptured(task: ExecuteTask, name: string, value: Captured, host: ExecuteHost): Promise<void> {
  const { state, compiler, runner } = host;
  state.values["__captured"] = () => value;
  const source = applyEdits(`const ${name} = __captured();`, []);
  const start = state.beginCell();
  const compiled = compiler.compile(source, source.text, start.declarations, state);
  if (!compiled.ok) throw new TypeErrors(describeProblems(compiled.problems, source.text));
  await runner.run(task.request, compiled.cell.code, "[capture]", cellArguments(host));
  state.endCell(start, compiled.cell.declarations);
}

/** `exports, require, $import, $meta` of the compiled cell. */
function cellArguments({ state, modules }: ExecuteHost): unknown[] {
  const filename = path.join(process.cwd(), "notebook.ts");
  return [
    state.values,
    modules.require,
    modules.import,
    { url: pathToFileURL(filename).href, dirname: process.cwd(), filename },
  ];
}

function takeResult(state: SessionState, name: string): unknown {
  const value = state.values[name];
  state.values[name] = undefined;
  return value;
}

async function showResult(task: ExecuteTask, value: unknown, host: ExecuteHost): Promise<string | null> {
  const { displays, errors, runner } = host;
  const { request, count } = task;
  const shown = value !== undefined && !displays.isOwn(value);
  // A magic that was interrupted has ended well and its value is kept and shown; the cell, and what waits behind it, stops.
  const { aborted } = runner.signal(request);
  const bundle = async (): Promise<MimeBundle | undefined> => {
    await displays.settled(request);
    return shown ? toBundle(value) : undefined;
  };
  const data = await (aborted ? bundle() : runner.guard(request, bundle));
  let text: string | null = null;
  if (data !== undefined) {
    if (typeof data["text/plain"] === "string") data["text/plain"] = errors.mapText(data["text/plain"]);
    if (!isSamePicture(data, host.context.livePicture))
      host.showResult(request, { data, metadata: {}, execution_count: count });
    text = String(data["text/plain"]);
  }
  if (aborted) throw createInterrupted();
  return text;
}

/** `%ams train` as a cell's last line: its live display has ended as what its result would show. */
function isSamePicture(data: MimeBundle, live: MimeBundle | undefined): boolean {
  return live?.["text/html"] !== undefined && live["text/html"] === data["text/html"];
}

async function runCellMagic(task: ExecuteTask, cell: CellMagic, host: ExecuteHost): Promise<Outcome> {
  const magic = host.language.plugins.get(cell.name);
  const work = magic.cell?.bind(magic);
  if (work === undefined)
    throw userError(
      `%${cell.name} is no cell magic`,
      `%${cell.name} takes one line; %lsmagic lists all magics`,
      `%%${cell.name}, the cell's first line`,
    );
  host.context.livePicture = undefined;
  let value: unknown;
  const run = async (): Promise<void> => {
    value = await withContext(host.context, (context) => work(cell.args, cell.body, context));
  };
  await host.runner.run(task.request, "await exports.run();", cellName(task), [{ run }]);
  return { text: await showResult(task, value, host), payload: [] };
}

async function pageFor(name: string, detail: 0 | 1, language: LanguageHost): Promise<Payload> {
  const { found, data } = await inspect({ code: name, cursor_pos: name.length, detail_level: detail }, language);
  return { source: "page", data: found ? data : { "text/plain": `nothing is known of ${name}` }, start: 0 };
}

/** One of the request's user expressions; its failure is its own and not the cell's. */
async function evaluate(task: ExecuteTask, expression: string, host: ExecuteHost): Promise<UserExpression> {
  const { compiler, state, runner } = host;
  try {
    const source = applyEdits(`(${expression}\n)`, []);
    const compiled = compiler.compile(source, source.text, state.declarations(), state);
    if (!compiled.ok) throw new TypeErrors(describeProblems(compiled.problems, source.text));
    const { code, resultName = "" } = compiled.cell;
    await runner.run(task.request, code, "[expression]", cellArguments(host));
    const value = takeResult(state, resultName);
    return { status: "ok", data: await runner.guard(task.request, () => toBundle(value)), metadata: {} };
  } catch (error) {
    return { status: "error", ...describe(error, host) };
  }
}
