/** PyTorch as the other side of tests: an environment of its own that `npm test` makes (scripts/setup/pytorch.mjs). */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { amsHome } from "../src/paths.js";

const folder = path.join(amsHome(), "pytorch");
const python = path.join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");

/** Why the tests are skipped, or false: for `skip`. */
export const withoutPytorch = existsSync(path.join(folder, ".ams-stamp"))
  ? false
  : `no PyTorch here: ${process.env["AMS_NO_PYTORCH"] ?? "`npm test` makes its environment where pip finds torch==2.13.0+cpu"}`;

/** Runs Python code with arguments in `sys.argv[1:]` -> what it prints. A failure there fails the test. */
export function runPython(code: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(python, ["-W", "ignore", "-c", code, ...args], {
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: "2", PYTHONDONTWRITEBYTECODE: "1" },
    maxBuffer: 2 ** 27,
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Where a package of that environment lies. */
export function packageFolder(name: string): string {
  return runPython(`import sys, importlib.util as u; print(u.find_spec(sys.argv[1]).submodule_search_locations[0])`, name).trim(); // prettier-ignore
}
