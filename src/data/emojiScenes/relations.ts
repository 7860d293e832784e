/** What can truly be said about where two groups are: left of, above, in front of, near, between. */
import type { Random } from "../../random.js";
import { floats, groupBox } from "./layout.js";
import type { SceneGroup } from "./plan.js";

export type Relation = "left" | "right" | "above" | "below" | "front" | "behind" | "near";

export const relationWords: Record<Relation, string[]> = {
  left: ["to the left of", "left of", "on the left of"],
  right: ["to the right of", "right of", "on the right of"],
  above: ["above", "over"],
  below: ["below", "underneath", "under", "beneath"],
  front: ["in front of"],
  behind: ["behind"],
  near: ["next to", "beside", "near", "by", "close to"],
};

/** All relations of a to b that a viewer would agree with. */
export function relationsOf(a: SceneGroup, b: SceneGroup): Relation[] {
  const p = groupBox(a);
  const q = groupBox(b);
  const relations: Relation[] = [];
  const sharedX = Math.min(p.x + p.width, q.x + q.width) - Math.max(p.x, q.x);
  const sharedY = Math.min(p.y + p.height, q.y + q.height) - Math.max(p.y, q.y);
  const aside = sharedX <= 0.1 * Math.min(p.width, q.width);
  const stacked = sharedX >= 0.3 * Math.min(p.width, q.width);
  const apartY = sharedY <= 0.12 * Math.min(p.height, q.height);
  if (aside && Math.abs(p.y + p.height / 2 - q.y - q.height / 2) < 0.42) {
    relations.push(p.x < q.x ? "left" : "right");
  }
  const sameGround = a.zone === b.zone && a.zone === "ground";
  const feet = p.y + p.height - q.y - q.height;
  if (stacked && sameGround && Math.abs(feet) > 0.1) relations.push(feet > 0 ? "front" : "behind");
  // Of things on the water the upper one is farther away, not higher.
  const afloat = a.zone === "water" && b.zone === "water" && (floats(a) || floats(b));
  if (stacked && !sameGround && !afloat && apartY) {
    // What stands on the ground or swims is not said to be above what flies.
    if (p.y + p.height / 2 < q.y + q.height / 2 && !(a.zone !== "air" && b.zone === "air")) relations.push("above");
    if (p.y + p.height / 2 > q.y + q.height / 2 && !(b.zone !== "air" && a.zone === "air")) relations.push("below");
  }
  const gap = Math.hypot(Math.max(0, -sharedX), Math.max(0, -sharedY));
  if (gap < 0.16 && a.zone === b.zone) relations.push("near");
  return relations;
}

/** Words for one true relation of a to b; undefined where nothing clear can be said. */
export function relate(a: SceneGroup, b: SceneGroup, random: Random): string | undefined {
  const relations = relationsOf(a, b);
  return relations.length === 0 ? undefined : random.choice(relationWords[random.choice(relations)]);
}

/** Whether a stands between b and c, side by side on one level. */
export function isBetween(a: SceneGroup, b: SceneGroup, c: SceneGroup): boolean {
  const sides = new Set([...relationsOf(a, b), ...relationsOf(a, c)]);
  return a.zone === b.zone && a.zone === c.zone && sides.has("left") && sides.has("right");
}
