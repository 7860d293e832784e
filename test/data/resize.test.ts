import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeImage } from "../../src/data/decode.js";
import { resizeBicubic } from "../../src/data/resize.js";
import { fixture } from "../fixtures.js";
import { goldenFile, imageGoldens, sha256 } from "./pictures.js";

describe("the bicubic resize equals Pillow 11's bit for bit", () => {
  for (const [name, golden] of Object.entries(imageGoldens.files)) {
    test(`${name} at 384 and 96`, async () => {
      const image = await decodeImage(goldenFile(name));
      assert.equal(sha256(resizeBicubic(image, 384, 384).data), golden.resize384_sha256);
      const picture = await decodeImage(fixture(`golden/image/resize96/${name.replace(/\.\w+$/, ".png")}`));
      assert.deepEqual(Buffer.from(resizeBicubic(image, 96, 96).data), Buffer.from(picture.data));
    });
  }

  for (const { file, i_top: top, j_left: left, h: height, w: width, sha256: expected } of imageGoldens.crops) {
    test(`a crop of ${file}`, async () => {
      const image = await decodeImage(goldenFile(file));
      assert.equal(sha256(resizeBicubic(image, 384, 384, { top, left, height, width }).data), expected);
    });
  }
});

test("a crop is resized as if the rest of the picture were not there", async () => {
  const image = await decodeImage(goldenFile("scene_small_64x48.png"));
  const crop = { top: 10, left: 20, width: 30, height: 25 };
  const cut = resizeBicubic(image, crop.width, crop.height, crop);
  assert.equal(cut.data[0], image.data[(10 * 64 + 20) * 3]);
  assert.deepEqual(resizeBicubic(image, 17, 40, crop), resizeBicubic(cut, 17, 40));
});

test("the same size gives the same pixels, and one axis can stay", async () => {
  const image = await decodeImage(goldenFile("scene_small_64x48.png"));
  assert.deepEqual(Buffer.from(resizeBicubic(image, 64, 48).data), Buffer.from(image.data));
  const wide = resizeBicubic(image, 100, 48);
  assert.equal(wide.data.length, 100 * 48 * 3);
  assert.deepEqual(resizeBicubic(wide, 100, 20), resizeBicubic(image, 100, 20));
});
