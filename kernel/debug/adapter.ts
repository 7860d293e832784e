/**
 * The debug adapter: JupyterLab's debugger (the Debug Adapter Protocol and Jupyter's own requests) on the Node inspector of
 * the main thread. It lives in the wire thread, since the main thread stands still at a breakpoint.
 *
 * A cell has a name for JupyterLab, a path made of the hash of its source, and one for Node, `[cell 3]`; a cell that ran
 * twice has two of the latter. Before a cell runs, the main thread tells where its compiled code stands in the cell and waits
 * until the breakpoints are set.
 */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Debugger, Runtime } from "node:inspector";
import { product } from "../product.js";
import { murmur2 } from "./hash.js";
import { hooksKey } from "./hooksKey.js";
import { connectInspector, type Inspector } from "./inspector.js";
import { toCell, toCompiled, type Position, type PositionTable } from "./positions.js";
import {
  DebugError,
  type Breakpoint,
  type DebugEvent,
  type DebugRequest,
  type DebugResponse,
  type Source,
  type StackFrame,
} from "./protocol.js";
import { createVariables } from "./variables.js";

/** Code that runs in the main thread: a cell or a file beside the notebook. */
export interface Script {
  /** The name in Node's stack frames: `[cell 3]`, or the file's path. */
  name: string;
  /** The source as the user wrote it. */
  source: string;
  positions: PositionTable;
}

export interface Adapter {
  /** Never rejects: what goes wrong is in the response. */
  handle: (request: DebugRequest) => Promise<DebugResponse>;
  /** Code that will run; resolves once its breakpoints are set. */
  addScript: (script: Script) => Promise<void>;
  /** The user interrupts: code that stands still goes on, to be stopped; expressions are not waited for any more. */
  interrupt: () => void;
  close: () => void;
}

export interface AdapterHost {
  emit: (event: DebugEvent) => void;
  /** The debugger was attached or detached: the main thread tells its scripts while it is attached. */
  attached: (attached: boolean) => void;
}

const hashSeed = 0x5bd1e995;
const threadId = 1;
/** How long an expression of the debugger's may run without a pause (ms): V8 reads no command, and no interrupt, meanwhile. */
const spinLimit = 3000;
/** How long the promise of an expression is waited for (ms); then it is shown as it is. */
const promiseLimit = 10_000;
/** What the answer lists. JupyterLab reads these lists also where a request failed, e.g. because the program went on meanwhile. */
const lists: Record<string, string> = {
  setBreakpoints: "breakpoints",
  stackTrace: "stackFrames",
  scopes: "scopes",
  variables: "variables",
  inspectVariables: "variables",
};
const prefix = path.join(tmpdir(), `${product.kernelName}_${process.pid}`) + path.sep;
const suffix = ".ts";
const hooks = `globalThis[Symbol.for(${JSON.stringify(hooksKey)})]`;

/** Code that is not the user's: Node's own, packages, and the kernel with its library. */
const packageBuild = path.resolve(__dirname, "..", "..");
const foreign = ["^node:", "/node_modules/", `^(file://)?${escapePattern(packageBuild)}/(kernel|src)/`];

interface Frame extends StackFrame {
  callFrame: Debugger.CallFrame;
}

interface Paused {
  reason: "breakpoint" | "step" | "pause" | "exception";
  text?: string;
  frames: Frame[];
}

/** The path that stands for a cell in the debugger. */
export function cellPath(source: string): string {
  return `${prefix}${murmur2(source, hashSeed)}${suffix}`;
}

export function createAdapter(host: AdapterHost): Adapter {
  let inspector: Inspector | undefined;
  let paused: Paused | undefined;
  let stepping = false;
  let withTypes = true;
  let sequence = 0;
  let lastFrame = 0;
  const scripts = new Map<string, Script & { path: string }>();
  /** Of all scripts that Node has parsed: their URLs by id. */
  const urls = new Map<string, string>();
  /** Cells that the front end named, which may never have run. */
  const dumped = new Map<string, string>();
  const wanted = new Map<string, { line: number }[]>();
  const bound = new Map<string, string[]>();
  const frames = new Map<number, Frame>();

  const connected = (): Inspector => {
    if (inspector === undefined) throw new DebugError("the debugger is not attached: send initialize first");
    return inspector;
  };
  const variables = createVariables(connected, () => withTypes);
  const emit = (event: string, body: object = {}): void => {
    host.emit({ seq: ++sequence, type: "event", event, body });
  };

  // ---- where things are ----

  /** The script of a place in compiled code, when it is a cell or a file beside the notebook. */
  const scriptOf = (scriptId: string): (Script & { path: string }) | undefined => {
    const url = urls.get(scriptId) ?? "";
    return scripts.get(url) ?? scripts.get(filePath(url));
  };
  /** The place as the user knows it; undefined for the kernel's own code, and for what the kernel puts around a cell. */
  const placeOf = (scriptId: string, line: number, column: number): { source: Source; at: Position } | undefined => {
    const script = scriptOf(scriptId);
    if (script === undefined) return undefined;
    const at = toCell(script.positions, line, column);
    return at === undefined ? undefined : { source: sourceOf(script.path), at };
  };
  const sourceOf = (file: string): Source => {
    const cell = [...scripts.values()].findLast((script) => script.path === file && script.name.startsWith("["));
    return { name: cell?.name ?? path.basename(file), path: file };
  };

  // ---- breakpoints ----

  const clearBound = async (file: string): Promise<void> => {
    const ids = bound.get(file) ?? [];
    bound.delete(file);
    for (const breakpointId of ids) await connected().send("Debugger.removeBreakpoint", { breakpointId });
  };
  /** Sets the wanted breakpoints of a path in one script. */
  const bind = async (script: Script & { path: string }): Promise<void> => {
    for (const breakpoint of wanted.get(script.path) ?? []) {
      const place = toCompiled(script.positions, breakpoint.line - 1);
      if (place === undefined) continue;
      const urlRegex = `^(${[script.name, pathToFileURL(script.name).href].map(escapePattern).join("|")})$`;
      const { breakpointId } = await connected().send<Debugger.SetBreakpointByUrlReturnType>(
        "Debugger.setBreakpointByUrl",
        { urlRegex, lineNumber: place.line, columnNumber: place.column },
      );
      bound.set(script.path, [...(bound.get(script.path) ?? []), breakpointId]);
    }
  };
  const setBreakpoints = async (file: string, lines: number[]): Promise<Breakpoint[]> => {
    const known = [...scripts.values()].filter((script) => script.path === file);
    const isCell = file.startsWith(prefix) && file.endsWith(suffix);
    if (known.length === 0 && !isCell)
      throw new DebugError(
        `there is no source ${file}: breakpoints can be set in cells, and in files beside the notebook that a cell has imported`,
      );
    await clearBound(file);
    wanted.set(
      file,
      lines.map((line) => ({ line })),
    );
    // V8 knows one breakpoint at a place: two lines without code may mean the same.
    for (const script of known) await bind(script);
    const newest = known.at(-1);
    const last = (newest?.source ?? dumped.get(file))?.split("\n").length ?? Infinity;
    return lines.map((line) => {
      // A cell that never ran is not compiled: its line is taken as it is.
      const place = newest === undefined ? undefined : toCompiled(newest.positions, line - 1);
      const verified = newest === undefined ? line <= last : place !== undefined;
      return { verified, line: place === undefined ? line : place.cellLine + 1, source: { path: file } };
    });
  };

  // ---- pausing and going on ----

  const framesOf = (callFrames: Debugger.CallFrame[]): Frame[] => {
    const found = callFrames.flatMap((callFrame): Frame[] => {
      const { functionName, location } = callFrame;
      const place = placeOf(location.scriptId, location.lineNumber, location.columnNumber ?? 0);
      if (place === undefined) return [];
      const { source, at } = place;
      const name =
        functionName !== "" ? functionName : isFrameOfCell(callFrame) ? (source.name ?? "cell") : "(anonymous)";
      return [{ id: ++lastFrame, name, source, line: at.line + 1, column: at.column + 1, callFrame }];
    });
    for (const frame of found) frames.set(frame.id, frame);
    return found;
  };
  const forgetPause = (): void => {
    paused = undefined;
    frames.clear();
    variables.clear();
  };
  const onPaused = (event: Debugger.PausedEventDataType): void => {
    const found = framesOf(event.callFrames);
    const top = event.callFrames[0]?.location;
    const inUserCode = top !== undefined && placeOf(top.scriptId, top.lineNumber, top.columnNumber ?? 0) !== undefined;
    const isException = event.reason === "exception" || event.reason === "promiseRejection";
    if (!inUserCode) {
      // A step that left the user's code: out of a package back to the cell, or the end of the cell.
      if (stepping && found.length > 0) void go("Debugger.stepOut", true);
      else {
        if (stepping) emit("continued", { threadId, allThreadsContinued: true });
        void go("Debugger.resume", false);
      }
      return;
    }
    const reason = isException
      ? "exception"
      : (event.hitBreakpoints ?? []).length > 0 || !(stepping || event.reason === "ambiguous" || pausing)
        ? "breakpoint"
        : pausing
          ? "pause"
          : "step";
    const data = (event.data ?? {}) as { description?: string; value?: unknown };
    const text = isException ? (data.description ?? String(data.value)).split("\n")[0] : undefined;
    stepping = pausing = false;
    paused = { reason, frames: found, ...(text === undefined ? {} : { text }) };
    onStop?.();
    emit("stopped", {
      reason,
      threadId,
      allThreadsStopped: true,
      ...(text === undefined ? {} : { text, description: text }),
    });
  };
  let pausing = false;
  const go = async (method: string, step: boolean): Promise<void> => {
    stepping = step;
    forgetPause();
    await connected().send(method);
  };
  const goOn = async (method: string, step: boolean): Promise<void> => {
    if (paused === undefined) throw new DebugError("nothing stands still: there is nothing to go on with");
    await go(method, step);
  };

  // ---- frames and values ----

  const frameOf = (id: unknown): Frame => {
    const frame = frames.get(id as number);
    if (frame === undefined) throw new DebugError(`there is no frame ${String(id)}: the program has gone on since`);
    return frame;
  };
  /** The names of a frame that are the user's: not the arguments that the kernel gives a cell. */
  const isKernelName = (name: string): boolean => ["exports", "require", "$import", "$meta", "$m"].includes(name);
  const objectsOf = ({ callFrame }: Frame): { own: string[]; outer: string[]; inCell: boolean } => {
    const own: string[] = [];
    const outer: string[] = [];
    let left = false;
    for (const { type, object } of callFrame.scopeChain) {
      if (object.objectId === undefined || type === "global") continue;
      (left ? outer : own).push(object.objectId);
      if (type === "local") left = true;
    }
    const inCell = isFrameOfCell(callFrame);
    return { own, outer, inCell };
  };
  /** Whether a frame is the function that the kernel puts around a cell. */
  const isFrameOfCell = ({ functionName, functionLocation }: Debugger.CallFrame): boolean =>
    functionName === "" &&
    functionLocation !== undefined &&
    functionLocation.lineNumber === 0 &&
    (functionLocation.columnNumber ?? 0) <= 0 &&
    scriptOf(functionLocation.scriptId)?.name.startsWith("[") === true;
  const sessionObject = async (): Promise<string> => {
    const { result } = await run(`${hooks}.variables()`);
    return result.objectId ?? "";
  };
  const run = async (expression: string, more: object = {}): Promise<Runtime.EvaluateReturnType> =>
    checked(
      await untilStopped(
        connected().send<Runtime.EvaluateReturnType>("Runtime.evaluate", {
          expression,
          silent: true,
          disableBreaks: true,
          generatePreview: true,
          timeout: spinLimit,
          ...more,
        }),
      ),
    );
  /** What ends the waiting for an expression. */
  const waits = new Set<(reason: string) => void>();
  const stopWaiting = (reason: string): void => {
    for (const stop of waits) stop(reason);
  };
  /** Fails when an interrupt or the end of the debugging comes first. */
  const untilStopped = <T>(work: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const stop = (reason: string): void => {
        waits.delete(stop);
        reject(new DebugError(reason));
      };
      waits.add(stop);
      work
        .then(resolve, (error: unknown) => {
          const stopped = (error as Error).message.includes("Execution was terminated");
          reject(stopped ? new DebugError(`stopped after ${spinLimit / 1000} s without a pause`) : (error as Error));
        })
        .finally(() => waits.delete(stop));
    });
  /** Called when the program stops: promises do not go on then. */
  let onStop: (() => void) | undefined;
  /** A promise's value, for which the other requests of the debugger wait; after some time, or at a breakpoint, the promise itself. */
  const settled = async (
    answer: Runtime.EvaluateReturnType,
    more: object = {},
  ): Promise<Runtime.EvaluateReturnType> => {
    const { objectId, subtype } = answer.result;
    if (paused !== undefined || objectId === undefined || subtype !== "promise") return answer;
    let timer: NodeJS.Timeout | undefined;
    const pending = new Promise<Runtime.EvaluateReturnType>((resolve) => {
      onStop = () => {
        resolve(answer);
      };
      timer = setTimeout(onStop, promiseLimit);
    });
    const value = connected().send<Runtime.AwaitPromiseReturnType>("Runtime.awaitPromise", {
      promiseObjectId: objectId,
      generatePreview: true,
      ...more,
    });
    try {
      return checked(await untilStopped(Promise.race([value, pending])));
    } finally {
      clearTimeout(timer);
      onStop = undefined;
    }
  };
  const evaluate = async (
    code: string,
    frameId: unknown,
    wrap = (js: string): string => js,
  ): Promise<Runtime.EvaluateReturnType> => {
    const frame = frameId === undefined || frameId === null ? paused?.frames[0] : frameOf(frameId);
    const callFrame = frame?.callFrame;
    const { own, outer } = frame === undefined ? { own: [], outer: [] } : objectsOf(frame);
    const locals = (await variables.names([...own, ...outer])).filter((name) => !isKernelName(name));
    const translation = await run(`${hooks}.translate(${JSON.stringify(code)}, ${JSON.stringify(locals)})`, {
      returnByValue: true,
    });
    const js = wrap(String(translation.result.value));
    if (callFrame === undefined) return settled(await run(js));
    return checked(
      await untilStopped(
        connected().send<Debugger.EvaluateOnCallFrameReturnType>("Debugger.evaluateOnCallFrame", {
          callFrameId: callFrame.callFrameId,
          expression: js,
          silent: true,
          generatePreview: true,
          timeout: spinLimit,
        }),
      ),
    );
  };

  // ---- requests ----

  const attach = async (): Promise<void> => {
    if (inspector !== undefined) return;
    const connection = connectInspector((method, parameters) => {
      switch (method) {
        case "Debugger.scriptParsed": {
          const { scriptId, url } = parameters as Debugger.ScriptParsedEventDataType;
          urls.set(scriptId, url);
          break;
        }
        case "Debugger.paused":
          onPaused(parameters as Debugger.PausedEventDataType);
          break;
        case "Debugger.resumed":
          if (paused === undefined) break;
          forgetPause();
          emit("continued", { threadId, allThreadsContinued: true });
          break;
      }
    });
    inspector = connection;
    try {
      await connection.send("Runtime.enable");
      await connection.send("Debugger.enable");
      // Not Debugger.setAsyncCallStackDepth: Node's async_hooks would be on, and an interrupt by force abort the process.
      await connection.send("Debugger.setBlackboxPatterns", { patterns: foreign });
    } catch (error) {
      detach();
      throw error;
    }
    host.attached(true);
    for (const script of scripts.values()) await bind(script);
  };
  const detach = (): void => {
    if (inspector === undefined) return;
    stopWaiting("the debugger was detached meanwhile");
    host.attached(false);
    inspector.disconnect();
    inspector = undefined;
    stepping = pausing = false;
    forgetPause();
    bound.clear();
    urls.clear();
  };

  const readSource = async (file: string): Promise<string> => {
    const known = [...scripts.values()].findLast((script) => script.path === file)?.source ?? dumped.get(file);
    if (known !== undefined) return known;
    const [scriptId] = [...urls].find(([, url]) => filePath(url) === file) ?? [];
    if (scriptId === undefined) throw new DebugError(`there is no source ${file}`);
    const { scriptSource } = await connected().send<Debugger.GetScriptSourceReturnType>("Debugger.getScriptSource", {
      scriptId,
    });
    return scriptSource;
  };

  const commands: Record<string, (given: Record<string, unknown>) => object | Promise<object>> = {
    /**
     * Attaches already: JupyterLab asks for `debugInfo` between its `initialize` and its `attach` (whenever the kernel's state changes), and
     * where the answer is "not started" then, it sends no breakpoints until the debugger is switched off and on. ipykernel's starts here too.
     */
    async initialize({ clientID }) {
      withTypes = clientID !== "jupyterlab";
      await attach();
      setImmediate(() => {
        emit("initialized");
      });
      return {
        supportsConfigurationDoneRequest: true,
        supportsEvaluateForHovers: true,
        supportsModulesRequest: true,
        exceptionBreakpointFilters: [
          { filter: "uncaught", label: "Uncaught exceptions", default: false },
          { filter: "raised", label: "All exceptions", default: false },
        ],
      };
    },
    attach: async () => {
      await attach();
      return {};
    },
    configurationDone: () => ({}),
    disconnect() {
      detach();
      wanted.clear();
      return {};
    },
    debugInfo: () => ({
      isStarted: inspector !== undefined,
      hashMethod: "Murmur2",
      hashSeed,
      tmpFilePrefix: prefix,
      tmpFileSuffix: suffix,
      breakpoints: [...wanted]
        .filter(([, list]) => list.length > 0)
        .map(([source, list]) => ({
          source,
          breakpoints: list.map(({ line }) => ({ line, verified: true, source: { path: source } })),
        })),
      stoppedThreads: paused === undefined ? [] : [threadId],
      richRendering: true,
      exceptionPaths: [],
      copyToGlobals: true,
    }),
    dumpCell({ code }) {
      const source = text(code, "code");
      const sourcePath = cellPath(source);
      dumped.set(sourcePath, source);
      return { sourcePath };
    },
    async setBreakpoints({ source, breakpoints = [], lines }) {
      const file = text((source as Source | undefined)?.path, "source.path");
      const given = Array.isArray(breakpoints) && lines === undefined ? (breakpoints as { line: unknown }[]) : [];
      const numbers = (lines as unknown[] | undefined) ?? given.map(({ line }) => line);
      for (const line of numbers)
        if (!Number.isInteger(line) || (line as number) < 1)
          throw new DebugError(`a breakpoint's line must be a whole number from 1, got ${JSON.stringify(line)}`);
      connected();
      return { breakpoints: await setBreakpoints(file, numbers as number[]) };
    },
    async setExceptionBreakpoints({ filters = [] }) {
      const wrong = (filters as unknown[]).find((filter) => filter !== "raised" && filter !== "uncaught");
      if (wrong !== undefined)
        throw new DebugError(`there is no exception filter ${JSON.stringify(wrong)}: give "uncaught" or "raised"`);
      const chosen = filters as string[];
      const state = chosen.includes("raised") ? "all" : chosen.includes("uncaught") ? "uncaught" : "none";
      await connected().send("Debugger.setPauseOnExceptions", { state });
      return {};
    },
    threads: () => ({ threads: [{ id: threadId, name: "cells" }] }),
    stackTrace({ startFrame = 0, levels }) {
      const all = (paused?.frames ?? []).map(({ id, name, source, line, column }) => ({
        id,
        name,
        source,
        line,
        column,
      }));
      const count = typeof levels === "number" && levels > 0 ? levels : all.length;
      return { stackFrames: all.slice(startFrame as number, (startFrame as number) + count), totalFrames: all.length };
    },
    async scopes({ frameId }) {
      const frame = frameOf(frameId);
      const { own, outer, inCell } = objectsOf(frame);
      const session = await sessionObject();
      const scope = (name: string, objects: string[]) => ({
        name,
        variablesReference: variables.scope(objects, isKernelName),
        expensive: false,
      });
      // The variables of a cell are those that all cells share.
      if (inCell) return { scopes: [scope("Locals", [...own, session])] };
      const closure = (await variables.names(outer)).some((name) => !isKernelName(name));
      return {
        scopes: [scope("Locals", own), ...(closure ? [scope("Closure", outer)] : []), scope("Globals", [session])],
      };
    },
    async variables({ variablesReference, start, count }) {
      const all = await variables.members(variablesReference as number);
      const from = typeof start === "number" ? start : 0;
      return { variables: typeof count === "number" && count > 0 ? all.slice(from, from + count) : all };
    },
    async inspectVariables() {
      const reference = variables.scope([await sessionObject()]);
      return { variables: await variables.members(reference) };
    },
    async richInspectVariables({ variableName, frameId }) {
      const name = text(variableName, "variableName");
      // How a value shows itself is a promise's value, and promises do not go on while the program stands still.
      if (paused === undefined) {
        const { result } = await evaluate(name, frameId, (js) => `${hooks}.bundle(${js})`);
        if (result.type === "string") return { data: JSON.parse(String(result.value)) as object, metadata: {} };
      }
      const { result } = await evaluate(name, frameId);
      return { data: { "text/plain": variables.describe("", result).value }, metadata: {} };
    },
    async copyToGlobals({ srcVariableName, dstVariableName, srcFrameId }) {
      const [from, to] = [text(srcVariableName, "srcVariableName"), text(dstVariableName, "dstVariableName")];
      if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(to)) throw new DebugError(`"${to}" is no name of a variable`);
      await evaluate(from, srcFrameId, (js) => `${hooks}.define(${JSON.stringify(to)}, ${js})`);
      return {};
    },
    async evaluate({ expression, frameId }) {
      const { result } = await evaluate(text(expression, "expression"), frameId);
      const { value, type, variablesReference } = variables.describe("", result);
      return { result: value, variablesReference, ...(type === undefined ? {} : { type }) };
    },
    async source({ source, sourceReference }) {
      const file = (source as Source | undefined)?.path ?? "";
      if (file === "") throw new DebugError(`there is no source of number ${String(sourceReference)}`);
      return { content: await readSource(file), mimeType: "text/typescript" };
    },
    modules({ startModule = 0, moduleCount }) {
      const files = [...new Set([...urls.values()].map(filePath))]
        .filter(
          (file) =>
            path.isAbsolute(file) && existsSync(file) && !foreign.some((pattern) => new RegExp(pattern).test(file)),
        )
        .sort()
        .map((file) => ({ id: file, name: path.basename(file), path: file }));
      const count = typeof moduleCount === "number" && moduleCount > 0 ? moduleCount : files.length;
      return {
        modules: files.slice(startModule as number, (startModule as number) + count),
        totalModules: files.length,
      };
    },
    continue: async () => {
      await goOn("Debugger.resume", false);
      emit("continued", { threadId, allThreadsContinued: true });
      return { allThreadsContinued: true };
    },
    next: async () => {
      await goOn("Debugger.stepOver", true);
      return {};
    },
    stepIn: async () => {
      await goOn("Debugger.stepInto", true);
      return {};
    },
    stepOut: async () => {
      await goOn("Debugger.stepOut", true);
      return {};
    },
    pause: async () => {
      pausing = true;
      await connected().send("Debugger.pause");
      return {};
    },
  };

  return {
    async handle({ seq, command, arguments: given }) {
      const response = { seq: ++sequence, type: "response", request_seq: seq, command } as const;
      try {
        const act = Object.hasOwn(commands, command) ? commands[command] : undefined;
        if (act === undefined) throw new DebugError(`the debugger has no request "${command}"`);
        return { ...response, success: true, body: await act(given ?? {}) };
      } catch (error) {
        const list = Object.hasOwn(lists, command) ? lists[command] : undefined;
        const body = list === undefined ? {} : { [list]: [] };
        return { ...response, success: false, message: (error as Error).message, body };
      }
    },
    async addScript(script) {
      const known = { ...script, path: script.name.startsWith("[") ? cellPath(script.source) : script.name };
      scripts.set(script.name, known);
      if (inspector !== undefined) await bind(known);
    },
    interrupt() {
      stopWaiting("interrupted");
      if (paused === undefined || inspector === undefined) return;
      const { send } = inspector;
      stepping = pausing = false;
      void send("Runtime.terminateExecution");
      void send("Debugger.resume");
    },
    close: detach,
  };
}

/** What was thrown becomes the request's failure. */
function checked<T extends { exceptionDetails?: Runtime.ExceptionDetails }>(answer: T): T {
  const { exceptionDetails: thrown } = answer;
  if (thrown === undefined) return answer;
  throw new DebugError((thrown.exception?.description ?? thrown.text).split("\n    at ")[0]);
}

function text(value: unknown, name: string): string {
  if (typeof value !== "string") throw new DebugError(`"${name}" must be a text, got ${JSON.stringify(value)}`);
  return value;
}

function filePath(url: string): string {
  if (!url.startsWith("file://")) return url;
  try {
    return decodeURIComponent(new URL(url).pathname);
  } catch {
    return url;
  }
}

function escapePattern(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
