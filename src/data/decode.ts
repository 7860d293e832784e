/** Image files to RGB bytes, bit for bit as Pillow's `convert("RGB")`: no rotation, no colour profile, alpha dropped. */
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { AmsError } from "../errors.js";

/** 8-bit RGB, interleaved, rows from top to bottom: `data` is [height, width, 3]. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/**
 * Decodes a JPEG, PNG, WebP, GIF (first frame) or TIFF from a file or from bytes in memory. Only 16-bit greys differ:
 * they are scaled to 8 bits, where Pillow clips them to white.
 * Throws an `AmsError` with the path when the file is missing, unreadable, truncated or no image.
 */
export async function decodeImage(source: string | Buffer): Promise<RgbImage> {
  const where = typeof source === "string" ? source : `${String(source.length)} bytes in memory`;
  const bytes = typeof source === "string" ? await readImageFile(source) : source;
  try {
    const options = { ignoreIcc: true, failOn: "error" } as const;
    if ((await inkChannels(bytes)) === 4) {
      const { data, info } = await sharp(bytes, options)
        .pipelineColourspace("cmyk")
        .toColourspace("cmyk")
        .raw()
        .toBuffer({ resolveWithObject: true });
      return { width: info.width, height: info.height, data: cmykToRgb(data) };
    }
    const { data, info } = await sharp(bytes, options)
      .removeAlpha()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data };
  } catch (cause) {
    throw undecodable(cause, where);
  }
}

/** Width and height of an image file as stored. Throws as `decodeImage` does. */
export async function imageSize(file: string): Promise<{ width: number; height: number }> {
  const bytes = await readImageFile(file);
  try {
    const { width, height } = await sharp(bytes).metadata();
    return { width, height };
  } catch (cause) {
    throw undecodable(cause, file);
  }
}

function undecodable(cause: unknown, where: string): AmsError {
  const reason = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
  return new AmsError(`this image cannot be decoded: ${reason}`, {
    where,
    hint: "replace the file by an intact one",
    cause,
  });
}

async function readImageFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    const what =
      code === "ENOENT" || code === "ENOTDIR"
        ? "this image does not exist"
        : code === "EISDIR"
          ? "this image is a folder"
          : `this image cannot be read (${code})`;
    throw new AmsError(what, {
      where: file,
      hint: "check its path and the image root of the data set",
      cause,
    });
  }
}

/** Four for CMYK pictures, else something else. JPEG and PNG, nearly all files, are told by their first bytes. */
async function inkChannels(bytes: Buffer): Promise<number> {
  if (bytes.length > 3 && bytes[0] === 0xff && bytes[1] === 0xd8) return jpegComponents(bytes);
  if (bytes.length > 3 && bytes.readUInt32BE(0) === 0x89504e47) return 3;
  return (await sharp(bytes).metadata()).space === "cmyk" ? 4 : 3;
}

/** The number of components in a JPEG's frame header (1 grey, 3 colour, 4 CMYK or YCCK); 0 when there is none. */
function jpegComponents(bytes: Buffer): number {
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) return 0;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1; // a fill byte before the marker
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return bytes[at + 9] ?? 0;
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return 0;
}

/** Pillow's plain CMYK to RGB (no profile): (255 - k) - ink * (255 - k) / 255, rounded as its MULDIV255 does. */
function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const pixels = cmyk.length / 4;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const light = 255 - cmyk[4 * i + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = cmyk[4 * i + c]! * light + 128;
      rgb[3 * i + c] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}
