import assert from "node:assert/strict";
import { test } from "node:test";
import { silentContext } from "../../src/context.js";
import { datasetSummary } from "../../src/data/summary.js";

test("a summary counts images, captions, words and pieces, and the captions that are cut", async () => {
  const item = (id: string, ...captions: string[]) => ({ id, image: id, captions: captions.map((text) => ({ text })) });
  const splits = {
    train: [item("a", "a dog", "two dogs, running fast"), item("b", "dog ".repeat(31))],
    test: [],
  };
  // Lengths: one caption of two pieces, one of five, one that is longer than the 28 that a model takes.
  const lengths = Array.from({ length: 29 }, (_, i) => ([1, 4, 28].includes(i) ? 1 : 0));
  const none = lengths.map(() => 0);
  const firstCut = [{ id: "b", caption: 0, lost: "dog dog dog" }];
  const means = { words: (2 + 4 + 31) / 3, pieces: (2 + 5 + 31) / 3 };
  assert.deepEqual(await datasetSummary({ name: "x", root: "/", splits, fingerprint: "" }), [
    { split: "train", images: 2, captions: 3, ...means, longest: 31, cut: 1, firstCut, lengths },
    { split: "test", images: 0, captions: 0, words: 0, pieces: 0, longest: 0, cut: 0, firstCut: [], lengths: none },
  ]);
});

test("a caption of 28 word pieces is whole, one of 29 loses its last", async () => {
  const item = { id: "a", image: "a", captions: [28, 29].map((n) => ({ text: "dog ".repeat(n).trim() })) };
  const [summary] = await datasetSummary({ name: "x", root: "/", splits: { train: [item] }, fingerprint: "" });
  assert.deepEqual([summary!.cut, summary!.firstCut], [1, [{ id: "a", caption: 1, lost: "dog" }]]);
});

test("the summary of a large set leaves the event loop its turns and stops when aborted", async () => {
  const item = (i: number) => ({ id: String(i), image: "a", captions: [{ text: `a dog number ${String(i)}` }] });
  const splits = { train: Array.from({ length: 5000 }, (_, i) => item(i)) };
  const controller = new AbortController();
  setImmediate(() => {
    controller.abort(new Error("enough"));
  });
  const context = { ...silentContext, signal: controller.signal };
  await assert.rejects(datasetSummary({ name: "x", root: "/", splits, fingerprint: "" }, undefined, context), /enough/);
});
