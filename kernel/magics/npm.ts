/** %npm: packages for the notebook, installed beside it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { npmCommand } from "../../src/npmCommand.js";
import { splitWords } from "./options.js";
import { userError } from "./plugins.js";
import { runShell } from "./shell.js";

export const npmUsage =
  "%npm install PACKAGE...: installs packages beside the notebook; any other npm command works too";

/**
 * Runs npm in the nearest folder above the notebook that has a package.json, else in the notebook's own folder. The kernel's
 * own folder is never touched.
 */
export async function runNpm(args: string, folder: string, packageRoot: string, signal: AbortSignal): Promise<void> {
  const [command] = splitWords(args);
  if (command === undefined) throw userError("%npm needs a command", npmUsage, "%npm");
  const installs = ["install", "i", "add", "update", "uninstall", "remove", "rm", "ci"].includes(command);
  const quiet = installs ? " --no-audit --no-fund" : "";
  await runShell(`${npmCommand()} ${args.trim()}${quiet}`, signal, { cwd: projectOf(folder, packageRoot) });
}

function projectOf(folder: string, packageRoot: string): string {
  for (let at = folder; at !== packageRoot; at = path.dirname(at)) {
    if (existsSync(path.join(at, "package.json"))) return at;
    if (at === path.dirname(at)) break;
  }
  return folder;
}
