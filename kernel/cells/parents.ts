/**
 * Which cell the code that runs now belongs to, so that late output (timers, promises) is shown under the cell that caused it,
 * and so that an interrupted cell's timers stop firing.
 *
 * Timers are wrapped; what follows a timer's callback in promises belongs to it until the event loop turns. AsyncLocalStorage
 * would be exact, but on Node 20 a forced interrupt would then abort the process.
 */
import timers from "node:timers";
import timersPromises from "node:timers/promises";
import util from "node:util";
import { promiseHooks } from "node:v8";
import type { RequestNumber } from "../wire/link.js";
import { setImmediate } from "./immediates.js";

/** Node's own timers, for the kernel's use: never attributed to a cell, never cancelled. */
export const unwrapped = {
  setImmediate,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
};

/** The cells that run, in the order of their start: more than one where there are subshells. */
const running: RequestNumber[] = [];
/** The cell that started last. */
let latest: RequestNumber = 0;
let current: RequestNumber = 0;
const cancelled = new Set<RequestNumber>();

/** The request that output written now belongs to; after a cell has ended, still that cell. */
export function currentRequest(): RequestNumber {
  return current;
}

export function enterCell(request: RequestNumber): void {
  if (running.length === 1) followPromises(running[0]!);
  running.push(request);
  latest = request;
  current = request;
}

export function leaveCell(request: RequestNumber): void {
  const place = running.indexOf(request);
  if (place >= 0) running.splice(place, 1);
  if (running.length === 1) stopFollowing();
}

let stopHook: (() => void) | undefined;

/**
 * While two cells run, the code behind an await must be told apart: each promise remembers whose code made it. V8's own hooks
 * do not mind a forced termination, as those of async_hooks do.
 * @param before whose the promises are that were made before
 */
function followPromises(before: RequestNumber): void {
  const owners = new WeakMap<Promise<unknown>, RequestNumber>();
  stopHook = promiseHooks.createHook({
    init: (promise) => owners.set(promise, current),
    before: (promise) => {
      current = owners.get(promise) ?? before;
    },
  }) as () => void;
}

function stopFollowing(): void {
  stopHook?.();
  stopHook = undefined;
  current = running[0] ?? current;
}

/** Whether the code that runs now belongs to a cell that runs. */
export function inRunningCell(): boolean {
  return running.includes(current);
}

/** Runs work that ends at once in the name of another request. */
export function inNameOf(request: RequestNumber, work: () => void): void {
  const before = current;
  current = request;
  try {
    work();
  } finally {
    if (current === request) current = before; // else that of a handler, until the event loop turns
  }
}

/**
 * Binds a handler, e.g. a widget's, to the cell that registers it now: what it does later stands under that cell. While
 * another cell runs, what the handler does after its first await stands under that one: the promises that the running cell
 * waits for go on at the same time.
 */
export function attributed<A extends unknown[]>(handler: (...values: A) => void): (...values: A) => void {
  const request = current;
  return (...values) => {
    if (running.length === 0) become(request);
    inNameOf(request, () => {
      handler(...values);
    });
  };
}

/** The timers of an interrupted cell do not fire any more: a loop of `await sleep()` ends there. */
export function cancelTimers(request: RequestNumber): void {
  cancelled.add(request);
}

type Callback = (...args: unknown[]) => void;

/** What runs from here on until the event loop turns belongs to the request. */
function become(request: RequestNumber): void {
  if (current === request) return;
  current = request;
  unwrapped.setImmediate(() => {
    if (current === request) current = running.at(-1) ?? latest;
  });
}

function belongingTo(request: RequestNumber, callback: Callback, cancel?: () => void): Callback {
  return function (this: unknown, ...args) {
    if (cancelled.has(request)) {
      cancel?.();
      return;
    }
    if (running.length === 0) {
      late.begin();
      unwrapped.setImmediate(late.end);
    }
    become(request);
    callback.apply(this, args);
  };
}

/** Called around the callbacks of cells that have ended. */
let late = { begin: (): void => undefined, end: (): void => undefined };

/** Wraps the global timers and those of node:timers and node:timers/promises. */
export function wrapTimers(around: typeof late): void {
  late = around;
  const { setTimeout, setInterval, clearInterval } = globalThis;
  const wrapped = {
    setTimeout: (callback: Callback, ms?: number, ...args: unknown[]) =>
      setTimeout(belongingTo(current, callback), ms, ...args),
    setInterval: (callback: Callback, ms?: number, ...args: unknown[]) => {
      const timer: NodeJS.Timeout = setInterval(
        belongingTo(current, callback, () => {
          clearInterval(timer);
        }),
        ms,
        ...args,
      );
      return timer;
    },
    setImmediate: (callback: Callback, ...args: unknown[]) => setImmediate(belongingTo(current, callback), ...args),
  };
  type Waiting = { signal?: AbortSignal } | undefined;
  const promised =
    (start: (resolve: () => void) => { [Symbol.dispose]?: () => void }, cancel: (timer: never) => void) =>
    <T>(value: T, options: Waiting): Promise<T> =>
      new Promise((resolve, reject) => {
        const signal = options?.signal;
        const aborted = (): void => {
          cancel(timer as never);
          reject(Object.assign(new Error("The operation was aborted"), { name: "AbortError", code: "ABORT_ERR" }));
        };
        const timer = start(() => {
          signal?.removeEventListener("abort", aborted);
          resolve(value);
        });
        if (signal?.aborted === true) aborted();
        else signal?.addEventListener("abort", aborted, { once: true });
      });
  const promises = {
    setTimeout: <T>(ms?: number, value?: T, options?: Waiting) =>
      promised((resolve) => wrapped.setTimeout(resolve, ms), clearTimeout)(value, options),
    setImmediate: <T>(value?: T, options?: Waiting) =>
      promised((resolve) => wrapped.setImmediate(resolve), clearImmediate)(value, options),
  };
  Object.assign(wrapped.setTimeout, { [util.promisify.custom]: promises.setTimeout });
  Object.assign(wrapped.setImmediate, { [util.promisify.custom]: promises.setImmediate });
  Object.assign(globalThis, wrapped);
  Object.assign(timers, wrapped);
  Object.assign(timersPromises, promises);
}
