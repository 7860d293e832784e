/** The notebook about trainings that fail, with trainings of a few pairs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { papermill } from "./papermill.js";

interface Measured {
  collapse: { name: string; equal: number; losses: number[]; spreadBefore: number; spread: number }[];
  sizes: { loss: string; size: number; steps: number }[];
  padShare: number;
  collisions: { formula: number; drawn: number }[];
  quirks: { name: string; moved: number }[];
  checkpoint: { lost: string; weights: number[]; thresholds: { safe: number }; difference: number }[];
  resumed: Record<string, { step: number; learningRate: number; loss: number }[]>;
  runs: string[];
}

test("03-training measures collapse, batches and quirks", async (t) => {
  const switches = ["firstScaleText", "sameImageNegatives"];
  const short = { seeds: [1], pairs: 8, collapseSteps: 12, batches: [4], gallery: 6, switches, batchSize: 8 };
  const done = await papermill<Measured>(t, "03-training", short);
  if (done === undefined) return;
  const { collapse, sizes, padShare, collisions, quirks, checkpoint, resumed, runs } = done.numbers;
  runs.forEach(done.forget);
  assert.deepEqual(collapse.map(({ equal }) => equal), [0.4 * 8, Math.log(8)]); // prettier-ignore
  for (const { losses, spread, spreadBefore } of collapse)
    assert.ok(losses.length === 12 && losses.every((loss) => loss > 0) && spread > 0 && spreadBefore > 0);
  assert.deepEqual(sizes.map(({ loss, size, steps }) => [loss, size, steps]), [["hinge", 4, 2], ["InfoNCE", 4, 2]]); // prettier-ignore
  assert.ok(padShare > 0.3 && padShare < 0.7);
  for (const { formula, drawn } of collisions) assert.ok(Math.abs(drawn - formula) < 0.02 + 0.1 * formula);
  const moved = Object.fromEntries(quirks.map(({ name, moved: distance }) => [name, distance]));
  assert.equal(moved["all as published"], 0, "published, the text's first projection gets no gradient");
  assert.equal(moved["sameImageNegatives"], 0);
  assert.ok(moved["firstScaleText"]! > 0 && moved["all put right"]! > 0);
  const [whole, noWeights, noThresholds] = checkpoint;
  const ones = [1, 1, 1, 1, 1, 1];
  assert.deepEqual(checkpoint.map(({ lost }) => lost), ["nothing", "restoreScaleWeights", "restoreThresholds"]); // prettier-ignore
  assert.ok(whole!.weights.some((weight) => weight !== 1) && whole!.thresholds.safe > 0.3 && whole!.difference === 0);
  assert.deepEqual([noWeights!.weights, noWeights!.thresholds], [ones, whole!.thresholds], "one quirk at a time");
  assert.deepEqual([noThresholds!.weights, noThresholds!.thresholds.safe], [whole!.weights, 0], "one quirk at a time");
  assert.deepEqual(resumed["corrected"], resumed["without a stop"]);
  const rates = (name: string): number[] => resumed[name]!.map(({ learningRate }) => learningRate);
  assert.ok(rates("corrected")[3]! < rates("corrected")[0]! / 5, "the rate falls after the first epoch");
  assert.equal(rates("published")[2], rates("published")[0], "published, the rate begins anew");
});
