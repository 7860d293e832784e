/** The trainer on a handful of drawn scenes: it learns, stops, resumes exactly, and says what is wrong. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import type { Context, Progress } from "../../src/context.js";
import { silentContext } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { closeImageWorkers } from "../../src/data/index.js";
import type { Dataset } from "../../src/data/dataset.js";
import { startEngine } from "../../src/engine/index.js";
import type { AmsError } from "../../src/errors.js";
import { buildModel } from "../../src/model/build.js";
import type { Model } from "../../src/model/ams.js";
import { createParameters } from "../../src/model/parameters.js";
import { halfDepth, sizes } from "../../src/model/config.js";
import { packageRoot } from "../../src/paths.js";
import { checkpointsIn } from "../../src/train/checkpoint.js";
import { checkMemory, stepMemory } from "../../src/train/memory.js";
import { recipeOf, recipes } from "../../src/train/recipe.js";
import { train, type Run, type TrainOptions } from "../../src/train/trainer.js";
import { largestDifference } from "../golden.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-training-"));
let scenes: Dataset;

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = home;
  scenes = await openScenes(
    { counts: { train: 40, val: 12, test: 4, "test-pairs": 2, "test-style": 2 }, pixels: 48 },
    silentContext,
  );
});

after(async () => {
  await closeImageWorkers();
  rmSync(home, { recursive: true, force: true });
});

async function tinyScenesModel(recipe = "ams-corrected"): Promise<Model> {
  const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");
  const model = await buildModel({ size: "tiny", recipe: recipeOf(recipe), vocabulary, seed: 5 });
  // A quarter of the depth: these tests are about the training, not about the encoders.
  const config = halfDepth(halfDepth(model.config));
  return { ...model, config, parameters: createParameters(config, 5) };
}

async function run(options: TrainOptions, context: Context = silentContext): Promise<Run> {
  return train(await tinyScenesModel(options.recipe), scenes, { batchSize: 8, validate: 0, ...options }, context);
}

function weightsOf(model: Model): Float32Array {
  return Float32Array.from([...model.parameters.values()].flatMap((v) => [...v.dataSync()]));
}

/** A context that is aborted once `steps` steps are done. */
function stopAfter(steps: number): { context: Context; reports: Progress[] } {
  const controller = new AbortController();
  const reports: Progress[] = [];
  const progress = (report: Progress): void => {
    reports.push(report);
    if (report.done >= steps) controller.abort();
  };
  return { context: { signal: controller.signal, progress, note: () => undefined }, reports };
}

describe("training", () => {
  test("lowers the loss of every kind of recipe", async () => {
    for (const recipe of Object.keys(recipes)) {
      const { steps, status } = await run({
        name: `learns-${recipe}`,
        recipe,
        steps: 24,
        epochs: 30,
        learningRate: 2e-3,
        overrides: { schedule: { kind: "drops", epochs: [] } },
      });
      assert.equal(status, "finished");
      const mean = (from: number): number => steps.slice(from, from + 4).reduce((sum, s) => sum + s.loss / 4, 0);
      assert.ok(mean(8) < mean(0), `${recipe}: ${mean(0)} -> ${mean(8)}`);
    }
  });

  test("reports every step and ends with a static display", async () => {
    const { context, reports } = stopAfter(Infinity);
    const result = await run({ name: "reports", steps: 6, validate: 12 }, context);
    assert.deepEqual([...new Set(reports.map((r) => r.done))], [1, 2, 3, 4, 5, 6]);
    assert.match(reports.at(-1)?.note ?? "", /finished/);
    assert.ok((result.epochs[0]?.evaluation?.rsum ?? 0) > 0);
    assert.ok(existsSync(path.join(result.folder, "best", "model.safetensors")));
  });

  test("stops at a step with a checkpoint, and resumes to exactly the weights of an uninterrupted run", async () => {
    const whole = await run({ name: "whole", steps: 9 });
    const stopped = await run({ name: "parts", steps: 9 }, stopAfter(4).context);
    assert.equal(stopped.status, "stopped");
    assert.equal(stopped.steps.length, 4);
    assert.match(stopped.resumeHint ?? "", /--name parts --resume/);
    const resumed = await run({ name: "parts", steps: 9, resume: true });
    assert.deepEqual(
      resumed.steps.map((s) => s.loss),
      whole.steps.map((s) => s.loss),
    );
    assert.equal(largestDifference(weightsOf(resumed.model), weightsOf(whole.model)), 0);
  });

  test("a damaged last checkpoint is passed over for the one before", async () => {
    await run({ name: "damaged", steps: 3, overrides: {} }, stopAfter(3).context);
    await run({ name: "damaged", steps: 6, resume: true });
    const folders = checkpointsIn(path.join(home, "runs", "damaged", "checkpoints"));
    assert.equal(folders.length, 2);
    truncateSync(path.join(folders[1] as string, "model.safetensors"), 1000);
    const notes: string[] = [];
    const context: Context = { ...silentContext, note: (line) => notes.push(line) };
    const resumed = await run({ name: "damaged", steps: 7, resume: true }, context);
    assert.match(notes.join(), /damaged .*checksum/);
    assert.equal(resumed.steps.length, 7);
  });

  test("leaves no tensors behind", async () => {
    await run({ name: "leak-warm", steps: 2 });
    const model = await tinyScenesModel();
    const before = tf.memory().numTensors;
    await train(model, scenes, { name: "leak", batchSize: 8, validate: 0, steps: 5 }, silentContext);
    assert.equal(tf.memory().numTensors, before);
  });
});

describe("bad input", () => {
  const refused = (options: TrainOptions, message: RegExp): Promise<void> =>
    assert.rejects(run(options), (error: AmsError) => {
      assert.equal(error.name, "AmsError");
      assert.match(error.lines().join("\n"), message);
      assert.ok(error.hint);
      return true;
    });

  test("an unknown recipe names the known ones", () =>
    refused({ recipe: "amz", name: "x1" }, /no recipe "amz"[^]*ams-published/));
  test("an unknown split names the splits", () => refused({ split: "trian", name: "x2" }, /"trian"[^]*test-pairs/));
  test("a batch larger than the data says how large it may be", () =>
    refused({ batchSize: 5000, name: "x3" }, /5000[^]*--batch-size/));
  test("a name that is taken is not overwritten", async () => {
    await run({ name: "taken", steps: 1 });
    await refused({ name: "taken", steps: 1 }, /already[^]*--resume/);
  });
  test("a name that leaves the folder of runs is refused", () =>
    refused({ name: "../other", steps: 1 }, /"\.\.\/other" cannot be the name[^]*letters/));
  test("resuming what never was says so", () => refused({ name: "never", resume: true }, /no checkpoint/));

  test("a loss that is not a number stops with the step and keeps the last checkpoint", async () => {
    const name = "diverges";
    await run({ name, steps: 2 }, stopAfter(2).context);
    const model = await tinyScenesModel();
    // What a far too high rate leads to.
    const poisoned = train(
      model,
      scenes,
      { name, batchSize: 8, validate: 0, steps: 4, resume: true },
      {
        ...silentContext,
        progress: () => model.parameters.get("b1")?.assign(tf.tensor1d([NaN])),
      },
    );
    await assert.rejects(poisoned, (error: AmsError) =>
      /NaN[^]*step 4[^]*--learning-rate/.test(error.lines().join("\n")),
    );
    const folders = checkpointsIn(path.join(home, "runs", name, "checkpoints"));
    assert.deepEqual(
      folders.map((folder) => path.basename(folder)),
      ["step-00000000", "step-00000002"],
    );
    assert.ok(weightsOf(model).every(Number.isFinite), "the model has its last good weights again");
  });

  test("a batch that cannot fit into memory names one that does, before anything is computed", () => {
    const recipe = { ...recipeOf("scenes-contrast"), batchSize: 400 };
    assert.throws(
      () => {
        checkMemory(sizes.small, recipe, 8e9);
      },
      (error: AmsError) => {
        const fits = Number(/--batch-size (\d+)/.exec(error.hint ?? "")?.[1]);
        assert.ok(fits >= 32 && fits < 400, `names ${fits}`);
        assert.ok(stepMemory(sizes.small, { ...recipe, batchSize: fits }) <= 8e9);
        return /400 pairs needs about/.test(error.message);
      },
    );
    checkMemory(sizes.base, { ...recipeOf("ams-published"), batchSize: 4 }, 16e9);
  });

  test("data other than the run's is refused at resume", async () => {
    await run({ name: "other-data", steps: 1 });
    const others: Dataset = { ...scenes, fingerprint: "another" };
    await assert.rejects(
      train(await tinyScenesModel(), others, { name: "other-data", batchSize: 8, resume: true }, silentContext),
      /other data/,
    );
  });
});

test("an interrupt while validating keeps the epoch, and a resume begins with the validation", async () => {
  const controller = new AbortController();
  const context: Context = {
    ...silentContext,
    signal: controller.signal,
    progress: ({ note }) => {
      if (note?.includes("evaluating") === true) controller.abort();
    },
  };
  const options = { name: "validating", epochs: 2, steps: 30, validate: 12 };
  const stopped = await run(options, context);
  assert.equal(stopped.status, "stopped");
  assert.equal(stopped.epochs.length, 0);
  const resumed = await run({ ...options, resume: true });
  assert.deepEqual(
    resumed.epochs.map((e) => e.epoch),
    [0, 1],
  );
});

test("the run's files can be read by others: a line of JSON for every step", async () => {
  const { folder } = await run({ name: "files", steps: 3 });
  const lines = readFileSync(path.join(folder, "steps.jsonl"), "utf8").trim().split("\n");
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { step: number }).step),
    [1, 2, 3],
  );
  const stored = JSON.parse(readFileSync(path.join(folder, "run.json"), "utf8")) as { status: string };
  assert.equal(stored.status, "finished");
});

test("random weights depend on the seed alone", () => {
  const values = (seed: number): Float32Array =>
    createParameters(sizes.tiny, seed).get("img.fc1.weight")?.dataSync() as Float32Array;
  assert.equal(largestDifference(values(1), values(1)), 0);
  assert.ok(largestDifference(values(1), values(2)) > 0);
});
