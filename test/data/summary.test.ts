import assert from "node:assert/strict";
import { test } from "node:test";
import { datasetSummary } from "../../src/data/summary.js";

test("a summary counts images, captions, words and pieces, and the captions that are cut", async () => {
  const item = (id: string, ...captions: string[]) => ({ id, image: id, captions: captions.map((text) => ({ text })) });
  const splits = {
    train: [item("a", "a dog", "two dogs, running fast"), item("b", "dog ".repeat(31))],
    test: [],
  };
  assert.deepEqual(await datasetSummary({ name: "x", root: "/", splits, fingerprint: "" }), [
    { split: "train", images: 2, captions: 3, words: (2 + 4 + 31) / 3, pieces: (2 + 5 + 31) / 3, longest: 31, cut: 1 },
    { split: "test", images: 0, captions: 0, words: 0, pieces: 0, longest: 0, cut: 0 },
  ]);
});
