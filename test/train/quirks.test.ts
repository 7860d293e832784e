/** Every quirk of the published code by itself: what a training step, a checkpoint and a resume do with it and without. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext } from "../../src/context.js";
import type { Pair } from "../../src/data/batches.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { closeImageWorkers } from "../../src/data/index.js";
import { startEngine } from "../../src/engine/index.js";
import { scoreBatch } from "../../src/match/batchScores.js";
import { mineThresholds } from "../../src/match/mining.js";
import { scaleWeights, type Model } from "../../src/model/ams.js";
import { buildModel } from "../../src/model/build.js";
import { halfDepth } from "../../src/model/config.js";
import { createParameters } from "../../src/model/parameters.js";
import { quirkNames, quirkSwitches, quirks, type Quirks } from "../../src/model/quirks.js";
import { loadModel, saveModel } from "../../src/model/store.js";
import { packageRoot } from "../../src/paths.js";
import { objective } from "../../src/train/objective.js";
import { recipeOf } from "../../src/train/recipe.js";
import { train, type Run, type TrainOptions } from "../../src/train/trainer.js";
import { goldenBatch, goldenTensors, tensorOf, tinyModel } from "../golden.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-quirks-"));

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = folder;
});

after(async () => {
  await closeImageWorkers();
  rmSync(folder, { recursive: true, force: true });
});

type Rows = number[][];

/** One scale's score of one image and one caption in plain loops, straight from section 3 of the model's description. */
function score(V: Rows, W: Rows, counts: number[], threshold: number, propagate: boolean): number {
  const words = W.map((_, i) => i).filter((i) => counts[i] === 1);
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, e) => sum + x * b[e]!, 0);
  const A = W.map((w) => V.map((v) => dot(w, v)));
  const r = A.map((row) => Math.max(...row) - threshold);
  const softmax = (logits: number[]): number[] => {
    const exps = logits.map((x) => Math.exp(x - Math.max(...logits)));
    return exps.map((x) => x / exps.reduce((a, b) => a + b, 0));
  };
  const norm = V.map((_, j) => Math.hypot(...words.map((i) => (A[i]![j]! > 0 ? A[i]![j]! : 0.1 * A[i]![j]!))) + 1e-8);
  let sum = 0;
  for (const i of words) {
    const row = A[i]!;
    const asked = propagate
      ? dot(
          softmax(words.map((j) => 5 * dot(W[i]!, W[j]!))),
          words.map((j) => r[j]!),
        )
      : r[i]!;
    const negative = asked < 0 ? r[i]! : 0;
    const passing = row.map((_, j) => j).filter((j) => row[j]! > threshold);
    const a = softmax(passing.map((j) => 20 * row[j]!));
    const context = V[0]!.map((_, e) => passing.reduce((c, j, n) => c + a[n]! * V[j]![e]!, 0));
    const feature = passing.length === 0 ? 0 : dot(W[i]!, context) / Math.hypot(...context);
    const b = softmax(row.map((x, j) => (20 * (x > 0 ? x : 0.1 * x)) / norm[j]!));
    sum += negative + feature + dot(b, row);
  }
  return sum / words.length;
}

const stored = goldenTensors("tiny/inputs");
const features = goldenTensors("tiny/activations");
const mask = Array.from(stored.get("mask")?.data ?? []);

function rowsOf(name: string, b: number): Rows {
  const { shape, data } = features.get(name) ?? { shape: [], data: [] };
  const [, rows = 0, width = 0] = shape;
  return Array.from({ length: rows }, (_, r) =>
    Array.from(data.slice((b * rows + r) * width, (b * rows + r + 1) * width)),
  );
}

interface Definition {
  threshold: number;
  propagate: boolean;
  pads: boolean;
  firstText: 1 | 2;
  same: boolean;
}

const asPublished: Definition = { threshold: 0, propagate: false, pads: true, firstText: 2, same: false };
/** Two captions each of three images. */
const pairs: Pair[] = [0, 0, 2, 2, 4, 4].map((item) => ({ item, caption: 0 }));
const mined = { mined: 0.02, safe: 0.01 };

/** The loss of the golden batch by a definition, with s_k = 1. */
function expected({ threshold, propagate, pads, firstText, same }: Definition): number {
  const S = pairs.map(() => pairs.map(() => 0));
  for (let k = 1; k <= 6; k++) {
    for (let b = 0; b < 6; b++) {
      for (let c = 0; c < 6; c++) {
        const W = rowsOf(`txt.feat.${k === 1 ? firstText : k}`, c);
        const counts = pads ? W.map(() => 1) : mask.slice(c * 30, (c + 1) * 30);
        S[b]![c]! += score(rowsOf(`img.feat.${k}`, b), W, counts, threshold, propagate);
      }
    }
  }
  let loss = 0;
  for (let i = 0; i < 6; i++) {
    const others = pairs.map((_, j) => j).filter((j) => j !== i && !(same && pairs[i]?.item === pairs[j]?.item));
    loss += Math.max(0, 0.2 + Math.max(...others.map((j) => S[i]![j]!)) - S[i]![i]!);
    loss += Math.max(0, 0.2 + Math.max(...others.map((j) => S[j]![i]!)) - S[i]![i]!);
  }
  return loss;
}

function step(switches: Partial<Quirks>, dropout = 0, stepSeed = 1): ReturnType<typeof objective> {
  const model = tinyModel(switches);
  model.thresholds = mined;
  const batch = {
    pixels: stored.get("pixels")?.data as Float32Array,
    ids: stored.get("ids")?.data as Int32Array,
    mask: stored.get("mask")?.data as Int32Array,
    pairs,
    crops: [],
    skipped: [],
  };
  const recipe = { ...recipeOf("ams-published"), dropout };
  return objective({
    model,
    recipe,
    batch,
    auxiliary: { logScale: tf.variable(tf.scalar(0)) },
    stepSeed,
    keepPatches: 1,
  });
}

describe("a training step", () => {
  const cases: [string, Partial<Quirks>, Partial<Definition>][] = [
    ["as published", {}, {}],
    ["with firstScaleText: scale 1 compares with the text of scale 1", { firstScaleText: true }, { firstText: 1 }],
    ["with trainThreshold: regions match above the mined t", { trainThreshold: true }, { threshold: mined.mined }],
    ["with padWords: pads are in no mean, norm or propagation", { padWords: true }, { pads: false }],
    ["with sameImageNegatives: captions of one image are not negatives", { sameImageNegatives: true }, { same: true }],
    [
      "with evaluationPropagation: the caption's own words are asked",
      { evaluationPropagation: true },
      { propagate: true },
    ],
    [
      "with all of them",
      quirks.corrected,
      { firstText: 1, threshold: mined.mined, pads: false, same: true, propagate: true },
    ],
  ];
  const published = expected(asPublished);
  for (const [what, switches, definition] of cases) {
    test(what, () => {
      const { loss } = step(switches);
      const wanted = expected({ ...asPublished, ...definition });
      assert.ok(Math.abs(loss - wanted) <= 1e-5 * wanted, `${loss} is not ${wanted}`);
      if (what !== "as published") assert.ok(Math.abs(wanted - published) > 1e-3, "the definition makes a difference");
    });
  }

  test("as published gives the first text projection no gradient, corrected it does", () => {
    const most = (switches: Partial<Quirks>): number =>
      Math.max(0, ...Array.from(step(switches).gradients.get("txt.fc1.weight")?.dataSync() ?? [], Math.abs));
    assert.equal(most({}), 0);
    assert.ok(most({ firstScaleText: true }) > 1e-4);
  });

  test("with padWords mines from words that are none of the pads", () => {
    const tensors = goldenTensors("tiny/mining");
    const images = tensorOf(tensors, "all_right_prior_ignored.images") as tf.Tensor3D;
    const captions = tensorOf(tensors, "all_right_prior_ignored.captions") as tf.Tensor3D;
    const options = { threshold: 0, propagate: false };
    const start = { mined: 0, safe: 0 };
    // 25 words a caption: pads behind them, or cut off.
    const counts = tf.tensor2d(
      Array.from({ length: 360 }, (_, k) => Number(k % 30 < 25)),
      [12, 30],
    );
    const masked = scoreBatch([images], [captions], counts, [1], options, start);
    const cut = tf.slice(captions, [0, 0, 0], [12, 25, -1]);
    const short = scoreBatch([images], [cut], tf.ones([12, 25]), [1], options, start);
    const whole = scoreBatch([images], [captions], tf.ones([12, 30]), [1], options, start);
    const of = ({ thresholds }: typeof masked): number => thresholds[0]?.mined ?? NaN;
    assert.ok(of(masked) > 0 && Math.abs(of(masked) - of(short)) < 1e-6);
    assert.ok(Math.abs(of(masked) - of(whole)) > 1e-5);
  });

  test("drops units of the text encoder by its seed alone", () => {
    const loss = (dropout: number, seed: number): number => step({}, dropout, seed).loss;
    assert.equal(loss(0.1, 7), loss(0.1, 7));
    assert.notEqual(loss(0.1, 7), loss(0.1, 8));
    assert.notEqual(loss(0.1, 7), loss(0, 7));
    assert.equal(loss(0, 7), loss(0, 8));
  });

  test("drops as many as the model says where the recipe says nothing", () => {
    const { dropout: _none, ...silent } = { ...recipeOf("ams-published"), dropout: 0 };
    for (const dropout of [0, 0.25]) {
      const model = tinyModel();
      const config = { ...model.config, text: { ...model.config.text, dropout } };
      const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
      const own = { model: { ...model, config }, recipe: silent, batch: goldenBatch(), auxiliary };
      const said = { ...own, model, recipe: { ...silent, dropout } };
      const [found, wanted] = [own, said].map((input) => objective({ ...input, stepSeed: 7, keepPatches: 1 }).loss);
      assert.equal(found, wanted);
    }
  });
});

test("mining forgets what it is given before it has seen 200 words, so that a prior changes nothing", () => {
  const scores = Array.from({ length: 64 }, (_, k) => (k % 9 === 0 ? 1 : 0.1 * (k % 5)));
  const strongest = Array.from({ length: 64 * 30 }, (_, k) => ((k * 37) % 101) / 101);
  const input = { scores, strongest, images: 8, captions: 8, words: 30 };
  assert.deepEqual(mineThresholds(input, { mined: 0.4, safe: 0.3 }), mineThresholds(input, { mined: 0, safe: 0 }));
});

describe("a checkpoint", () => {
  const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");

  async function saved(): Promise<string> {
    const model = await buildModel({ size: "tiny", vocabulary });
    model.parameters.get("b3")?.assign(tf.tensor1d([0.5]));
    model.thresholds = mined;
    const place = path.join(folder, "checkpoint");
    saveModel(model, place);
    return place;
  }

  test("loses scale weights and thresholds as published, and keeps each where its quirk is corrected", async () => {
    const place = await saved();
    for (const restoreScaleWeights of [false, true]) {
      for (const restoreThresholds of [false, true]) {
        const model = await loadModel(place, { restoreScaleWeights, restoreThresholds });
        assert.deepEqual(scaleWeights(model), [1, 1, restoreScaleWeights ? 0.5 : 1, 1, 1, 1]);
        assert.deepEqual(model.thresholds, restoreThresholds ? mined : { mined: 0, safe: 0 });
      }
    }
  });

  test("is built with the quirks that are asked for", async () => {
    const checkpoint = await saved();
    const model = await buildModel({ checkpoint, recipe: recipeOf("ams-corrected"), quirks: { padWords: false } });
    assert.deepEqual(model.quirks, { ...quirks.corrected, padWords: false });
    assert.equal(scaleWeights(model)[2], 0.5);
  });
});

describe("a resumed training", () => {
  async function start(): Promise<Model> {
    const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");
    const model = await buildModel({ size: "tiny", vocabulary, seed: 5 });
    const config = halfDepth(halfDepth(model.config));
    return { ...model, config, parameters: createParameters(config, 5) };
  }

  async function run(options: TrainOptions, stopAt = Infinity, notes: string[] = []): Promise<Run> {
    const counts = { train: 16, val: 2, test: 2, "test-pairs": 2, "test-style": 2 };
    const scenes = await openScenes({ counts, pixels: 48 }, silentContext);
    const controller = new AbortController();
    const progress = ({ done }: { done: number }): void => {
      if (done >= stopAt) controller.abort();
    };
    const note = (line: string): void => void notes.push(line);
    const context = { ...silentContext, signal: controller.signal, progress, note };
    // One epoch of 16 images x 5 captions has 10 steps; the rate falls from the second on.
    const overrides: TrainOptions["overrides"] = { schedule: { kind: "drops", epochs: [1] }, learningRate: 1e-2 };
    return train(await start(), scenes, { batchSize: 8, validate: 0, steps: 14, overrides, ...options }, context);
  }

  test("starts its schedule, rate and Adam anew as published, with the weights alone", async () => {
    const stopped = await run({ name: "published", recipe: "ams-published" }, 12);
    assert.ok(Math.abs((stopped.steps.at(-1)?.learningRate ?? 0) - 1e-3) < 1e-9);
    const notes: string[] = [];
    const again = await run({ name: "published", recipe: "ams-published", resume: true, steps: 2 }, Infinity, notes);
    const anew = /begins again at epoch 1 with the weights of step 12; .*--quirk resumeSchedule=corrected$/;
    assert.deepEqual(notes.filter((line) => anew.test(line)).length, 1, notes.join("\n"));
    assert.deepEqual(
      again.steps.map(({ step, epoch, learningRate }) => [step, epoch, learningRate]),
      [1, 2].map((n) => [n, 0, 1e-2]),
    );
    // s_k are lost at the resume; two fresh Adam steps of 0.01 move them from 1 by about 0.02 at most.
    assert.ok(scaleWeights(again.model).every((s) => Math.abs(s - 1) < 0.0202));
    assert.ok(stopped.steps.length === 12 && scaleWeights(stopped.model).some((s) => Math.abs(s - 1) > 0.025));
  });

  test("goes on where it was with resumeSchedule, each quirk switched by itself and written down", async () => {
    const options: TrainOptions = {
      name: "switched",
      recipe: "ams-published",
      quirks: { resumeSchedule: true, restoreScaleWeights: true },
    };
    await run(options, 12);
    for (const steps of [12, 3]) {
      await assert.rejects(run({ ...options, resume: true, steps }), /12 steps are done already/);
    }
    const notes: string[] = [];
    const again = await run({ ...options, resume: true }, Infinity, notes);
    assert.doesNotMatch(notes.join("\n"), /begins again/);
    assert.deepEqual([again.steps.length, again.steps.at(-1)?.epoch], [14, 1]);
    assert.deepEqual(again.options["quirks"], { ...quirks.published, resumeSchedule: true, restoreScaleWeights: true });
    assert.deepEqual(again.model.quirks, again.options["quirks"]);
  });

  test("keeps the quirks that the model was built with, unless a recipe is named", async () => {
    const model = await start();
    model.quirks = { ...model.quirks, padWords: true };
    const counts = { train: 16, val: 2, test: 2, "test-pairs": 2, "test-style": 2 };
    const scenes = await openScenes({ counts, pixels: 48 }, silentContext);
    const one = { batchSize: 8, validate: 0, steps: 1 };
    const own = await train(model, scenes, { ...one, name: "own" }, silentContext);
    assert.equal((own.options["quirks"] as Quirks).padWords, true);
    const named = await train(model, scenes, { ...one, name: "named", recipe: "ams-published" }, silentContext);
    assert.equal((named.options["quirks"] as Quirks).padWords, false);
  });
});

test("the switches of an option read as their names say, the last one counting", () => {
  assert.deepEqual(quirkSwitches(["padWords=corrected", "trainThreshold=published"]), {
    padWords: true,
    trainThreshold: false,
  });
  assert.deepEqual(quirkSwitches(["padWords=corrected", "padWords=published"]), { padWords: false });
  assert.equal(quirkNames.length, 8);
});
