/** One process at a time: a lock file beside the folder that is being made, with the number of its process. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../../context.js";
import { isRunning } from "../../processes.js";
import { writeError } from "./writeErrors.js";

const held = new Set<string>();

/** Runs `work` while holding `<folder>.lock`; waits for another live process, takes over from a dead one. */
export async function withLock(folder: string, context: Context, work: () => Promise<void>): Promise<void> {
  const file = `${folder}.lock`;
  let told = false;
  while (!acquire(file)) {
    if (!told) context.note(`waiting for another process that makes ${folder}`);
    told = true;
    await sleep(300);
    context.signal.throwIfAborted();
  }
  try {
    await work();
  } finally {
    held.delete(file);
    rmSync(file, { force: true });
  }
}

function acquire(file: string): boolean {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
  } catch (error) {
    throw writeError(error, path.dirname(file));
  }
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    held.add(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw writeError(error, path.dirname(file));
  }
  if (!isAlive(file)) rmSync(file, { force: true });
  return false;
}

function isAlive(file: string): boolean {
  let owner: number;
  try {
    owner = Number(readFileSync(file, "utf8"));
  } catch {
    // Gone in this moment: free.
    return false;
  }
  return owner === process.pid ? held.has(file) : isRunning(owner);
}
