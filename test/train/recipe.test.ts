/** Schedules and labels: what a step is told before it computes anything. */
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import type { Batch } from "../../src/data/batches.js";
import type { Item } from "../../src/data/dataset.js";
import { openTokenizer } from "../../src/data/tokens.js";
import { packageRoot } from "../../src/paths.js";
import { labelBatch, labelClasses } from "../../src/train/labels.js";
import { checkQueue, learningRateAt, recipeOf, recipes } from "../../src/train/recipe.js";

describe("learning rate", () => {
  test("published: 2e-5, a tenth from the start of the fifth and again of the fifteenth epoch", () => {
    const rates = [0, 4, 5, 14, 15, 24].map((epoch) => learningRateAt(recipeOf("ams-published"), epoch, 0, 1));
    const expected = [2e-5, 2e-5, 2e-6, 2e-6, 2e-7, 2e-7];
    rates.forEach((rate, i) => {
      assert.ok(Math.abs(rate / (expected[i] ?? NaN) - 1) < 1e-12);
    });
  });

  test("cosine: rises to its top over the warm-up and falls to nothing at the end", () => {
    const recipe = recipeOf("scenes-pretrain");
    const at = (step: number): number => learningRateAt(recipe, 0, step, 1000);
    assert.equal(at(49), recipe.learningRate);
    assert.ok(at(0) < at(20) && at(20) < at(49) && at(500) < at(100));
    assert.ok(at(999) < recipe.learningRate * 1e-4);
  });
});

test("the published recipe has the published numbers, the corrected one differs in its quirks alone", () => {
  const { name: _a, summary: _b, quirks: published, ...rest } = recipeOf("ams-published");
  const { name: _c, summary: _d, quirks: corrected, ...same } = recipeOf("ams-corrected");
  assert.deepEqual(rest, same);
  assert.ok(Object.values(published).every((value) => !value) && Object.values(corrected).every((value) => value));
  const { batchSize, epochs, learningRate, clip, margin, seed } = rest;
  assert.deepEqual([batchSize, epochs, learningRate, clip, margin, seed], [32, 25, 2e-5, 2, 0.2, 3407]);
  assert.ok(Object.entries(recipes).every(([name, recipe]) => recipe.name === name));
});

describe("a queue of negatives", () => {
  const fne = recipeOf("fne");

  for (const [key, value] of [
    ["size", 0],
    ["size", 2.5],
    ["momentum", 1.1],
    ["from", -1],
    ["enough", NaN],
    ["prior", 0],
    ["certain", 2],
  ] as const) {
    test(`with ${key} ${value} is refused, with what it must be`, () => {
      assert.throws(() => { checkQueue({ ...fne, queue: { ...fne.queue!, [key]: value } }); }, new RegExp(`queue's ${key} is ${value}, and must be`)); // prettier-ignore
    });
  }

  test("lacking numbers are named", () => {
    const queue = { size: 100 } as NonNullable<typeof fne.queue>;
    assert.throws(() => { checkQueue({ ...fne, queue }); }, /queue's momentum is undefined/); // prettier-ignore
  });

  test("goes with pooled vectors under the hinge alone", () => {
    for (const name of ["fne", "vse"]) checkQueue({ ...recipeOf(name), queue: fne.queue! });
    for (const name of ["ams-published", "naaf", "uarda", "scenes-contrast"]) {
      assert.throws(() => { checkQueue({ ...recipeOf(name), queue: fne.queue! }); }, /need the hinge over pooled vectors/); // prettier-ignore
    }
  });
});

describe("labels", () => {
  const item: Item = {
    id: "a",
    image: "/a.png",
    place: "beach",
    objects: [
      { label: "dog", box: { x: 0, y: 0, width: 60, height: 100 } },
      { label: "cat", box: { x: 0, y: 0, width: 50, height: 50 } },
    ],
    captions: [
      {
        text: "Two dogs near a cat.",
        phrases: [
          { start: 0, end: 8, objects: [0] },
          { start: 14, end: 19, objects: [1] },
        ],
      },
    ],
  };
  const classes = labelClasses([item]);
  const batchOf = (flip: boolean): Batch => ({
    pixels: new Float32Array(0),
    ids: new Int32Array(0),
    mask: new Int32Array(0),
    pairs: [{ item: 0, caption: 0 }],
    crops: [{ top: 0, left: 0, width: 100, height: 100, imageWidth: 100, imageHeight: 100, flip }],
    skipped: [],
  });
  const labelled = async (flip: boolean): Promise<{ patches: string[]; words: (string | undefined)[] }> => {
    const tokenizer = await openTokenizer(path.join(packageRoot(), "assets", "scenes-vocab.txt"));
    const { patches, words } = labelBatch(batchOf(flip), [item], classes, tokenizer, { grid: 2, maxLength: 30 });
    return { patches: Array.from(patches, (c) => classes[c] ?? "?"), words: Array.from(words, (c) => classes[c]) };
  };

  test("a patch has the class of the smallest box around its centre, else the place", async () => {
    assert.deepEqual((await labelled(false)).patches, ["cat", "place:beach", "dog", "place:beach"]);
  });

  test("boxes follow a flip", async () => {
    assert.deepEqual((await labelled(true)).patches, ["place:beach", "cat", "place:beach", "dog"]);
  });

  test("the words of a phrase have its class, the others none", async () => {
    // [CLS] two dogs near a cat . [SEP]
    const expected = [undefined, "dog", "dog", undefined, "cat", "cat", undefined, undefined];
    assert.deepEqual((await labelled(false)).words.slice(0, 8), expected);
  });
});
