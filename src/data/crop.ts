/** The random crop of training: torchvision's RandomResizedCrop, from our own random numbers. */
import type { Random } from "../random.js";

/** A rectangle in pixels of the stored image. */
export interface Crop {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** The whole picture as a crop. */
export function wholeImage(width: number, height: number): Crop {
  return { top: 0, left: 0, height, width };
}

/**
 * Draws a crop of a `width` x `height` picture whose area is a share in `scale` and whose width/height is in `ratio`
 * (log-uniform). As torchvision: ten tries, then the largest centred rectangle with an allowed ratio.
 */
export function randomResizedCrop(
  width: number,
  height: number,
  random: Random,
  scale: [number, number],
  ratio: [number, number],
): Crop {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * random.uniform(scale[0], scale[1]);
    const aspect = Math.exp(random.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { top: random.int(height - h + 1), left: random.int(width - w + 1), height: h, width: w };
    }
  }
  const own = width / height;
  const w = own > ratio[1] ? roundHalfEven(height * ratio[1]) : width;
  const h = own < ratio[0] ? roundHalfEven(width / ratio[0]) : height;
  return { top: Math.trunc((height - h) / 2), left: Math.trunc((width - w) / 2), height: h, width: w };
}

/** Python's round(): ties go to the even number. */
function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}
