/** Random sizes, rectangles and files against what Pillow 11.3 made of them (scripts/make_pillow_cases.py). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { decodeImage } from "../../src/data/decode.js";
import { resizeBicubic } from "../../src/data/resize.js";
import { fixture } from "../fixtures.js";
import { sha256 } from "./pictures.js";

interface Cases {
  made: Record<string, string>;
  resize: {
    seed: number;
    size: [number, number];
    crop: [top: number, left: number, height: number, width: number];
    out: [number, number];
    sha: string;
  }[];
  decode: { what: string; file: string; size: [number, number]; sha: string }[];
}

const { made, resize, decode } = JSON.parse(readFileSync(fixture("pillow/cases.json"), "utf8")) as Cases;

/** The noise that the Python side draws. */
function noise(seed: number, count: number): Uint8Array {
  const out = new Uint8Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

describe(`Pillow ${made["pillow"] ?? ""}`, () => {
  test(`resizes ${String(resize.length)} random rectangles of random pictures to the same bytes`, () => {
    for (const { seed, size, crop, out, sha } of resize) {
      const [width, height] = size;
      const [top, left, cropHeight, cropWidth] = crop;
      const image = { width, height, data: noise(seed, width * height * 3) };
      const done = resizeBicubic(image, out[0], out[1], { top, left, height: cropHeight, width: cropWidth });
      assert.equal(sha256(done.data).slice(0, 32), sha, JSON.stringify({ size, crop, out }));
    }
  });

  test(`decodes ${String(decode.length)} files of all formats to the same bytes`, async () => {
    const different: string[] = [];
    for (const { what, file, size, sha } of decode) {
      const image = await decodeImage(Buffer.from(file, "base64"));
      assert.deepEqual([image.width, image.height], size, what);
      if (sha256(image.data).slice(0, 32) !== sha) different.push(what);
    }
    assert.deepEqual(different, []);
  });
});
