/** A Python with pip, which fetches wheels: the private environment of this clone when it is there, else the system's. */
import { execFile, spawn } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import { amsHome } from "../../paths.js";

const run = promisify(execFile);

export interface Python {
  program: string;
  /** E.g. "3.13". */
  version: string;
}

/** Where a Python may be, the most wanted first. */
export function pythonCandidates(): string[] {
  return [path.join(amsHome(), "python", "bin", "python3"), "python3", "python"];
}

const askPython = `
import sys
try:
    import pip
    print(*sys.version_info[:2], pip.__version__)
except ImportError:
    print(*sys.version_info[:2])
`;

/**
 * The first candidate that is Python 3.9 or newer and has pip. Its version does not matter to the wheels: pip is told which to
 * fetch, and only their C libraries are used.
 * @throws AmsError that says of every candidate why not.
 */
export async function findPython(candidates = pythonCandidates()): Promise<Python> {
  const reasons: string[] = [];
  for (const program of candidates) {
    try {
      const { stdout } = await run(program, ["-c", askPython], { timeout: 30_000 });
      const [major = 0, minor = 0, pip] = stdout.trim().split(" ");
      const version = `${major}.${minor}`;
      if (Number(major) < 3 || (Number(major) === 3 && Number(minor) < 9)) {
        reasons.push(`${program}: Python ${version} is too old`);
      } else if (pip === undefined) reasons.push(`${program}: Python ${version} has no pip`);
      else return { program, version };
    } catch (error) {
      const { code, stderr } = error as { code?: unknown; stderr?: string };
      const last = stderr?.trim().split("\n").at(-1);
      reasons.push(`${program}: ${code === "ENOENT" ? "not there" : last || `ended with ${String(code)}`}`);
    }
  }
  throw new AmsError("no Python with pip was found", {
    where: reasons.join("; "),
    hint: "install Python 3.9 or newer with pip (Debian: apt install python3-pip python3-venv)",
  });
}

export interface PipWork {
  /** The folder of pip's temporary files: how large it is shows how far the work is. */
  folder: string;
  label: string;
  /** How large the folder gets. */
  megabytes: number;
  /** The command to try again with. */
  retry: string;
}

/**
 * Runs pip with `args`, showing the progress; nothing is written outside the folders that are named.
 * @throws AmsError that says in one sentence why it failed.
 */
export async function runPip(python: string, args: string[], work: PipWork, context: Context): Promise<void> {
  const { folder, label, megabytes } = work;
  const common = ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"];
  const pip = spawn(python, ["-m", "pip", ...args, ...common], {
    env: { ...process.env, TMPDIR: folder },
    signal: context.signal,
  });
  let output = "";
  for (const stream of [pip.stdout, pip.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve, reject) => {
    pip.on("error", reject);
    pip.on("close", resolve);
  });
  // One look at the folder at a time: there can be tens of thousands of files in it.
  const finished = ended.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([finished, sleep(1000, false)]))) {
    const done = Math.min(Math.round((await folderBytes(folder)) / 1e6), megabytes);
    context.progress({ label, done, total: megabytes, note: "MB" });
  }
  if ((await ended) !== 0) throw pipFailure(output, work);
  context.progress({ label, done: megabytes, total: megabytes, note: "MB" });
}

/** What pip's output tells (pattern), said for people. The first that matches counts: without a network pip also finds no wheel. */
const failures: [RegExp, string, (retry: string) => string][] = [
  [
    /No space left on device|Errno 28|not enough (disk )?space/i,
    "the disk is full",
    (retry) => `free some space, or set AMS_HOME to a folder on another disk, then run: ${retry}`,
  ],
  [
    /DO NOT MATCH THE HASHES|hash.*mismatch/i,
    "the wheel that came is not the published one: its hash differs (cut short, or changed on the way)",
    (retry) => `try again: ${retry}; if it stays, another index is in between (pip config list)`,
  ],
  [
    /NewConnectionError|Failed to establish a new connection|name resolution|ConnectTimeout|ProxyError|SSLError|No route to host|Network is unreachable|MaxRetryError/i,
    "the Python package index cannot be reached",
    (retry) => `check the network and pip's proxy settings (HTTPS_PROXY, pip config list), then run: ${retry}`,
  ],
  [
    /IncompleteRead|Connection broken:|incomplete-download|Read timed out|is invalid: .*zip|Wheel .* is invalid|BadZipFile/i,
    "the download was cut short",
    (retry) => `try again: ${retry}`,
  ],
  [
    /No matching distribution|Could not find a version|not a supported wheel/i,
    "the Python package index has no such wheel",
    (retry) => `pip uses an index that lacks it (pip config list); with the public one, run: ${retry}`,
  ],
  [
    /Permission denied|Errno 13|Read-only file system/i,
    "pip may not write there",
    (retry) => `get leave to write there, or set AMS_HOME to another folder, then run: ${retry}`,
  ],
];

/** One error for pip's many lines. */
export function pipFailure(output: string, { label, retry }: Pick<PipWork, "label" | "retry">): AmsError {
  const known = failures.find(([pattern]) => pattern.test(output));
  const lines = output.split("\n").map((line) => line.trim());
  const reason = lines.filter((line) => line.startsWith("ERROR:")).at(-1) ?? lines.filter(Boolean).at(-1);
  return new AmsError(`${known?.[1] ?? "pip failed"} (while ${label})`, {
    where: reason ?? "pip said nothing",
    hint: known?.[2](retry) ?? `mend what pip says, then run: ${retry}`,
  });
}

/** Bytes of the files in a folder and below; files that vanish meanwhile count nothing. */
async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    const found = await stat(path.join(folder, name)).catch(() => undefined);
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}
