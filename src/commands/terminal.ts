/** The context of long work on a command line: progress and notes on stderr, Ctrl-C as an abort. */
import type { Context, Progress } from "../context.js";
import { printable } from "../display.js";

/** What of a stream is used; a test passes its own. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface TerminalContext extends Context {
  /** Ends the updating line, so that what follows starts on a fresh one. */
  close(): void;
}

/** A terminal shows one line that is updated in place; a log file gets a line per stage and one every ten seconds. */
export function terminalContext(stderr: Output, signal: AbortSignal, now: () => number = Date.now): TerminalContext {
  return stderr.isTTY === true ? updatingLine(stderr, signal, now) : logLines(stderr, signal, now);
}

function updatingLine(stderr: Output, signal: AbortSignal, now: () => number): TerminalContext {
  let drawnAt = -Infinity;
  let shown: string | undefined;
  let latest: string | undefined;
  const draw = (): void => {
    if (latest === undefined || latest === shown) return;
    stderr.write(`\r\u001b[2K${latest.slice(0, Math.max(20, (stderr.columns ?? 80) - 1))}`);
    shown = latest;
    drawnAt = now();
  };
  const close = (): void => {
    draw();
    if (shown !== undefined) stderr.write("\n");
    shown = latest = undefined;
  };
  return {
    signal,
    progress: (progress) => {
      latest = progressLine(progress);
      if (now() - drawnAt >= 100) draw();
    },
    note: (line) => {
      if (shown !== undefined) stderr.write("\r\u001b[2K");
      shown = undefined;
      stderr.write(`${printable(line)}\n`);
    },
    close,
  };
}

function logLines(stderr: Output, signal: AbortSignal, now: () => number): TerminalContext {
  const interval = 10_000;
  let writtenAt = now();
  let label = "";
  let pending: Progress | undefined;
  const write = (progress: Progress): void => {
    stderr.write(`${progressLine(progress)}\n`);
    writtenAt = now();
    pending = undefined;
  };
  const flush = (): void => {
    if (pending !== undefined) write(pending);
  };
  return {
    signal,
    progress: (progress) => {
      if (progress.label !== label) {
        flush(); // the last state of the stage before
        label = progress.label;
        write(progress);
      } else if (now() - writtenAt >= interval) write(progress);
      else pending = progress;
    },
    note: (line) => {
      stderr.write(`${printable(line)}\n`);
    },
    close: () => {
      flush();
      label = "";
    },
  };
}

/** "drawing scenes 1200/8500 (14%) · 310 scenes/s". */
export function progressLine({ label, done, total, note }: Progress): string {
  const percent = total > 0 ? ` (${String(Math.floor((100 * done) / total))}%)` : "";
  const count = total > 0 ? ` ${String(done)}/${String(total)}` : "";
  return `${label}${count}${percent}${note === undefined || note === "" ? "" : ` · ${note}`}`;
}
