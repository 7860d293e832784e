/** The pointing game on drawn maps and on pictures. */
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { evalCommand } from "../../src/commands/verbs/eval.js";
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
    assert.match(result[displaySymbol]()["text/plain"], /^all +6 +25\.0 /m);
    assert.deepEqual(result.types, [{ type: "other", phrases: 6, scales: result.scales, chance: 25 }]);
  });

  test("tells kinds of phrases apart, which add up to all", async () => {
    const items = sample.dataset.splits["test"]!.map((item, i) => ({
      ...item,
      captions: item.captions.map((caption) => ({
        ...caption,
        phrases: (caption.phrases ?? []).map((phrase) => ({ ...phrase, type: i < 2 ? "warm" : "cold" })),
      })),
    }));
    const result = await pointing(
      await sample.model(),
      { ...sample.dataset, splits: { test: items } },
      {},
      silentContext,
    );
    assert.deepEqual(
      result.types.map(({ type, phrases }) => [type, phrases]),
      [
        ["cold", 4],
        ["warm", 2],
      ],
    );
    result.scales.forEach(({ hits }, k) => {
      assert.equal(hits, result.types.reduce((sum, { scales }) => sum + scales[k]!.hits, 0)); // prettier-ignore
    });
    assert.match(result[displaySymbol]()["text/plain"], /^cold +4 +25\.0 /m);
  });

  test("stands beside the recalls of `eval --pointing`, in the table and in the JSON", async () => {
    const options = checkOptions(evalCommand, { data: sample.dataset, model: await sample.model(), pointing: true });
    const evaluation = await evalCommand.run(options as never, silentContext, createSession("."));
    assert.equal(evaluation.pointing?.phrases, 6);
    assert.match(evaluation[displaySymbol]()["text/plain"], /rSum[^]*pointing game on test: phrases of 6 images/);
    assert.match(String(evaluation[displaySymbol]()["text/html"]), /rSum[^]*<caption[^>]*>pointing game/);
    const json = JSON.parse(JSON.stringify(evalCommand.json(evaluation))) as { pointing: { types: unknown[] } };
    assert.equal(json.pointing.types.length, 1);
  });

  test("needs phrases with boxes", async () => {
    const bare = { ...sample.dataset, splits: { test: sample.dataset.splits["test"]!.map(({ id, image }) => ({ id, image, captions: [{ text: "a square" }] })) } }; // prettier-ignore
    await assert.rejects(
      pointing(await sample.model(), bare, {}, silentContext),
      (error: unknown) => error instanceof AmsError && error.lines().length === 3,
    );
    const boxesRead = { phrases: 0, boxes: 9, captions: 0, imagesWithout: [], captionsWithout: [{ id: bare.splits.test[0]!.id, caption: 0 }] }; // prettier-ignore
    const progress = (): void => assert.fail("nothing is encoded before the refusal");
    await assert.rejects(
      pointing(await sample.model(), { ...bare, boxesRead }, {}, { ...silentContext, progress }),
      (error: unknown) => error instanceof AmsError && /, 1 captions that differ/.test(error.lines().join("\n")),
    );
  });
});
