/** JavaScript ahead of the engine: the next ops are prepared while TensorFlow computes. Other engines, one thread and GPUs just run. */
import type { NativeOps } from "./native/ops.js";
import { nativeOps } from "./start.js";

type Queue = NativeOps["queue"];

/** Runs `work` ahead of the engine, then waits: what it returns is computed, and what failed in it is thrown here. */
export function ahead<T>(work: () => T, queue: Queue | undefined = nativeOps()?.queue): T {
  if (queue === undefined) return work();
  try {
    const made = queue.queued(work);
    queue.settle();
    return made;
  } catch (error) {
    queue.giveUp();
    throw error;
  }
}

/** JavaScript looks how far the engine is about so often, in milliseconds: each look costs a turn of threads. */
const often = 50;
/** The most parts between two looks. */
const mostParts = 16;

/**
 * The same for work in parts: JavaScript is ahead by as many parts as the engine computes in about a tenth of a second, or by two, so that
 * an end (`return()`) comes soon. At the end everything is computed; where the work itself must wait for that, it calls `settle`.
 */
export function* partsAhead<T>(
  parts: Generator<void, T>,
  queue: Queue | undefined = nativeOps()?.queue,
): Generator<void, T> {
  if (queue === undefined) return yield* parts;
  let behind = (): void => undefined;
  let complete = false;
  let [stride, since, looked] = [1, 0, performance.now()];
  try {
    for (;;) {
      const next = queue.queued(() => parts.next());
      if (next.done === true || ++since >= stride) {
        const [before, mark] = [behind, queue.mark()];
        behind = mark;
        before();
        const now = performance.now();
        stride = now - looked < often ? Math.min(2 * stride, mostParts) : Math.max(1, Math.floor(stride / 2));
        [since, looked] = [0, now];
      }
      if (next.done === true) {
        behind();
        complete = true;
        return next.value;
      }
      yield;
    }
  } finally {
    if (!complete) {
      queue.giveUp();
      parts.return(undefined as never); // its `finally` frees what it holds
      forget(behind);
    }
  }
}

/** Frees a mark, whatever failed before it. */
function forget(mark: () => void): void {
  try {
    mark();
  } catch {
    // the first failure is on its way already
  }
}

/** Waits until everything is computed that was called for, and throws what failed in it. */
export function settle(): void {
  nativeOps()?.queue.settle();
}
