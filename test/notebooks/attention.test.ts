/** The notebook that computes the score by hand: its numbers are the library's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { papermill } from "./papermill.js";

interface Measured {
  furthest: number;
  own: { k: number; n: number; f: number; g: number; score: number }[];
  chance: number;
  byScale: { k: number; accuracy: number; rsum: number }[];
  patchGame: { k: number; patches: number; right: number; lot: number }[];
  changes: { text: string; scales: number[]; total: number }[];
  slid: { t: number; found: number }[];
}

test("02-attention computes the library's scores, and words and patches find each other", async (t) => {
  const done = await papermill<Measured>(t, "02-attention", { item: 3, examples: 12, pointed: 12 });
  if (done === undefined) return;
  const { furthest, own, chance, byScale, patchGame, changes, slid } = done.numbers;
  assert.ok(furthest < 1e-4, `largest difference ${furthest}`);
  for (const { n, f, g, score } of own) assert.ok(Math.abs(n + f + g - score) < 1e-9 && n <= 0);
  assert.deepEqual(byScale.map(({ k }) => k), [1, 2, 3, 4, 5, 6]); // prettier-ignore
  assert.ok(Math.max(...byScale.map(({ accuracy }) => accuracy)) > 2 * chance);
  assert.ok(Math.max(...patchGame.map(({ right, lot }) => right - lot)) > 10);
  assert.ok(patchGame.every(({ patches }) => patches === patchGame[0]!.patches && patches > 0));
  assert.equal(changes.length, 6);
  assert.ok(changes[0]!.total === 0 && changes.slice(1).some(({ total }) => total < 0));
  assert.ok(slid.every(({ found }, k) => k === 0 || found <= slid[k - 1]!.found));
});
