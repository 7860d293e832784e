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

/**
 * A terminal shows one line that is updated in place, at most ten times a second. A log (a file, or what a CI service keeps, which may
 * call itself a terminal) gets a line per stage and one every ten seconds; of work with milestones one line each, where its first item
 * is done and where a phase begins (the first of its kind, and others that last longer than ten seconds), and a sign of life every five
 * minutes.
 */
export function terminalContext(
  stderr: Output,
  signal: AbortSignal,
  now: () => number = Date.now,
  inCi = /^(1|true|yes)$/i.test(process.env["CI"] ?? ""),
): TerminalContext {
  return stderr.isTTY === true && !inCi ? updatingLine(stderr, signal, now) : logLines(stderr, signal, now);
}

function updatingLine(stderr: Output, signal: AbortSignal, now: () => number): TerminalContext {
  let drawnAt = -Infinity;
  let shown: string | undefined;
  let latest: string | undefined;
  let label: string | undefined;
  const draw = (): void => {
    if (latest === undefined || latest === shown) return;
    stderr.write(`\r\u001b[2K${latest.slice(0, Math.max(20, (stderr.columns ?? 80) - 1))}`);
    shown = latest;
    drawnAt = now();
  };
  const close = (): void => {
    draw();
    if (shown !== undefined) stderr.write("\n");
    shown = latest = label = undefined;
  };
  return {
    signal,
    progress: (progress) => {
      latest = progressLine(progress);
      // A stage is drawn as it begins: nothing may come between before it ends.
      if (progress.label !== label || now() - drawnAt >= 100) draw();
      label = progress.label;
    },
    note: (line) => {
      if (shown !== undefined) stderr.write("\r\u001b[2K");
      shown = undefined;
      stderr.write(`${printable(line)}\n`);
    },
    close,
  };
}

/** Milliseconds between two lines of a log about the same stage: of work without and with milestones. */
const logInterval = { plain: 10_000, milestones: 300_000 };

function logLines(stderr: Output, signal: AbortSignal, now: () => number): TerminalContext {
  let writtenAt = now();
  let label = "";
  let reached = "";
  let opened = Infinity;
  let announced: string | undefined;
  let pending: Progress | undefined;
  const seen = new Set<string>();
  const write = (progress: Progress, line = progressLine(progress)): void => {
    stderr.write(`${line}\n`);
    writtenAt = now();
    pending = undefined;
  };
  const flush = (): void => {
    if (pending !== undefined) write(pending);
  };
  return {
    signal,
    progress: (progress) => {
      const { milestone, phase, done } = progress;
      const waited = now() - writtenAt;
      const begins = phase !== undefined && phase !== announced && (!seen.has(phase) || waited >= logInterval.plain);
      const interval = milestone === undefined ? logInterval.plain : logInterval.milestones;
      if (progress.label !== label) {
        flush(); // the last state of the stage before
        label = progress.label;
        reached = "";
        opened = milestone === undefined ? Infinity : done;
        seen.clear();
        write(progress);
      } else if (milestone !== undefined && milestone !== reached) write(progress, oneLine(`${label} ${milestone}`));
      else if (begins || done > opened || waited >= interval) write(progress);
      else pending = progress;
      if (phase === undefined) announced = undefined;
      else if (begins) {
        announced = phase;
        seen.add(phase);
      }
      if (done > opened) opened = Infinity; // the first is done
      reached = milestone ?? "";
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
  return oneLine(`${label}${count}${percent}${note === undefined || note === "" ? "" : ` · ${note}`}`);
}

/** Names from data are in it: of splits, of files. */
function oneLine(text: string): string {
  return printable(text).replace(/\s/g, " ");
}
