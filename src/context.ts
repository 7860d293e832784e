/** What long work is given by its host (kernel, command line, test): a way to report and a way to be stopped. */
import type { MimeBundle } from "./display.js";

/** The state of one piece of long work; a host shows the latest one in place of the one before. */
export interface Progress {
  /** What is being done, e.g. "drawing scenes". */
  label: string;
  done: number;
  /** 0 where nothing is counted: the label, and the remark, are all there is to show. */
  total: number;
  /** A short remark, e.g. "loss 4.21, 83 images/s, 2 min left". */
  note?: string;
  /**
   * The latest thing that was reached, e.g. "epoch 2/5: loss 4.21, 41 s"; "" before the first. Logs write each once, in place of a line
   * every few seconds.
   */
  milestone?: string;
  /** What it does instead of the next item, e.g. "evaluating": logs tell where it begins. */
  phase?: string;
  /** The full picture (bars, a table, a curve) for hosts that can show it; called only when the host draws. */
  display?: () => MimeBundle;
}

/** What long work is given: a signal to stop by, and where to report. */
export interface Context {
  /** Aborted when the user interrupts; long work checks it between steps (`throwIfAborted`) or stops cleanly. */
  signal: AbortSignal;
  /** Cheap to call at every step: hosts draw at most a few times a second, and always the last one. */
  progress(progress: Progress): void;
  /** A line that stays (a warning, a remark), outside the progress display. */
  note(line: string): void;
}

/** A context that shows nothing and is never aborted. */
export const silentContext: Context = {
  signal: new AbortController().signal,
  progress: () => undefined,
  note: () => undefined,
};

/** Gives the event loop a turn, so that interrupts, timers and messages get through between steps. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
