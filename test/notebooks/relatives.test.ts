/** The comparison of recipes as papermill runs it, with a few pictures: every cell works and its numbers are whole. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/paths.js";

interface Paths {
  home: string;
  python: string;
  environment: () => NodeJS.ProcessEnv;
}
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
  const file = pathToFileURL(path.join(packageRoot(), "scripts", "setup", "paths.mjs")).href;
  const { home, python, environment } = (await import(file)) as Paths;
  const papermill = path.join(path.dirname(python), "papermill");
  if (!existsSync(papermill)) {
    t.skip("papermill is not in the private Python environment");
    return;
  }
  const folder = mkdtempSync(path.join(tmpdir(), "ams-relatives-notebook-"));
  const out = path.join(folder, "numbers.json");
  const parameters = { recipes: ["fne", "uarda"], seeds: [1, 2], trainImages: 16, epochs: 2, batchSize: 8, validation: 4, gallery: 8, out }; // prettier-ignore
  const notebooks = path.join(packageRoot(), "notebooks");
  try {
    const done = spawnSync(
      papermill,
      [path.join(notebooks, "05-relatives.ipynb"), path.join(folder, "executed.ipynb"), "--no-progress-bar", "--cwd", notebooks, "-y", JSON.stringify(parameters)], // prettier-ignore
      { env: environment(), encoding: "utf8", timeout: 300_000 },
    );
    assert.equal(done.status, 0, done.stderr.slice(-3000));
    const { trainings, table, pointing, negatives, fne } = JSON.parse(readFileSync(out, "utf8")) as Measured;
    for (const { run } of trainings) rmSync(path.join(home, "runs", run), { recursive: true, force: true });
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
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
