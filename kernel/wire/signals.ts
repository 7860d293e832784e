/**
 * SIGINT, heard in the wire thread, so that it arrives while the main thread spins or loads TypeScript.
 *
 * vm's `breakOnSigint` would stop a spinning cell as well, but it takes the process's handler away before the cell and puts it
 * back after: a signal that came in between ended the process.
 */
import { createRequire } from "node:module";
import { constants } from "node:os";

/** Options of the thread that hears the signal. (The module says of itself that it is Node's own, as a warning.) */
export const signalOptions = ["--expose-internals", "--no-warnings"];

/** Node's handle of a signal: `process.on("SIGINT")` uses it in the main thread, and it works in every thread. */
interface SignalHandle {
  onsignal: () => void;
  /** Returns 0 when the signal is heard from now on. */
  start: (signal: number) => number;
}
type Binding = { internalBinding: (name: "signal_wrap") => { Signal: new () => SignalHandle } };

/** Kept, or it would be collected. */
let handle: SignalHandle | undefined;

/** False where Node does not give the handle away: then the main thread alone hears the signal, when it does not spin. */
export function hearSigint(heard: () => void): boolean {
  try {
    const { internalBinding } = createRequire(__filename)("internal/test/binding") as Binding;
    handle = new (internalBinding("signal_wrap").Signal)();
    handle.onsignal = heard;
    return handle.start(constants.signals.SIGINT) === 0;
  } catch {
    return false;
  }
}
