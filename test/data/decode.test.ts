import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { decodeImage } from "../../src/data/decode.js";
import { AmsError } from "../../src/errors.js";
import { goldenFile, imageGoldens, sha256, temporaryFolder } from "./pictures.js";

describe("decoding equals Pillow's convert('RGB') bit for bit", () => {
  for (const [name, golden] of Object.entries(imageGoldens.files)) {
    test(name, async () => {
      const image = await decodeImage(goldenFile(name));
      assert.deepEqual([image.width, image.height], golden.size);
      assert.equal(sha256(image.data), golden.decoded_sha256);
    });
  }

  test("bytes in memory decode as their file does", async () => {
    const file = goldenFile("scene_333x500.jpg");
    assert.deepEqual(await decodeImage(readFileSync(file)), await decodeImage(file));
  });
});

describe("a file that is no picture is an error with its path", () => {
  const folder = temporaryFolder();
  const complains = (file: string, message: RegExp): Promise<void> =>
    assert.rejects(decodeImage(file), (error) => {
      assert.ok(error instanceof AmsError);
      assert.match(error.message, message);
      assert.equal(error.where, file);
      assert.ok(error.hint);
      return true;
    });

  test("missing", () => complains(path.join(folder, "nothing.jpg"), /does not exist/));

  test("a folder", () => complains(folder, /is a folder/));

  test("text", async () => {
    const file = path.join(folder, "text.jpg");
    writeFileSync(file, "this is not a picture");
    await complains(file, /cannot be decoded/);
  });

  test("empty", async () => {
    const file = path.join(folder, "empty.png");
    writeFileSync(file, "");
    await complains(file, /cannot be decoded/);
  });

  for (const name of ["coffee_500x375.jpg", "scene_alpha_300x200.png", "rocket_640x427_prog.jpg"]) {
    test(`the first half of ${name}`, async () => {
      const whole = readFileSync(goldenFile(name));
      const file = path.join(folder, name);
      writeFileSync(file, whole.subarray(0, whole.length / 2));
      await complains(file, /cannot be decoded/);
    });
  }
});
