/** Pictures and folders that the data tests make for themselves. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import sharp from "sharp";
import type { Item } from "../../src/data/dataset.js";
import { fixture } from "../fixtures.js";

/** What torchvision's evaluation transform gives: numbers per channel, and the first and last eight of the tensor. */
interface TensorGolden {
  mean: number[];
  std: number[];
  min: number;
  max: number;
  first8: number[];
  last8: number[];
}

interface ImageGoldens {
  files: Record<
    string,
    {
      size: [number, number];
      decoded_sha256: string;
      resize384_sha256: string;
      tensor384: TensorGolden;
      tensor96: TensorGolden;
    }
  >;
  crops: { file: string; i_top: number; j_left: number; h: number; w: number; sha256: string }[];
  rrc: { scale: [number, number]; ratio: [number, number] };
  rrc_distribution_20000_draws: Record<
    string,
    {
      area_mean: number;
      area_quantiles_5_25_50_75_95: number[];
      aspect_mean: number;
      aspect_quantiles: number[];
      top_over_free_mean: number;
      fallback_or_full_area_share: number;
    }
  >;
}

export const imageGoldens = JSON.parse(readFileSync(fixture("golden/image/goldens.json"), "utf8")) as ImageGoldens;

export function goldenFile(name: string): string {
  return fixture(`golden/image/files/${name}`);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A folder that is gone after the test file has run. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-data-"));
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A PNG of smooth colours that differ from picture to picture. */
export async function drawPicture(file: string, width: number, height: number, seed: number): Promise<void> {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 128 + 100 * Math.sin(seed + c + x / (5 + (seed % 7)) + y / (9 - (seed % 5)));
  });
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
}

/** `count` items with pictures of different sizes and two captions each. */
export async function drawItems(folder: string, count: number): Promise<Item[]> {
  const items: Item[] = [];
  for (let i = 0; i < count; i++) {
    const image = path.join(folder, `${String(i)}.png`);
    await drawPicture(image, 40 + (i % 5) * 7, 48 - (i % 3) * 9, i);
    items.push({
      id: `item-${String(i)}`,
      image,
      captions: [{ text: `picture number ${String(i)}` }, { text: "colours" }],
    });
  }
  return items;
}
