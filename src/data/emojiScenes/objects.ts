/** The things that scenes are made of: 255 nouns with their words, sizes, and one icon for each of five artists. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../paths.js";
import type { ScenePlace } from "./places.js";

/** Icon sets of npm `@iconify-json/*`; the last one draws the split `test-style` and nothing else. */
export const artists = ["twemoji", "noto", "fluent-emoji-flat", "emojione", "noto-v1"] as const;

/** A collection of artwork. */
export type Artist = (typeof artists)[number];

/** The artist of whom no training scene has a drawing: `test-style`. */
export const heldOutArtist: Artist = "noto-v1";

/** Singular and plural. */
export type Word = [string, string];

export interface Drawing {
  /** Name of the icon in the artist's set. */
  icon: string;
  /** The visible part of the square icon: left, top, right, bottom in 0..1. */
  box: [number, number, number, number];
  /** Main colour, when the icon has one. */
  color: string | null;
}

/** A thing that scenes can show: its words, drawings and size. */
export interface SceneObject {
  noun: string;
  plural: string;
  synonyms: Word[];
  /** More general words; empty where none is natural. */
  hypernyms: Word[];
  category: string;
  /** Where it may be: any of g (ground), a (air), w (water). */
  place: string;
  /** Real size from 1 (a bee) to 5 (a house). */
  size: number;
  artists: Partial<Record<Artist, Drawing>>;
}

/** In the order of class numbers. */
export const sceneObjects = JSON.parse(
  readFileSync(path.join(packageRoot(), "assets", "emoji-scenes", "objects.json"), "utf8"),
) as SceneObject[];

/** The 255 nouns; the index is the class number. */
export const sceneClasses: string[] = sceneObjects.map((object) => object.noun);

export type Zone = "ground" | "air" | "water";

/** The zones of a place where an object is at home; empty where it would look wrong (a whale on a table). */
export function zonesOf(object: SceneObject, place: ScenePlace): Zone[] {
  const zones: Zone[] = [];
  const { category, size } = object;
  if (place === "sea") {
    if (object.place.includes("w")) zones.push("water");
    if (object.place.includes("a")) zones.push("air");
    return zones;
  }
  if (place === "table") {
    const small = size <= 2 && !["animal", "bird", "vehicle", "sea animal", "sky"].includes(category);
    return object.place.includes("g") && small ? ["ground"] : [];
  }
  if (place === "room") {
    if (["building", "place", "sky"].includes(category) || size === 5) return zones;
    if (category === "vehicle" && object.place === "a") return zones;
  }
  if (object.place.includes("g")) zones.push("ground");
  if (object.place.includes("a")) zones.push("air");
  return zones;
}
