import assert from "node:assert/strict";
import { utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { imageCache } from "../../src/data/imageCache.js";
import { temporaryFolder } from "./pictures.js";

const folder = temporaryFolder();
const file = (name: string): string => {
  const full = path.join(folder, name);
  writeFileSync(full, name);
  return full;
};
const image = (bytes: number) => ({ width: 1, height: bytes / 3, data: new Uint8Array(bytes) });

test("a full cache keeps what the last two passes used and drops what older ones left", () => {
  const cache = imageCache(() => 100);
  const [a, b, c] = [file("a"), file("b"), file("c")];
  cache.put(a, image(60), 1);
  cache.put(b, image(60), 2);
  assert.ok(cache.get(a, 2), "a was used one pass before");
  assert.equal(cache.get(b, 2), undefined, "there was no room for b");
  cache.put(c, image(60), 4);
  assert.ok(cache.get(c, 4), "a was not used for two passes and made room");
  assert.equal(cache.get(a, 4), undefined);
  assert.equal(cache.bytes(), 60);
});

test("a file that changed is not taken from the cache", () => {
  const cache = imageCache(() => 100);
  const a = file("changing");
  cache.put(a, image(30), 1);
  assert.ok(cache.get(a, 1));
  utimesSync(a, new Date(0), new Date(5000));
  assert.equal(cache.get(a, 1), undefined);
  assert.equal(cache.bytes(), 0);
});
