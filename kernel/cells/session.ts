/** Executes cells: magics -> calls, compile, run, show the result; everything a cell needs is put together here. */
import path from "node:path";
import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { complete, type LanguageHost } from "../language/complete.js";
import { inspect } from "../language/inspect.js";
import { isComplete } from "../language/isComplete.js";
import { createBuiltins } from "../magics/builtins.js";
import { withContext } from "../magics/context.js";
import { parseMagics, type CellMagic, type ParsedMagics } from "../magics/parse.js";
import { createPlugins, userError, type AutoPlugin } from "../magics/plugins.js";
import { blankFirstLine, magicDeclarations, rewriteMagics, takesCode, wrapBody } from "../magics/rewrite.js";
import { runShell } from "../magics/shell.js";
import { createTiming, duration } from "../magics/timing.js";
import type { MagicContext } from "../plugin.js";
import { phases, slots, type Executed, type RequestNumber, type Task, type ToWire } from "../wire/link.js";
import { log } from "../wire/log.js";
import type { Payload, UserExpression } from "../wire/messages.js";
import { createCompiler } from "./compile.js";
import { createDisplay, toBundle, type DisplayOptions, type MimeBundle, type Prompt } from "./display.js";
import { applyEdits } from "./edits.js";
import { createCellErrors, createInterrupted, describeProblems } from "./errors.js";
import { createModules } from "./modules.js";
import { captureOutput } from "./output.js";
import { currentRequest, unwrapped, wrapTimers } from "./parents.js";
import { createRunner } from "./run.js";
import { createState, keepAssigned } from "./state.js";

export interface Session {
  /** Does one task of the wire thread and answers it. Never rejects. */
  run(task: Task): Promise<void>;
  interrupt(): void;
}

export interface SessionOptions {
  packageRoot: string;
  shared: Int32Array;
  mailbox: MessagePort;
  plugins: AutoPlugin[];
  tell(message: ToWire): void;
}

/** How long the kernel is left alone before it loads its plugins by itself (ms). */
const idleBeforePlugins = 1500;

export function createSession({ packageRoot, shared, mailbox, plugins: automatic, tell }: SessionOptions): Session {
  const folder = process.cwd();
  const state = createState();
  const errors = createCellErrors();
  const runner = createRunner(shared);
  const modules = createModules(folder, packageRoot);
  const silent = new Set<RequestNumber>();
  let execution: (Task & { type: "execute" }) | undefined;

  // ---- outputs ----

  captureOutput((request, name, text) => {
    if (!silent.has(request)) tell({ type: "stream", request, name, text: errors.mapText(text) });
  });
  wrapTimers();
  const publish = (message: (ToWire & { type: "iopub" })["message"], content: object): void => {
    const request = currentRequest();
    if (!silent.has(request)) tell({ type: "iopub", request, message, content });
  };
  const showBundle = (data: MimeBundle, { displayId, update = false, metadata = {} }: DisplayOptions): void => {
    publish(update ? "update_display_data" : "display_data", {
      data,
      metadata,
      transient: displayId === undefined ? {} : { display_id: displayId },
    });
  };
  const note = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const contextHost = {
    signal: runner.signal,
    cooperate: runner.cooperate,
    show: (bundle: MimeBundle, displayId: string | undefined, update: boolean) => {
      showBundle(bundle, { update, ...(displayId === undefined ? {} : { displayId }) });
    },
    setTimer: unwrapped.setTimeout as (callback: () => void, ms: number) => NodeJS.Timeout,
  };
  const inContext = <T>(work: (context: MagicContext) => Promise<T>): Promise<T> => withContext(contextHost, work);

  // Errors that no cell waits for any more: shown under the cell that caused them; the kernel lives on.
  for (const event of ["uncaughtException", "unhandledRejection"] as const)
    process.on(event, (error: unknown) => {
      process.stderr.write(`${errors.describe(error).traceback.join("\n")}\n`);
    });

  // ---- compiler, magics and globals ----

  const compiler = createCompiler(packageRoot);
  const plugins = createPlugins(automatic, {
    importModule: modules.import,
    addGlobal: (name, value, type) => {
      state.addGlobal(name, value, `declare const ${name}: ${type};`);
    },
    host: { cwd: folder, note, run: inContext },
    log,
  });
  for (const magic of createBuiltins({ plugins, variables: state.variables, reset: state.reset })) plugins.add(magic);

  const display = createDisplay(showBundle, (wait) => {
    publish("clear_output", { wait });
  });
  const prompt: Prompt = (text = "", { password = false } = {}) => {
    if (execution?.content.allow_stdin === false)
      throw userError("prompt() needs a front end that can ask, and this one cannot", "run the cell in a notebook or console");
    while (receiveMessageOnPort(mailbox) !== undefined); // answers that nobody waited for
    Atomics.store(shared, slots.input, 0);
    tell({ type: "input", request: currentRequest(), prompt: text, password });
    Atomics.wait(shared, slots.input, 0);
    const answer = receiveMessageOnPort(mailbox) as { message: string } | undefined;
    if (answer === undefined) throw createInterrupted();
    return answer.message;
  };
  const functions = {
    ...createTiming(runner.signal),
    __magic: async (name: string, args: string, show: boolean): Promise<unknown> => {
      // An interrupted magic ends well with what it has; the cell's next one does not start.
      runner.signal().throwIfAborted();
      const magic = plugins.get(name);
      const value = await inContext((context) => magic.line(args, context));
      if (show && value !== undefined) await display(value);
      return value;
    },
    __magicHelp: async (name: string, args: string): Promise<void> => {
      showBundle(plugins.get(name).help(args), {});
      return Promise.resolve();
    },
    __shell: (command: string) => runner.cooperate(() => runShell(command, runner.signal())),
  };
  const types = path.join(__dirname, "display");
  Object.assign(state.values, functions);
  state.addGlobal("display", display, `declare const display: import(${JSON.stringify(types)}).Display;`);
  state.addGlobal("prompt", prompt, `declare const prompt: import(${JSON.stringify(types)}).Prompt;\n${magicDeclarations}`);

  const typeOf = (name: string, args: string): string => plugins.find(name)?.returnType?.(args) ?? "any";
  const names = { isMagic: plugins.isMagic, isVariable: state.has };
  const language: LanguageHost = { converter: compiler.converter, plugins, declarations: state.declarations, names, typeOf };

  // The first compilation reads the libraries: better before the first cell comes than with it.
  compiler.compile(applyEdits("0", []), "0", state.declarations(), state);

  // ---- cells ----

  const execute = async (task: Task & { type: "execute" }): Promise<Executed> => {
    const { code, silent: quiet = false, store_history: stored = true } = task.content;
    if (quiet) silent.add(task.request);
    execution = task;
    try {
      if (code.trim() === "") return await succeed(task, { text: null, payload: [] });
      await plugins.loadFor(code);
      let parsed = parseMagics(code, names);
      const name = `[cell ${String(task.count)}${quiet || !stored ? `:${String(task.request)}` : ""}]`;
      const { cell } = parsed;
      if (cell !== undefined && !takesCode(cell)) return await succeed(task, await runCellMagic(task, cell, name));
      if (cell !== undefined) parsed = { cell, calls: parseMagics(blankFirstLine(code, cell), names).calls };
      return await succeed(task, await runCode(task, code, parsed, name));
    } catch (error) {
      return { status: "error", ...(error instanceof TypeErrors ? error.content : errors.describe(error)) };
    } finally {
      execution = undefined;
    }
  };

  interface Outcome {
    text: string | null;
    payload: Payload[];
  }

  const succeed = async (task: Task & { type: "execute" }, { text, payload }: Outcome): Promise<Executed> => {
    const user_expressions: Record<string, UserExpression> = {};
    for (const [key, expression] of Object.entries(task.content.user_expressions ?? {}))
      user_expressions[key] = await evaluate(task, expression);
    return { status: "ok", user_expressions, payload, text };
  };

  const runCode = async (
    task: Task & { type: "execute" },
    code: string,
    parsed: ParsedMagics,
    name: string,
  ): Promise<Outcome> => {
    runner.setPhase(phases.compiling);
    const source =
      parsed.cell === undefined
        ? rewriteMagics(code, parsed.calls, typeOf)
        : rewriteMagics(blankFirstLine(code, parsed.cell), parsed.calls, typeOf, wrapBody(parsed.cell));
    const compiled = compiler.compile(source, code, state.declarations(), state);
    runner.setPhase(phases.idle);
    if (!compiled.ok) throw new TypeErrors(describeProblems(compiled.problems, code));
    const { cell } = compiled;
    modules.addFiles(cell.files);
    errors.add(name, { written: code, lines: cell.code.split("\n").length, toCell: cell.toCell });
    const start = performance.now();
    const cpu = process.cpuUsage();
    try {
      await runner.run(task.request, cell.code, name, [state.values, modules.require, modules.import, meta()]);
    } catch (error) {
      state.endCell(keepAssigned(cell.declarations, state.has));
      throw error;
    }
    state.endCell(cell.declarations);
    if (parsed.cell?.name === "time") {
      const { user, system } = process.cpuUsage(cpu);
      process.stdout.write(
        `CPU: ${duration((user + system) / 1000)}, wall: ${duration(performance.now() - start)}\n`,
      );
    }
    const value = cell.resultName === undefined ? undefined : state.values[cell.resultName];
    if (cell.resultName !== undefined) state.values[cell.resultName] = undefined;
    const text = await showResult(task, value);
    const payload: Payload[] = [];
    for (const { call } of parsed.calls)
      if (call.kind === "help" && !call.magic) payload.push(await pageFor(call.name, call.detail));
    return { text, payload };
  };

  const showResult = async (task: Task & { type: "execute" }, value: unknown): Promise<string | null> => {
    let text: string | null = null;
    if (value !== undefined) {
      const data = await toBundle(value);
      if (typeof data["text/plain"] === "string") data["text/plain"] = errors.mapText(data["text/plain"]);
      publish("execute_result", { data, metadata: {}, execution_count: task.count });
      text = String(data["text/plain"]);
    }
    // A magic that was interrupted has ended well and its value is kept; the cell, and what waits behind it, stops.
    if (runner.signal().aborted) throw createInterrupted();
    return text;
  };

  const runCellMagic = async (task: Task & { type: "execute" }, cell: CellMagic, name: string): Promise<Outcome> => {
    const magic = plugins.get(cell.name);
    const work = magic.cell?.bind(magic);
    if (work === undefined) throw userError(`%${cell.name} is no cell magic`, `%${cell.name} takes one line; %lsmagic lists all`);
    let value: unknown;
    const run = async (): Promise<void> => {
      value = await inContext((context) => work(cell.args, cell.body, context));
    };
    await runner.run(task.request, "await exports.run();", name, [{ run }]);
    return { text: await showResult(task, value), payload: [] };
  };

  const pageFor = async (name: string, detail: 0 | 1): Promise<Payload> => {
    const { found, data } = await inspect({ code: name, cursor_pos: name.length, detail_level: detail }, language);
    return { source: "page", data: found ? data : { "text/plain": `nothing is known of ${name}` }, start: 0 };
  };

  const evaluate = async (task: Task & { type: "execute" }, expression: string): Promise<UserExpression> => {
    try {
      const source = applyEdits(`(${expression}\n)`, []);
      const compiled = compiler.compile(source, source.text, state.declarations(), state);
      if (!compiled.ok) throw new TypeErrors(describeProblems(compiled.problems, source.text));
      const { code, resultName = "" } = compiled.cell;
      await runner.run(task.request, code, "[expression]", [state.values, modules.require, modules.import, meta()]);
      return { status: "ok", data: await toBundle(state.values[resultName]), metadata: {} };
    } catch (error) {
      return { status: "error", ...(error instanceof TypeErrors ? error.content : errors.describe(error)) };
    }
  };

  const meta = (): { url: string; dirname: string; filename: string } => {
    const filename = path.join(process.cwd(), "notebook.ts");
    return { url: `file://${filename}`, dirname: process.cwd(), filename };
  };

  // ---- tasks ----

  let idle: NodeJS.Timeout | undefined;
  const loadPluginsWhenIdle = (): void => {
    clearTimeout(idle);
    idle = unwrapped.setTimeout(() => {
      void plugins.loadFor().then(() => {
        // Their types are read now and not with the next cell.
        compiler.compile(applyEdits("0", []), "0", state.declarations(), state);
      });
    }, idleBeforePlugins);
    idle.unref();
  };
  loadPluginsWhenIdle();

  const compiling = async <T>(work: () => Promise<T>): Promise<T> => {
    runner.setPhase(phases.compiling);
    try {
      return await work();
    } finally {
      runner.setPhase(phases.idle);
    }
  };

  return {
    interrupt: runner.interrupt,
    async run(task) {
      clearTimeout(idle);
      const { request } = task;
      switch (task.type) {
        case "execute":
          tell({ type: "done", request, task: "execute", content: await execute(task) });
          break;
        case "complete":
          tell({
            type: "done",
            request,
            task: "complete",
            content: await compiling(() => complete(task.content, language)).catch((error: unknown) => {
              note(`completion failed: ${String(error)}`);
              const { cursor_pos: at } = task.content;
              return { status: "ok" as const, matches: [], cursor_start: at, cursor_end: at, metadata: {} };
            }),
          });
          break;
        case "inspect":
          tell({
            type: "done",
            request,
            task: "inspect",
            content: await compiling(() => inspect(task.content, language)).catch((error: unknown) => {
              note(`inspection failed: ${String(error)}`);
              return { status: "ok" as const, found: false, data: {}, metadata: {} };
            }),
          });
          break;
        case "isComplete":
          tell({ type: "done", request, task: "isComplete", content: isComplete(task.content.code) });
          break;
      }
      loadPluginsWhenIdle();
    },
  };
}

/** The errors of a cell's types, on their way to the reply. */
class TypeErrors extends Error {
  constructor(readonly content: ReturnType<typeof describeProblems>) {
    super(content.evalue);
  }
}
