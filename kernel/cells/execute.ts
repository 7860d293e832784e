/** One execute request: magics -> calls, compile, run, show the result; what went wrong becomes the reply's error. */
import path from "node:path";
import { inspect } from "../language/inspect.js";
import type { LanguageHost } from "../language/complete.js";
import { withContext, type ContextHost } from "../magics/context.js";
import { parseMagics, type CellMagic, type ParsedMagics } from "../magics/parse.js";
import { userError } from "../magics/plugins.js";
import { blankFirstLine, rewriteMagics, takesCode, wrapBody } from "../magics/rewrite.js";
import { phases, type Executed, type Task } from "../wire/link.js";
import type { ErrorContent, Payload, UserExpression } from "../wire/messages.js";
import type { Compiler } from "./compile.js";
import { toBundle, type DisplayHost } from "./display.js";
import { applyEdits } from "./edits.js";
import { createInterrupted, describeProblems, type CellErrors } from "./errors.js";
import type { Modules } from "./modules.js";
import type { Runner } from "./run.js";
import { keepAssigned, type SessionState } from "./state.js";

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
  showResult: (content: object) => void;
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
  const { code } = task.content;
  const { plugins, names } = host.language;
  try {
    let outcome: Outcome = { text: null, payload: [] };
    if (code.trim() !== "") {
      await plugins.loadFor(code);
      const parsed = parseMagics(code, names);
      const { cell } = parsed;
      if (cell === undefined) outcome = await runCode(task, parsed, host);
      else if (takesCode(cell)) {
        const { calls } = parseMagics(blankFirstLine(code, cell), names);
        outcome = await runCode(task, { cell, calls }, host);
      } else outcome = await runCellMagic(task, cell, host);
    }
    const user_expressions: Record<string, UserExpression> = {};
    for (const [key, expression] of Object.entries(task.content.user_expressions ?? {}))
      user_expressions[key] = await evaluate(task, expression, host);
    return { status: "ok", user_expressions, ...outcome };
  } catch (error) {
    return { status: "error", ...describe(error, host) };
  }
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
  const { state, compiler, runner, modules, errors, language } = host;
  const { code } = task.content;
  runner.setPhase(phases.compiling);
  const source =
    cell === undefined
      ? rewriteMagics(code, calls, language.typeOf)
      : rewriteMagics(blankFirstLine(code, cell), calls, language.typeOf, wrapBody(cell));
  const compiled = compiler.compile(source, code, state.beginCell(), state);
  runner.setPhase(phases.idle);
  if (!compiled.ok) throw new TypeErrors(describeProblems(compiled.problems, code));
  const { code: output, declarations, files, resultName, toCell } = compiled.cell;
  modules.addFiles(files);
  const name = cellName(task);
  errors.add(name, { written: code, lines: output.split("\n").length, toCell });
  const timing = state.values as { __timeStart(): void; __timeEnd(): void };
  if (cell?.name === "time") timing.__timeStart();
  try {
    await runner.run(task.request, output, name, cellArguments(host));
  } catch (error) {
    state.endCell(keepAssigned(declarations, state.has));
    throw error;
  } finally {
    if (cell?.name === "time") timing.__timeEnd();
  }
  state.endCell(declarations);
  const text = await showResult(task, resultName === undefined ? undefined : takeResult(state, resultName), host);
  const payload: Payload[] = [];
  for (const { call } of calls)
    if (call.kind === "help" && !call.magic) payload.push(await pageFor(call.name, call.detail, language));
  return { text, payload };
}

/** `exports, require, $import, $meta` of the compiled cell. */
function cellArguments({ state, modules }: ExecuteHost): unknown[] {
  const filename = path.join(process.cwd(), "notebook.ts");
  return [
    state.values,
    modules.require,
    modules.import,
    { url: `file://${filename}`, dirname: process.cwd(), filename },
  ];
}

function takeResult(state: SessionState, name: string): unknown {
  const value = state.values[name];
  state.values[name] = undefined;
  return value;
}

async function showResult(task: ExecuteTask, value: unknown, host: ExecuteHost): Promise<string | null> {
  const { displays, errors, runner } = host;
  let text: string | null = null;
  await displays.settled();
  if (value !== undefined && !displays.isOwn(value)) {
    const data = await toBundle(value);
    if (typeof data["text/plain"] === "string") data["text/plain"] = errors.mapText(data["text/plain"]);
    host.showResult({ data, metadata: {}, execution_count: task.count });
    text = String(data["text/plain"]);
  }
  // A magic that was interrupted has ended well and its value is kept; the cell, and what waits behind it, stops.
  if (runner.signal().aborted) throw createInterrupted();
  return text;
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
    return { status: "ok", data: await toBundle(takeResult(state, resultName)), metadata: {} };
  } catch (error) {
    return { status: "error", ...describe(error, host) };
  }
}
