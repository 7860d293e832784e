/** The main thread's side of a session: puts together what cells need, and does the wire thread's tasks one by one. */
import type { MessagePort } from "node:worker_threads";
import { exit } from "../exit.js";
import { complete, type LanguageHost } from "../language/complete.js";
import { inspect } from "../language/inspect.js";
import { isComplete } from "../language/isComplete.js";
import { createBuiltins } from "../magics/builtins.js";
import { withContext, type ContextHost } from "../magics/context.js";
import type { HistoryEntry } from "../magics/history.js";
import { createPlugins, type AutoPlugin } from "../magics/plugins.js";
import { phases, slots, type RequestNumber, type Task, type ToMain, type ToWire } from "../wire/link.js";
import { log } from "../wire/log.js";
import { createCaptures } from "./capture.js";
import { createCompiler } from "./compile.js";
import { addDisplayRule, createDisplay, type DisplayOptions, type MimeBundle } from "./display.js";
import { applyEdits } from "./edits.js";
import { createCellErrors, createInterrupted } from "./errors.js";
import { execute, type ExecuteHost, type ExecuteTask } from "./execute.js";
import { addGlobals } from "./globals.js";
import { mendImmediates } from "./immediates.js";
import { keepListeners } from "./listeners.js";
import { createModules } from "./modules.js";
import { captureOutput } from "./output.js";
import { attributed, currentRequest, inNameOf, inRunningCell, unwrapped, wrapTimers } from "./parents.js";
import { createPrompt } from "./prompt.js";
import { createRunner } from "./run.js";
import { createState } from "./state.js";
import { installHooks } from "../debug/hooks.js";
import { createDebugScripts } from "../debug/scripts.js";
import { createWidgets } from "../widgets/index.js";

export interface Session {
  /** Deals with a comm message of the page, also while a cell runs. Never throws. */
  comm: (message: ToMain & { type: "comm" }) => void;
  /** What the debugger says. */
  debug: (message: ToMain & { type: "debugAttached" | "scriptReady" }) => void;
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
  const scripts = createDebugScripts(
    () => Atomics.load(shared, slots.debugging) !== 0,
    (script) => {
      tell({ type: "script", script });
    },
  );
  const errors = createCellErrors(scripts.add);
  const runner = createRunner(shared, (request) => {
    tell({ type: "started", request });
  });
  installHooks(state, runner.late);
  const modules = createModules(folder, packageRoot, errors);
  /** The cells that are being executed. */
  const executing = new Map<RequestNumber, ExecuteTask>();

  // ---- outputs ----

  /** Requests that must not show anything. */
  const silent = new Set<RequestNumber>();
  const captures = createCaptures({
    stream: (name, text) => process[name].write(text),
    bundle: (data, metadata) => {
      showBundle(data, { metadata });
    },
  });
  captureOutput((request, name, text) => {
    if (silent.has(request)) return;
    const mapped = errors.mapText(text);
    if (!captures.stream(request, name, mapped)) tell({ type: "stream", request, name, text: mapped });
  });
  wrapTimers(runner.late);
  const publish = (
    message: (ToWire & { type: "iopub" })["message"],
    content: object,
    request: RequestNumber = currentRequest(),
  ): void => {
    if (!silent.has(request) && !captures.output(request, message, content))
      tell({ type: "iopub", request, message, content });
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
    process.on(event, (error: unknown, promise: unknown) => {
      if (mendImmediates(error) || runner.takeFailure(promise, error)) return;
      note(errors.describe(error).traceback.join("\n"));
    });
  process.exit = (code) => {
    note(`the kernel ends: process.exit(${code === undefined ? "" : String(code)})`);
    return exit(code);
  };
  keepListeners();

  // ---- comms and widgets ----

  const report = (error: unknown): void => {
    note(errors.describe(error).traceback.join("\n"));
  };
  const widgets = createWidgets({
    publish(message, content, { metadata, buffers }) {
      tell({ type: "iopub", request: currentRequest(), message, content, metadata, buffers });
    },
    attribute: (handler) => {
      const bound = attributed((work: () => unknown) => {
        try {
          Promise.resolve(work()).catch(report);
        } catch (error) {
          report(error);
        }
      });
      return (...values) => {
        bound(() => handler(...values));
      };
    },
    answer: inNameOf,
    cellSignal: () => (inRunningCell() ? runner.signal() : undefined),
    report,
  });

  // ---- magics, globals, compiler ----

  const context: ContextHost = {
    signal: () => runner.signal(),
    cooperate: runner.cooperate,
    show: (bundle, displayId, update) => {
      showBundle(bundle, { update, ...(displayId === undefined ? {} : { displayId }) });
    },
    setTimer: unwrapped.setTimeout,
  };
  const plugins = createPlugins(automatic, {
    importModule: modules.import,
    forgetModule: modules.forget,
    addDisplay: addDisplayRule,
    addGlobal: (name, value, type) => {
      state.addGlobal(name, value, `declare const ${name}: ${type};`);
    },
    host: {
      cwd: folder,
      note,
      run: (work) => withContext(context, work),
      widgets: widgets.widgets,
      comms: widgets.comms,
    },
    log,
  });
  const history: HistoryEntry[] = [];
  const builtins = createBuiltins({
    plugins,
    variables: state.variables,
    reset: state.reset,
    history,
    folder,
    packageRoot,
    forgetPackages: () => {
      compiler.types.forgetPackages();
    },
  });
  for (const magic of builtins) plugins.add(magic);
  const prompt = createPrompt(
    shared,
    mailbox,
    () => {
      const cell = executing.get(currentRequest());
      return cell !== undefined && cell.content.allow_stdin !== false;
    },
    () => Atomics.load(shared, slots.interruptedUpTo) >= currentRequest(),
    (text, password) => {
      tell({ type: "input", request: currentRequest(), prompt: text, password });
    },
  );
  addGlobals({ state, plugins, context, display: displays.display, prompt, widgets });

  const compiler = createCompiler(packageRoot);
  const language: LanguageHost = {
    types: compiler.types,
    plugins,
    declarations: state.declarations,
    names: { isMagic: plugins.isMagic, isVariable: state.has },
    typeOf: (name, args) => plugins.find(name)?.returnType?.(args) ?? "any",
    sources: new Map(),
    value: (name) => (state.has(name) ? { value: state.values[name] } : undefined),
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
    captures,
    history,
    folder,
    debugReady: scripts.ready,
    showResult: (request, content) => {
      publish("execute_result", content, request);
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
  runner.setPhase(phases.idle);

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
        executing.set(request, task);
        if (task.content.silent === true) silent.add(request);
        try {
          const ended = await runner.attend(request, () => execute(task, host));
          const content = ended ?? { status: "error" as const, ...errors.describe(createInterrupted()) };
          return { type: "done", request, task: "execute", content };
        } finally {
          executing.delete(request);
        }
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
    debug(message) {
      if (message.type === "debugAttached") scripts.attached();
      else scripts.done(message.name);
    },
    comm(message) {
      // From a fresh stack, so that a handler that is stopped by force unwinds by itself.
      const receive = (): void => {
        unwrapped.setImmediate(() => {
          runner.late.begin();
          try {
            widgets.comms.receive(message);
          } finally {
            runner.late.end();
            tell({ type: "commDone", request: message.request });
          }
        });
      };
      // A plugin that is not loaded yet may be the one that listens.
      const known = message.message !== "comm_open" || widgets.comms.listens(message.content.target_name ?? "");
      if (known || !plugins.isWaiting()) receive();
      else
        void plugins.loadFor().then(() => {
          readTypes();
          receive();
        });
    },
    async run(task) {
      clearTimeout(idle);
      tell(await answer(task));
      loadPluginsWhenIdle();
    },
  };
}
