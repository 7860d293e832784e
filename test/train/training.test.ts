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
import { currentEngine, startEngine } from "../../src/engine/index.js";
import { displaySymbol, type MimeBundle } from "../../src/display.js";
import type { AmsError } from "../../src/errors.js";
import { buildModel } from "../../src/model/build.js";
import type { Model } from "../../src/model/ams.js";
import { createParameters } from "../../src/model/parameters.js";
import { halfDepth, sizes } from "../../src/model/config.js";
import { packageRoot } from "../../src/paths.js";
import { checkpointsIn } from "../../src/train/checkpoint.js";
import {
  availableMemory,
  checkMemory,
  forecastMargin,
  forecastMemory,
  type Frugality,
} from "../../src/train/memory.js";
import { recipeOf, recipes } from "../../src/train/recipe.js";
import type { TrainingState } from "../../src/train/records.js";
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

  test("reports its start and every step, and ends with a static display", async () => {
    const { context, reports } = stopAfter(Infinity);
    const result = await run({ name: "reports", steps: 6, validate: 12 }, context);
    assert.deepEqual([...new Set(reports.map((r) => r.done))], [0, 1, 2, 3, 4, 5, 6]);
    assert.match(reports.at(-1)?.note ?? "", /finished/);
    assert.ok((result.epochs[0]?.evaluation?.rsum ?? 0) > 0);
    assert.ok(existsSync(path.join(result.folder, "best", "model.safetensors")));
  });

  test("shows what threshold a recipe has mined that mines one", async () => {
    const shown: (number | undefined)[] = [];
    const display = (state: TrainingState): MimeBundle => {
      shown.push(state.threshold);
      return { "text/plain": "" };
    };
    // Of eight captions too few are ranked first for any statistics.
    const mined = await run({ name: "mines", recipe: "ams-corrected", steps: 1, display });
    assert.equal(mined.model.thresholds.safe, 0);
    mined[displaySymbol]();
    (await run({ name: "mines-none", recipe: "vse", steps: 1, display }))[displaySymbol]();
    assert.deepEqual(shown, [0, undefined]);
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

  test("says so when the epochs end before the steps that were asked for", async () => {
    const notes: string[] = [];
    const { steps } = await run(
      { name: "few-epochs", steps: 10_000, epochs: 1 },
      { ...silentContext, note: (line) => notes.push(line) },
    );
    const needed = Math.ceil(10_000 / steps.length);
    assert.deepEqual(notes, [
      `1 epochs are ${steps.length} steps, fewer than --steps 10000: --epochs ${needed} would go so far`,
    ]);
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
        progress: ({ done }) => {
          if (done === 3) model.parameters.get("b1")?.assign(tf.tensor1d([NaN]));
        },
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

  test("what cannot fit into memory names what does, before anything is computed", () => {
    const published = recipeOf("ams-published");
    const hintFor = (
      batchSize: number,
      available: number,
      frugality: Frugality = {},
      { engine = { name: "native" as "native" | "wasm" }, precision = published.precision } = {},
    ): string => {
      try {
        checkMemory(sizes.base, { ...published, batchSize, precision }, frugality, available, engine);
      } catch (error) {
        const { message, hint = "" } = error as AmsError;
        const atLimit = engine.name === "wasm" && available === 2 ** 32;
        assert.match(message, atLimit ? /; WASM reaches at most 4\.3 GB$/ : /GB are available$/);
        assert.match(message, new RegExp(`a step of ${batchSize} pairs needs about [\\d.]+ GB of memory`));
        return hint;
      }
      return "it fits";
    };
    const needs = (batchSize: number, frugality: Frugality): number =>
      forecastMargin * forecastMemory(sizes.base, { ...published, batchSize }, frugality).total;
    assert.equal(hintFor(4, needs(4, {})), "it fits");
    assert.match(hintFor(32, needs(32, { recompute: true })), /^give --recompute \(/);
    const both = { recompute: true, microBatch: 8 };
    const alone = hintFor(32, needs(32, { microBatch: 8 }), { recompute: true });
    assert.match(alone, /^give --recompute --micro-batch \d+ \(the same result, two thirds more time/);
    assert.match(hintFor(32, needs(32, both)), /--micro-batch \d+ \(the same result, .*; or give --batch-size \d+$/);
    assert.match(hintFor(32, needs(32, both), { recompute: true, microBatch: 16 }), /--micro-batch 8 /);
    const least = hintFor(4000, needs(100, { recompute: true, microBatch: 1 }));
    assert.match(least, /^give --batch-size 100 with --recompute --micro-batch 1 /);
    assert.match(hintFor(32, 1e9), /^free memory, or choose a smaller model/);
    // What was given stays, and a slower way to hardly a larger batch is none.
    const saving = { recompute: true, microBatch: 4 };
    assert.equal(
      hintFor(1000, needs(260, saving), saving),
      "give --batch-size 260 (keeping --recompute --micro-batch 4)",
    );
    const recompute = hintFor(32, needs(32, { recompute: true, microBatch: 4 }), { microBatch: 4 });
    assert.match(recompute, /^give --recompute \(keeping --micro-batch 4\) \(the same result, two thirds/);
    const inBfloat16 = hintFor(32, needs(32, both), {}, { precision: "bfloat16" });
    const rounds = currentEngine()?.name === "native" || currentEngine()?.name === "gpu";
    assert.equal(inBfloat16.includes("(the same result to bfloat16's rounding, "), rounds, inBfloat16);
    // WASM's addresses end at 4.3 GB, however much memory is free.
    const wasm = { engine: { name: "wasm" as const, memoryLimit: 2 ** 32 } };
    const none = hintFor(2, 2 ** 32, {}, wasm);
    assert.match(none, /^take another engine: .*, or choose a smaller model \(--size small\)$/);
    assert.match(hintFor(2, 4e9, {}, wasm), /^free memory/);
    // What has been measured lay up to 15 % above the forecast: as much as that must be there.
    assert.match(hintFor(4, 1.1 * forecastMemory(sizes.base, { ...published, batchSize: 4 }).total), /^give /);
    // 25,000 captions of six scales, 30 words and 1,024 numbers are more than an evaluation keeps at once: 2 GiB.
    const validated = { ...published, batchSize: 2, evaluated: 25_000 };
    assert.equal(forecastMemory(sizes.base, validated).evaluation, 2 ** 31);
    assert.throws(
      () => {
        checkMemory(sizes.base, validated, { recompute: true, microBatch: 1 }, 5e9);
      },
      ({ hint }: AmsError) => /^the validation does not fit: give --validate 0/.test(hint ?? ""),
    );
  });

  test("every way to save memory that is named does fit, and the batch size too, for any batch in no time", () => {
    const recipe = recipeOf("ams-published");
    const began = performance.now();
    for (const batchSize of [3, 32, 1_000_000]) {
      for (const gigabytes of [4, 8, 16, 64, 1000]) {
        const available = gigabytes * 1e9;
        try {
          checkMemory(sizes.base, { ...recipe, batchSize }, {}, available);
        } catch (error) {
          for (const way of ((error as AmsError).hint ?? "").split("; or ")) {
            if (!way.startsWith("give")) continue;
            const size = Number(/--batch-size (\d+)/.exec(way)?.[1] ?? batchSize);
            const microBatch = /--micro-batch (\d+)/.exec(way)?.[1];
            const frugality = {
              recompute: way.includes("--recompute"),
              ...(microBatch === undefined ? {} : { microBatch: Number(microBatch) }),
            };
            assert.doesNotThrow(() => {
              checkMemory(sizes.base, { ...recipe, batchSize: size }, frugality, available);
            }, way);
          }
        }
      }
    }
    assert.ok(performance.now() - began < 5000);
  });

  test("what there is depends on the engine, and what the process has already counts once", () => {
    const [free, config] = [8e9, sizes.base];
    const { process: itself, parameters } = forecastMemory(config, { ...recipeOf("ams-published"), batchSize: 2 });
    const card = { name: "gpu" as const, memoryLimit: 80e9 };
    assert.equal(availableMemory(config, card, { free, resident: 1e9 }), 80e9 + itself);
    const wasm = { name: "wasm" as const, memoryLimit: 2 ** 32 };
    assert.equal(availableMemory(config, wasm, { free, resident: 1e9 }), 2 ** 32, "what ams engine says");
    assert.equal(availableMemory(config, wasm, { free: 1e9, resident: 0 }), 1e9);
    const native = { name: "native" as const };
    assert.equal(availableMemory(config, native, { free, resident: 0 }), free);
    assert.equal(availableMemory(config, native, { free, resident: 1e8 }), free + 1e8);
    assert.equal(availableMemory(config, native, { free, resident: 64e9 }), free + itself + parameters);
  });

  test("is refused for want of memory before anything is written, and for want of pairs first", async () => {
    const model = await tinyScenesModel();
    const start = (name: string, batchSize: number): Promise<Run> =>
      train(model, scenes, { name, batchSize, validate: 0 }, silentContext, 1e8);
    await assert.rejects(start("too-large", 8), /a step of 8 pairs needs about/);
    assert.ok(!existsSync(path.join(home, "runs", "too-large")));
    await assert.rejects(start("too-large", 1_000_000), /a batch of 1000000 does not fit into \d+ pairs/);
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

test("what is displayed tells validations, what captions find after each, and what was reached", async () => {
  const states: TrainingState[] = [];
  const milestones = new Set<string>();
  const context: Context = {
    ...silentContext,
    progress: ({ display, milestone }) => {
      display?.();
      milestones.add(milestone ?? "none");
    },
  };
  const display = (state: TrainingState): { "text/plain": string } => {
    states.push({ ...state, steps: [], epochs: [...state.epochs] });
    return { "text/plain": "" };
  };
  const ended = await run({ name: "displayed", epochs: 2, steps: 30, validate: 12, display }, context);
  const stepsPerEpoch = 25; // 200 captions in batches of 8
  assert.ok(states.every((state) => state.stepsPerEpoch === stepsPerEpoch && state.totalSteps === 30));
  assert.ok(states.some(({ status, validation }) => status === "evaluating" && validation!.done < validation!.total));
  assert.ok(states.filter(({ status }) => status !== "evaluating").every(({ validation }) => validation === undefined));
  // Samples are there from the first validation on, and anew after the second.
  const titles = states.map(({ samples }) => samples?.title.slice(0, 13));
  assert.deepEqual([...new Set(titles)], [undefined, "After epoch 1", "After epoch 2"]);
  assert.ok(states.every(({ samples, epochs }) => (samples === undefined) === (epochs.length === 0)));
  ended[displaySymbol]();
  const { status, samples } = states.at(-1)!;
  assert.equal(status, "finished");
  assert.equal(samples!.rows.length, 3);
  for (const { text, note, hits } of samples!.rows) {
    const rank = Number(/^right answer at rank (\d+) of 12$/.exec(note ?? "")?.[1]);
    assert.ok(scenes.splits["val"]!.some(({ captions }) => captions.some((caption) => caption.text === text)));
    assert.deepEqual(
      hits.map(({ right }) => right),
      [1, 2, 3, 4].map((place) => place === rank),
    );
    assert.ok(hits.every(({ picture }) => picture?.uri.startsWith("data:image/jpeg;base64,") === true));
  }
  const [none, first, second, ...more] = milestones;
  assert.deepEqual([none, more], ["", []]);
  assert.match(
    first ?? "",
    /^epoch 1\/2: loss [\d.]+, val i2t R@1 [\d.]+, t2i R@1 [\d.]+, rSum [\d.]+, \d+ s, \d+ s left$/,
  );
  assert.match(second ?? "", /^epoch 2\/2: loss [\d.]+, val i2t R@1 [\d.]+, t2i R@1 [\d.]+, rSum [\d.]+, \d+ s$/);
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
