/** Writing to a place that a person chose: what the file system refuses becomes something that they can mend. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { AmsError } from "./errors.js";

/** Runs `write`; where the file system refuses, an AmsError names the file or folder. Other errors stay as they are. */
export function writing<T>(place: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw cause;
    const full = code === "ENOSPC" || code === "EDQUOT";
    throw new AmsError(full ? "the disk is full" : `${path.basename(place)} cannot be written (${code})`, {
      where: path.resolve(place),
      hint: full
        ? "free some space, or choose a place on another disk"
        : "choose another place, one that you may write in",
      cause,
    });
  }
}

/** Throws the AmsError that writing this file would give later, after the work, about the file or what it is a part of; makes its folder. */
export function checkPlace(file: string, place = file): void {
  writing(place, () => {
    makeFolder(path.dirname(file));
    const before = existsSync(file);
    closeSync(openSync(file, "a"));
    if (!before) rmSync(file);
  });
}

/**
 * Makes a folder and those above it. Node's own `recursive` never ends where the system denies a folder as missing (`/proc/x`).
 * @throws the file system's error.
 */
export function makeFolder(folder: string): void {
  const missing: string[] = [];
  for (let at = path.resolve(folder); !existsSync(at); at = path.dirname(at)) missing.push(at);
  for (const one of missing.reverse()) {
    try {
      mkdirSync(one);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // another process was faster
    }
  }
  if (!statSync(folder).isDirectory()) mkdirSync(folder); // a file in its place: throws EEXIST
}

/**
 * Writes a file so that it is there whole or not at all, also when the process is killed or the disk is full: beside its place,
 * synced, then renamed over what was there.
 */
export function writeWhole(file: string, parts: Iterable<Buffer | string>): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = openSync(temporary, "w");
    try {
      for (const part of parts) {
        const bytes = typeof part === "string" ? Buffer.from(part) : part;
        for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at, Math.min(bytes.length - at, 2 ** 30));
      }
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
