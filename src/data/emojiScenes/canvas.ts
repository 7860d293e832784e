/** A small raster canvas in plain numbers: antialiased rows, ellipses, polygons, hills and sprites on RGBA pixels. */

export type Color = [number, number, number];

export interface Canvas {
  /** Side in pixels; pictures are square. */
  side: number;
  /** RGBA, row by row; alpha is not used. */
  data: Uint8ClampedArray;
  /** The same memory, one number a pixel. */
  words: Uint32Array;
}

export function createCanvas(side: number): Canvas {
  const data = new Uint8ClampedArray(side * side * 4);
  return { side, data, words: new Uint32Array(data.buffer) };
}

export function mix(a: Color, b: Color, t: number): Color {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

/** All rows from `top` to `bottom` (pixels) with a vertical gradient. */
export function fillRows(canvas: Canvas, top: number, bottom: number, from: Color, to: Color): void {
  const { side, words } = canvas;
  const first = Math.max(0, Math.round(top));
  const last = Math.min(side, Math.round(bottom));
  for (let y = first; y < last; y++) {
    const color = mix(from, to, (y - first) / Math.max(1, last - first));
    words.fill(pack(color), y * side, (y + 1) * side);
  }
}

/** Everything below the line `top(x)` (pixels; x in 0..1), with a vertical gradient from the line's highest point down. */
export function fillBelow(canvas: Canvas, top: (x: number) => number, from: Color, to: Color): void {
  const { side, words } = canvas;
  const tops = new Float64Array(side);
  let highest = side;
  let lowest = 0;
  for (let x = 0; x < side; x++) {
    tops[x] = top((x + 0.5) / side);
    highest = Math.min(highest, tops[x]!);
    lowest = Math.max(lowest, tops[x]!);
  }
  for (let y = Math.max(0, Math.floor(highest)); y < side; y++) {
    const color = mix(from, to, (y - highest) / Math.max(1, side - highest));
    const word = pack(color);
    if (y >= lowest) {
      words.fill(word, y * side, (y + 1) * side);
      continue;
    }
    for (let x = 0; x < side; x++) {
      const cover = y + 1 - tops[x]!;
      if (cover >= 1) words[y * side + x] = word;
      else if (cover > 0) blend(canvas, y * side + x, color, cover);
    }
  }
}

/** One row from x0 to x1 (pixels, fractions allowed), its ends antialiased. */
export function span(canvas: Canvas, y: number, x0: number, x1: number, color: Color, alpha: number): void {
  const { side } = canvas;
  if (y < 0 || y >= side) return;
  const left = Math.max(0, x0);
  const right = Math.min(side, x1);
  for (let x = Math.floor(left); x < right; x++) {
    blend(canvas, y * side + x, color, alpha * (Math.min(right, x + 1) - Math.max(left, x)));
  }
}

export function fillRectangle(
  canvas: Canvas,
  x: number,
  y: number,
  width: number,
  height: number,
  color: Color,
  alpha = 1,
): void {
  for (let row = Math.floor(y); row < y + height; row++) {
    const cover = Math.min(row + 1, y + height) - Math.max(row, y);
    span(canvas, row, x, x + width, color, alpha * cover);
  }
}

export function fillEllipse(
  canvas: Canvas,
  cx: number,
  cy: number,
  rx: number,
  ry: number,
  color: Color,
  alpha = 1,
): void {
  for (let y = Math.floor(cy - ry); y <= cy + ry; y++) {
    const t = (y + 0.5 - cy) / ry;
    if (Math.abs(t) >= 1) continue;
    const half = rx * Math.sqrt(1 - t * t);
    span(canvas, y, cx - half, cx + half, color, alpha);
  }
}

/** A convex polygon of [x, y] corners. */
export function fillPolygon(canvas: Canvas, corners: [number, number][], color: Color, alpha = 1): void {
  const ys = corners.map(([, y]) => y);
  for (let y = Math.floor(Math.min(...ys)); y < Math.max(...ys); y++) {
    let left = Infinity;
    let right = -Infinity;
    corners.forEach(([ax, ay], i) => {
      const [bx, by] = corners[(i + 1) % corners.length] ?? [ax, ay];
      const line = y + 0.5;
      if (Math.min(ay, by) > line || Math.max(ay, by) <= line) return;
      const x = ax + ((line - ay) / (by - ay)) * (bx - ax);
      left = Math.min(left, x);
      right = Math.max(right, x);
    });
    if (left < right) span(canvas, y, left, right, color, alpha);
  }
}

/** An ellipse that fades out from its middle: alpha (1 - r^2)^2. */
export function softEllipse(
  canvas: Canvas,
  cx: number,
  cy: number,
  rx: number,
  ry: number,
  color: Color,
  alpha: number,
): void {
  const { side } = canvas;
  for (let y = Math.max(0, Math.floor(cy - ry)); y <= Math.min(side - 1, cy + ry); y++) {
    const dy = (y + 0.5 - cy) / ry;
    for (let x = Math.max(0, Math.floor(cx - rx)); x <= Math.min(side - 1, cx + rx); x++) {
      const dx = (x + 0.5 - cx) / rx;
      const rest = 1 - dx * dx - dy * dy;
      if (rest > 0) blend(canvas, y * side + x, color, alpha * rest * rest);
    }
  }
}

/** A picture with transparency: premultiplied RGBA, square, with halved copies of itself. */
export interface Sprite {
  /** levels[0] is the full size, each next one half of it. */
  levels: { side: number; data: Uint8Array }[];
}

/**
 * Draws the part `crop` (left, top, right, bottom in 0..1) of a sprite into the box x, y, width, height (pixels), bilinear
 * on the level that is at most twice as fine as needed.
 */
export function drawSprite(
  canvas: Canvas,
  sprite: Sprite,
  crop: [number, number, number, number],
  box: { x: number; y: number; width: number; height: number },
  flip: boolean,
): void {
  const [left, top, right, bottom] = crop;
  const wanted = Math.max(box.width / (right - left), box.height / (bottom - top));
  const level = sprite.levels.findLast(({ side }) => side >= wanted) ?? sprite.levels[0];
  if (level === undefined) return;
  const { side: source, data } = level;
  const { side, data: target } = canvas;
  const stepX = ((right - left) * source) / box.width;
  const stepY = ((bottom - top) * source) / box.height;
  const lastX = Math.min(side - 1, Math.ceil(box.x + box.width) - 1);
  const lastY = Math.min(side - 1, Math.ceil(box.y + box.height) - 1);
  for (let y = Math.max(0, Math.floor(box.y)); y <= lastY; y++) {
    const v = clamp(top * source + (y + 0.5 - box.y) * stepY - 0.5, source - 1);
    const v0 = Math.floor(v);
    const fv = v - v0;
    const row0 = v0 * source;
    const row1 = Math.min(source - 1, v0 + 1) * source;
    for (let x = Math.max(0, Math.floor(box.x)); x <= lastX; x++) {
      const along = (x + 0.5 - box.x) * stepX;
      const u = clamp((flip ? right * source - along : left * source + along) - 0.5, source - 1);
      const u0 = Math.floor(u);
      const u1 = Math.min(source - 1, u0 + 1);
      const fu = u - u0;
      const w11 = fu * fv;
      const w01 = fu - w11;
      const w10 = fv - w11;
      const w00 = 1 - fu - w10;
      const a = (row0 + u0) * 4;
      const b = (row0 + u1) * 4;
      const c = (row1 + u0) * 4;
      const d = (row1 + u1) * 4;
      const alpha = data[a + 3]! * w00 + data[b + 3]! * w01 + data[c + 3]! * w10 + data[d + 3]! * w11;
      if (alpha === 0) continue;
      const keep = 1 - alpha / 255;
      const o = (y * side + x) * 4;
      for (let k = 0; k < 3; k++) {
        const ink = data[a + k]! * w00 + data[b + k]! * w01 + data[c + k]! * w10 + data[d + k]! * w11;
        target[o + k] = target[o + k]! * keep + ink;
      }
    }
  }
}

/** Averages 2 x 2 pixels: RGBA [side, side] -> RGB [side / 2, side / 2]. */
export function halve(canvas: Canvas): Buffer {
  const { side, data } = canvas;
  const half = side / 2;
  const out = Buffer.allocUnsafe(half * half * 3);
  const down = side * 4;
  for (let y = 0, o = 0; y < half; y++) {
    for (let x = 0, i = y * 2 * down; x < half; x++, i += 8) {
      for (let k = i; k < i + 3; k++)
        out[o++] = (data[k]! + data[k + 4]! + data[k + down]! + data[k + down + 4]! + 2) >> 2;
    }
  }
  return out;
}

function blend(canvas: Canvas, pixel: number, color: Color, alpha: number): void {
  const { data } = canvas;
  const o = pixel * 4;
  data[o] = data[o]! + (color[0] - data[o]!) * alpha;
  data[o + 1] = data[o + 1]! + (color[1] - data[o + 1]!) * alpha;
  data[o + 2] = data[o + 2]! + (color[2] - data[o + 2]!) * alpha;
}

/** Little-endian RGBA, as the bytes of `data`. */
function pack(color: Color): number {
  return ((255 << 24) | (byte(color[2]) << 16) | (byte(color[1]) << 8) | byte(color[0])) >>> 0;
}

function byte(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value)));
}

function clamp(value: number, high: number): number {
  return value < 0 ? 0 : value > high ? high : value;
}
