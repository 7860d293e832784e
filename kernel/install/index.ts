/** Installing the kernel into a Jupyter: writes its spec and pictures, and sees whether Jupyter lists it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { AmsError } from "../../src/errors.js";
import { logoSvg } from "./logo.js";
import { dataFolder } from "./places.js";
import type { Place } from "./places.js";
import { kernelName, kernelSpec } from "./spec.js";

export type { Place } from "./places.js";
export { kernelName, kernelSpec } from "./spec.js";

export interface Installed {
  /** The folder with kernel.json. */
  folder: string;
  /** Whether `jupyter kernelspec list` shows exactly this folder; undefined where no `jupyter` is on PATH. */
  listed: boolean | undefined;
}

/**
 * Writes kernel.json and the logos into `<data folder>/kernels/ams` for a place (see `Place`; the user's by default).
 * Refuses when the program lies in npx's cache, which npm empties at will.
 */
export async function installKernel(place: Place = {}): Promise<Installed> {
  const buildFolder = path.resolve(__dirname, "..", "..");
  if (buildFolder.split(path.sep).includes("_npx"))
    throw new AmsError("the kernel cannot be installed from npx's cache, whose folders vanish", {
      where: buildFolder,
      hint: "install the package first (npm install ams-notebook), then install the kernel from there",
    });
  const folder = path.join(dataFolder(place), "kernels", kernelName);
  const home = process.env["AMS_HOME"];
  const spec = kernelSpec(buildFolder, home === undefined || home === "" ? {} : { AMS_HOME: path.resolve(home) });
  const svg = logoSvg();
  // Written beside and renamed, so that a client never reads half a spec.
  const draft = `${folder}.${process.pid}.part`;
  try {
    await mkdir(draft, { recursive: true });
    await writeFile(path.join(draft, "logo-svg.svg"), svg);
    for (const size of [32, 64]) {
      const png = await sharp(Buffer.from(svg), { density: 288 }).resize(size, size).png().toBuffer();
      await writeFile(path.join(draft, `logo-${size}x${size}.png`), png);
    }
    await writeFile(path.join(draft, "kernel.json"), `${JSON.stringify(spec, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } catch (cause) {
    // Where even the draft's folder cannot exist, removing it fails too; the first error is the one to show.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw new AmsError(`the kernel cannot be installed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      where: folder,
      hint: "choose a place that you may write to: --user, --sys-prefix, --prefix DIR or --folder DIR",
      cause,
    });
  }
  return { folder, listed: isListed(folder) };
}

/** Removes what `installKernel` wrote for the same place; returns its folder. An AmsError when there is none. */
export async function uninstallKernel(place: Place = {}): Promise<string> {
  const folder = path.join(dataFolder(place), "kernels", kernelName);
  if (!existsSync(path.join(folder, "kernel.json")))
    throw new AmsError(`there is no kernel "${kernelName}" to remove`, {
      where: folder,
      hint: "jupyter kernelspec list shows where kernels are",
    });
  await rm(folder, { recursive: true });
  return folder;
}

/** What `jupyter kernelspec list` says: another spec of the same name can hide ours. */
function isListed(folder: string): boolean | undefined {
  const asked = spawnSync("jupyter", ["kernelspec", "list", "--json"], { encoding: "utf8" });
  if (asked.status !== 0) return undefined;
  try {
    const { kernelspecs } = JSON.parse(asked.stdout) as { kernelspecs: Record<string, { resource_dir: string }> };
    const listed = kernelspecs[kernelName]?.resource_dir;
    return listed !== undefined && path.resolve(listed) === folder;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
