/** Paths in the lines of built-in magics. */
import { readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { MagicCompletions } from "../plugin.js";

/** `~` and `~/x` mean the home folder. */
export function expandHome(file: string): string {
  return file.replace(/^~(?=$|[/\\])/, os.homedir());
}

/** Files and folders that begin like the last word before the cursor; folders end with a slash. */
export function completePath(args: string, cursor: number, accept: (file: string) => boolean): MagicCompletions {
  const typed = /[^\s"']*$/.exec(args.slice(0, cursor))?.[0] ?? "";
  const slash = typed.lastIndexOf("/") + 1;
  const begin = typed.slice(slash);
  const found: MagicCompletions = { matches: [], start: cursor - typed.length, end: cursor };
  try {
    const folder = path.resolve(expandHome(typed.slice(0, slash) || "."));
    found.matches = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.name.startsWith(begin) && (begin !== "" || !entry.name.startsWith(".")))
      .filter((entry) => entry.isDirectory() || accept(entry.name))
      .sort((a, b) => a.name.localeCompare(b.name))
      .map((entry) => ({ text: typed.slice(0, slash) + entry.name + (entry.isDirectory() ? "/" : ""), type: "path" }));
  } catch {
    // the folder being typed does not exist (yet)
  }
  return found;
}
