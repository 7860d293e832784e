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
import type { RequestNumber } from "../wire/link.js";

/** Node's own timers, for the kernel's use: never attributed to a cell, never cancelled. */
export const unwrapped = {
  setImmediate: globalThis.setImmediate,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
};

/** The running cell, or 0. */
let running: RequestNumber = 0;
let current: RequestNumber = 0;
const cancelled = new Set<RequestNumber>();

/** The request that output written now belongs to; after a cell has ended, still that cell. */
export function currentRequest(): RequestNumber {
  return current;
}

export function enterCell(request: RequestNumber): void {
  running = request;
  current = request;
}

export function leaveCell(): void {
  running = 0;
}

/** The timers of an interrupted cell do not fire any more: a loop of `await sleep()` ends there. */
export function cancelTimers(request: RequestNumber): void {
  cancelled.add(request);
}

type Callback = (...args: unknown[]) => void;

function belongingTo(request: RequestNumber, callback: Callback, cancel?: () => void): Callback {
  return function (this: unknown, ...args) {
    if (cancelled.has(request)) {
      cancel?.();
      return;
    }
    if (current !== request) {
      const before = current;
      current = request;
      unwrapped.setImmediate(() => {
        if (current === request) current = running === 0 ? before : running;
      });
    }
    callback.apply(this, args);
  };
}

/** Wraps the global timers and those of node:timers and node:timers/promises. */
export function wrapTimers(): void {
  const { setTimeout, setInterval, setImmediate, clearInterval } = globalThis;
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
