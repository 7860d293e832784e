/** Which folders `ams install` wrote a kernel to: a list in the folder of everything generated, so that doctor finds them again. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { amsHome } from "./paths.js";
import { makeFolder } from "./writing.js";

function listFile(): string {
  return path.join(amsHome(), "kernels.json");
}

/** The folders of the list that still hold a kernel.json; a list that cannot be read counts as empty. */
export function installedKernels(): string[] {
  try {
    const folders = JSON.parse(readFileSync(listFile(), "utf8")) as unknown;
    if (!Array.isArray(folders)) return [];
    return folders.filter(
      (folder): folder is string => typeof folder === "string" && existsSync(path.join(folder, "kernel.json")),
    );
  } catch {
    return []; // nothing was installed yet
  }
}

/** Adds a folder. The kernel works without the list, so that one that cannot be written is no failure. */
export function rememberKernel(folder: string): void {
  try {
    makeFolder(amsHome());
    writeFileSync(listFile(), `${JSON.stringify([...new Set([...installedKernels(), folder])], null, 2)}\n`);
  } catch {
    return;
  }
}
