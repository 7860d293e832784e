/** Lock files: one process at a time, and a lock whose process is gone counts for nothing, whatever has its number now. */
import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isRunning } from "./processes.js";

/** The locks of this process: one with its number that is not among them is another's, from before. */
const held = new Set<string>();

/**
 * Takes a lock and returns what gives it back; where a live process has it, that process's number. A lock is the number of its process
 * and when that was started, and is there whole or not at all. The folder of the file must exist; throws what the file system throws.
 */
export function takeLock(file: string): (() => void) | number {
  const own = `${String(process.pid)} ${startOf(process.pid)}`;
  for (;;) {
    if (makeWhole(file, own)) {
      held.add(file);
      return () => {
        held.delete(file);
        if (read(file) === own) rmSync(file, { force: true });
      };
    }
    const found = read(file);
    if (found === undefined) continue; // given back in this moment
    const [owner = "", started = ""] = found.split(" ");
    if (isAlive(file, Number(owner), started)) return Number(owner);
    removeDead(file, found);
  }
}

/** The number of the live process that has a lock, without taking it; undefined where none has. */
export function lockOwner(file: string): number | undefined {
  const [owner = "", started = ""] = read(file)?.split(" ") ?? [];
  return isAlive(file, Number(owner), started) ? Number(owner) : undefined;
}

/** Whether a new file is there now; false where there is one already. */
function makeWhole(file: string, text: string): boolean {
  const beside = besideOf(file);
  try {
    writeFileSync(beside, text);
    linkSync(beside, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    if ((error as NodeJS.ErrnoException).syscall !== "link") throw error;
    return makeInPlace(file, text); // a file system without links
  } finally {
    rmSync(beside, { force: true });
  }
}

function makeInPlace(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Of several that find the same dead lock one moves it away; who has moved a new one instead puts it back. */
function removeDead(file: string, dead: string): void {
  const beside = besideOf(file);
  try {
    renameSync(file, beside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = read(beside);
  if (moved !== undefined && moved !== dead) makeWhole(file, moved);
  rmSync(beside, { force: true });
}

const besideOf = (file: string): string => `${file}.${String(process.pid)}-${randomBytes(4).toString("hex")}`;

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isAlive(file: string, owner: number, started: string): boolean {
  if (owner === process.pid) return held.has(file);
  if (!isRunning(owner)) return false;
  const now = startOf(owner);
  return now === "" || started === "" || now === started;
}

/** When a process was started, in the system's ticks; empty where the system does not tell. */
function startOf(id: number): string {
  try {
    const line = readFileSync(`/proc/${String(id)}/stat`, "utf8");
    return line.slice(line.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
