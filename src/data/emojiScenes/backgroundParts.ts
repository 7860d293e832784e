/** What backgrounds are put together from: sky, hills, waves, planks, a window, and colours that vary. */
import type { Random } from "../../random.js";
import {
  fillEllipse,
  fillPolygon,
  fillRectangle,
  fillRows,
  softEllipse,
  span,
  type Canvas,
  type Color,
} from "./canvas.js";

/** Everything a painter needs; `unit` is the canvas side, `horizon` in pixels. */
export interface Setting {
  canvas: Canvas;
  unit: number;
  horizon: number;
  random: Random;
}

/** From the top to a little below the horizon. */
export function sky(setting: Setting, top: Color, bottom: Color): void {
  const { canvas, unit, horizon, random } = setting;
  fillRows(canvas, 0, Math.min(unit, horizon + 0.15 * unit), vary(top, 14, random), vary(bottom, 6, random));
}

/** Thin streaks of mist; round clouds would be the class "cloud". */
export function haze({ canvas, unit, horizon, random }: Setting, color: Color, most: number): void {
  for (let i = random.int(most + 1); i > 0; i--) {
    const x = random.next() * unit;
    const y = random.uniform(0.1, 0.8) * horizon;
    softEllipse(canvas, x, y, random.uniform(0.15, 0.35) * unit, random.uniform(0.012, 0.03) * unit, color, 0.55);
  }
}

/** A smooth line around a height (pixels), up and down by a part of the side. */
export function hills({ unit, random }: Setting, height: number, swing: number): (x: number) => number {
  const waves = [1, 2.1].map((frequency) => ({
    frequency: frequency * random.uniform(0.7, 1.2) * 2 * Math.PI,
    phase: random.uniform(0, 2 * Math.PI),
    swing: (swing * unit * random.uniform(0.6, 1)) / (frequency + 0.5),
  }));
  return (x) => height + waves.reduce((sum, wave) => sum + wave.swing * Math.sin(wave.frequency * x + wave.phase), 0);
}

/** A random spot below the horizon, at least a part of the side away from it. */
export function onGround({ unit, horizon, random }: Setting, away: number): [number, number] {
  return [random.next() * unit, random.uniform(horizon + away * unit, unit)];
}

/** Size of details by nearness: 0.6 at the horizon, 1.3 in front. */
export function depth({ unit, horizon }: Setting, y: number): number {
  return 0.6 + (0.7 * (y - horizon)) / (unit - horizon);
}

/** Grains on the ground. */
export function dots(setting: Setting, count: number, color: Color, size: number): void {
  for (let i = 0; i < count; i++) {
    const [x, y] = onGround(setting, 0.06);
    const radius = size * setting.unit * depth(setting, y);
    fillEllipse(setting.canvas, x, y, radius, radius * 0.7, color, 0.8);
  }
}

/** A small crest: two arcs side by side. */
export function wave(canvas: Canvas, x: number, y: number, size: number, color: Color, alpha: number): void {
  const thick = Math.max(1, size * 0.2);
  for (let dx = -size; dx < size; dx++) {
    const arc = Math.abs(Math.sin((dx / size) * Math.PI));
    fillRectangle(canvas, x + dx, y + arc * size * 0.3, 1, thick, color, alpha);
  }
}

/** Wallpaper. */
export function stripes({ canvas, unit, horizon, random }: Setting, color: Color): void {
  const step = random.uniform(0.06, 0.1) * unit;
  for (let x = 0; x < unit; x += step) {
    for (let y = 0; y < horizon; y++) span(canvas, y, x, x + step * 0.4, color, 0.6);
  }
}

/** A window with a frame and a glint. */
export function windowPane(canvas: Canvas, x: number, y: number, width: number, height: number, frame: Color): void {
  const bar = canvas.side * 0.018;
  fillRectangle(canvas, x - bar, y - bar, width + 2 * bar, height + 2 * bar, frame);
  fillRectangle(canvas, x, y, width, height, [190, 224, 244]);
  fillPolygon(
    canvas,
    [
      [x + 0.1 * width, y + height],
      [x + 0.35 * width, y + height],
      [x + 0.75 * width, y],
      [x + 0.5 * width, y],
    ],
    [255, 255, 255],
    0.3,
  );
  fillRectangle(canvas, x + width / 2 - bar / 3, y, (2 * bar) / 3, height, frame);
  fillRectangle(canvas, x, y + height / 2 - bar / 3, width, (2 * bar) / 3, frame);
}

/** Floor boards: lines that come closer together towards the wall, with joints. */
export function planks({ canvas, unit, horizon, random }: Setting, color: Color): void {
  let height = 0.035 * unit;
  for (let y = horizon + height; y < unit; y += height) {
    fillRectangle(canvas, 0, y, unit, Math.max(1, 0.004 * unit), color, 0.6);
    for (let joint = random.uniform(0, 0.5) * unit; joint < unit; joint += random.uniform(0.3, 0.5) * unit) {
      fillRectangle(canvas, joint, y - height, Math.max(1, 0.004 * unit), height, color, 0.5);
    }
    height *= 1.25;
  }
}

/** A colour made lighter or darker by up to `range` levels, and each channel by a third of it. */
export function vary(color: Color, range: number, random: Random): Color {
  const light = random.uniform(-range, range);
  const move = (): number => light + random.uniform(-range, range) / 3;
  return [color[0] + move(), color[1] + move(), color[2] + move()];
}
