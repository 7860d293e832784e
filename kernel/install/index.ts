/** Installing the kernel into a Jupyter: writes its spec and pictures, and sees whether Jupyter lists it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import sharp from "sharp";
import { AmsError } from "../../src/errors.js";
import { rememberKernel } from "../../src/installedKernels.js";
import { logoSvg } from "./logo.js";
import { dataFolder } from "./places.js";
import type { Place } from "./places.js";
import { product } from "../product.js";
import { kernelSpec } from "./spec.js";

export type { Place } from "./places.js";
export { kernelSpec } from "./spec.js";

const { kernelName, labExtension } = product;

/** What `jupyter kernelspec list` says of the folder; another spec of the same name can hide it. */
export type Listing = "listed" | "not listed" | "jupyter not there";

export interface Installed {
  /** The folder with kernel.json. */
  folder: string;
  /** The folder of the JupyterLab extension; undefined where this build has none. */
  extension: string | undefined;
  listing: Listing;
}

/**
 * Writes kernel.json and the logos into `<data folder>/kernels/ams` for a place (see `Place`; the user's by default), and the JupyterLab
 * extension into `<data folder>/labextensions`.
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
  let extension: string | undefined;
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
    extension = await installExtension(place);
  } catch (cause) {
    // Where even the draft's folder cannot exist, removing it fails too; the first error is the one to show.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw new AmsError(`the kernel cannot be installed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      where: folder,
      hint: "choose a place that you may write to: --user, --sys-prefix, --prefix DIR or --folder DIR",
      cause,
    });
  }
  rememberKernel(folder);
  return { folder, extension, listing: listingOf(folder) };
}

/** JupyterLab and Notebook 7 load every folder below `labextensions` that has a package.json of this kind. */
async function installExtension(place: Place): Promise<string | undefined> {
  if (!existsSync(path.join(labExtension.folder, "package.json"))) return undefined;
  const folder = extensionFolder(place);
  const draft = `${folder}.${process.pid}.part`;
  try {
    await cp(labExtension.folder, draft, { recursive: true });
    const note = { packageManager: "npm", packageName: "ams-notebook", uninstallInstructions: "ams uninstall" };
    await writeFile(path.join(draft, "install.json"), `${JSON.stringify(note, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  return folder;
}

function extensionFolder(place: Place): string {
  return path.join(dataFolder(place), "labextensions", labExtension.name);
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
  const extension = extensionFolder(place);
  await rm(extension, { recursive: true, force: true });
  await rmdir(path.dirname(extension)).catch(() => undefined); // the scope's folder, unless something else is in it
  return folder;
}

function listingOf(folder: string): Listing {
  const asked = spawnSync("jupyter", ["kernelspec", "list", "--json"], { encoding: "utf8" });
  if (asked.error !== undefined) return "jupyter not there";
  try {
    const { kernelspecs } = JSON.parse(asked.stdout) as { kernelspecs: Record<string, { resource_dir: string }> };
    const listed = kernelspecs[kernelName]?.resource_dir;
    return listed !== undefined && path.resolve(listed) === folder ? "listed" : "not listed";
  } catch {
    // A jupyter without jupyter_client has no kernelspec command: it can start no kernel either.
    return "not listed";
  }
}
