/** What all installations have in common: the checks before gigabytes are on their way, and a folder that appears at once. */
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { assertPossible } from "../refusals.js";
import { surroundings, type Surroundings } from "../surroundings.js";
import { findLibraries, recordName, type InstallRecord } from "./files.js";
import { findPython, pythonCandidates } from "./python.js";
import { assertRoom, freeBytes } from "./room.js";

/** What an installation depends on; tests put other things in their place. */
export interface InstallAround {
  machine?: Surroundings;
  pythons?: string[];
  /** Free bytes on the disk of a folder. */
  free?: (folder: string) => number;
}

export interface Installation {
  engine: "native" | "gpu";
  folder: string;
  /** What the disk must hold while it is made. */
  megabytes: number;
  /** The command to try again with. */
  retry: string;
  /** Makes the files in a folder below `work` -> that folder, and what to record of it. */
  make: (python: string, work: string) => Promise<{ files: string; record: InstallRecord }>;
}

/**
 * Puts an installation into its folder. Does nothing where it is there and whole; a damaged one is made again in its place. The folder
 * appears at once and complete: an installation that was interrupted leaves nothing to trip over.
 * @throws AmsError when the machine is not supported or there is no Python with pip or no room.
 */
export async function installInto(
  { engine, folder, megabytes, retry, make }: Installation,
  { machine = surroundings(), pythons = pythonCandidates(), free = freeBytes }: InstallAround,
): Promise<void> {
  if (existsSync(folder) && isWhole(folder, retry)) return;
  // Wheels may be fetched for a GPU that comes later: a missing driver is no reason against it, a wrong system is.
  assertPossible(engine, engine === "gpu" ? { ...machine, nvidia: machine.nvidia ?? {} } : machine);
  const { program } = await findPython(pythons);
  await assertRoom(path.dirname(folder), megabytes, retry, free);
  const work = path.join(path.dirname(folder), `.install-${engine}-${String(process.pid)}`);
  await rm(work, { recursive: true, force: true });
  try {
    await mkdir(work);
    const { files, record } = await make(program, work);
    await writeFile(path.join(files, recordName), JSON.stringify(record, null, 2) + "\n");
    await rm(folder, { recursive: true, force: true });
    await rename(files, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function isWhole(folder: string, retry: string): boolean {
  try {
    findLibraries(folder, retry);
    return true;
  } catch {
    return false; // damaged, or half removed
  }
}
