/**
 * Stops the running cell from the wire thread, politely first:
 * 1. a message to the main thread, which aborts the cell's signal and rejects what the cell awaits;
 * 2. SIGINT, which stops synchronous code under vm's breakOnSigint;
 * 3. Runtime.terminateExecution through the inspector, which stops a loop that runs after an await.
 * Force is used only when the event loop does not turn, and never while the shared phase says that the compiler runs.
 */
import { Session } from "node:inspector";
import { phases, slots } from "./link.js";

/** Time for the event loop to turn before force is used (ms). */
const patience = 300;
/** The same while a magic works that checks its signal, e.g. a training step of a second or two (ms). */
const cooperativePatience = 5000;
/** From one forced step to the next (ms). */
const betweenSteps = 250;

export interface Interrupter {
  /** Starts the three steps; a second call while the first is under way goes on to force at once. */
  interrupt: () => void;
  /** The main thread has seen the polite message: no force. */
  seen: () => void;
  /** The cell has ended. */
  ended: () => void;
}

export function createInterrupter(shared: Int32Array, ask: () => void): Interrupter {
  let timer: NodeJS.Timeout | undefined;
  let pending = false;
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
    pending = false;
  };
  const force = (): void => {
    const phase = Atomics.load(shared, slots.phase);
    if (phase === phases.cell) {
      Atomics.store(shared, slots.forcedAt, Date.now() & 0x7fffffff);
      process.kill(process.pid, "SIGINT");
      // Code inside a callback or a magic is out of breakOnSigint's reach: terminate it.
      timer = setTimeout(() => {
        if (Atomics.load(shared, slots.phase) !== phases.compiling) terminate();
        timer = setTimeout(force, betweenSteps);
      }, betweenSteps);
      return;
    }
    if (phase !== phases.compiling) terminate();
    // A termination unwinds one stack; what the cell left behind may spin again. A seen interrupt ends this.
    timer = setTimeout(force, betweenSteps);
  };
  return {
    interrupt() {
      if (pending) {
        clearTimeout(timer);
        force();
        return;
      }
      pending = true;
      ask();
      const cooperative = Atomics.load(shared, slots.cooperative) > 0;
      timer = setTimeout(force, cooperative ? cooperativePatience : patience);
    },
    seen: stop,
    ended: stop,
  };
}

/** A session that stays connected would hold up the exit of the process ("Waiting for the debugger to disconnect"). */
function terminate(): void {
  const session = new Session();
  session.connectToMainThread();
  session.post("Runtime.terminateExecution", () => {
    session.disconnect();
  });
}
