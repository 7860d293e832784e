/** Notebook 7 beside the private JupyterLab: a folder of its own that `npm test` fills (scripts/setup/notebook.mjs). */
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { amsHome, packageRoot } from "../src/paths.js";

const folder = path.join(amsHome(), "notebook");

/** Why the tests are skipped, or false: for `skip`. */
export const withoutNotebook = existsSync(path.join(folder, ".ams-stamp"))
  ? false
  : `no Notebook 7 here: ${process.env["AMS_NO_NOTEBOOK"] ?? "`npm test` puts it beside JupyterLab"}`;

/** The Python, environment and flags that start it: its own files come before JupyterLab's. */
export async function environmentOfNotebook(): Promise<{ python: string; env: NodeJS.ProcessEnv; flags: string[] }> {
  const script = path.join(packageRoot(), "scripts", "setup", "paths.mjs");
  const { python, environment } = (await import(pathToFileURL(script).href)) as {
    python: string;
    environment: () => NodeJS.ProcessEnv;
  };
  const env = environment();
  const data = path.join(folder, "share", "jupyter");
  return {
    python,
    env: {
      ...env,
      PYTHONPATH: folder,
      JUPYTER_PATH: [data, env["JUPYTER_PATH"]].filter(Boolean).join(path.delimiter),
    },
    flags: [],
  };
}
