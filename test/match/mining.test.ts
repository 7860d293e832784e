/** What of the threshold mining no golden number covers: pads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mineThresholds } from "../../src/match/mining.js";

test("pads are no words of a mask that leaves them out", () => {
  const images = 8;
  const scores = Array.from({ length: 64 }, (_, k) => (k % 9 === 0 ? 1 : 0.1 * (k % 5)));
  const strongest = Array.from({ length: 64 * 30 }, (_, k) => ((k * 37) % 101) / 101);
  const input = { scores, strongest, images, captions: images, words: 30 };
  const everything = mineThresholds({ ...input, wordMask: new Array<number>(240).fill(1) }, { mined: 0, safe: 0 });
  assert.deepEqual(everything, mineThresholds(input, { mined: 0, safe: 0 }));
  // With 20 words each, 8 captions have 160: fewer than 200, so nothing is mined.
  const mask = Array.from({ length: 240 }, (_, k) => (k % 30 < 20 ? 1 : 0));
  assert.deepEqual(mineThresholds({ ...input, wordMask: mask }, { mined: 0.4, safe: 0.3 }), { mined: 0, safe: 0 });
});
