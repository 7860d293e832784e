/** What FNE does to captions and to training images. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { plainCaption, plainCaptions } from "../../src/data/plainCaptions.js";
import { apply, randAugment } from "../../src/data/randAugment.js";
import { openTokenizer } from "../../src/data/tokens.js";
import { Random } from "../../src/random.js";

describe("plain captions", () => {
  test("are lower case without the signs, and their words keep their places", async () => {
    assert.equal(plainCaption('A "dog", (asleep): isn\'t it? #1*;~!.'), "a dog asleep isnt it 1");
    const tokenizer = plainCaptions(await openTokenizer());
    const text = "Two (big) dogs, near a cat.";
    const { pieces, spans } = tokenizer.encode(text);
    assert.deepEqual(pieces.slice(0, 8), ["[CLS]", "two", "big", "dogs", "near", "a", "cat", "[SEP]"]);
    assert.deepEqual(spans.slice(1, 7).map((span) => text.slice(span?.[0], span?.[1])), ["Two", "big", "dogs", "near", "a", "cat"]); // prettier-ignore
  });
});

describe("RandAugment", () => {
  const random = new Random(9);
  const [width, height] = [12, 10];
  const image = { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => 40 + random.int(100)) };
  const at = (data: Uint8Array, x: number, y: number): number[] => Array.from(data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)); // prettier-ignore

  test("leaves the levels alone or moves them as the operations are defined", () => {
    assert.equal(apply(image, "identity", 0.7, 1), image);
    assert.deepEqual(apply(image, "brightness", 0.5, 1).data, image.data, "a factor of 1");
    assert.deepEqual(Array.from(apply(image, "brightness", 0.7, 1).data), Array.from(image.data, (v) => Math.min(255, Math.round(v * 1.36)))); // prettier-ignore
    assert.deepEqual(apply(image, "sharpness", 0.5, 1).data, image.data);
    const { data } = apply(image, "autoContrast", 0.7, 1);
    const channel = (bytes: Uint8Array, c: number): number[] => Array.from(bytes).filter((_, i) => i % 3 === c);
    for (const c of [0, 1, 2]) {
      const values = channel(data, c);
      assert.deepEqual([Math.min(...values), Math.max(...values)], [0, 255]);
      const order = (bytes: Uint8Array): number[] => {
        const all = channel(bytes, c);
        return all.map((_, i) => i).sort((a, b) => all[a]! - all[b]! || a - b);
      };
      assert.deepEqual(order(data), order(image.data));
    }
    const flat = { width: 32, height: 32, data: Uint8Array.from({ length: 3072 }, (_, i) => 100 + (Math.floor(i / 3) % 4)) }; // prettier-ignore
    const levels = [...new Set(apply(flat, "equalise", 0.7, 1).data)].sort((a, b) => a - b);
    assert.equal(levels.length, 4);
    assert.ok(
      levels.every((value, k) => Math.abs(value - (k * 255) / 3) < 45),
      levels.join(),
    );
  });

  test("moves pictures, and fills what is uncovered with grey", () => {
    const shifted = apply({ width: 384, height: 1, data: Uint8Array.from({ length: 1152 }, (_, i) => (i * 7) % 251) }, "translateX", 1, 1); // prettier-ignore
    const before = Uint8Array.from({ length: 1152 }, (_, i) => (i * 7) % 251);
    assert.deepEqual(shifted.data.slice(0, 3 * 374), before.slice(30), "ten pixels of 384");
    assert.ok(shifted.data.slice(3 * 374).every((v) => v === 128));
    assert.deepEqual(apply(image, "rotate", 0, 1).data, image.data);
    const turned = apply(image, "rotate", 1, 1);
    assert.deepEqual(at(turned.data, 0, 0), [128, 128, 128]);
    const sheared = apply(image, "shearX", 1, 1);
    assert.deepEqual(at(sheared.data, 3, 0), at(image.data, 3, 0), "the first row stays");
    assert.deepEqual(at(apply(image, "shearY", 1, -1).data, 0, 4), at(image.data, 0, 4), "the first column stays");
  });

  test("is decided by the random numbers alone, and half of the operations are not done", () => {
    const run = (seed: number): Uint8Array =>
      randAugment(image, { operations: 2, magnitude: 7 }, new Random(seed)).data;
    assert.deepEqual(run(1), run(1));
    const unchanged = Array.from({ length: 400 }, (_, seed) => run(seed)).filter((data) => data === image.data).length;
    // Each is the identity or not done with probability 0.55: both 0.3025; three deviations of 400 draws are 0.07.
    assert.ok(Math.abs(unchanged / 400 - 0.3025) < 0.07, String(unchanged));
  });
});
