// A Python environment with PyTorch for the tests that hold our files against its own; made only when such a test is to run.
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { environment, home, root } from "./paths.mjs";
import { findPython } from "./python.mjs";
import { hashOf, isCurrent, writeStamp } from "./stamp.mjs";
import { execute } from "./steps.mjs";

const requirements = path.join(root, "scripts", "requirements-pytorch.txt");
const folder = path.join(home, "pytorch");

/** Test files say so by using test/pytorch.ts. */
export function needsPytorch(file) {
  return readFileSync(file, "utf8").includes("/pytorch.js");
}

/** Creates it, unless it is there. Where it cannot be had the tests are skipped: the remark and AMS_NO_PYTORCH say why. */
export async function installPytorch(say) {
  const { command, version } = findPython();
  const stamp = path.join(folder, ".ams-stamp");
  const hash = hashOf(requirements, { text: `${version} ${folder}` });
  if (isCurrent(stamp, hash)) return "already there";
  const env = environment();
  rmSync(folder, { recursive: true, force: true });
  try {
    await execute(command, ["-m", "venv", folder], { env });
    const python = path.join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
    const pip = ["-m", "pip", "install", "--progress-bar", "off", "--only-binary=:all:", "--no-deps", "--no-compile"];
    await execute(python, [...pip, "-r", requirements], { env, say });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const reason = (error.details || error.message).trim().split("\n").pop();
    process.env.AMS_NO_PYTORCH = reason;
    return `not available (${reason}); its tests are skipped`;
  }
  writeStamp(stamp, hash);
  return `PyTorch installed (Python ${version})`;
}
