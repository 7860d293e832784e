// Notebook 7 for the tests that open it, in a folder beside the private environment: within it, it would change what JupyterLab shows.
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { environment, home, python, root } from "./paths.mjs";
import { findPython } from "./python.mjs";
import { hashOf, isCurrent, writeStamp } from "./stamp.mjs";
import { execute } from "./steps.mjs";

const jupyterlab = path.join(root, "scripts", "requirements.txt"); // the two go together
const requirements = path.join(root, "scripts", "requirements-notebook.txt");
const folder = path.join(home, "notebook");

/** Test files say so by using test/notebook.ts. */
export function needsNotebook(file) {
  return readFileSync(file, "utf8").includes("/notebook.js");
}

/** Puts it there, unless it is. Where it cannot be had (it needs the JupyterLab of Python 3.11) the tests are skipped: AMS_NO_NOTEBOOK says why. */
export async function installNotebook(say) {
  const stamp = path.join(folder, ".ams-stamp");
  const hash = hashOf(requirements, jupyterlab, { text: `${findPython().version} ${folder}` });
  if (isCurrent(stamp, hash)) return "already there";
  try {
    rmSync(folder, { recursive: true, force: true });
    const pip = ["-m", "pip", "install", "--progress-bar", "off", "--no-deps", "--target", folder];
    await execute(python, [...pip, "-r", requirements], { env: environment(), say });
    await execute(python, ["-c", "import notebook.app"], { env: { ...environment(), PYTHONPATH: folder } });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const reason = (error.details || error.message).trim().split("\n").pop();
    process.env.AMS_NO_NOTEBOOK = reason;
    return `not available (${reason}); its tests are skipped`;
  }
  writeStamp(stamp, hash);
  return "installed from requirements-notebook.txt";
}
