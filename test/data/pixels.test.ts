import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { loadPixels } from "../../src/data/batches.js";
import { decodeImage, type RgbImage } from "../../src/data/decode.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { normalise } from "../../src/data/pixels.js";
import { resizeBicubic } from "../../src/data/resize.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import { fixture } from "../fixtures.js";
import { goldenFile, imageGoldens } from "./pictures.js";

const side = 96;

async function smallImage(name: string): Promise<RgbImage> {
  return resizeBicubic(await decodeImage(goldenFile(name)), side, side);
}

describe("normalised pixels equal torchvision's within 1e-6", () => {
  for (const [name, golden] of readSafetensors(fixture("golden/image/tensor96.safetensors")).tensors) {
    test(name, async () => {
      const out = new Float32Array(3 * side * side);
      normalise(await smallImage(name), false, out, 0);
      assert.deepEqual(golden.shape, [3, side, side]);
      let worst = 0;
      out.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - (golden.data[i] ?? NaN)))));
      assert.ok(worst <= 1e-6, `differs by ${String(worst)}`);
    });
  }
});

describe("the evaluation transform, from the file to the tensor, is torchvision's", () => {
  after(closeImageWorkers);
  for (const size of [384, 96] as const) {
    test(`of every golden file at ${String(size)}`, async () => {
      const names = Object.keys(imageGoldens.files);
      const pixels = await loadPixels(names.map(goldenFile), size, undefined, { workers: 2 });
      const one = 3 * size ** 2;
      names.forEach((name, i) => {
        const golden = imageGoldens.files[name]![`tensor${size}`];
        const tensor = pixels.subarray(i * one, (i + 1) * one);
        const near = (found: number, wanted: number | undefined, what: string): void => {
          assert.ok(Math.abs(found - (wanted ?? NaN)) <= 1e-6, `${name}, ${what}: ${String(found)}, ${String(wanted)}`);
        };
        golden.first8.forEach((value, k) => near(tensor[k]!, value, "first values"));
        golden.last8.forEach((value, k) => near(tensor[one - 8 + k]!, value, "last values"));
        near(tensor.reduce((a, b) => Math.min(a, b)), golden.min, "min"); // prettier-ignore
        near(tensor.reduce((a, b) => Math.max(a, b)), golden.max, "max"); // prettier-ignore
        for (const c of [0, 1, 2]) {
          const plane = tensor.subarray((c * one) / 3, ((c + 1) * one) / 3);
          near(plane.reduce((a, b) => a + b) / plane.length, golden.mean[c], `mean of channel ${String(c)}`);
        }
      });
    });
  }
});

test("a flip mirrors left and right, and the offset leaves the rest alone", async () => {
  const image = await smallImage("coffee_500x375.jpg");
  const plain = new Float32Array(3 * side * side);
  normalise(image, false, plain, 0);
  const flipped = new Float32Array(5 + 3 * side * side + 5).fill(7);
  normalise(image, true, flipped, 5);
  for (const [c, y, x] of [
    [0, 0, 0],
    [1, 50, 10],
    [2, 95, 95],
    [2, 3, 48],
  ] as const) {
    assert.equal(flipped[5 + (c * side + y) * side + x], plain[(c * side + y) * side + (side - 1 - x)]);
  }
  assert.deepEqual([...flipped.subarray(0, 5), ...flipped.subarray(-5)], new Array(10).fill(7));
});
