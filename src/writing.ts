/** Writing to a place that a person chose: what the file system refuses becomes something that they can mend. */
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
