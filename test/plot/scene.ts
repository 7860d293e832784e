/** Made-up attention over a real scene, for the tests of the attention figure. */
import sharp from "sharp";
import type { AttentionInput, AttentionScale } from "../../src/plot/attention.js";
import { Random } from "../../src/random.js";
import { fixture } from "../fixtures.js";

export async function picture(name: string): Promise<{ width: number; height: number; data: Uint8Array }> {
  const { data, info } = await sharp(fixture(`plot/${name}.png`))
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Where a word looks in the picture of the bus, as fractions, and how widely. */
const places: Record<string, [number, number, number]> = {
  bus: [0.26, 0.72, 0.14],
  cake: [0.73, 0.7, 0.12],
  flamingo: [0.4, 0.42, 0.1],
};

/** Tokens of a caption as the tokenizer gives them: one piece a word, [CLS], [SEP] and pads up to 30. */
export function tokensOf(caption: string): AttentionInput["tokens"] {
  const all = Array.from(caption.matchAll(/[\w'-]+|[^\s\w]/g), (found) => ({
    word: found[0],
    start: found.index,
  }));
  const words = all.slice(0, 28);
  const pieces = ["[CLS]", ...words.map(({ word }) => word.toLowerCase()), "[SEP]"];
  const spans = [null, ...words.map(({ word, start }) => [start, start + word.length] as const), null];
  const mask = pieces.map(() => 1);
  while (pieces.length < 30) {
    pieces.push("[PAD]");
    spans.push(null);
    mask.push(0);
  }
  return { pieces, spans, mask, truncated: all.length > 28 };
}

/** Word-region products with a bump where the thing is; weights by the softmax of the positive branch at threshold 0. */
export function scaleOf(pieces: readonly string[], grid: number, sharpness: number, random: Random): AttentionScale {
  const regions = grid * grid + 1;
  const relevance = new Float32Array(pieces.length * regions);
  const weights = new Float32Array(relevance.length);
  const matched = pieces.map((piece, w) => {
    const place = places[piece];
    let sum = 0;
    for (let j = 0; j < regions; j++) {
      let value = -0.3 + 0.05 * random.normal();
      if (place !== undefined && j > 0) {
        const dx = (((j - 1) % grid) + 0.5) / grid - place[0];
        const dy = (Math.floor((j - 1) / grid) + 0.5) / grid - place[1];
        value += 0.7 * Math.exp(-(dx * dx + dy * dy) / (2 * (place[2] * (1.5 - sharpness)) ** 2));
      }
      relevance[w * regions + j] = value;
      if (value > 0) sum += weights[w * regions + j] = Math.exp(20 * value);
    }
    for (let j = 0; j < regions; j++) weights[w * regions + j]! /= sum === 0 ? 1 : sum;
    return sum > 0;
  });
  return { relevance, weights, matched, score: 0.2 + sharpness };
}

export async function busScene(caption: string, { grid = 12, scales = 6 } = {}): Promise<AttentionInput> {
  const tokens = tokensOf(caption);
  const random = new Random(3);
  return {
    image: await picture("bus"),
    caption,
    tokens,
    grid,
    scales: Array.from({ length: scales }, (_, k) => scaleOf(tokens.pieces, grid, (k + 1) / scales, random)),
    layers: [1, 3, 5, 7, 9, 11].slice(0, scales),
  };
}

/** The scene of the bus with the box of its phrase "a bus", which the caption has to hold. */
export async function boxedBusScene(caption: string): Promise<AttentionInput> {
  const start = caption.indexOf("a bus");
  const phrase = { start, end: start + "a bus".length, boxes: [{ x: 9, y: 91, width: 63, height: 50 }] };
  return { ...(await busScene(caption)), phrases: [phrase] };
}
