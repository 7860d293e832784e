/** The toy training against the published code's, from the same weights in the same order: its first losses live, whole runs as saved. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import type { ToyResult } from "../../bench/toytrain.js";
import { startEngine } from "../../src/engine/index.js";
import { packageRoot } from "../../src/paths.js";
import { publishedRuns, toyTraining, type Variant } from "./toy.js";
import { agreement, lateLoss, type Agreement } from "./toyStatistic.js";

let engine = "";
before(async () => {
  engine = (await startEngine("auto")).name;
});

const published = publishedRuns().runs;
const saved = JSON.parse(
  readFileSync(path.join(packageRoot(), "bench", "results", "toytrain.json"), "utf8"),
) as ToyResult[];

const runOf = <T extends { variant: Variant; seed: number }>(runs: readonly T[], variant: Variant, seed: number): T =>
  runs.find((run) => run.variant === variant && run.seed === seed) ?? assert.fail(`no run ${variant}:${seed}`);

function assertFirst(variant: Variant, seed: number, wanted: readonly number[]): void {
  const { losses } = toyTraining(variant, seed);
  wanted.slice(0, 10).forEach((value, step) => {
    const loss = losses.next().value as number;
    assert.ok(Math.abs(loss / value - 1) <= 1e-3, `step ${step + 1}: ${loss}, not ${value}`);
  });
}

describe("the toy training, live", () => {
  for (const [variant, seed] of [
    ["nodropout", 1],
    ["nodropout", 2],
    ["nodropout", 3],
    ["nodropout_fixed", 1],
  ] as const) {
    test(`${variant}, seed ${seed}: ten losses equal the published code's within a thousandth`, () => {
      assertFirst(variant, seed, runOf(published, variant, seed).loss);
    });
  }

  test("dropout: ten losses are those of the saved run, so that it is this code's", (t) => {
    const run = runOf(saved, "dropout", 1);
    if (run.engine !== engine) {
      t.skip(`the run was made on ${run.engine}; ${engine} draws other masks`);
      return;
    }
    assertFirst("dropout", 1, run.loss);
  });
});

describe("the toy training to its end, as saved by bench/toytrain.ts", () => {
  const compare = (ours: readonly { loss: number[] }[], theirs: readonly { loss: number[] }[]): Agreement =>
    agreement(ours.map(({ loss }) => lateLoss(loss)), theirs.map(({ loss }) => lateLoss(loss))); // prettier-ignore
  const here = (variant: Variant): ToyResult[] => saved.filter((run) => run.variant === variant);
  const there = (variant: Variant): typeof published => published.filter((run) => run.variant === variant);

  for (const [variant, seeds] of [
    ["nodropout", [1, 2, 3]],
    ["dropout", [1, 2, 3]],
    ["nodropout_fixed", [1, 2, 3]],
  ] as const) {
    test(`${variant}: the loss after the first epoch has the published distribution over seeds`, (t) => {
      for (const seed of seeds) runOf(saved, variant, seed);
      assert.ok(here(variant).every(({ loss }) => loss.length === 400));
      const { difference, t: welch, agree } = compare(here(variant), there(variant));
      t.diagnostic(`difference ${difference.toFixed(3)}, t ${welch.toFixed(2)}`);
      assert.ok(agree, `difference ${difference}, t ${welch}`);
    });

    test(`${variant}: so have the recalls of pictures that were not trained on`, (t) => {
      const { t: welch } = agreement(
        here(variant).map(({ rsum }) => rsum),
        there(variant).map(({ final_test }) => final_test.rsum),
      );
      t.diagnostic(`t ${welch.toFixed(2)}`);
      assert.ok(Math.abs(welch) < 4.6, `t ${welch}`);
      assert.ok(here(variant).every(({ rsum }) => rsum > 400)); // before training it is 43
    });
  }

  test("whole runs without dropout would not pass for those with it, nor the other way round, nor another dropout", (t) => {
    for (const [ours, theirs] of [
      ["nodropout", "dropout"],
      ["dropout", "nodropout"],
      ["dropout_0.3", "dropout"],
    ] as const) {
      const { agree, difference, t: welch } = compare(here(ours), there(theirs));
      t.diagnostic(`${ours} for ${theirs}: difference ${difference.toFixed(3)}, t ${welch.toFixed(2)}`);
      assert.ok(!agree, `${ours} would pass for ${theirs}`);
    }
  });

  test("nor would published losses that are 15 % higher, or a collapse", () => {
    const changed = (change: (loss: number) => number): { loss: number[] }[] =>
      there("dropout").map(({ loss }) => ({ loss: loss.map(change) }));
    assert.ok(!compare(changed((loss) => 1.15 * loss), there("dropout")).agree); // prettier-ignore
    assert.ok(
      !compare(
        changed(() => 0.4 * 16),
        there("dropout"),
      ).agree,
    );
  });
});
