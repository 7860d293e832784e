/** Draws the nine places, each with seeded variations of colours, lines and details. */
import { Random } from "../../random.js";
import {
  depth,
  dots,
  haze,
  hills,
  onGround,
  planks,
  sky,
  stripes,
  vary,
  wave,
  windowPane,
  type Setting,
} from "./backgroundParts.js";
import {
  fillBelow,
  fillEllipse,
  fillPolygon,
  fillRectangle,
  fillRows,
  mix,
  type Canvas,
  type Color,
} from "./canvas.js";
import type { ScenePlace } from "./places.js";

/** Fills the whole canvas; `horizon` is a part of the height. */
export function drawBackground(canvas: Canvas, place: ScenePlace, horizon: number, texture: number): void {
  const setting = { canvas, unit: canvas.side, horizon: horizon * canvas.side, random: new Random(texture) };
  painters[place](setting);
}

/** Colour of the shadow that things cast there, with its strength. */
export const shadows: Record<ScenePlace, { color: Color; alpha: number }> = {
  meadow: { color: [24, 66, 20], alpha: 0.5 },
  beach: { color: [120, 90, 50], alpha: 0.5 },
  sea: { color: [10, 50, 100], alpha: 0.5 },
  room: { color: [60, 32, 16], alpha: 0.55 },
  table: { color: [56, 30, 14], alpha: 0.55 },
  street: { color: [20, 22, 28], alpha: 0.6 },
  snow: { color: [110, 130, 160], alpha: 0.55 },
  night: { color: [8, 16, 20], alpha: 0.65 },
  desert: { color: [110, 66, 26], alpha: 0.5 },
};

const painters: Record<ScenePlace, (setting: Setting) => void> = {
  meadow(setting) {
    const { canvas, unit, horizon, random } = setting;
    sky(setting, [118, 194, 244], [216, 240, 252]);
    haze(setting, [255, 255, 255], 3);
    const grass = vary([124, 196, 88], 16, random);
    fillBelow(canvas, hills(setting, horizon - 0.02 * unit, 0.06), mix(grass, [70, 140, 90], 0.45), grass);
    fillBelow(canvas, hills(setting, horizon + 0.03 * unit, 0.025), grass, mix(grass, [60, 130, 50], 0.35));
    const blade = mix(grass, [36, 100, 36], 0.6);
    const flower = random.choice<Color>([
      [255, 255, 255],
      [255, 224, 90],
      [240, 150, 190],
    ]);
    for (let i = 0; i < 26; i++) {
      const [x, y] = onGround(setting, 0.06);
      const size = 0.012 * unit * depth(setting, y);
      for (const lean of [-0.7, 0, 0.7]) {
        fillPolygon(
          canvas,
          [
            [x - size * 0.25, y],
            [x + size * 0.25, y],
            [x + lean * size, y - 1.6 * size],
          ],
          blade,
          0.8,
        );
      }
      if (i % 3 === 0) fillEllipse(canvas, x + size, y, size * 0.35, size * 0.35, flower, 0.9);
    }
  },

  beach(setting) {
    const { canvas, unit, horizon, random } = setting;
    sky(setting, [122, 200, 244], [206, 236, 250]);
    haze(setting, [255, 255, 255], 2);
    const sea = vary([44, 150, 204], 14, random);
    const shore = random.uniform(0.12, 0.2) * unit;
    fillRows(canvas, horizon - shore, unit, mix(sea, [20, 90, 160], 0.3), sea);
    const edge = hills(setting, horizon, 0.02);
    const sand = vary([246, 222, 168], 10, random);
    fillBelow(canvas, (x) => edge(x) - 0.018 * unit, [236, 248, 252], [236, 248, 252]);
    fillBelow(canvas, edge, mix(sand, [200, 164, 104], 0.3), sand);
    dots(setting, 70, mix(sand, [168, 128, 70], 0.55), 0.004);
    dots(setting, 12, [255, 248, 230], 0.006);
  },

  sea(setting) {
    const { canvas, unit, horizon, random } = setting;
    sky(setting, [138, 206, 246], [222, 242, 252]);
    haze(setting, [255, 255, 255], 3);
    const water = vary([44, 134, 196], 16, random);
    fillRows(canvas, horizon, unit, mix(water, [120, 200, 230], 0.25), mix(water, [14, 70, 140], 0.35));
    for (let i = 0; i < 46; i++) {
      const [x, y] = onGround(setting, 0.02);
      wave(canvas, x, y, 0.028 * unit * depth(setting, y), [214, 238, 250], 0.55);
    }
  },

  room(setting) {
    const { canvas, unit, horizon, random } = setting;
    const wall = random.choice<Color>([
      [244, 228, 202],
      [214, 230, 226],
      [232, 218, 236],
      [222, 232, 206],
      [244, 214, 204],
      [206, 222, 240],
    ]);
    const walls = vary(wall, 8, random);
    fillRows(canvas, 0, horizon, walls, mix(walls, [255, 255, 255], 0.15));
    if (random.next() < 0.4) stripes(setting, mix(walls, [255, 255, 255], 0.35));
    const frame = vary([252, 252, 250], 4, random);
    const width = random.uniform(0.2, 0.28) * unit;
    const height = random.uniform(0.2, 0.28) * unit;
    const x = random.uniform(0.06, 0.94) * (unit - width);
    const y = random.uniform(0.06, 0.12) * unit;
    windowPane(canvas, x, y, width, height, frame);
    fillRectangle(canvas, 0, horizon - 0.022 * unit, unit, 0.022 * unit, mix(frame, walls, 0.2));
    const wood = vary([178, 124, 80], 16, random);
    fillRows(canvas, horizon, unit, mix(wood, [120, 76, 44], 0.25), wood);
    planks(setting, mix(wood, [80, 44, 22], 0.6));
  },

  table(setting) {
    const { canvas, unit, horizon, random } = setting;
    const wall = random.choice<Color>([
      [220, 214, 234],
      [236, 226, 208],
      [204, 224, 222],
      [238, 210, 204],
      [208, 220, 238],
      [224, 232, 202],
    ]);
    fillRows(canvas, 0, horizon, vary(wall, 8, random), mix(wall, [255, 255, 255], 0.3));
    const wood = vary([172, 112, 66], 20, random);
    fillRows(canvas, horizon, unit, mix(wood, [110, 66, 34], 0.2), mix(wood, [210, 150, 96], 0.2));
    fillRectangle(canvas, 0, horizon, unit, 0.02 * unit, mix(wood, [236, 184, 130], 0.6));
    for (let i = 0; i < 16; i++) {
      const [x, y] = onGround(setting, 0.06);
      const length = random.uniform(0.1, 0.3) * unit;
      fillEllipse(canvas, x, y, length / 2, 0.003 * unit, mix(wood, [90, 50, 24], 0.6), 0.55);
    }
  },

  street(setting) {
    const { canvas, unit, horizon, random } = setting;
    sky(setting, [150, 206, 238], [220, 234, 240]);
    const walls: Color[] = [
      [150, 164, 190],
      [190, 176, 158],
      [170, 150, 150],
      [134, 150, 176],
      [206, 190, 168],
      [160, 172, 168],
    ];
    const pane: Color = random.next() < 0.5 ? [250, 238, 190] : [206, 228, 244];
    let x = -random.uniform(0, 0.08) * unit;
    while (x < unit) {
      const width = random.uniform(0.1, 0.18) * unit;
      const top = horizon - random.uniform(0.16, 0.34) * unit;
      fillRectangle(canvas, x, top, width * 0.96, horizon - top, vary(random.choice(walls), 10, random));
      const step = width / 3;
      for (let wy = top + 0.03 * unit; wy < horizon - 0.04 * unit; wy += 0.055 * unit) {
        for (let k = 0; k < 3; k++) {
          if (random.next() < 0.85) {
            fillRectangle(canvas, x + (k + 0.22) * step * 0.96, wy, step * 0.5, 0.03 * unit, pane, 0.9);
          }
        }
      }
      x += width;
    }
    const road = vary([104, 108, 116], 10, random);
    fillRows(canvas, horizon, unit, mix(road, [60, 62, 70], 0.2), road);
    fillRectangle(canvas, 0, horizon, unit, 0.045 * unit, vary([186, 184, 180], 8, random));
    fillRectangle(canvas, 0, horizon + 0.045 * unit, unit, 0.008 * unit, [140, 138, 136]);
    const line = horizon + (unit - horizon) * random.uniform(0.42, 0.6);
    const shift = random.uniform(0, 0.25) * unit;
    for (let dash = -shift; dash < unit; dash += 0.25 * unit) {
      fillRectangle(canvas, dash, line, 0.15 * unit, 0.018 * unit, [244, 240, 226], 0.9);
    }
  },

  snow(setting) {
    const { canvas, unit, horizon, random } = setting;
    sky(setting, [164, 188, 212], [220, 230, 238]);
    for (let i = 0; i < 3; i++) {
      const x = random.uniform(0, 1) * unit;
      const height = random.uniform(0.14, 0.26) * unit;
      const half = height * random.uniform(0.9, 1.3);
      const rock = vary([146, 162, 184], 10, random);
      fillPolygon(
        canvas,
        [
          [x - half, horizon + 0.03 * unit],
          [x, horizon - height],
          [x + half, horizon + 0.03 * unit],
        ],
        rock,
      );
      const cap = 0.3;
      fillPolygon(
        canvas,
        [
          [x - half * cap, horizon - height * (1 - cap)],
          [x, horizon - height],
          [x + half * cap, horizon - height * (1 - cap)],
        ],
        [244, 248, 252],
      );
    }
    fillBelow(canvas, hills(setting, horizon, 0.03), [226, 234, 242], [246, 249, 252]);
    fillBelow(canvas, hills(setting, horizon + 0.12 * unit, 0.03), [236, 242, 248], [252, 253, 255]);
    for (let i = 0; i < 60; i++) {
      const size = random.uniform(0.003, 0.007) * unit;
      fillEllipse(canvas, random.next() * unit, random.next() * unit, size, size, [255, 255, 255], 0.95);
    }
  },

  night(setting) {
    const { canvas, unit, horizon, random } = setting;
    const top = vary([18, 26, 66], 8, random);
    fillRows(canvas, 0, horizon + 0.1 * unit, top, vary([62, 70, 128], 10, random));
    for (let i = 0; i < 70; i++) {
      const size = random.uniform(0.002, 0.005) * unit;
      const brightness = random.uniform(0.5, 1);
      fillEllipse(canvas, random.next() * unit, random.next() * horizon, size, size, [255, 252, 230], brightness);
    }
    const field = vary([62, 96, 86], 12, random);
    fillBelow(canvas, hills(setting, horizon - 0.03 * unit, 0.05), mix(field, [20, 34, 60], 0.55), field);
    fillBelow(
      canvas,
      hills(setting, horizon + 0.03 * unit, 0.03),
      mix(field, [30, 50, 60], 0.2),
      mix(field, [90, 130, 110], 0.25),
    );
  },

  desert(setting) {
    const { canvas, unit, horizon, random } = setting;
    sky(setting, [246, 206, 136], [254, 236, 200]);
    const sand = vary([214, 158, 86], 12, random);
    fillBelow(canvas, hills(setting, horizon - 0.03 * unit, 0.05), mix(sand, [250, 214, 150], 0.45), sand);
    fillBelow(
      canvas,
      hills(setting, horizon + 0.04 * unit, 0.03),
      mix(sand, [246, 200, 130], 0.15),
      mix(sand, [180, 116, 50], 0.25),
    );
    for (let i = 0; i < 12; i++) {
      const [x, y] = onGround(setting, 0.1);
      fillEllipse(canvas, x, y, random.uniform(0.04, 0.1) * unit, 0.004 * unit, mix(sand, [150, 94, 40], 0.6), 0.4);
    }
  },
};
