/** Where Jupyter looks for kernels: the data folder that a way of installing means. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";
import { AmsError } from "../../src/errors.js";

/** Exactly one of these; nothing means `user`. */
export interface Place {
  /** For this user, in every Jupyter of theirs. */
  user?: boolean;
  /** For the Python environment whose `python3` (or `python`) is first on PATH. */
  sysPrefix?: boolean;
  /** For the environment at this prefix: PREFIX/share/jupyter. */
  prefix?: string;
  /** Into this Jupyter data folder itself (one that JUPYTER_PATH names). */
  folder?: string;
}

/** The Jupyter data folder of a place; its `kernels` folder holds the specs. */
export function dataFolder(place: Place, env: NodeJS.ProcessEnv = process.env): string {
  const chosen = Object.entries(place).filter(([, value]) => value !== undefined && value !== false);
  if (chosen.length > 1)
    throw new AmsError("a kernel is installed into one place at a time", {
      where: chosen.map(([name]) => name).join(", "),
      hint: "give one of user, sysPrefix, prefix and folder",
    });
  if (place.folder !== undefined) return path.resolve(place.folder);
  if (place.prefix !== undefined) return path.join(path.resolve(place.prefix), "share", "jupyter");
  if (place.sysPrefix === true) return path.join(pythonPrefix(env), "share", "jupyter");
  return userDataFolder(env);
}

/** What `jupyter --data-dir` says where there is one; else by the rules of jupyter_core. */
export function userDataFolder(env: NodeJS.ProcessEnv = process.env): string {
  const asked = spawnSync("jupyter", ["--data-dir"], { env, encoding: "utf8" });
  if (asked.status === 0 && asked.stdout.trim() !== "") return asked.stdout.trim();
  return defaultDataFolder(process.platform, env, homedir());
}

/** jupyter_core's `jupyter_data_dir`: JUPYTER_DATA_DIR, else the platform's own folder. */
export function defaultDataFolder(platform: NodeJS.Platform, env: NodeJS.ProcessEnv, home: string): string {
  const set = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  const chosen = set("JUPYTER_DATA_DIR");
  if (chosen !== undefined) return chosen;
  // JUPYTER_PLATFORM_DIRS moves the folders of macOS and Windows to where platformdirs puts them.
  const platformDirs = /^(1|true|yes|on)$/i.test(set("JUPYTER_PLATFORM_DIRS") ?? "");
  if (platform === "darwin")
    return platformDirs
      ? path.join(home, "Library", "Application Support", "Jupyter")
      : path.join(home, "Library", "Jupyter");
  if (platform === "win32") {
    const roaming = set("APPDATA") ?? path.join(home, "AppData", "Roaming");
    const local = set("LOCALAPPDATA") ?? path.join(home, "AppData", "Local");
    return platformDirs ? path.join(local, "Jupyter") : path.join(roaming, "jupyter");
  }
  return path.join(set("XDG_DATA_HOME") ?? path.join(home, ".local", "share"), "jupyter");
}

function pythonPrefix(env: NodeJS.ProcessEnv): string {
  for (const python of ["python3", "python"]) {
    const asked = spawnSync(python, ["-c", "import sys; print(sys.prefix)"], { env, encoding: "utf8" });
    if (asked.status === 0) return asked.stdout.trim();
  }
  throw new AmsError("no Python environment is active", {
    where: "neither python3 nor python runs",
    hint: "activate the environment that holds Jupyter, or give its folder with --prefix",
  });
}
