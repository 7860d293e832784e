/** Pictures in pixels: SVG to PNG, and thumbnails as data URIs. */
import sharp from "sharp";
import { AmsError } from "../errors.js";

/** RGB, interleaved. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** A decoded picture, the path of an image file, or the bytes of one. */
export type Picture = RgbImage | string | Buffer;

/**
 * Draws an SVG on white at twice its size (very tall ones at one and a half, to stay below a megabyte), in 256 colours.
 * Letters need a font on the machine: see `fontsAvailable`.
 */
export async function svgToPng(svg: string): Promise<Buffer> {
  const height = Number(/^<svg[^>]* height="([\d.]+)"/.exec(svg)?.[1] ?? 0);
  return sharp(Buffer.from(svg), { density: 72 * (height > 1000 ? 1.5 : 2), limitInputPixels: false })
    .flatten({ background: "#ffffff" })
    .png({ palette: true, colours: 256, effort: 1, dither: 0.5 })
    .toBuffer();
}

/** Whether letters can be drawn into PNGs: without any font every letter is the same empty box. SVG and HTML are not affected. */
export async function fontsAvailable(): Promise<boolean> {
  const letter = (text: string): Promise<Buffer> =>
    sharp(
      Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg" width="30" height="30"><text y="25" font-size="25" font-family="sans-serif">${text}</text></svg>`,
      ),
    )
      .raw()
      .toBuffer();
  const [i, m] = await Promise.all([letter("i"), letter("M")]);
  return !i.equals(m);
}

/** A small picture as a data URI, with its size in pixels. */
export interface Thumbnail {
  uri: string;
  width: number;
  height: number;
}

/**
 * A picture as a JPEG data URI, at most `size` pixels on its longer side and never enlarged. `faded` takes most of its colour away and
 * lightens it, so that a heat map stands out on it.
 */
export async function thumbnail(picture: Picture, size: number, faded = false): Promise<Thumbnail> {
  try {
    let image =
      typeof picture === "string" || Buffer.isBuffer(picture)
        ? sharp(picture)
        : sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } });
    image = image
      .flatten({ background: "#ffffff" })
      .resize({ width: size, height: size, fit: "inside", withoutEnlargement: true });
    if (faded) image = image.modulate({ saturation: 0.15 }).linear(0.6, 102);
    const { data, info } = await image
      .jpeg({ quality: 84, mozjpeg: true, chromaSubsampling: "4:4:4" })
      .toBuffer({ resolveWithObject: true });
    return { uri: `data:image/jpeg;base64,${data.toString("base64")}`, width: info.width, height: info.height };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AmsError(`a picture of the figure cannot be read: ${reason}`, {
      where: typeof picture === "string" ? picture : "a picture in memory",
      hint: "check that the file is there and is a JPEG or PNG image",
      cause,
    });
  }
}
