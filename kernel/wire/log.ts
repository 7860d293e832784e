/** The kernel's log: the stderr of the process, for whoever started it. */
import { writeSync } from "node:fs";

/**
 * Writes a line at once. Straight to the descriptor: a worker's process.stderr goes through the main thread, where it would
 * wait for a spinning cell and then be taken for the cell's own output.
 */
export function log(line: string): void {
  try {
    writeSync(2, `kernel: ${line}\n`);
  } catch {
    // nobody reads the log (EAGAIN, EPIPE): a kernel must not end for that
  }
}
