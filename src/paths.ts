/** Where the package is, and where everything generated goes. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** The folder with package.json, from the sources as well as from `build/`. */
export function packageRoot(): string {
  let folder = __dirname;
  while (!existsSync(path.join(folder, "package.json"))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${__dirname}`);
    folder = parent;
  }
  return folder;
}

/**
 * The folder of everything generated (data, engine, runs, Python environment): `$AMS_HOME`, else `.ams` inside a clone,
 * else `~/.ams` (an installed package's own folder may be read-only and vanishes with an update).
 */
export function amsHome(): string {
  const chosen = process.env["AMS_HOME"];
  if (chosen !== undefined && chosen !== "") return path.resolve(chosen);
  const root = packageRoot();
  return existsSync(path.join(root, ".git")) ? path.join(root, ".ams") : path.join(homedir(), ".ams");
}
