/**
 * Runs one cell's code and lets it be interrupted.
 *
 * Each cell starts from a fresh stack (setImmediate), so that a forced termination unwinds only that cell. The code's
 * synchronous part runs under vm's breakOnSigint; what follows an await is stopped by rejecting the promise that the kernel
 * waits for, or, when it spins, by the wire thread's termination.
 */
import vm from "node:vm";
import { phases, slots, type RequestNumber } from "../wire/link.js";
import { createInterrupted } from "./errors.js";
import { cancelTimers, enterCell, leaveCell, unwrapped } from "./parents.js";

/** How long work that checks its signal may take to stop by itself, e.g. to write a checkpoint (ms). */
const grace = 15_000;

/** Where the compiled code finds its arguments: a script has no parameters. */
const argumentsKey = Symbol.for("Jupyter.kernel.cellArguments");

export interface Runner {
  /** Runs `async function (exports, require, $import, $meta) { code }`. Rejects with what the cell throws or `Interrupted`. */
  run: (request: RequestNumber, code: string, name: string, cellArguments: unknown[]) => Promise<void>;
  /** Asks the running cell to stop: its signal first, then what it awaits. */
  interrupt: () => void;
  /** The running cell's signal. */
  signal: () => AbortSignal;
  /** Wraps work that checks the signal: an interrupt waits for it to end by itself. */
  cooperate: <T>(work: () => Promise<T>) => Promise<T>;
  /** Marks what the main thread is at for the wire thread. */
  setPhase: (phase: (typeof phases)[keyof typeof phases]) => void;
}

export function createRunner(shared: Int32Array): Runner {
  let controller = new AbortController();
  let reject: ((error: Error) => void) | undefined;
  let graceTimer: NodeJS.Timeout | undefined;

  const setPhase: Runner["setPhase"] = (phase) => {
    Atomics.store(shared, slots.phase, phase);
  };

  const start = (code: string, name: string, cellArguments: unknown[]): Promise<void> => {
    const script = new vm.Script(
      `(async function (exports, require, $import, $meta) { "use strict"; ${code}\n})(...globalThis[Symbol.for("${String(argumentsKey.description)}")])`,
      // The cell's first line starts after this prefix; `toCell` counts from the code itself.
      { filename: name, columnOffset: -`(async function (exports, require, $import, $meta) { "use strict"; `.length },
    );
    Object.defineProperty(globalThis, argumentsKey, { value: cellArguments, configurable: true });
    setPhase(phases.cell);
    try {
      return script.runInThisContext({ breakOnSigint: true }) as Promise<void>;
    } finally {
      setPhase(phases.awaiting);
    }
  };

  return {
    setPhase,
    signal: () => controller.signal,
    run(request, code, name, cellArguments) {
      controller = new AbortController();
      Atomics.store(shared, slots.cooperative, 0);
      const finished = new Promise<void>((resolve, fail) => {
        reject = (error) => {
          cancelTimers(request);
          fail(error);
        };
        unwrapped.setImmediate(() => {
          if (Atomics.load(shared, slots.interruptedUpTo) >= request) {
            fail(createInterrupted());
            return;
          }
          enterCell(request);
          try {
            start(code, name, cellArguments).then(resolve, fail);
          } catch (error) {
            const stopped = (error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_INTERRUPTED";
            fail(stopped ? createInterrupted() : (error as Error));
          }
        });
      });
      return finished.finally(() => {
        reject = undefined;
        clearTimeout(graceTimer);
        leaveCell();
        setPhase(phases.idle);
      });
    },
    interrupt() {
      const again = controller.signal.aborted;
      controller.abort(createInterrupted());
      const stop = (): void => reject?.(createInterrupted());
      if (again || Atomics.load(shared, slots.cooperative) === 0) stop();
      else graceTimer = unwrapped.setTimeout(stop, grace);
    },
    async cooperate(work) {
      Atomics.add(shared, slots.cooperative, 1);
      try {
        return await work();
      } finally {
        if (Atomics.load(shared, slots.cooperative) > 0) Atomics.sub(shared, slots.cooperative, 1);
      }
    },
  };
}
