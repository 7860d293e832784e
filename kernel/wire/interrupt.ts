/**
 * Stops the running cell from the wire thread, politely first:
 * 1. a message to the main thread, which aborts the cell's signal and rejects what the cell awaits;
 * 2. Runtime.terminateExecution through the inspector, which stops whatever spins, before an await or after it.
 * Force is used only when the main thread has not read the message, only while the shared phase says that code of cells runs,
 * and only where code runs at all: a termination that finds none waits for the next, which may be the kernel's own.
 */
import { Session, type Runtime } from "node:inspector";
import { phases, slots } from "./link.js";

/** Time for the event loop to turn before force is used (ms). */
const patience = 200;
/** The same while a magic works that checks its signal, e.g. a training step of a second or two (ms). */
const cooperativePatience = 5000;
/** From one forced step to the next (ms). */
const betweenSteps = 150;

export interface Interrupter {
  /** Starts the steps; a second call while the first is under way shortens the patience. */
  interrupt: () => void;
  /** The main thread has seen the polite message: no force. */
  seen: () => void;
  /** The cell has ended. */
  ended: () => void;
}

export interface MainThread {
  /** Sends the polite message; the main thread heeds each number once. */
  ask: (number: number) => void;
  /** Keeps messages back from now on. */
  hold: () => void;
  /** Sends one that means nothing, for a termination that found no code to stop, and then those that were kept back. */
  release: () => void;
}

export function createInterrupter(shared: Int32Array, main: MainThread): Interrupter {
  let timer: NodeJS.Timeout | undefined;
  let due = 0;
  let pending = false;
  let forcing = false;
  let number = 0;
  const stop = (): void => {
    clearTimeout(timer);
    pending = false;
  };
  const stepIn = (ms: number): void => {
    clearTimeout(timer);
    due = performance.now() + ms;
    timer = setTimeout(() => void step(), ms);
  };
  // Not by the main thread's message alone: that one may still wait in this thread's queue, and force would hit the kernel's own code.
  const isUnseen = (): boolean => pending && Atomics.load(shared, slots.unseen) === 1;
  const mayForce = (): boolean => isUnseen() && Atomics.load(shared, slots.phase) === phases.running;
  const step = async (): Promise<void> => {
    if (forcing) return;
    forcing = true;
    if (mayForce()) {
      const busy = await runsCode();
      if (mayForce() && busy) {
        main.hold();
        await post("Runtime.terminateExecution");
        main.release();
      }
      // Its event loop turns: the message is on its way, or was lost to a termination.
      else if (isUnseen()) main.ask(number);
    }
    forcing = false;
    // A termination unwinds one stack; what the cell left behind may spin again.
    if (isUnseen()) stepIn(betweenSteps);
    else stop();
  };
  return {
    interrupt() {
      if (isUnseen()) {
        if (due > performance.now() + patience) stepIn(patience);
        return;
      }
      pending = true;
      Atomics.store(shared, slots.unseen, 1);
      main.ask(++number);
      stepIn(Atomics.load(shared, slots.cooperative) > 0 ? cooperativePatience : patience);
    },
    seen: stop,
    ended: stop,
  };
}

/** How many functions run: this one, what evaluates it, and those that it interrupts. */
const countFrames = `(() => {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 5;
    Error.prepareStackTrace = (_, frames) => frames.length;
    return new Error().stack;
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
})()`;

/** Whether the main thread is inside a function, and not waiting for its next event. */
async function runsCode(): Promise<boolean> {
  const answer = await post<Runtime.EvaluateReturnType>("Runtime.evaluate", {
    expression: countFrames,
    silent: true,
    disableBreaks: true,
  });
  const frames: unknown = answer?.result.value;
  return typeof frames !== "number" || frames > 2;
}

/** Asks the main thread's inspector. A session that stays connected would hold up the exit ("Waiting for the debugger to disconnect"). */
function post<T>(method: string, parameters: object = {}): Promise<T | undefined> {
  return new Promise((resolve) => {
    const session = new Session();
    session.connectToMainThread();
    session.post(method, parameters, (_: Error | null, answer?: object) => {
      session.disconnect();
      resolve(answer as T | undefined);
    });
  });
}
