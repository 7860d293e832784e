/** What all installations have in common: the checks before gigabytes are on their way, and a folder that appears at once. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Context } from "../../context.js";
import { isRunning } from "../../processes.js";
import { assertPossible } from "../refusals.js";
import { surroundings, type Surroundings } from "../surroundings.js";
import { hashesOf, installCommand, isWhole, recordName, type InstallRecord } from "./files.js";
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
  /** Makes the files in a folder below `work` -> that folder, and what to record of it besides the hashes. */
  make: (python: string, work: string, context: Context) => Promise<{ files: string; record: InstallRecord }>;
}

/**
 * Puts an installation into its folder. Does nothing where it is there and every file has its recorded hash; a damaged one is made
 * again in its place. The folder appears at once and complete. An interrupt, SIGTERM and SIGHUP leave nothing; what a process that
 * was killed has left is removed by the next installation.
 * @throws AmsError when the machine is not supported or there is no Python with pip or no room.
 */
export async function installInto(
  { engine, folder, megabytes, make }: Installation,
  context: Context,
  { machine = surroundings(), pythons = pythonCandidates(), free = freeBytes }: InstallAround,
): Promise<void> {
  const above = path.dirname(folder);
  await removeAbandoned(above);
  if (existsSync(folder)) {
    context.note(`checking the files in ${folder}`);
    if (await isWhole(folder, context.signal)) {
      context.note("all files are right, nothing to fetch");
      return;
    }
    context.note("they are not as they were installed: installing them again");
  }
  // Wheels may be fetched for a GPU that comes later: a missing driver is no reason against it, a wrong system is.
  assertPossible(engine, engine === "gpu" ? { ...machine, nvidia: machine.nvidia ?? {} } : machine);
  const { program } = await findPython(pythons);
  assertRoom(above, megabytes, installCommand[engine], free);
  const work = path.join(above, `.install-${engine}-${String(process.pid)}`);
  await untilKilled(context, async (within) => {
    await rm(work, { recursive: true, force: true });
    try {
      await mkdir(work);
      const { files, record } = await make(program, work, within);
      const hashes = await hashesOf(files, Object.keys(record.files), within.signal);
      await writeFile(path.join(files, recordName), JSON.stringify({ ...record, hashes }, null, 2) + "\n");
      await rm(folder, { recursive: true, force: true });
      await rename(files, folder);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
}

/** Removes the unfinished work of processes that are gone. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = /^\.install-(?:native|gpu)-(\d+)$/.exec(name)?.[1];
    if (owner === undefined || Number(owner) === process.pid || isRunning(Number(owner))) continue;
    await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

/** Lets `work` be aborted by SIGTERM and SIGHUP too, and the process end by them once it has cleaned up. */
async function untilKilled(context: Context, work: (context: Context) => Promise<void>): Promise<void> {
  const killed = new AbortController();
  const interrupted = (): void => {
    killed.abort(context.signal.reason);
  };
  if (context.signal.aborted) interrupted();
  context.signal.addEventListener("abort", interrupted);
  let received: NodeJS.Signals | undefined;
  const end = (name: NodeJS.Signals): void => {
    received = name;
    killed.abort();
  };
  const names: NodeJS.Signals[] = ["SIGTERM", "SIGHUP"];
  for (const name of names) process.once(name, end);
  try {
    await work({ ...context, signal: killed.signal });
  } finally {
    context.signal.removeEventListener("abort", interrupted);
    for (const name of names) process.off(name, end);
    // Where nobody else listens, the signal ends the process as it would have done without us.
    if (received !== undefined && process.listenerCount(received) === 0) process.kill(process.pid, received);
  }
}
