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

/**
 * The first of: the private environment, `python3`, `python`, that is Python 3.9 or newer and has pip.
 * @throws AmsError when none is.
 */
export async function findPython(): Promise<string> {
  const candidates = [path.join(amsHome(), "python", "bin", "python3"), "python3", "python"];
  const reasons: string[] = [];
  for (const python of candidates) {
    try {
      await run(python, ["-c", "import sys, pip; assert sys.version_info >= (3, 9), sys.version"]);
      return python;
    } catch (error) {
      const { code, stderr } = error as { code?: unknown; stderr?: string };
      reasons.push(
        `${python}: ${code === "ENOENT" ? "not there" : (stderr?.trim().split("\n").at(-1) ?? String(code))}`,
      );
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
 * @throws AmsError with pip's own reason when it fails.
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
  if ((await ended) !== 0) {
    const reason = output
      .split("\n")
      .filter((line) => line.startsWith("ERROR:"))
      .at(-1);
    throw new AmsError(`pip failed while ${label}`, {
      where: reason ?? output.trim(),
      hint: `check the connection to the Python package index and the free disk space, then run: ${work.retry}`,
    });
  }
  context.progress({ label, done: megabytes, total: megabytes, note: "MB" });
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
