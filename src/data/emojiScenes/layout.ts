/** Puts the things of a scene where they belong (ground, air, water) so that their boxes hardly overlap. */
import type { Random } from "../../random.js";
import type { Box } from "../dataset.js";
import type { ScenePlace } from "./places.js";
import type { SceneGroup } from "./plan.js";

/** One drawn thing; the box is a part of the picture's side (0..1). */
export interface Instance {
  box: Box;
  flip: boolean;
}

/** The most that two boxes may share, as a part of the smaller one. */
export const mostOverlap = 0.1;

/** Longer side of a thing of real size 1..5, alone in the picture; real sizes are compressed to stay recognisable. */
const baseSides = [0.28, 0.32, 0.37, 0.42, 0.47];
const sizeFactors = { small: 0.62, normal: 1, big: 1.4 };
const crowdFactors = [1.15, 1.05, 0.95];
const countFactors = [1, 0.88, 0.76];
const margin = 0.015;
/** Smallest side that is still recognised at 64 pixels. */
const leastSide = 0.115;

/** Fills in the boxes of all instances; false where the groups cannot be placed at a recognisable size. */
export function layOut(groups: SceneGroup[], place: ScenePlace, horizon: number, random: Random): boolean {
  const order = [...groups].sort((a, b) => wantedSide(b, groups.length) - wantedSide(a, groups.length));
  for (let shrink = 1; shrink > 0.55; shrink *= 0.93) {
    for (let attempt = 0; attempt < 3; attempt++) {
      const placed: Box[] = [];
      if (order.every((group) => placeGroup(group, shrink, groups.length, place, horizon, placed, random))) return true;
    }
  }
  return false;
}

function wantedSide(group: SceneGroup, groups: number): number {
  const base = baseSides[group.object.size - 1] ?? 0.3;
  return (
    base * sizeFactors[group.size] * (crowdFactors[groups - 1] ?? 1) * (countFactors[group.instances.length - 1] ?? 1)
  );
}

/** Tries places for a whole group; on success its boxes are added to `placed`. */
function placeGroup(
  group: SceneGroup,
  shrink: number,
  groups: number,
  place: ScenePlace,
  horizon: number,
  placed: Box[],
  random: Random,
): boolean {
  const side = wantedSide(group, groups) * shrink;
  if (side < leastSide) return false;
  const drawing = group.object.artists[group.artist];
  if (drawing === undefined) throw new Error(`${group.artist} has no ${group.object.noun}`);
  const [left, top, right, bottom] = drawing.box;
  const longest = Math.max(right - left, bottom - top);
  for (let attempt = 0; attempt < 40; attempt++) {
    const depth = random.next();
    const scale = (side / longest) * (group.zone === "ground" ? 0.88 + 0.22 * depth : 1) * random.uniform(0.95, 1.05);
    const width = (right - left) * scale;
    const height = (bottom - top) * scale;
    const [low, high] = bottomRange(group, place, horizon, height);
    if (low > high) continue;
    const base = low + (high - low) * depth;
    const boxes = arrange(group, width, height, random.uniform(margin, 1 - margin), base, random);
    const inside = boxes.every(
      (box) =>
        box.x >= margin &&
        box.x + box.width <= 1 - margin &&
        box.y >= margin &&
        box.y + box.height >= low - 0.02 &&
        box.y + box.height <= Math.min(1 - margin, high + 0.02),
    );
    if (!inside || !apart(boxes, placed)) continue;
    group.instances.forEach((instance, i) => {
      instance.box = boxes[i] ?? instance.box;
    });
    placed.push(...boxes);
    return true;
  }
  return false;
}

/** Lowest and highest allowed bottom edge of a thing of this height. */
function bottomRange(group: SceneGroup, place: ScenePlace, horizon: number, height: number): [number, number] {
  const lowest = 1 - 2 * margin;
  switch (group.zone) {
    case "ground":
      // A thing on the ground may rise above the horizon, its feet may not.
      return [Math.max(horizon + (place === "beach" ? 0.1 : 0.06), height + margin), lowest];
    case "air":
      return [height + margin, Math.max(horizon, height + 2 * margin) + 0.02];
    case "water":
      return floats(group) ? [Math.max(horizon + 0.06, height + margin), lowest] : [horizon + 0.04 + height, lowest];
  }
}

/** Boats and water birds float, the rest swims below the surface line. */
export function floats(group: SceneGroup): boolean {
  return group.object.category === "vehicle" || group.object.category === "bird";
}

/** Boxes of the group's instances around a middle: side by side, or one in front of two. */
function arrange(
  group: SceneGroup,
  width: number,
  height: number,
  middle: number,
  base: number,
  random: Random,
): Box[] {
  const count = group.instances.length;
  const triangle = count === 3 && random.next() < 0.4;
  const boxes: Box[] = [];
  for (let i = 0; i < count; i++) {
    const scale = count === 1 ? 1 : random.uniform(0.94, 1.06);
    const column = triangle ? [-0.5, 0.5, 0][i]! : i - (count - 1) / 2;
    const row = triangle ? [-1, -1, 0][i]! : 0;
    const w = width * scale;
    const h = height * scale;
    const centre = middle + column * width * (triangle ? 1.08 : 1.0 + 0.12 * random.next());
    const foot =
      base + row * height * random.uniform(0.95, 1.05) + random.uniform(-0.02, 0.02) * Math.min(1, count - 1);
    boxes.push({ x: centre - w / 2, y: foot - h, width: w, height: h });
  }
  return boxes;
}

function apart(boxes: Box[], placed: Box[]): boolean {
  const all = [...placed, ...boxes];
  for (let i = placed.length; i < all.length; i++) {
    for (let j = 0; j < i; j++) if (overlap(all[i]!, all[j]!) > mostOverlap * 0.9) return false;
  }
  return true;
}

/** Shared area as a part of the smaller box. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / Math.min(a.width * a.height, b.width * b.height);
}

/** The smallest box around all instances of a group. */
export function groupBox(group: SceneGroup): Box {
  const x = Math.min(...group.instances.map(({ box }) => box.x));
  const y = Math.min(...group.instances.map(({ box }) => box.y));
  const right = Math.max(...group.instances.map(({ box }) => box.x + box.width));
  const bottom = Math.max(...group.instances.map(({ box }) => box.y + box.height));
  return { x, y, width: right - x, height: bottom - y };
}
