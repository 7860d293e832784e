/** One scene as data: objects with boxes, captions with phrases; the rows of `scenes-<split>.jsonl`. */
import { Random } from "../../random.js";
import type { Box } from "../dataset.js";
import { captionScene } from "./captions.js";
import type { Artist } from "./objects.js";
import type { ScenePlace } from "./places.js";
import { planScene, type ScenePlan } from "./plan.js";
import type { SceneSplit } from "./splits.js";

/** Short names: 100,000 of these rows are read in a second or two. */
export interface SceneRow {
  id: string;
  /** File name under `images/`. */
  image: string;
  place: ScenePlace;
  objects: {
    box: [number, number, number, number];
    label: string;
    artist: Artist;
    color: string | null;
    flip: boolean;
  }[];
  /** Each phrase: start, end, indexes into `objects`, the category of the objects. */
  captions: { text: string; phrases: [number, number, number[], string][] }[];
}

export interface Scene {
  plan: ScenePlan;
  row: SceneRow;
}

/** PNG: at this size it is written and read faster than JPEG (0.7 against 1.0 ms at 128 px), and keeps every pixel. */
export const imageFormat = "png";

/**
 * Scene `index` of a split. It depends on seed, split and index only (and on `pixels` for the unit of its boxes), so any
 * number of workers makes the same set, and a larger set begins with the smaller one.
 */
export function describeScene(seed: number, split: SceneSplit, index: number, pixels: number): Scene {
  const random = Random.stream(seed, `${split}/${String(index)}`);
  const plan = planScene(split, index, random);
  const captions = captionScene(plan, random);
  const members: number[][] = [];
  const objects: SceneRow["objects"] = [];
  for (const group of plan.groups) {
    members.push(group.instances.map((_, i) => objects.length + i));
    for (const { box, flip } of group.instances) {
      objects.push({
        box: inPixels(box, pixels),
        label: group.object.noun,
        artist: group.artist,
        color: group.color,
        flip,
      });
    }
  }
  const id = `${split}-${String(index).padStart(6, "0")}`;
  const row: SceneRow = {
    id,
    image: `${id}.${imageFormat}`,
    place: plan.place,
    objects,
    captions: captions.map(({ text, phrases }) => ({
      text,
      phrases: phrases.map(({ start, end, group }) => [
        start,
        end,
        members[group] ?? [],
        plan.groups[group]?.object.category ?? "",
      ]),
    })),
  };
  return { plan, row };
}

/** To pixels, rounded to hundredths. */
function inPixels(box: Box, pixels: number): [number, number, number, number] {
  const round = (value: number): number => Math.round(value * pixels * 100) / 100;
  return [round(box.x), round(box.y), round(box.width), round(box.height)];
}
