/** What a training is told to cost before it begins. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { modelDisplay } from "../../src/commands/show/model.js";
import { planRows } from "../../src/commands/show/plan.js";
import type { Dataset } from "../../src/data/dataset.js";
import { currentEngine, startEngine } from "../../src/engine/index.js";
import { buildModel } from "../../src/model/build.js";
import { sizes } from "../../src/model/config.js";
import { shapeModel } from "../../src/model/head.js";
import { forecastMargin, forecastMemory } from "../../src/train/memory.js";
import { measureSpeed, planTraining, stepFlops, withSpeed } from "../../src/train/plan.js";
import { recipeOf } from "../../src/train/recipe.js";
import { tinyModel } from "../golden.js";

before(async () => {
  await startEngine("auto");
});

describe("operations of a step", () => {
  test("of the published size are those counted for it elsewhere: 11.2 TFLOP of encoders at batch 32", () => {
    const { encoders, scores, total } = stepFlops(sizes.base, recipeOf("ams-published"));
    assert.ok(Math.abs(encoders / 11.2e12 - 1) < 0.05, `${encoders}`);
    // Two products of 30 x 577 x 1024 for each of 1,024 pairs at six scales, seven more for 96 of them.
    assert.equal(scores, 6 * 2 * 30 * 577 * 1024 * (2 * 1024 + 7 * 96));
    assert.equal(total, encoders + scores);
  });

  test("grow with the batch: encoders in proportion, ranking with its square", () => {
    const at = (batchSize: number): ReturnType<typeof stepFlops> =>
      stepFlops(sizes.small, { ...recipeOf("ams-published"), batchSize });
    assert.equal(at(64).encoders, 2 * at(32).encoders);
    assert.ok(at(64).scores > 3 * at(32).scores);
  });

  test("are fewer where patches are left out, and count every pair where every pair has a gradient", () => {
    const pretrain = recipeOf("scenes-pretrain");
    const whole = { ...pretrain, patches: { keep: 1, until: 0 } };
    assert.ok(stepFlops(sizes.small, pretrain).encoders < 0.75 * stepFlops(sizes.small, whole).encoders);
    const contrast = recipeOf("scenes-contrast");
    const exact = stepFlops(sizes.small, { ...contrast, negligible: 0 }).scores;
    assert.ok(exact > 2 * stepFlops(sizes.small, contrast).scores);
  });
});

describe("a plan", () => {
  const item = (captions: number): Dataset["splits"][string][number] => ({
    id: "a",
    image: "/a.png",
    captions: Array.from({ length: captions }, () => ({ text: "a" })),
  });
  const dataset: Dataset = {
    name: "flickr30k",
    root: "/",
    fingerprint: "",
    splits: { train: Array.from({ length: 29_000 }, () => item(5)) },
  };

  test("of the published training on Flickr30K has its 4,531 steps an epoch, and hours at a speed", () => {
    const plan = planTraining(tinyModel(), recipeOf("ams-published"), { dataset, split: "train" });
    assert.equal(plan.training?.pairs, 145_000);
    assert.equal(plan.training.steps, 25 * 4531);
    const timed = withSpeed(plan, plan.flops.total / 0.5);
    assert.equal(timed.speed?.secondsPerStep, 0.5);
    assert.equal(timed.training?.hours, (25 * 4531 * 0.5) / 3600);
    const text = planRows(timed).flat().join("\n");
    assert.match(text, /25 epochs of 145,000 pairs \(flickr30k, train\), 113,275 steps: about 15 h 43 min/);
  });

  test("writes operations with a prefix from a thousand on", () => {
    const plan = planTraining(tinyModel(), recipeOf("vse"));
    const text = planRows({ ...plan, flops: { encoders: 2.5e9, scores: 785_664, total: 2.5e9 } })
      .flat()
      .join("\n");
    assert.match(text, /encoders 2\.50 G, scores 786 k\)/);
  });

  test("stands in a table that lists propagation only where the score has a negative branch", () => {
    const quirksOf = (name: string): string => {
      const { head, quirks } = recipeOf(name);
      const text = modelDisplay(shapeModel(tinyModel(quirks), head, name))["text/plain"];
      return /^quirks +(.*?) *$/m.exec(text)?.[1] ?? "";
    };
    assert.equal(quirksOf("naaf"), "as published: evaluationPropagation; the others corrected");
    assert.equal(quirksOf("uarda"), "all corrected");
  });

  test("counts one caption an image where the recipe takes one", () => {
    const plan = planTraining(tinyModel(), recipeOf("scenes-contrast"), { dataset, split: "train" });
    assert.deepEqual([plan.training?.pairs, plan.training?.steps], [29_000, Math.floor(29_000 / 32)]);
  });

  test("names recomputation only where it saves memory", () => {
    const plan = planTraining(tinyModel(), recipeOf("ams-published"));
    const memory = (recomputed: number): string =>
      planRows({ ...plan, memory: { needed: 2e9, recomputed, available: 8e9, margin: 1.15 } }).flat().join("\n"); // prettier-ignore
    assert.match(
      memory(1e9),
      /2\.0 GB for a step, 1\.0 GB with --recompute, 15 % to spare included; 8\.0 GB are available/,
    );
    assert.match(memory(2.1e9), /2\.0 GB for a step, 15 % to spare included; 8\.0 GB are available/);
  });

  test("asks for as much memory as a training does, with the ways to save it that are given", () => {
    const recipe = { ...recipeOf("ams-published"), batchSize: 64 };
    const model = { ...tinyModel(), config: sizes.base };
    for (const frugality of [{}, { microBatch: 4 }, { recompute: true, microBatch: 4 }]) {
      const { memory, flops } = planTraining(model, recipe, undefined, frugality);
      assert.equal(memory.needed, forecastMargin * forecastMemory(sizes.base, recipe, frugality).total);
      const passes = 3 + Object.keys(frugality).length;
      assert.equal(flops.encoders / passes, stepFlops(sizes.base, recipe).encoders / 3);
    }
    const [needed, frugal] = [{}, { recompute: true }].map(
      (frugality) => planTraining(model, recipe, undefined, frugality).memory,
    );
    assert.equal(frugal?.needed, needed?.recomputed);
    assert.doesNotMatch(
      planRows(planTraining(model, recipe, undefined, { recompute: true }))
        .flat()
        .join(),
      /with --recompute/,
    );
  });

  test("tells the precision that the engine in use has", async () => {
    const rows = (): string =>
      planRows(planTraining(tinyModel(), recipeOf("scenes-pretrain")))
        .flat()
        .join("\n");
    const before = currentEngine()!.name;
    assert.match(rows(), before === "native" || before === "gpu" ? /pairs in bfloat16,/ : /pairs in float32,/);
    await startEngine("plain");
    try {
      assert.match(rows(), /pairs in float32,/);
    } finally {
      await startEngine(before);
    }
  });

  test("says what to give when a step does not fit into memory", () => {
    const model = { ...tinyModel(), config: sizes.base };
    const plan = planTraining(model, { ...recipeOf("ams-published"), batchSize: 4096 });
    assert.ok(plan.memory.needed > plan.memory.available);
    assert.match(plan.advice ?? "", /--micro-batch|--recompute|--batch-size|free memory/);
    assert.match(planRows(plan).flat().join("\n"), /open a data set/);
  });
});

test("the measured speed is one, and measuring changes nothing", async () => {
  const model = await buildModel({ size: "tiny" });
  const values = (): string => [...model.parameters.values()].map((v) => v.dataSync().join()).join();
  const [before, tensors] = [values(), tf.memory().numTensors];
  for (const name of ["ams-published", "scenes-contrast", "scenes-pretrain"]) {
    const speed = measureSpeed(model, recipeOf(name));
    assert.ok(speed > 1e6 && Number.isFinite(speed), `${name}: ${speed}`);
  }
  assert.equal(tf.memory().numTensors, tensors);
  assert.equal(values(), before);
});
