/** Promises of what happens next, e.g. `await slider.change()`: settled from outside, given up when the waiting cell is interrupted. */

export interface Waiters<Value> {
  next: () => Promise<Value>;
  settle: (value: Value) => void;
  fail: (error: Error) => void;
}

/** @param cellSignal the signal of the running cell, if the caller belongs to it */
export function createWaiters<Value>(cellSignal: () => AbortSignal | undefined): Waiters<Value> {
  let waiting = new Set<{ resolve: (value: Value) => void; reject: (error: Error) => void }>();
  const takeAll = (): typeof waiting => {
    const all = waiting;
    waiting = new Set();
    return all;
  };
  return {
    next: () =>
      new Promise((resolve, reject) => {
        const signal = cellSignal();
        signal?.throwIfAborted();
        const aborted = (): void => {
          waiting.delete(waiter);
          reject(signal?.reason as Error);
        };
        const finish =
          <T>(settle: (value: T) => void) =>
          (value: T): void => {
            signal?.removeEventListener("abort", aborted);
            settle(value);
          };
        const waiter = { resolve: finish(resolve), reject: finish(reject) };
        waiting.add(waiter);
        signal?.addEventListener("abort", aborted, { once: true });
      }),
    settle(value) {
      for (const { resolve } of takeAll()) resolve(value);
    },
    fail(error) {
      for (const { reject } of takeAll()) reject(error);
    },
  };
}
