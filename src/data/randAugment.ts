/** RandAugment with the ten operations of the ALBEF family, on training images after crop and resize. Source: Cubuk et al., 2020. */
import type { Random } from "../random.js";
import type { RgbImage } from "./decode.js";

export interface RandAugment {
  /** How many operations are drawn for an image; each is then done with probability 0.5. */
  operations: number;
  /** 0 to 10. */
  magnitude: number;
}

/** What shifts and turns uncover. */
const grey = 128;
/** Largest shift, of the published 10 pixels at 384. */
const largestShift = 10 / 384;

const operations = [
  "identity",
  "autoContrast",
  "equalise",
  "brightness",
  "sharpness",
  "shearX",
  "shearY",
  "translateX",
  "translateY",
  "rotate",
] as const;
type Operation = (typeof operations)[number];

/** A changed copy of an RGB image; the random numbers decide which operations, whether, and in which direction. */
export function randAugment(image: RgbImage, options: RandAugment, random: Random): RgbImage {
  let changed = image;
  for (let k = 0; k < options.operations; k++) {
    const operation = random.choice(operations);
    const done = random.next() < 0.5;
    const sign = random.next() < 0.5 ? -1 : 1;
    if (done) changed = apply(changed, operation, options.magnitude / 10, sign);
  }
  return changed;
}

/** One operation at a strength of 0 to 1. */
export function apply(image: RgbImage, operation: Operation, strength: number, sign: 1 | -1): RgbImage {
  const { width, height } = image;
  switch (operation) {
    case "identity":
      return image;
    case "autoContrast":
      return byLevels(image, stretched);
    case "equalise":
      return byLevels(image, equalised);
    case "brightness":
      return byLevels(image, () => level((value) => value * (0.1 + 1.8 * strength)));
    case "sharpness":
      return sharpened(image, 0.1 + 1.8 * strength);
    // Each output pixel (x, y) is taken from (a x + b y + c, d x + e y + f).
    case "shearX":
      return moved(image, [1, sign * 0.3 * strength, 0, 0, 1, 0]);
    case "shearY":
      return moved(image, [1, 0, 0, sign * 0.3 * strength, 1, 0]);
    case "translateX":
      return moved(image, [1, 0, sign * strength * largestShift * width, 0, 1, 0]);
    case "translateY":
      return moved(image, [1, 0, 0, 0, 1, sign * strength * largestShift * height]);
    case "rotate": {
      const angle = (sign * 30 * strength * Math.PI) / 180;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const [x, y] = [(width - 1) / 2, (height - 1) / 2];
      return moved(image, [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y]);
    }
  }
}

const clamped = (value: number): number => Math.min(255, Math.max(0, Math.round(value)));
const level = (f: (value: number) => number): Uint8Array => Uint8Array.from({ length: 256 }, (_, v) => clamped(f(v)));

/** Every channel through a table that is made of its histogram. */
function byLevels(image: RgbImage, tableOf: (histogram: number[], pixels: number) => Uint8Array): RgbImage {
  const { data } = image;
  const out = new Uint8Array(data.length);
  for (let channel = 0; channel < 3; channel++) {
    const histogram = new Array<number>(256).fill(0);
    for (let i = channel; i < data.length; i += 3) histogram[data[i]!]!++;
    const table = tableOf(histogram, data.length / 3);
    for (let i = channel; i < data.length; i += 3) out[i] = table[data[i]!]!;
  }
  return { ...image, data: out };
}

/** The darkest value becomes 0, the brightest 255. */
function stretched(histogram: number[]): Uint8Array {
  const low = histogram.findIndex((count) => count > 0);
  const high = histogram.findLastIndex((count) => count > 0);
  return high <= low ? level((value) => value) : level((value) => ((value - low) * 255) / (high - low));
}

/** Values become as evenly frequent as they can: v -> the share of darker pixels. */
function equalised(histogram: number[], pixels: number): Uint8Array {
  const last = histogram.findLastIndex((count) => count > 0);
  const step = Math.floor((pixels - histogram[last]!) / 255);
  if (step === 0) return level((value) => value);
  let darker = Math.floor(step / 2);
  return Uint8Array.from(histogram, (count) => {
    const value = Math.min(255, Math.floor(darker / step));
    darker += count;
    return value;
  });
}

/** image + (factor - 1) (image - smooth), smooth with the weights 1 (5 in the middle) over 3 x 3; the border stays. */
function sharpened(image: RgbImage, factor: number): RgbImage {
  const { width, height, data } = image;
  const out = Uint8Array.from(data);
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const at = (y * width + x) * 3 + channel;
        let sum = 4 * data[at]!;
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -1; dx <= 1; dx++) sum += data[at + (dy * width + dx) * 3]!;
        }
        out[at] = clamped(sum / 13 + factor * (data[at]! - sum / 13));
      }
    }
  }
  return { ...image, data: out };
}

/** An affine move with bilinear interpolation; what lies outside is grey. */
function moved(image: RgbImage, [a, b, c, d, e, f]: [number, number, number, number, number, number]): RgbImage {
  const { width, height, data } = image;
  const out = new Uint8Array(data.length);
  const value = (x: number, y: number, channel: number): number =>
    x < 0 || y < 0 || x >= width || y >= height ? grey : data[(y * width + x) * 3 + channel]!;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [a * x + b * y + c, d * x + e * y + f];
      const [left, top] = [Math.floor(u), Math.floor(v)];
      const [right, down] = [u - left, v - top];
      for (let channel = 0; channel < 3; channel++) {
        const upper = (1 - right) * value(left, top, channel) + right * value(left + 1, top, channel);
        const lower = (1 - right) * value(left, top + 1, channel) + right * value(left + 1, top + 1, channel);
        out[(y * width + x) * 3 + channel] = clamped((1 - down) * upper + down * lower);
      }
    }
  }
  return { ...image, data: out };
}
