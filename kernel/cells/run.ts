/**
 * Runs the code of cells and lets it be interrupted.
 *
 * All that is a user's code starts from a fresh stack (setImmediate), so that a forced termination unwinds only that. A cell
 * that waits is stopped by rejecting the promise that the kernel waits for, one that spins by the wire thread's termination.
 * Cells of subshells run while other cells await.
 */
import vm from "node:vm";
import { phases, slots, type RequestNumber } from "../wire/link.js";
import { createInterrupted } from "./errors.js";
import { listenAgain } from "./listeners.js";
import { cancelTimers, currentRequest, enterCell, leaveCell, unwrapped } from "./parents.js";

/** How long work that checks its signal may take to stop by itself, e.g. to write a checkpoint (ms). */
const grace = 15_000;

/** How long an interrupted cell may take to end before it is given up: a termination can catch the kernel's own code (ms). */
const lost = 500;

/** Where the compiled code finds its arguments: a script has no parameters. */
const argumentsKey = Symbol.for("Jupyter.kernel.cellArguments");

export interface Runner {
  /** Runs `async function (exports, require, $import, $meta) { code }`. Rejects with what the cell throws or `Interrupted`. */
  run: (request: RequestNumber, code: string, name: string, cellArguments: unknown[]) => Promise<void>;
  /** Runs other code of the user's that belongs to a cell, e.g. how a result shows itself. */
  guard: <T>(request: RequestNumber, work: () => Promise<T>) => Promise<T>;
  /** Asks all that runs to stop: the signals first, then what is awaited. */
  interrupt: () => void;
  /** The signal of a request; without one, of the code that asks. */
  signal: (request?: RequestNumber) => AbortSignal;
  /** Wraps work that checks the signal: an interrupt waits for it to end by itself. */
  cooperate: <T>(work: () => Promise<T>) => Promise<T>;
  /** Marks for the wire thread that the compiler works (`compiling`), or that it does not any more (`idle`). */
  setPhase: (phase: typeof phases.compiling | typeof phases.idle) => void;
  /** Around a callback of a cell that has ended: it may spin, and is then stopped by force. */
  late: { begin: () => void; end: () => void };
  /** Whether an uncaught exception or an unhandled rejection is the failure of a cell that is debugged, which now fails with it. */
  takeFailure: (promise: unknown, error: unknown) => boolean;
  /**
   * Does all of a cell's work. Resolves to `undefined` when an interrupt left nothing that could end it: a termination
   * discards every promise's continuation that waits, the kernel's own as well.
   */
  attend: <T>(request: RequestNumber, work: () => Promise<T>) => Promise<T | undefined>;
}

/** What runs for one request. */
interface Run {
  controller: AbortController;
  reject: ((error: Error) => void) | undefined;
  graceTimer?: NodeJS.Timeout;
  /** Ends the request whatever its work is at. */
  giveUp?: () => void;
  /** How many pieces of work check the signal. */
  cooperative: number;
}

/** @param started called when the code of a request is about to run */
export function createRunner(shared: Int32Array, started: (request: RequestNumber) => void): Runner {
  const createRun = (): Run => ({ controller: new AbortController(), reject: undefined, cooperative: 0 });
  const runs = new Map<RequestNumber, Run>();
  /** For the timers of cells that have ended. */
  let lateRun = createRun();
  const runOf = (request: RequestNumber): Run => {
    const run = runs.get(request) ?? createRun();
    runs.set(request, run);
    return run;
  };
  const isRunning = (): boolean => [...runs.values()].some(({ reject }) => reject !== undefined);

  /** How cells fail that are debugged: the one that starts now, and others by the promise that is rejected. */
  let launching: ((error: unknown) => void) | undefined;
  const unhandled = new WeakMap<object, (error: unknown) => void>();

  const setPhase = (phase: (typeof phases)[keyof typeof phases]): void => {
    if (phase !== phases.idle) Atomics.store(shared, slots.phase, phase);
    else if (isRunning()) Atomics.store(shared, slots.phase, phases.running);
    else {
      // What a cell has left in microtasks may go on for ever: idle is only what the event loop has come to.
      Atomics.compareExchange(shared, slots.phase, phases.compiling, phases.idle);
      unwrapped.setImmediate(endRunning);
    }
  };
  const endRunning = (): void => {
    if (!isRunning()) Atomics.compareExchange(shared, slots.phase, phases.running, phases.idle);
  };
  const addCooperative = (run: Run, count: number): void => {
    run.cooperative += count;
    Atomics.add(shared, slots.cooperative, count);
  };

  /** Calls `begin` from a fresh stack; an interrupt rejects what it returns. */
  const launch = <T>(request: RequestNumber, begin: () => Promise<T>): Promise<T> => {
    const run = runOf(request);
    const finished = new Promise<T>((resolve, fail) => {
      run.reject = (error) => {
        cancelTimers(request);
        fail(error);
      };
      // From here on: microtasks of an earlier cell may keep the event loop from ever coming to this one.
      setPhase(phases.running);
      unwrapped.setImmediate(() => {
        if (Atomics.load(shared, slots.interruptedUpTo) >= request) {
          fail(createInterrupted());
          return;
        }
        started(request);
        enterCell(request);
        listenAgain();
        setPhase(phases.running); // the compiler may have worked for another shell meanwhile
        if (Atomics.load(shared, slots.debugging) === 0) {
          // What it throws before its first promise is a failure like any other.
          new Promise<T>((begun) => {
            begun(begin());
          }).then(resolve, fail);
          return;
        }
        // Where the debugger is attached: with a handler around it, V8 would take every exception of the cell for a caught one.
        launching = fail;
        const running = begin().then(resolve);
        launching = undefined;
        unhandled.set(running, fail);
      });
    });
    return finished.finally(() => {
      run.reject = undefined;
      clearTimeout(run.graceTimer);
      // A termination leaves work that never came to its end.
      addCooperative(run, -run.cooperative);
      listenAgain();
      leaveCell(request);
      setPhase(phases.idle);
    });
  };

  const start = (code: string, name: string, cellArguments: unknown[]): Promise<void> => {
    const script = new vm.Script(
      `(async function (exports, require, $import, $meta) { "use strict"; ${code}\n})(...globalThis[Symbol.for("${String(argumentsKey.description)}")])`,
      // The cell's first line starts after this prefix; `toCell` counts from the code itself.
      { filename: name, columnOffset: -`(async function (exports, require, $import, $meta) { "use strict"; `.length },
    );
    Object.defineProperty(globalThis, argumentsKey, { value: cellArguments, configurable: true });
    return script.runInThisContext() as Promise<void>;
  };

  return {
    setPhase,
    late: {
      begin() {
        Atomics.compareExchange(shared, slots.phase, phases.idle, phases.running);
      },
      end: endRunning,
    },
    run: (request, code, name, cellArguments) => launch(request, () => start(code, name, cellArguments)),
    guard: launch,
    signal: (request = currentRequest()) => (runs.get(request) ?? lateRun).controller.signal,
    takeFailure(promise, error) {
      const fail = launching ?? unhandled.get(promise as object);
      launching = undefined;
      fail?.(error);
      return fail !== undefined;
    },
    interrupt() {
      for (const run of [...runs.values(), lateRun]) {
        const again = run.controller.signal.aborted;
        run.controller.abort(createInterrupted());
        const stop = (): void => {
          run.reject?.(createInterrupted());
          unwrapped.setTimeout(() => run.giveUp?.(), lost);
        };
        if (again || run.cooperative === 0) stop();
        else run.graceTimer = unwrapped.setTimeout(stop, grace);
      }
      lateRun = createRun();
    },
    async cooperate(work) {
      const run = runs.get(currentRequest()) ?? lateRun;
      addCooperative(run, 1);
      try {
        return await work();
      } finally {
        if (run.cooperative > 0) addCooperative(run, -1);
      }
    },
    async attend(request, work) {
      const run = runOf(request);
      const givenUp = new Promise<undefined>((resolve) => {
        run.giveUp = () => {
          resolve(undefined);
        };
      });
      try {
        return await Promise.race([work(), givenUp]);
      } finally {
        delete run.giveUp;
        runs.delete(request);
        leaveCell(request);
        setPhase(phases.idle);
      }
    },
  };
}
