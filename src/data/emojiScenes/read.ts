/** Reads a generated set back: checks it against its manifest and makes the items. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { breathe } from "../../context.js";
import { AmsError } from "../../errors.js";
import type { Dataset, ImageObject, Item } from "../dataset.js";
import { scenesFile } from "./annotations.js";
import type { Manifest } from "./generate.js";
import type { Artist } from "./objects.js";
import type { ScenePlace } from "./places.js";
import type { SceneRow } from "./scene.js";
import { sceneSplits } from "./splits.js";

/** A drawn thing, with its artist and main colour. */
export interface SceneImageObject extends ImageObject {
  artist: Artist;
  color: string | null;
}

/** A drawn scene with the things in it. */
export interface SceneItem extends Item {
  objects: SceneImageObject[];
  place: ScenePlace;
}

/** The emoji scenes: splits train, val, test, test-pairs, test-style. */
export interface SceneDataset extends Dataset {
  splits: Record<string, SceneItem[]>;
  /** Seed, counts and versions of the set. */
  manifest: Manifest;
}

/** The items of a complete folder. Errors: AmsError where files are missing or not what the manifest says. */
export async function readScenes(folder: string): Promise<SceneDataset> {
  const manifest = readManifest(folder);
  const hash = createHash("sha256");
  const contents = sceneSplits.map((split): [string, Buffer] => {
    try {
      const content = readFileSync(path.join(folder, scenesFile(split)));
      hash.update(content);
      return [split, content];
    } catch (cause) {
      throw damaged(folder, `${scenesFile(split)} cannot be read`, cause);
    }
  });
  const fingerprint = hash.digest("hex");
  // Before they are parsed: lines that were cut or changed are no JSON.
  if (fingerprint !== manifest.hash) throw damaged(folder, "the annotations were changed");
  const splits: Record<string, SceneItem[]> = {};
  for (const [split, content] of contents) splits[split] = await parse(content, path.join(folder, "images"));
  const images = readdirSync(path.join(folder, "images")).length;
  if (images !== manifest.images)
    throw damaged(folder, `${String(images)} of ${String(manifest.images)} images are there`);
  return { name: "scenes", root: path.join(folder, "images"), splits, fingerprint: fingerprint.slice(0, 12), manifest };
}

export function readManifest(folder: string): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8"));
  } catch (cause) {
    throw damaged(folder, "manifest.json cannot be read", cause);
  }
  if (typeof manifest === "object" && manifest !== null && "recipe" in manifest && "hash" in manifest) {
    return manifest as Manifest;
  }
  throw damaged(folder, "manifest.json does not hold recipe and hash");
}

function damaged(folder: string, what: string, cause?: unknown): AmsError {
  return new AmsError(`the generated scenes are damaged: ${what}`, {
    where: folder,
    hint: "delete this folder and run `ams data scenes`, which generates them anew",
    cause,
  });
}

/** Line by line from the bytes: 100,000 scenes are too long for one string. */
async function parse(content: Buffer, images: string): Promise<SceneItem[]> {
  const items: SceneItem[] = [];
  for (let start = 0; start < content.length;) {
    const end = content.indexOf(10, start);
    items.push(toItem(JSON.parse(content.toString("utf8", start, end)) as SceneRow, images));
    start = end + 1;
    if (items.length % 2000 === 0) await breathe();
  }
  return items;
}

function toItem(row: SceneRow, images: string): SceneItem {
  return {
    id: row.id,
    image: path.join(images, row.image),
    place: row.place,
    objects: row.objects.map(({ box: [x, y, width, height], label, artist, color }) => ({
      box: { x, y, width, height },
      label,
      artist,
      color,
    })),
    captions: row.captions.map(({ text, phrases }) => ({
      text,
      phrases: phrases.map(([start, end, objects, type]) => ({ start, end, objects, type })),
    })),
  };
}
