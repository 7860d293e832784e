/** Compares a screenshot with the one kept under test/fixtures/browser, which a person has looked at. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import { packageRoot } from "../../src/paths.js";
import { fixture } from "../fixtures.js";

/** Difference of a colour channel (0 .. 255) from which a pixel counts as another one: below it lie edges drawn a little differently. */
const channel = 48;

export interface Tolerance {
  /** Share of pixels that may differ; more where letters are in the picture, whose fonts differ between machines. */
  share?: number;
  /** How many pixels width and height may differ: text of another font takes another height (default 1). */
  size?: number;
}

/**
 * Fails where more than a share of the pixels (1 % by default) differ; the new picture then lies in out/pictures. UPDATE_SNAPSHOTS=1
 * keeps it instead.
 */
export async function assertPictureLike(
  png: Buffer,
  name: string,
  { share = 0.01, size = 1 }: Tolerance = {},
): Promise<void> {
  const kept = fixture(`browser/${name}.png`);
  if (process.env["UPDATE_SNAPSHOTS"] === "1") {
    mkdirSync(path.dirname(kept), { recursive: true });
    await sharp(png).png({ palette: true, colours: 64, effort: 10 }).toFile(kept);
  }
  assert.ok(existsSync(kept), `${kept} is missing: run this test with UPDATE_SNAPSHOTS=1 and look at the picture`);
  const different = await pictureDifference(png, kept, size);
  if (different <= share) return;
  const out = path.join(packageRoot(), "out", "pictures");
  mkdirSync(out, { recursive: true });
  const file = path.join(out, `${name}.png`);
  writeFileSync(file, png);
  assert.fail(`${(100 * different).toFixed(2)} % of the pixels of ${file} are not those of ${kept}`);
}

/** Share of pixels that differ, over the part that both pictures have; 1 where their sizes are too far apart. */
export async function pictureDifference(a: Buffer | string, b: Buffer | string, size = 0): Promise<number> {
  const [one, other] = await Promise.all([a, b].map((picture) => sharp(picture).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true }))); // prettier-ignore
  if (one === undefined || other === undefined) return 1;
  const near = (x: number, y: number): boolean => Math.abs(x - y) <= size;
  if (!near(one.info.width, other.info.width) || !near(one.info.height, other.info.height)) return 1;
  const [width, height] = [Math.min(one.info.width, other.info.width), Math.min(one.info.height, other.info.height)];
  let different = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        const value = one.data[3 * (y * one.info.width + x) + c]!;
        if (Math.abs(value - other.data[3 * (y * other.info.width + x) + c]!) <= channel) continue;
        different++;
        break;
      }
  return different / (width * height);
}
