/** Draws a planned scene to pixels: background, shadows, things from back to front, at twice the size, then halved. */
import { wave } from "./backgroundParts.js";
import { drawBackground, shadows } from "./backgrounds.js";
import { createCanvas, drawSprite, halve, softEllipse, type Canvas } from "./canvas.js";
import { loadSprite } from "./icons.js";
import { floats, type Instance } from "./layout.js";
import type { SceneGroup, ScenePlan } from "./plan.js";

let scratch: Canvas | undefined;

/** RGB pixels [pixels, pixels, 3] of a scene. */
export async function drawScene(plan: ScenePlan, pixels: number): Promise<Buffer> {
  // The largest thing takes half the side, so sprites of about the stored side are fine enough at twice the size.
  const spriteSide = pixels <= 160 ? 128 : 256;
  const sprites = await Promise.all(
    plan.groups.map((group) => loadSprite(group.artist, group.object.artists[group.artist]?.icon ?? "", spriteSide)),
  );
  const side = pixels * 2;
  scratch = scratch?.side === side ? scratch : createCanvas(side);
  const canvas = scratch;
  drawBackground(canvas, plan.place, plan.horizon, plan.texture);
  const things = plan.groups.flatMap((group, index) => group.instances.map((instance) => ({ group, instance, index })));
  const foot = ({ box }: Instance): number => box.y + box.height;
  things.sort((a, b) => order(a.group) - order(b.group) || foot(a.instance) - foot(b.instance));
  for (const { group, instance } of things) drawShadow(canvas, plan, group, instance);
  for (const { group, instance, index } of things) {
    const sprite = sprites[index];
    const crop = group.object.artists[group.artist]?.box;
    if (sprite === undefined || crop === undefined) throw new Error(`no sprite of ${group.object.noun}`);
    const { x, y, width, height } = instance.box;
    const box = { x: x * side, y: y * side, width: width * side, height: height * side };
    drawSprite(canvas, sprite, crop, box, instance.flip);
    if (group.zone === "water" && floats(group)) drawWash(canvas, box);
  }
  return halve(canvas);
}

function order(group: SceneGroup): number {
  return group.zone === "air" ? 0 : 1;
}

function drawShadow(canvas: Canvas, plan: ScenePlan, group: SceneGroup, { box }: Instance): void {
  if (group.zone === "air" || (group.zone === "water" && !floats(group))) return;
  const { side } = canvas;
  const { color, alpha } = shadows[plan.place];
  const middle = (box.x + box.width / 2) * side;
  const ground = (box.y + box.height) * side;
  softEllipse(
    canvas,
    middle,
    ground - 0.006 * side,
    box.width * 0.58 * side,
    Math.max(2, box.width * 0.11 * side),
    color,
    alpha * 1.4,
  );
}

/** Foam where a hull or a bird meets the water. */
function drawWash(canvas: Canvas, box: { x: number; y: number; width: number; height: number }): void {
  const size = box.width * 0.14;
  for (const part of [0.18, 0.5, 0.82]) {
    wave(canvas, box.x + box.width * part, box.y + box.height - size * 0.45, size, [226, 244, 252], 0.8);
  }
}
