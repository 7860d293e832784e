/** A Python with pip, which fetches wheels: the private environment of this clone when it is there, else the system's. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
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
