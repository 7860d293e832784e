/** One process at a time makes a set of scenes; the others wait for it. */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../../context.js";
import { takeLock } from "../../lock.js";
import { makeFolder } from "../../writing.js";
import { writeError } from "./writeErrors.js";

/** Runs `work` while holding `<folder>.lock`; waits for another live process, takes over from a dead one. */
export async function withLock(folder: string, context: Context, work: () => Promise<void>): Promise<void> {
  const file = `${folder}.lock`;
  let told = false;
  let unlock = take(file);
  while (typeof unlock === "number") {
    if (!told) context.note(`waiting for another process (${String(unlock)}) that makes ${folder}`);
    told = true;
    await sleep(300);
    context.signal.throwIfAborted();
    unlock = take(file);
  }
  try {
    await work();
  } finally {
    unlock();
  }
}

function take(file: string): (() => void) | number {
  try {
    makeFolder(path.dirname(file));
    return takeLock(file);
  } catch (error) {
    throw writeError(error, path.dirname(file));
  }
}
