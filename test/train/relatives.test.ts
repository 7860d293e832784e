/** The relatives of AMS as recipes: their models, their steps against plain loops, and trainings that stop and go on. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { closeImageWorkers } from "../../src/data/index.js";
import { startEngine } from "../../src/engine/index.js";
import { evaluate } from "../../src/evaluate/index.js";
import { disposeModel, encodeCaptions, encodeImages, type Model } from "../../src/model/ams.js";
import { buildModel } from "../../src/model/build.js";
import { halfDepth, sizes } from "../../src/model/config.js";
import { shapeModel } from "../../src/model/head.js";
import { createParameters } from "../../src/model/parameters.js";
import { loadModel, saveModel } from "../../src/model/store.js";
import { writePublished } from "../../src/model/weights/publishedWrite.js";
import { packageRoot } from "../../src/paths.js";
import { finish } from "../../src/parts.js";
import { Random } from "../../src/random.js";
import { search } from "../../src/search/index.js";
import { samplingWeights, type RunningMoments } from "../../src/match/sampledNegatives.js";
import { attentionHead } from "../../src/train/attentionHead.js";
import { checkpointsIn } from "../../src/train/checkpoint.js";
import { objective } from "../../src/train/objective.js";
import { planTraining, type TrainingPlan } from "../../src/train/plan.js";
import {
  advanceQueue,
  createQueue,
  disposeQueue,
  emptyQueue,
  type Queue,
  type QueueState,
} from "../../src/train/queue.js";
import { modelFingerprint } from "../../src/model/fingerprint.js";
import { recipeOf, type QueueOptions } from "../../src/train/recipe.js";
import { train, type Run, type TrainOptions } from "../../src/train/trainer.js";
import { vectorHead } from "../../src/train/vectorHead.js";
import { goldenBatch, largestDifference, tinyModel } from "../golden.js";
import { scenesOfTest } from "./killedTraining.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-relatives-"));
const relatives = ["naaf", "uarda", "fne", "vse"] as const;

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = home;
});

after(async () => {
  await closeImageWorkers();
  rmSync(home, { recursive: true, force: true });
});

/** The golden model with the head of a recipe. */
function golden(name: string): Model {
  const model = tinyModel({ ...recipeOf(name).quirks });
  return shapeModel(model, recipeOf(name).head, name);
}

for (const name of ["fne", "ams-corrected"]) {
  test(`a model of ${name} has another fingerprint when training moved it`, () => {
    const model = golden(name);
    const before = modelFingerprint(model);
    assert.equal(modelFingerprint(model), before);
    const moved = [...model.parameters].find(([key]) => key.endsWith("layer.0.output.dense.bias"))?.[1];
    assert.ok(moved);
    moved.assign(tf.add(moved, 1e-4));
    assert.notEqual(modelFingerprint(model), before);
  });
}

const queueOptions: QueueOptions = { size: 10, momentum: 0.9, from: 0, enough: 2, prior: 9999, certain: 0.999 };

describe("a model's head", () => {
  test("takes the deepest scale's projections, and its features have their norm where the recipe says", () => {
    const whole = tinyModel();
    const model = shapeModel(whole, recipeOf("naaf").head, "naaf");
    assert.deepEqual(model.config.scales, [11]);
    assert.deepEqual(
      model.parameters.get("img.fc1.weight")?.dataSync(),
      whole.parameters.get("img.fc6.weight")?.dataSync(),
    );
    assert.equal(model.parameters.has("img.fc2.weight"), false);
    const batch = goldenBatch();
    tf.tidy(() => {
      const [features] = encodeImages(model, tf.tensor4d(batch.pixels, [6, 3, 32, 32]));
      assert.ok(features);
      const norms = tf.norm(features, 2, -1).dataSync();
      assert.ok(norms.every((norm) => Math.abs(norm - 1) < 1e-5));
    });
    assert.equal(shapeModel(model, { ...recipeOf("naaf").head! }, "naaf"), model, "no copy of what fits already");
    // The copy is one of its own: training it leaves the first model alone.
    const before = Float32Array.from(whole.parameters.get("img.fc6.weight")!.dataSync());
    tf.tidy(() => model.parameters.get("img.fc1.weight")!.assign(tf.zeros([48, 32])));
    assert.deepEqual(whole.parameters.get("img.fc6.weight")!.dataSync(), before);
  });

  test("without a projection has the encoder's own width, the last layer that is there, and the ViT's final norm", async () => {
    const model = golden("fne"); // its files have 11 of the 12 layers
    assert.deepEqual([model.config.scales, model.config.embed], [[11], 32]);
    assert.ok(model.parameters.has("img.visual_encoder.layernorm.weight"));
    assert.ok(![...model.parameters.keys()].some((name) => name.includes(".fc")));
    const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");
    const fresh = await buildModel({ size: "tiny", recipe: recipeOf("fne"), vocabulary });
    assert.deepEqual(fresh.config.scales, [12]);
    assert.ok(fresh.parameters.has("img.visual_encoder.encoder.layer.11.output.dense.weight"));
    assert.equal(fresh.tokenizer.encode("A dog!").pieces.includes("!"), false);
  });

  test("of two encoders of different widths needs a projection", () => {
    const config = { ...sizes.tiny, text: { ...sizes.tiny.text, width: 64 } };
    const model = { ...tinyModel(), config };
    assert.throws(() => shapeModel(model, recipeOf("fne").head, "fne"), /both encoders must be of one width/);
  });

  test("cannot get back the scales that it dropped", () => {
    const model = golden("naaf");
    assert.throws(() => shapeModel(model, undefined, "ams-corrected"), /lacks what ams-corrected needs/);
    assert.throws(() => shapeModel(model, recipeOf("vse").head, "vse"), /made for another recipe/);
    assert.throws(() => writePublished(model, path.join(home, "naaf.pth.tar")), /no place for a model of the recipe/);
  });
});

type Rows = number[][];
const dot = (a: number[], b: number[]): number => a.reduce((sum, x, e) => sum + x * b[e]!, 0);
const unit = (row: number[]): number[] => row.map((x) => x / Math.hypot(...row));

/** Mean over counted tokens, unit length. */
function pooledRows(features: number[][][], counts: (b: number, t: number) => boolean): Rows {
  return features.map((tokens, b) => {
    const counted = tokens.filter((_, t) => counts(b, t));
    return unit(tokens[0]!.map((_, e) => counted.reduce((sum, token) => sum + token[e]!, 0) / counted.length));
  });
}

/** FNE's loss of a batch from plain vectors: rows of S first, then columns, each with one drawn negative. */
function fneLoss(
  [images, captions]: [Rows, Rows],
  candidates: [Rows, Rows],
  candidateItems: number[],
  items: number[],
  weightOf: (s: number, own: number) => number,
  random: Random,
  picks?: number[],
): { loss: number; picks: number[] } {
  let loss = 0;
  const made: number[] = [];
  for (const [from, to] of [
    [images, candidates[1]],
    [captions, candidates[0]],
  ] as const) {
    from.forEach((row, i) => {
      const own = dot(images[i]!, captions[i]!);
      const scores = to.map((candidate) => dot(row, candidate));
      const weights = scores.map((s, j) => (candidateItems[j] === items[i] ? 0 : weightOf(s, own)));
      const total = weights.reduce((a, b) => a + b, 0);
      let pick = picks?.[made.length];
      if (pick === undefined) {
        let left = random.next() * total;
        pick = weights.findIndex((weight) => weight > 0 && (left -= weight) < 0);
      }
      made.push(pick);
      loss += Math.max(0, 0.2 + scores[pick]! - own);
    });
  }
  return { loss, picks: made };
}

describe("a step of FNE", () => {
  const batch = { ...goldenBatch(), pairs: [0, 1, 2, 3, 4, 4].map((item) => ({ item, caption: 0 })) };
  const items = batch.pairs.map(({ item }) => item);

  /** Features of the golden batch by a model, [B][T][D] as numbers, and the mask of words. */
  function features(model: Model): { images: number[][][]; captions: number[][][] } {
    return tf.tidy(() => {
      const images = encodeImages(model, tf.tensor4d(batch.pixels, [6, 3, 32, 32]))[0]!.arraySync();
      const ids = tf.tensor2d(batch.ids, [6, 30], "int32");
      const mask = tf.tensor2d(batch.mask, [6, 30], "int32");
      return { images, captions: encodeCaptions(model, ids, mask)[0]!.arraySync() };
    });
  }
  const vectorsOf = ({ images, captions }: ReturnType<typeof features>): [Rows, Rows] => [
    pooledRows(images, () => true),
    pooledRows(captions, (b, t) => batch.mask[b * 30 + t] === 1),
  ];

  /** A queue of four random pairs beside a momentum copy that differs from the model. */
  function filled(model: Model): { queue: Queue; state: QueueState; rows: [Rows, Rows] } {
    const queue = createQueue(model, queueOptions);
    for (const variable of queue.momentum.values()) {
      tf.tidy(() => {
        variable.assign(tf.mul(variable, 0.97));
      });
    }
    const random = new Random(4);
    const rows = [0, 1].map(() =>
      Array.from({ length: 4 }, () => unit(Array.from({ length: 32 }, () => random.normal()))),
    ) as [Rows, Rows];
    for (const [slots, values] of [
      [queue.images, rows[0]],
      [queue.captions, rows[1]],
    ] as const) {
      tf.tidy(() => {
        slots.assign(tf.concat([tf.tensor2d(values), tf.zeros<tf.Rank.R2>([6, 32])]));
      });
    }
    return { queue, state: { ...emptyQueue, next: 4, items: [7, 1, 8, 9] }, rows };
  }

  test("has the loss of plain loops: batch by the momentum copy, queue, one drawn negative a row", () => {
    const model = golden("fne");
    const { queue, state, rows } = filled(model);
    const recipe = { ...recipeOf("fne"), dropout: 0, queue: queueOptions };
    const result = objective({
      ...{ model, recipe, batch, stepSeed: 21, keepPatches: 1, epoch: 1, queueState: { ...state, epoch: 1 } },
      auxiliary: { logScale: tf.variable(tf.scalar(0)), queue },
    });
    const vectors = vectorsOf(features(model));
    const momentum = vectorsOf(features({ ...model, parameters: queue.momentum }));
    const candidates: [Rows, Rows] = [
      [...momentum[0], ...rows[0]],
      [...momentum[1], ...rows[1]],
    ];
    // Random weights rank next to nothing first: there are no statistics, and the distance alone counts.
    const { positives } = result.queue!.statistics;
    assert.ok(positives.count <= queueOptions.enough);
    const weightOf = (s: number, own: number): number => Math.exp(-0.5 * (s - own) ** 2);
    const wanted = fneLoss(vectors, candidates, [...items, ...state.items], items, weightOf, new Random(21));
    assert.ok(Math.abs(result.loss - wanted.loss) < 1e-4, `${result.loss} is not ${wanted.loss}`);
    assert.ok(wanted.picks.some((pick) => pick >= 6) && wanted.picks.some((pick) => pick < 6), "from batch and queue");
    // With statistics of this epoch the probability of being right and the easy cut decide; those of another epoch count for nothing.
    const moments = (mean: number): RunningMoments => ({ count: 60, mean, squares: 60 * 0.02 });
    const known = { positives: moments(0.2), negatives: moments(0) };
    const stepWith = (epoch: number): ReturnType<typeof objective> =>
      objective({
        ...{ model, recipe, batch, stepSeed: 21, keepPatches: 1, epoch: 1 },
        queueState: { ...state, epoch, statistics: known },
        auxiliary: { logScale: tf.variable(tf.scalar(0)), queue },
      });
    const [informed, reset] = [stepWith(1), stepWith(0)];
    const counts = informed.queue!.statistics;
    assert.equal(counts.positives.count, 60 + positives.count);
    const byRule = (s: number, own: number): number => samplingWeights([s], own, () => false, counts, { ...queueOptions, margin: recipe.margin })[0]!; // prettier-ignore
    const ruled = fneLoss(vectors, candidates, [...items, ...state.items], items, byRule, new Random(21));
    assert.ok(Math.abs(informed.loss - ruled.loss) < 1e-4, `${informed.loss} is not ${ruled.loss}`);
    assert.notDeepEqual(ruled.picks, wanted.picks, "the rule draws others");
    assert.deepEqual(reset.queue!.statistics, result.queue!.statistics);
    assert.equal(reset.loss, result.loss);
    for (const { gradients, queue: added } of [informed, reset]) tf.dispose([...gradients.values(), added!.images, added!.captions]); // prettier-ignore
    // What goes into the queue are the momentum features.
    assert.ok(largestDifference(result.queue!.captions.dataSync(), momentum[1].flat()) < 1e-5);
    assert.ok(largestDifference(result.queue!.images.dataSync(), momentum[0].flat()) < 1e-5);
    assert.deepEqual(result.queue!.items, items);
    // Before epoch `from` the hardest of the batch are taken.
    const early = objective({
      ...{ model, recipe: { ...recipe, queue: queueOptions }, batch, stepSeed: 21, keepPatches: 1, epoch: 0 },
      auxiliary: { logScale: tf.variable(tf.scalar(0)), queue: { ...queue, options: { ...queueOptions, from: 1 } } },
    });
    let hinge = 0;
    for (let i = 0; i < 6; i++) {
      const others = items.flatMap((item, j) => (item === items[i] ? [] : [j]));
      const S = (a: number, b: number): number => dot(vectors[0][a]!, vectors[1][b]!);
      hinge += Math.max(0, 0.2 + Math.max(...others.map((j) => S(i, j))) - S(i, i));
      hinge += Math.max(0, 0.2 + Math.max(...others.map((j) => S(j, i))) - S(i, i));
    }
    assert.ok(Math.abs(early.loss - hinge) < 1e-4, `${early.loss} is not ${hinge}`);
    for (const { gradients, queue: added } of [result, early]) tf.dispose([...gradients.values(), added!.images, added!.captions]); // prettier-ignore
    disposeQueue(queue);
  });

  test("has the gradient of plain loops with respect to the features", () => {
    const model = golden("fne");
    const { queue, state, rows } = filled(model);
    const plain = features(model);
    const recipe = { ...recipeOf("fne"), dropout: 0, queue: queueOptions };
    const words = tf.tensor2d(Float32Array.from(batch.mask), [6, 30]);
    const inputs = {
      pixels: tf.tensor4d(batch.pixels, [6, 3, 32, 32]),
      ids: tf.tensor2d(batch.ids, [6, 30], "int32"),
      mask: tf.tensor2d(batch.mask, [6, 30], "int32"),
      words,
      length: 30,
    };
    const head = finish(
      vectorHead(
        {
          ...{ model, recipe, batch, stepSeed: 22, keepPatches: 1, epoch: 1, queueState: { ...state, epoch: 1 } },
          auxiliary: { logScale: tf.variable(tf.scalar(0)), queue },
        },
        inputs,
        { images: [tf.tensor3d(plain.images)], captions: [tf.tensor3d(plain.captions)] },
        new Map(),
        6,
      ),
    );
    const momentum = vectorsOf(features({ ...model, parameters: queue.momentum }));
    const candidates: [Rows, Rows] = [
      [...momentum[0], ...rows[0]],
      [...momentum[1], ...rows[1]],
    ];
    const all = [...items, ...state.items];
    const weightOf = (s: number, own: number): number => Math.exp(-0.5 * (s - own) ** 2);
    const { picks } = fneLoss(vectorsOf(plain), candidates, all, items, weightOf, new Random(22));
    const loss = (): number => fneLoss(vectorsOf(plain), candidates, all, items, weightOf, new Random(0), picks).loss;
    const random = new Random(2);
    let moved = 0;
    for (const side of ["images", "captions"] as const) {
      const found = (head[side][0] as tf.Tensor3D).arraySync();
      for (let n = 0; n < 40; n++) {
        const b = random.int(6);
        const t = side === "captions" ? random.int(4) : random.int(17);
        const e = random.int(32);
        const token = plain[side][b]![t]!;
        const value = token[e]!;
        const h = 1e-4;
        token[e] = value + h;
        const above = loss();
        token[e] = value - h;
        const slope = (above - loss()) / (2 * h);
        token[e] = value;
        assert.ok(Math.abs(slope - found[b]![t]![e]!) < 1e-4, `${side} ${b} ${t} ${e}: ${found[b]![t]![e]} is not ${slope}`); // prettier-ignore
        if (Math.abs(slope) > 1e-3) moved++;
      }
    }
    assert.ok(moved > 20, "the gradient is not 0");
    disposeQueue(queue);
  });
});

describe("a queue", () => {
  test("goes around its end, and the momentum copy drifts after the parameters", () => {
    const model = golden("fne");
    const queue = createQueue(model, queueOptions);
    const name = "txt.text_encoder.embeddings.LayerNorm.weight";
    const parameter = model.parameters.get(name)!;
    let copy = Array.from(parameter.dataSync());
    const slots: { image: number[]; item: number }[] = [];
    let state = emptyQueue;
    const random = new Random(6);
    for (let step = 0; step < 6; step++) {
      const images = Array.from({ length: 4 }, () => Array.from({ length: 32 }, () => Math.fround(random.normal())));
      const captions = images.map((row) => row.map((x) => -x));
      const items = [0, 1, 2, 3].map((i) => 10 * step + i);
      tf.tidy(() => {
        parameter.assign(tf.add(parameter, 0.5));
      });
      const added = {
        images: tf.tensor2d(images),
        captions: tf.tensor2d(captions),
        items,
        statistics: emptyQueue.statistics,
      };
      state = advanceQueue(queue, model, state, added, step);
      images.forEach((image, i) => (slots[(4 * step + i) % 10] = { image, item: items[i]! }));
      const now = Array.from(parameter.dataSync());
      copy = copy.map((m, i) => 0.9 * m + 0.1 * now[i]!);
      assert.equal(state.next, (4 * (step + 1)) % 10);
      assert.equal(state.epoch, step);
      assert.deepEqual(state.items, slots.map(({ item }) => item)); // prettier-ignore
      const values = queue.images.arraySync();
      slots.forEach(({ image }, k) => {
        assert.deepEqual(values[k], image);
      });
      assert.ok(largestDifference(queue.captions.dataSync(), values.flat().map((x) => -x)) === 0); // prettier-ignore
      assert.ok(largestDifference(queue.momentum.get(name)!.dataSync(), copy) < 1e-5);
    }
    assert.ok(Math.max(...copy.map((m, i) => Math.abs(m - parameter.dataSync()[i]!))) > 1, "it lags behind");
    disposeQueue(queue);
  });
});

/** A training of a shallow model on 24 scenes, five steps an epoch. */
async function small(name: string, recipe: string, options: TrainOptions): Promise<Run> {
  const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");
  const built = await buildModel({ size: "tiny", recipe: recipeOf("ams-corrected"), vocabulary, seed: 5 });
  const config = halfDepth(halfDepth(built.config));
  const model = { ...built, config, parameters: createParameters(config, 5) };
  disposeModel(built);
  const scenes = await openScenes(scenesOfTest, silentContext);
  // 24 pairs a batch: 5 steps an epoch, so that the stop is in the second, when FNE draws from its queue (which is full by then).
  const overrides = recipe === "fne" ? { queue: { ...queueOptions, size: 50, from: 1 } } : {};
  const given = { epochs: 2, batchSize: 24, learningRate: 1e-3, checkpointSeconds: 0, validate: 0 };
  return train(model, scenes, { ...given, name, recipe, overrides, ...options }, silentContext);
}

const lastCheckpoint = (name: string): string =>
  checkpointsIn(path.join(home, "runs", name, "checkpoints")).at(-1) ?? "";

describe("a training", () => {
  test("of fne goes on with the statistics that it had, and draws by them", async () => {
    // Of four pairs a batch some rank first both ways, also by chance: 30 steps an epoch, the stop in the second.
    const queue = { ...queueOptions, size: 50, from: 1, enough: 2 };
    const options = { batchSize: 4, overrides: { queue } };
    const counts = (name: string): QueueState =>
      (JSON.parse(readFileSync(path.join(lastCheckpoint(name), "state.json"), "utf8")) as { queue: QueueState }).queue;
    await small("fne-known-whole", "fne", { ...options, steps: 48 });
    await small("fne-known-parts", "fne", { ...options, steps: 44 });
    const stopped = counts("fne-known-parts").statistics;
    assert.ok(stopped.positives.count > 2 && stopped.negatives.count > 2, "the rule is in force at the stop");
    await small("fne-known-parts", "fne", { ...options, steps: 48, resume: true });
    assert.deepEqual(counts("fne-known-parts"), counts("fne-known-whole"));
    const [whole, parts] = ["fne-known-whole", "fne-known-parts"].map((name) => readFileSync(path.join(lastCheckpoint(name), "model.safetensors"))); // prettier-ignore
    assert.ok(whole!.equals(parts!));
  });

  for (const recipe of relatives) {
    test(`of ${recipe} that stops goes on to the same end, bit for bit`, async () => {
      await small(`${recipe}-whole`, recipe, { steps: 9 });
      await small(`${recipe}-parts`, recipe, { steps: 7 });
      const run = await small(`${recipe}-parts`, recipe, { steps: 9, resume: true });
      assert.equal(run.steps.length, 9);
      assert.ok(run.steps.every(({ loss }) => Number.isFinite(loss)));
      for (const file of ["model.safetensors", "optimiser.safetensors"]) {
        const [whole, parts] = [`${recipe}-whole`, `${recipe}-parts`].map((name) => readFileSync(path.join(lastCheckpoint(name), file))); // prettier-ignore
        assert.ok(whole!.equals(parts!), `${file} of ${recipe}`);
      }
      const state = (name: string): { queue?: QueueState; thresholds: unknown } =>
        JSON.parse(readFileSync(path.join(lastCheckpoint(name), "state.json"), "utf8")) as { queue?: QueueState; thresholds: unknown }; // prettier-ignore
      const [whole, parts] = [state(`${recipe}-whole`), state(`${recipe}-parts`)];
      assert.deepEqual(whole.queue, parts.queue);
      assert.deepEqual(whole.thresholds, parts.thresholds);
      assert.equal(whole.queue !== undefined, recipe === "fne");
      if (whole.queue !== undefined) {
        assert.equal(whole.queue.items.length, 50);
        assert.equal(whole.queue.next, (9 * 24) % 50);
        assert.equal(whole.queue.epoch, 1);
      }
    });

    test(`of ${recipe} makes a model that is evaluated, searched and stored like others`, async () => {
      const scenes = await openScenes(scenesOfTest, silentContext);
      const folder = lastCheckpoint(`${recipe}-whole`);
      const model = await loadModel(folder);
      model.thresholds = { mined: 0.1, safe: 0.05 };
      const evaluation = await evaluate(model, scenes, { split: "val" }, silentContext);
      assert.equal(evaluation.scoredBy, recipe === "fne" || recipe === "vse" ? "pooled" : "exact");
      const text = scenes.splits["val"]![0]!.captions[0]!.text;
      const hits = await search(model, scenes.splits["val"]!, { text }, { k: 6, candidates: 6 }, silentContext);
      // The exact scores of the search are those of the evaluation.
      for (const { item, score } of hits.hits) {
        const row = scenes.splits["val"]!.findIndex(({ id }) => id === item.id);
        assert.ok(Math.abs(score - evaluation.scores[row * evaluation.owner.length]!) < 1e-5);
      }
      const again = path.join(home, `stored-${recipe}`);
      saveModel(model, again);
      const loaded = await loadModel(again);
      assert.deepEqual(loaded.config, model.config);
      const second = await evaluate(loaded, scenes, { split: "val" }, silentContext);
      assert.deepEqual(second.scores, evaluation.scores);
      assert.equal(loaded.tokenizer.encode("A dog!").pieces.includes("!"), recipe !== "fne");
    });
  }

  test("of UARDA evaluates with the mined threshold itself, of NAAF with the safe one", () => {
    // Eight pairs whose words find their region, as a trained model's do.
    const random = new Random(8);
    const [size, words, regions, width] = [8, 30, 5, 48];
    const noisy = (axis: number, noise: number): number[] =>
      unit(Array.from({ length: width }, (_, e) => Number(e === axis) + noise * random.normal()));
    const images = tf.tensor3d(Array.from({ length: size }, (_, p) => Array.from({ length: regions }, () => noisy(p, 0.05)))); // prettier-ignore
    const captions = tf.tensor3d(Array.from({ length: size }, (_, p) => Array.from({ length: words }, () => noisy(p, 0.1)))); // prettier-ignore
    const found = ["naaf", "uarda"].map((name) => {
      const recipe = recipeOf(name);
      const model = { ...golden(name), quirks: recipe.quirks };
      const batch = { pairs: Array.from({ length: size }, (_, item) => ({ item, caption: 0 })) };
      const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
      const inputs = { words: tf.ones<tf.Rank.R2>([size, words]) };
      return finish(attentionHead({ model, recipe, batch, auxiliary }, inputs, { images: [images], captions: [captions] }, new Map())).thresholds; // prettier-ignore
    });
    assert.ok(found[1]!.mined > 0.1 && found[1]!.mined < 0.9, JSON.stringify(found));
    assert.equal(found[1]!.safe, found[1]!.mined);
    assert.ok(Math.abs(found[0]!.safe - found[0]!.mined) > 1e-3);
  });

  test("of every recipe is foretold, a queue with the memory that it takes", () => {
    const needed = ({ memory }: TrainingPlan): number => memory.needed / memory.margin;
    const of = (name: string): number => needed(planTraining(golden(name), { ...recipeOf(name), batchSize: 32 }));
    const parameters = [...golden("fne").parameters.values()].reduce((n, { size }) => n + size, 0);
    const { queue: _, ...withoutQueue } = recipeOf("fne");
    const without = needed(planTraining(golden("fne"), { ...withoutQueue, batchSize: 32 }));
    assert.equal(Math.round(of("fne") - without), 4 * (parameters + 2 * 8224 * 32));
    for (const name of relatives) assert.ok(of(name) > 0.4e9);
  });

  test("refuses labels beside the hinge over pooled vectors", async () => {
    await assert.rejects(small("labels", "vse", { overrides: { labels: 1 } }), /learns from captions and images alone/);
  });
});

test("the relatives differ from AMS in what their files name", () => {
  const differing = (a: string, b: string): string[] => {
    const [x, y] = [recipeOf(a), recipeOf(b)] as unknown as [Record<string, unknown>, Record<string, unknown>];
    const names = [...new Set([...Object.keys(x), ...Object.keys(y)])];
    return names.filter((name) => JSON.stringify(x[name]) !== JSON.stringify(y[name])).sort();
  };
  const always = ["name", "summary"];
  assert.deepEqual(differing("naaf", "ams-corrected"), [...always, "batchSize", "epochs", "head", "learningRate", "quirks", "schedule"].sort()); // prettier-ignore
  assert.deepEqual(differing("uarda", "naaf"), [...always, "evaluationThreshold", "head"].sort());
  assert.deepEqual(differing("vse", "ams-corrected"), [...always, "head", "score"].sort());
  assert.deepEqual(differing("fne", "vse"), [...always, "head", "queue", "randAugment"].sort());
  const { batchSize, epochs, learningRate, schedule } = recipeOf("naaf");
  assert.deepEqual([batchSize, epochs, learningRate, schedule], [128, 20, 5e-4, { kind: "drops", epochs: [10] }]);
  const { queue, randAugment, head } = recipeOf("fne");
  assert.deepEqual(queue, { size: 8224, momentum: 0.995, from: 1, enough: 200, prior: 9999, certain: 0.999 });
  assert.deepEqual(randAugment, { operations: 2, magnitude: 7 });
  assert.deepEqual(head, { score: "pooled", layer: "last", norm: "none", projection: false, captions: "plain" });
});
