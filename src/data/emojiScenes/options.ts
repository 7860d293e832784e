/** The options of a generated set: defaults, limits, and the folder name that belongs to them. */
import { createHash } from "node:crypto";
import path from "node:path";
import { AmsError } from "../../errors.js";
import { amsHome } from "../../paths.js";
import { defaultCounts, sceneSplits, type SceneSplit } from "./splits.js";

/** Which scenes are drawn, and how many. */
export interface SceneOptions {
  /** Default 1. */
  seed?: number;
  /** Scenes per split; default 5000 / 500 / 1000 / 1000 / 1000, at most 100,000 each. */
  counts?: Partial<Record<SceneSplit, number>>;
  /** Side of the stored images, 32 to 512; default 128. */
  pixels?: number;
  /** Where to write; default `data/scenes-<hash of the options>` under the AMS home. */
  folder?: string;
  /** Worker threads, default two or fewer; the result is the same for any number. */
  workers?: number;
}

/** What decides every byte of a set; the manifest carries it. */
export interface SceneRecipe {
  /** Raised whenever the same options give other scenes than before. */
  generator: number;
  seed: number;
  pixels: number;
  counts: Record<SceneSplit, number>;
}

const generator = 2;
const mostScenes = 100_000;

/** Checks options from people and fills in defaults. Errors: AmsError naming the option, its value and its limits. */
export function sceneRecipe(options: SceneOptions): SceneRecipe {
  const seed = whole("seed", options.seed ?? 1, 0, 0xffffffff);
  const pixels = whole("pixels", options.pixels ?? 128, 32, 512);
  const counts = { ...defaultCounts };
  for (const [split, count] of Object.entries(options.counts ?? {})) {
    if (!isSplit(split)) {
      throw new AmsError(`the scenes have no split "${split}"`, {
        where: "option counts",
        hint: `choose from ${sceneSplits.join(", ")}`,
      });
    }
    counts[split] = whole(`counts.${split}`, count, 0, mostScenes);
  }
  return { generator, seed, pixels, counts };
}

/** The folder of a recipe, absolute. */
export function sceneFolder(recipe: SceneRecipe, folder?: string): string {
  if (folder !== undefined) return path.resolve(folder);
  const hash = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 10);
  return path.join(amsHome(), "data", `scenes-${hash}`);
}

function isSplit(name: string): name is SceneSplit {
  return (sceneSplits as readonly string[]).includes(name);
}

/** Throws unless the value is a whole number within its limits. */
export function whole(name: string, value: unknown, low: number, high: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= low && value <= high) return value;
  throw new AmsError(`${name} must be a whole number from ${String(low)} to ${String(high)}, got ${String(value)}`, {
    where: "options of the emoji scenes",
    hint: `give ${name} a number in this range`,
  });
}
