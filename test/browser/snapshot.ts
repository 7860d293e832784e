/** Compares a screenshot with the one kept under test/fixtures/browser, which a person has looked at. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import { packageRoot } from "../../src/paths.js";
import { fixture } from "../fixtures.js";

/** Difference of a colour channel (0 .. 255) from which a pixel counts as another one: below it lie edges drawn a little differently. */
const channel = 40;

/**
 * The share for figures that JupyterLab lays out: a bar that comes or goes moves a figure by part of a pixel, and the edges of its letters
 * with it. A missing curve or a moved axis title is more (snapshot.test.ts).
 */
export const labShare = 0.01;

export interface Tolerance {
  /** Share of the inked pixels that may differ. */
  share?: number;
  /** How many pixels width and height may differ (default 1: an element may begin between two pixels). */
  size?: number;
}

/**
 * Fails where more than a share of the inked pixels (0.3 % by default) differ; the new picture then lies in out/pictures.
 * UPDATE_SNAPSHOTS=1 keeps it instead.
 */
export async function assertPictureLike(
  png: Buffer,
  name: string,
  { share = 0.003, size = 1 }: Tolerance = {},
): Promise<void> {
  const kept = fixture(`browser/${name}.png`);
  if (process.env["UPDATE_SNAPSHOTS"] === "1") {
    mkdirSync(path.dirname(kept), { recursive: true });
    await sharp(png).png({ palette: true, colours: 256, dither: 0, effort: 10 }).toFile(kept);
  }
  assert.ok(existsSync(kept), `${kept} is missing: run this test with UPDATE_SNAPSHOTS=1 and look at the picture`);
  const different = await pictureDifference(png, kept, size);
  if (different <= share) return;
  const out = path.join(packageRoot(), "out", "pictures");
  mkdirSync(out, { recursive: true });
  const file = path.join(out, `${name}.png`);
  writeFileSync(file, png);
  assert.fail(`${(100 * different).toFixed(2)} % of what is drawn in ${file} is not as in ${kept}`);
}

/**
 * Of the pixels that are not background in one picture or the other, the share that differ: in a figure that is mostly white a missing
 * curve counts as much as in a photograph. The background is the most frequent colour of the second picture. 1 where the sizes are too
 * far apart, else over the part that both have.
 */
export async function pictureDifference(a: Buffer | string, b: Buffer | string, size = 0): Promise<number> {
  const [one, other] = await Promise.all([read(a), read(b)]);
  const near = (x: number, y: number): boolean => Math.abs(x - y) <= size;
  if (!near(one.width, other.width) || !near(one.height, other.height)) return 1;
  const [width, height] = [Math.min(one.width, other.width), Math.min(one.height, other.height)];
  const paper = backgroundOf(other);
  let [inked, different] = [0, 0];
  // At its outermost pixels an element that begins between two of them shows what lies around it.
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      const [here, there] = [one.at(x, y), other.at(x, y)];
      if (isNear(here, paper) && isNear(there, paper)) continue;
      inked++;
      if (!isNear(here, there)) different++;
    }
  return inked === 0 ? 0 : different / inked;
}

/** The share of a picture's pixels that are not of its most frequent colour. */
export async function inkedShare(picture: Buffer | string): Promise<number> {
  const pixels = await read(picture);
  const paper = backgroundOf(pixels);
  const { width, height, at } = pixels;
  let inked = 0;
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (!isNear(at(x, y), paper)) inked++;
  return inked / (width * height);
}

interface Pixels {
  width: number;
  height: number;
  /** 0xrrggbb. */
  at: (x: number, y: number) => number;
}

async function read(picture: Buffer | string): Promise<Pixels> {
  const { data, info } = await sharp(picture).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true }); // prettier-ignore
  const { width, height } = info;
  return { width, height, at: (x, y) => data.readUIntBE(3 * (y * width + x), 3) };
}

function isNear(a: number, b: number): boolean {
  return [16, 8, 0].every((bits) => Math.abs(((a >> bits) & 255) - ((b >> bits) & 255)) <= channel);
}

function backgroundOf({ width, height, at }: Pixels): number {
  const counts = new Map<number, number>();
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) counts.set(at(x, y), (counts.get(at(x, y)) ?? 0) + 1);
  return [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), [0, 0])[0];
}
