/** Whether the disk has room for an installation, asked before gigabytes are on their way. */
import { statfsSync } from "node:fs";
import { AmsError } from "../../errors.js";
import { makeFolder } from "../../writing.js";

/** Free bytes on the disk of a folder. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/**
 * Makes the folder and sees that its disk has `megabytes` left.
 * @throws AmsError when the folder cannot be made or its disk is too full.
 */
export function assertRoom(folder: string, megabytes: number, retry: string, free: (folder: string) => number): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw new AmsError(`the folder cannot be made: ${(error as Error).message}`, {
      where: folder,
      hint: `get leave to write there, or set AMS_HOME to another folder, then run: ${retry}`,
      cause: error,
    });
  }
  const left = free(folder) / 1e6;
  if (left >= megabytes) return;
  throw new AmsError(`the disk has ${left.toFixed(0)} MB free, the installation needs ${megabytes.toFixed(0)} MB`, {
    where: folder,
    hint: `free some space, or set AMS_HOME to a folder on another disk, then run: ${retry}`,
  });
}
