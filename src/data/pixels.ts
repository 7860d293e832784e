/** RGB bytes to what the image encoder sees: [3, height, width] floats, centred and scaled per channel. */
import type { RgbImage } from "./decode.js";

/** Channel means and standard deviations that the published training used (those of CLIP). */
export const pixelMean = [0.48145466, 0.4578275, 0.40821073] as const;

/** Standard deviations by which red, green and blue are divided, in [0, 1]. */
export const pixelDeviation = [0.26862954, 0.26130258, 0.27577711] as const;

/** [3, 256]: the float of every byte, computed in float32 as torch does: (byte / 255 - mean) / deviation. */
const levels = new Float32Array(3 * 256);
for (let c = 0; c < 3; c++) {
  const mean = Math.fround(pixelMean[c]!);
  const deviation = Math.fround(pixelDeviation[c]!);
  for (let byte = 0; byte < 256; byte++) {
    levels[c * 256 + byte] = Math.fround(Math.fround(Math.fround(byte / 255) - mean) / deviation);
  }
}

/** Writes `image`, mirrored left to right when `flip`, as [3, height, width] into `out` from `offset` on. */
export function normalise(image: RgbImage, flip: boolean, out: Float32Array, offset: number): void {
  const { width, height, data } = image;
  const plane = width * height;
  for (let y = 0; y < height; y++) {
    let from = y * width * 3;
    let to = offset + y * width + (flip ? width - 1 : 0);
    const step = flip ? -1 : 1;
    for (let x = 0; x < width; x++, from += 3, to += step) {
      out[to] = levels[data[from]!]!;
      out[to + plane] = levels[256 + data[from + 1]!]!;
      out[to + 2 * plane] = levels[512 + data[from + 2]!]!;
    }
  }
}
