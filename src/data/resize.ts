/** Pillow 11's antialiased bicubic in whole numbers, bit for bit: the resize that published results were made with. */
import type { Crop } from "./crop.js";
import type { RgbImage } from "./decode.js";
import { resizeBytes, weightBits, type Taps } from "./resizeKernels.js";

/**
 * Resizes `image`, or its part `crop`, to `width` x `height` (the aspect is not kept). The kernel widens when an axis
 * shrinks; the pass along the rows comes first, with an 8-bit result between (Pillow 13 changed that order).
 * As torchvision's resized_crop, pixels outside the crop have no influence.
 */
export function resizeBicubic(image: RgbImage, width: number, height: number, crop?: Crop): RgbImage {
  const part = crop ?? { top: 0, left: 0, width: image.width, height: image.height };
  const rows = part.width === width ? undefined : tapsOf(part.width, width);
  const columns = part.height === height ? undefined : tapsOf(part.height, height);
  return { width, height, data: resizeBytes(image, part, width, height, rows, columns) };
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
  const fixed = weight * (1 << weightBits);
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
