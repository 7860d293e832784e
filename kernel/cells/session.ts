/** The main thread's side of a session: puts together what cells need, and does the wire thread's tasks one by one. */
import type { MessagePort } from "node:worker_threads";
import { complete, type LanguageHost } from "../language/complete.js";
import { inspect } from "../language/inspect.js";
import { isComplete } from "../language/isComplete.js";
import { createBuiltins } from "../magics/builtins.js";
import { withContext, type ContextHost } from "../magics/context.js";
import { createPlugins, type AutoPlugin } from "../magics/plugins.js";
import { phases, type RequestNumber, type Task, type ToWire } from "../wire/link.js";
import { log } from "../wire/log.js";
import { createCompiler } from "./compile.js";
import { createDisplay, type DisplayOptions, type MimeBundle } from "./display.js";
import { applyEdits } from "./edits.js";
import { createCellErrors } from "./errors.js";
import { execute, type ExecuteHost, type ExecuteTask } from "./execute.js";
import { addGlobals } from "./globals.js";
import { createModules } from "./modules.js";
import { captureOutput } from "./output.js";
import { currentRequest, unwrapped, wrapTimers } from "./parents.js";
import { createPrompt } from "./prompt.js";
import { createRunner } from "./run.js";
import { createState } from "./state.js";

export interface Session {
  /** Does one task of the wire thread and answers it. Never rejects. */
  run: (task: Task) => Promise<void>;
  interrupt: () => void;
}

export interface SessionOptions {
  packageRoot: string;
  shared: Int32Array;
  mailbox: MessagePort;
  plugins: AutoPlugin[];
  tell: (message: ToWire) => void;
}

/** How long the kernel is left alone before it loads its plugins by itself (ms). */
const idleBeforePlugins = 1500;

export function createSession({ packageRoot, shared, mailbox, plugins: automatic, tell }: SessionOptions): Session {
  const folder = process.cwd();
  const state = createState();
  const errors = createCellErrors();
  const runner = createRunner(shared);
  const modules = createModules(folder, packageRoot);
  let execution: ExecuteTask | undefined;

  // ---- outputs ----

  /** Requests that must not show anything. */
  const silent = new Set<RequestNumber>();
  captureOutput((request, name, text) => {
    if (!silent.has(request)) tell({ type: "stream", request, name, text: errors.mapText(text) });
  });
  wrapTimers();
  const publish = (message: (ToWire & { type: "iopub" })["message"], content: object): void => {
    const request = currentRequest();
    if (!silent.has(request)) tell({ type: "iopub", request, message, content });
  };
  const showBundle = (data: MimeBundle, { displayId, update = false, metadata = {} }: DisplayOptions): void => {
    const transient = displayId === undefined ? {} : { display_id: displayId };
    publish(update ? "update_display_data" : "display_data", { data, metadata, transient });
  };
  const displays = createDisplay(showBundle, (wait) => {
    publish("clear_output", { wait });
  });
  const note = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  // Errors that no cell waits for any more: shown under the cell that caused them; the kernel lives on.
  for (const event of ["uncaughtException", "unhandledRejection"] as const)
    process.on(event, (error: unknown) => {
      note(errors.describe(error).traceback.join("\n"));
    });

  // ---- magics, globals, compiler ----

  const context: ContextHost = {
    signal: runner.signal,
    cooperate: runner.cooperate,
    show: (bundle, displayId, update) => {
      showBundle(bundle, { update, ...(displayId === undefined ? {} : { displayId }) });
    },
    setTimer: unwrapped.setTimeout,
  };
  const plugins = createPlugins(automatic, {
    importModule: modules.import,
    addGlobal: (name, value, type) => {
      state.addGlobal(name, value, `declare const ${name}: ${type};`);
    },
    host: { cwd: folder, note, run: (work) => withContext(context, work) },
    log,
  });
  for (const magic of createBuiltins({ plugins, variables: state.variables, reset: state.reset })) plugins.add(magic);
  const prompt = createPrompt(
    shared,
    mailbox,
    () => execution?.content.allow_stdin !== false,
    (text, password) => {
      tell({ type: "input", request: currentRequest(), prompt: text, password });
    },
  );
  addGlobals({ state, plugins, context, display: displays.display, prompt });

  const compiler = createCompiler(packageRoot);
  const language: LanguageHost = {
    converter: compiler.converter,
    plugins,
    declarations: state.declarations,
    names: { isMagic: plugins.isMagic, isVariable: state.has },
    typeOf: (name, args) => plugins.find(name)?.returnType?.(args) ?? "any",
  };
  const host: ExecuteHost = {
    state,
    compiler,
    runner,
    modules,
    errors,
    language,
    context,
    displays,
    showResult: (content) => {
      publish("execute_result", content);
    },
  };

  // ---- tasks ----

  /** Reads the types that are in force, so that the next cell need not. */
  const readTypes = (): void => {
    compiler.compile(applyEdits("0", []), "0", state.declarations(), state);
  };
  readTypes();
  let idle: NodeJS.Timeout | undefined;
  const loadPluginsWhenIdle = (): void => {
    clearTimeout(idle);
    idle = unwrapped.setTimeout(() => {
      if (!plugins.isWaiting()) return;
      runner.setPhase(phases.compiling);
      void plugins.loadFor().then(() => {
        readTypes();
        runner.setPhase(phases.idle);
      });
    }, idleBeforePlugins);
  };
  loadPluginsWhenIdle();

  /** Work of the kernel itself: never stopped by force; a failure is logged and answered with `otherwise`. */
  const serve = async <T>(work: () => T | Promise<T>, otherwise: T): Promise<T> => {
    runner.setPhase(phases.compiling);
    try {
      return await work();
    } catch (error) {
      log((error as Error).stack ?? String(error));
      return otherwise;
    } finally {
      runner.setPhase(phases.idle);
    }
  };
  const answer = async (task: Task): Promise<ToWire> => {
    const { request } = task;
    switch (task.type) {
      case "execute":
        execution = task;
        if (task.content.silent === true) silent.add(request);
        return { type: "done", request, task: "execute", content: await execute(task, host) };
      case "complete": {
        const { cursor_pos: at } = task.content;
        const none = { status: "ok", matches: [], cursor_start: at, cursor_end: at, metadata: {} } as const;
        const content = await serve(() => complete(task.content, language), { ...none, matches: [] });
        return { type: "done", request, task: "complete", content };
      }
      case "inspect": {
        const nothing = { status: "ok", found: false, data: {}, metadata: {} } as const;
        const content = await serve(() => inspect(task.content, language), nothing);
        return { type: "done", request, task: "inspect", content };
      }
      case "isComplete": {
        const content = await serve(() => isComplete(task.content.code), { status: "unknown" });
        return { type: "done", request, task: "isComplete", content };
      }
    }
  };
  return {
    interrupt: runner.interrupt,
    async run(task) {
      clearTimeout(idle);
      tell(await answer(task));
      loadPluginsWhenIdle();
    },
  };
}
