/** Pillow 11's antialiased bicubic in whole numbers, bit for bit: the resize that published results were made with. */
import type { Crop } from "./crop.js";
import type { RgbImage } from "./decode.js";

/** Weights are rounded to 22 bits after the point, sums start at one half: Pillow's 8-bit path (Resample.c). */
const BITS = 22;
const HALF = 1 << (BITS - 1);

/** How the samples of one output axis are made: sample `o` is the sum of `taps` weighted inputs from `first[o]` on. */
interface Taps {
  first: Int32Array;
  /** [outputs, taps]; zero where a sample needs fewer. */
  weights: Int32Array;
  /** A multiple of three: the loops below do three at a time, which is a third quicker. */
  taps: number;
}

/**
 * Resizes `image`, or its part `crop`, to `width` x `height` (the aspect is not kept). The kernel widens when an axis
 * shrinks; the pass along the rows comes first, with an 8-bit result between (Pillow 13 changed that order).
 * As torchvision's resized_crop, pixels outside the crop have no influence.
 */
export function resizeBicubic(image: RgbImage, width: number, height: number, crop?: Crop): RgbImage {
  const part = crop ?? { top: 0, left: 0, width: image.width, height: image.height };
  const rows = alongRows(image, part, width);
  return { width, height, data: alongColumns(rows, width, part.height, height) };
}

/** -> [part.height, width, 3] */
function alongRows(image: RgbImage, part: Crop, width: number): Uint8Array {
  const { data } = image;
  const inStride = image.width * 3;
  const outStride = width * 3;
  const out = new Uint8Array(part.height * outStride);
  const start = part.top * inStride + part.left * 3;
  if (part.width === width) {
    for (let y = 0; y < part.height; y++) {
      out.set(data.subarray(start + y * inStride, start + y * inStride + outStride), y * outStride);
    }
    return out;
  }
  const { first, weights, taps } = tapsOf(part.width, width);
  for (let y = 0; y < part.height; y++) {
    const row = start + y * inStride;
    let to = y * outStride;
    for (let x = 0; x < width; x++, to += 3) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let p = row + first[x]! * 3;
      const end = (x + 1) * taps;
      for (let k = x * taps; k < end; k += 3, p += 9) {
        const u = weights[k]!;
        const v = weights[k + 1]!;
        const w = weights[k + 2]!;
        red = (red + Math.imul(data[p]!, u) + Math.imul(data[p + 3]!, v) + Math.imul(data[p + 6]!, w)) | 0;
        green = (green + Math.imul(data[p + 1]!, u) + Math.imul(data[p + 4]!, v) + Math.imul(data[p + 7]!, w)) | 0;
        blue = (blue + Math.imul(data[p + 2]!, u) + Math.imul(data[p + 5]!, v) + Math.imul(data[p + 8]!, w)) | 0;
      }
      out[to] = toByte(red);
      out[to + 1] = toByte(green);
      out[to + 2] = toByte(blue);
    }
  }
  return out;
}

/** [inHeight, width, 3] -> [height, width, 3]. Whole rows are summed, which walks memory in order. */
function alongColumns(data: Uint8Array, width: number, inHeight: number, height: number): Uint8Array {
  if (inHeight === height) return data;
  const length = width * 3;
  const out = new Uint8Array(height * length);
  const sums = new Int32Array(length);
  const { first, weights, taps } = tapsOf(inHeight, height);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let k = 0; k < taps; k += 3) {
      const u = weights[y * taps + k]!;
      const v = weights[y * taps + k + 1]!;
      const w = weights[y * taps + k + 2]!;
      const upper = (first[y]! + k) * length;
      const middle = upper + length;
      const lower = middle + length;
      for (let x = 0; x < length; x++) {
        sums[x] =
          sums[x]! + Math.imul(data[upper + x]!, u) + Math.imul(data[middle + x]!, v) + Math.imul(data[lower + x]!, w);
      }
    }
    const to = y * length;
    for (let x = 0; x < length; x++) out[to + x] = toByte(sums[x]!);
  }
  return out;
}

function toByte(sum: number): number {
  const value = sum >> BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** Tables of the sizes seen so far: training crops have a few hundred. */
const tables = new Map<number, Taps>();

function tapsOf(inSize: number, outSize: number): Taps {
  const key = inSize * 65536 + outSize;
  let taps = tables.get(key);
  if (taps === undefined) {
    if (tables.size >= 4096) tables.clear();
    taps = makeTaps(inSize, outSize);
    tables.set(key, taps);
  }
  return taps;
}

function makeTaps(inSize: number, outSize: number): Taps {
  const scale = inSize / outSize;
  const widening = Math.max(1, scale);
  const support = 2 * widening;
  const starts = new Int32Array(outSize);
  const rows: number[][] = [];
  for (let o = 0; o < outSize; o++) {
    const centre = (o + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(inSize, Math.trunc(centre + support + 0.5));
    const exact = Array.from({ length: high - low }, (_, i) => bicubic((i + low - centre + 0.5) * (1 / widening)));
    const sum = exact.reduce((total, weight) => total + weight, 0);
    starts[o] = low;
    rows.push(exact.map((weight) => toFixedPoint(sum === 0 ? weight : weight / sum)));
  }
  const taps = Math.ceil(Math.max(...rows.map((row) => row.length)) / 3) * 3;
  const first = starts.map((low) => Math.max(0, Math.min(low, inSize - taps))); // keeps the padding inside the image
  const weights = new Int32Array(outSize * taps);
  rows.forEach((row, o) => weights.set(row, o * taps + starts[o]! - first[o]!));
  return { first, weights, taps };
}

function toFixedPoint(weight: number): number {
  const fixed = weight * (1 << BITS);
  return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
}

/** Keys' cubic convolution kernel with a = -0.5. */
function bicubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}
