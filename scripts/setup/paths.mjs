// Where the clone is and where everything generated goes (the same rule as src/paths.ts, needed before anything is built).
import { accessSync, constants, existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder with package.json. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** `$AMS_HOME`, else `.ams` inside a clone, else `~/.ams`. */
export const home =
  process.env.AMS_HOME !== undefined && process.env.AMS_HOME !== ""
    ? path.resolve(process.env.AMS_HOME)
    : existsSync(path.join(root, ".git"))
      ? path.join(root, ".ams")
      : path.join(homedir(), ".ams");

export const python = path.join(home, "python", process.platform === "win32" ? "Scripts/python.exe" : "bin/python");

/** The environment of every program that the scripts start: Jupyter's own folders lie inside `home`. */
export function environment(extra = {}) {
  const env = {
    ...process.env,
    AMS_HOME: home,
    JUPYTER_PATH: [path.join(home, "share", "jupyter"), process.env.JUPYTER_PATH].filter(Boolean).join(path.delimiter),
    JUPYTER_CONFIG_DIR: path.join(home, "jupyter", "config"),
    JUPYTER_DATA_DIR: path.join(home, "jupyter", "data"),
    JUPYTER_RUNTIME_DIR: path.join(home, "jupyter", "runtime"),
    JUPYTER_PLATFORM_DIRS: "1", // else jupyter_core warns about the folders that it would choose one day
    IPYTHONDIR: path.join(home, "jupyter", "ipython"),
    PYTHONUTF8: "1",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    ...extra,
  };
  // A user's own Python settings would leak packages into the private environment.
  delete env.PYTHONHOME;
  delete env.PYTHONPATH;
  // npm and pip keep their caches in the home folder; where that cannot be written, inside ours.
  if (!writable(homedir())) {
    env.npm_config_cache = path.join(home, "cache", "npm");
    env.PIP_CACHE_DIR = path.join(home, "cache", "pip");
  }
  return env;
}

function writable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
