/** A run is trained by one process at a time, and others can tell whether it still is. */
import path from "node:path";
import { AmsError } from "../errors.js";
import { lockOwner, takeLock } from "../lock.js";
import { makeFolder } from "../writing.js";

/** Beside the run's folder, under a name that no run can have. */
function lockFile(folder: string): string {
  return path.join(path.dirname(folder), `.${path.basename(folder)}.lock`);
}

/**
 * Takes a run for this process; returns what gives it back. Throws an AmsError where another training has it or the folder of runs
 * cannot be written.
 */
export function lockRun(folder: string): () => void {
  let unlock: (() => void) | number;
  try {
    makeFolder(path.dirname(folder));
    unlock = takeLock(lockFile(folder));
  } catch (cause) {
    throw new AmsError("the run's folder cannot be made", {
      where: folder,
      hint: "free space or set AMS_HOME to a folder that can be written",
      cause,
    });
  }
  if (typeof unlock === "function") return unlock;
  throw new AmsError(`run ${path.basename(folder)} is being trained already`, {
    where: `process ${String(unlock)}, ${folder}`,
    hint: "wait for its end or interrupt it there, or choose another --name",
  });
}

/** Whether a live process trains the run of this folder, also while it validates and writes nothing. */
export function isTrained(folder: string): boolean {
  return lockOwner(lockFile(folder)) !== undefined;
}
