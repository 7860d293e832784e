/** A tiny random model and a handful of coloured pictures with captions, phrases and boxes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import type { Dataset, Item } from "../../src/data/dataset.js";
import { buildModel } from "../../src/model/build.js";
import type { Model } from "../../src/model/ams.js";
import { quirks, type Quirks } from "../../src/model/quirks.js";

export const colours = {
  red: "#ee2211",
  green: "#11bb33",
  blue: "#2233ee",
  yellow: "#eedd11",
  pink: "#ee77bb",
  white: "#f4f4f4",
};
const vocabulary = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "a",
  "square",
  "on",
  "grey",
  "left",
  "right",
  "of",
  "the",
  ...Object.keys(colours),
];

export interface Sample {
  dataset: Dataset;
  model(which?: Partial<Quirks>): Promise<Model>;
  remove(): void;
}

/** Six pictures of 48 x 32 with one square each, in the left or the right half; two captions an image, but one for the third. */
export async function makeSample(): Promise<Sample> {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-evaluate-"));
  const words = path.join(folder, "vocab.txt");
  writeFileSync(words, `${vocabulary.join("\n")}\n`);
  const items: Item[] = [];
  for (const [i, [colour, code]] of Object.entries(colours).entries()) {
    const box = { x: i % 2 === 0 ? 2 : 26, y: 6, width: 20, height: 20 };
    const image = path.join(folder, `${colour}.png`);
    const square = await sharp({ create: { width: box.width, height: box.height, channels: 3, background: code } })
      .png()
      .toBuffer();
    await sharp({ create: { width: 48, height: 32, channels: 3, background: "#888888" } })
      .composite([{ input: square, left: box.x, top: box.y }])
      .png()
      .toFile(image);
    const phrase = `a ${colour} square`;
    const captions = [
      { text: `${phrase} on grey`, phrases: [{ start: 0, end: phrase.length, objects: [0] }] },
      { text: `${phrase} on the ${i % 2 === 0 ? "left" : "right"} of the grey` },
    ];
    items.push({
      id: colour,
      image,
      captions: i === 2 ? captions.slice(0, 1) : captions,
      objects: [{ box, label: "square" }],
    });
  }
  const build = async (which: Partial<Quirks> = {}): Promise<Model> => {
    const model = await buildModel({ size: "tiny", seed: 5, vocabulary: words });
    return { ...model, quirks: { ...quirks.corrected, ...which } };
  };
  return {
    dataset: { name: "squares", root: folder, splits: { test: items, empty: [] }, fingerprint: "squares" },
    model: build,
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}
