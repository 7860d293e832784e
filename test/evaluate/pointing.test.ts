/** The pointing game on drawn maps and on pictures. */
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { silentContext } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { pointing, pointsInside } from "../../src/evaluate/index.js";
import { makeSample, type Sample } from "./sample.js";

/** Similarities [W, 1 + 9] of a 3 x 3 grid: every word's peak at its patch, and a higher value at [CLS]. */
function peaks(...patches: number[]): Float32Array {
  const map = new Float32Array(patches.length * 10);
  patches.forEach((patch, w) => {
    map[w * 10] = 9;
    map[w * 10 + 1 + patch] = 1;
  });
  return map;
}

describe("a phrase points", () => {
  const view = { grid: 3, imageWidth: 300, imageHeight: 150 }; // patches of 100 x 50
  const box = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });

  test("to the patch with the strongest similarity, whose centre a box must hold", () => {
    const map = peaks(5); // second row, right column: centre (250, 75)
    assert.ok(pointsInside(map, [0], [box(240, 60, 20, 30)], view));
    assert.ok(!pointsInside(map, [0], [box(200, 50, 40, 50)], view)); // in the patch, but not its centre
    assert.ok(pointsInside(map, [0], [box(0, 0, 10, 10), box(200, 50, 100, 50)], view)); // any of its boxes
  });

  test("with all of its words, and with no other word", () => {
    const map = peaks(0, 4, 4);
    assert.ok(pointsInside(map, [0, 1, 2], [box(100, 50, 100, 50)], view)); // two against one
    assert.ok(pointsInside(map, [0], [box(0, 0, 100, 50)], view));
    assert.ok(!pointsInside(map, [0, 1, 2], [box(0, 0, 100, 50)], view));
  });
});

describe("the pointing game", () => {
  let sample: Sample;
  before(async () => {
    await startEngine("plain");
    sample = await makeSample();
  });
  after(async () => {
    sample.remove();
    await closeImageWorkers();
  });

  test("counts phrases with boxes at every scale beside chance", async () => {
    const result = await pointing(await sample.model(), sample.dataset, { captionsPerImage: 2 }, silentContext);
    assert.deepEqual([result.images, result.phrases], [6, 6]); // only the first captions have a phrase
    assert.deepEqual(result.scales.map(({ scale }) => scale), ["1", "2", "3", "4", "5", "6", "sum"]); // prettier-ignore
    for (const { hits, accuracy } of result.scales) assert.equal(accuracy, (100 * hits) / 6);
    // Boxes of 20 x 20 in 48 x 32: patch centres at x = 6, 18 | 30, 42 and y = 4, 12, 20, 28: 2 x 2 of 16 inside.
    assert.equal(result.chance, 25);
    assert.match(result[displaySymbol]()["text/plain"], /chance +25\.0/);
  });

  test("needs phrases with boxes", async () => {
    const bare = { ...sample.dataset, splits: { test: sample.dataset.splits["test"]!.map(({ id, image }) => ({ id, image, captions: [{ text: "a square" }] })) } }; // prettier-ignore
    await assert.rejects(
      pointing(await sample.model(), bare, {}, silentContext),
      (error: unknown) => error instanceof AmsError && error.lines().length === 3,
    );
  });
});
