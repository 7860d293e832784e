/** The comparison of recipes, with a few pictures: every cell works and its numbers are whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { papermill } from "./papermill.js";

interface Measured {
  trainings: {
    recipe: string;
    seed: number;
    run: string;
    steps: number;
    test: { rsum: number; interval: [number, number] };
  }[];
  table: { recipe: string; rsum: number; halfWidth: number }[];
  pointing: { recipe: string; deepest: number }[];
  negatives: { recipe: string; above: number }[];
  fne: { queued: number; positives: { count: number } }[];
}

test("05-relatives runs with other parameters", async (t) => {
  const parameters = { recipes: ["fne", "uarda"], seeds: [1, 2], trainImages: 16, epochs: 2, batchSize: 8, validation: 4, gallery: 8 }; // prettier-ignore
  const done = await papermill<Measured>(t, "05-relatives", parameters);
  if (done === undefined) return;
  const { trainings, table, pointing, negatives, fne } = done.numbers;
  for (const { run } of trainings) done.forget(run);
  assert.deepEqual(trainings.map(({ recipe, seed, steps }) => [recipe, seed, steps]), [["fne", 1, 4], ["uarda", 1, 4], ["fne", 2, 4], ["uarda", 2, 4]]); // prettier-ignore
  for (const { test: measured } of trainings) {
    const [low, high] = measured.interval;
    assert.ok(low <= measured.rsum && measured.rsum <= high);
  }
  for (const { recipe, rsum, halfWidth } of table) {
    const own = trainings.filter((training) => training.recipe === recipe).map(({ test: { rsum: each } }) => each);
    assert.ok(Math.abs(rsum - (own[0]! + own[1]!) / 2) < 1e-9);
    // Of two values: Student's 12.71 times half of their distance.
    assert.ok(Math.abs(halfWidth - (12.71 * Math.abs(own[0]! - own[1]!)) / 2) < 1e-6);
  }
  assert.ok(pointing.every(({ deepest }) => deepest >= 0 && deepest <= 100));
  assert.ok(negatives.every(({ above }) => above >= 0 && above <= 100));
  assert.deepEqual(fne.map(({ queued }) => queued), [32, 32]); // prettier-ignore
});
