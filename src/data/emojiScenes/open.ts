/** Opens the emoji scenes as a data set, generating them first where they are not complete. */
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import { generateScenes } from "./generate.js";
import { withLock } from "./lock.js";
import { sceneFolder, sceneRecipe, whole, type SceneOptions, type SceneRecipe } from "./options.js";
import { readManifest, readScenes, type SceneDataset } from "./read.js";

/**
 * The emoji scenes with these options; generated into `<AMS home>/data/scenes-<hash>` (or `options.folder`) when they are
 * not there. Errors: AmsError for bad options, a folder that holds something else, a damaged set, a disk that is full.
 */
export async function openScenes(options: SceneOptions, context: Context): Promise<SceneDataset> {
  const recipe = sceneRecipe(options);
  const workers = whole("workers", options.workers ?? Math.min(2, availableParallelism()), 1, 64);
  const folder = sceneFolder(recipe, options.folder);
  if (!isComplete(folder, recipe)) {
    await withLock(folder, context, async () => {
      // Another process may have finished it while this one waited.
      if (!isComplete(folder, recipe)) await generateScenes(folder, recipe, workers, context);
    });
  }
  return readScenes(folder);
}

/** Whether the folder holds the whole set; throws where it holds something else, which must not be overwritten. */
function isComplete(folder: string, recipe: SceneRecipe): boolean {
  if (!existsSync(folder)) return false;
  const hint = "choose another folder, or delete this one";
  if (!existsSync(path.join(folder, "manifest.json"))) {
    if (readdirSync(folder).length === 0) return false;
    throw new AmsError("the folder for the scenes holds something else", { where: folder, hint });
  }
  if (JSON.stringify(readManifest(folder).recipe) === JSON.stringify(recipe)) return true;
  throw new AmsError("the folder holds scenes made with other options", { where: folder, hint });
}
