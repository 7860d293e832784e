/** Blocks: the same scores whatever their size, and an interrupted evaluation that goes on. */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext, type Context } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { evaluate, keepInFolder, keepInMemory, scoreAll, type ScoreSource } from "../../src/evaluate/index.js";
import { captionOrder } from "../../src/evaluate/scorer.js";
import { Random } from "../../src/random.js";
import { makeSample, type Sample } from "./sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-keeper-"));
let sample: Sample;
before(async () => {
  await startEngine("plain");
  sample = await makeSample();
});
after(async () => {
  sample.remove();
  rmSync(folder, { recursive: true });
  await closeImageWorkers();
});

interface Counted extends ScoreSource {
  /** Images that were encoded, in all. */
  encoded: number;
}

/** Random features of some shape; counts what is encoded. */
function randomSource(seed: number): Counted {
  const random = new Random(seed);
  const [images, captions, regions, words, width, scales] = [2 + random.int(9), 2 + random.int(14), 3 + random.int(9), 2 + random.int(7), 8, 1 + random.int(3)]; // prettier-ignore
  const block = (a: number, b: number): tf.Tensor3D =>
    tf.tensor3d(
      Float32Array.from({ length: a * b * width }, () => 0.4 * random.normal()),
      [a, b, width],
    );
  const [all, texts] = [images * scales, captions * scales].map((n, i) => block(n, i === 0 ? regions : words)) as [tf.Tensor3D, tf.Tensor3D]; // prettier-ignore
  const source: Counted = {
    encoded: 0,
    images,
    captions,
    regions,
    words,
    scaleWeights: Array.from({ length: scales }, () => 0.5 + random.next()),
    ...(seed % 2 === 0 ? { lengths: Int32Array.from({ length: captions }, () => 1 + random.int(words)) } : {}),
    encodeImages: (start, end) => {
      source.encoded += end - start;
      return Array.from({ length: scales }, (_, k) => tf.slice3d(all, [k * images + start, 0, 0], [end - start, regions, width])); // prettier-ignore
    },
    encodeCaptions: (indexes) =>
      Array.from({ length: scales }, (_, k) => tf.gather(texts, tf.tensor1d(indexes.map((c) => k * captions + c), "int32"))), // prettier-ignore
  };
  return source;
}

for (const way of ["fused", "tensors"] as const) {
  test(`scores are the same to the last bit whatever the blocks and the memory are (${way}, 25 random galleries)`, async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const source = randomSource(seed);
      const whole = await scoreAll(source, { way, imageBlock: 99, captionBlock: 99 }, silentContext);
      const random = new Random(100 + seed);
      const blocks = { imageBlock: 1 + random.int(6), captionBlock: 1 + random.int(6), memory: 1 + random.int(3000) };
      assert.deepEqual(
        await scoreAll(source, { way, ...blocks }, silentContext),
        whole,
        JSON.stringify({ seed, blocks }),
      );
    }
  });
}

test("less memory means encoding the images once for each part of the captions", async () => {
  const source = randomSource(4);
  await scoreAll(source, { captionBlock: 1, memory: 1 }, silentContext);
  assert.equal(source.encoded, source.images * source.captions);
  source.encoded = 0;
  await scoreAll(source, { captionBlock: 1 }, silentContext);
  assert.equal(source.encoded, source.images);
});

/** Aborts after so many blocks of pairs. */
function stopAfter(blocks: number): Context {
  const controller = new AbortController();
  let seen = 0;
  return {
    ...silentContext,
    signal: controller.signal,
    progress: ({ label }) => {
      if (label === "scoring pairs" && ++seen === blocks) controller.abort(new Error("stopped by the user"));
    },
  };
}

describe("kept blocks", () => {
  const identity = "these scores";
  const open = (source: ScoreSource, resume: boolean, planes = source.scaleWeights.length) =>
    keepInFolder(
      path.join(folder, "kept"),
      { images: source.images, captions: source.captions, planes },
      { identity, fresh: !resume },
    );

  test("are not scored again, also with other blocks, and give the same scores to the last bit", async () => {
    for (const planes of ["scales", "sum"]) {
      for (let seed = 1; seed <= 5; seed++) {
        const source = randomSource(seed);
        const count = planes === "sum" ? 1 : source.scaleWeights.length;
        const whole = await scoreAll(source, {}, silentContext);
        const first = open(source, false, count);
        const small = { imageBlock: 1, captionBlock: 1, memory: 1 };
        await assert.rejects(scoreAll(source, { ...small, keeper: first }, stopAfter(source.images + 1)), /stopped by/);
        first.close();

        source.encoded = 0;
        const second = open(source, true, count);
        assert.ok(second.found >= source.images, String(second.found));
        const blocks = { imageBlock: 1 + (seed % 3), captionBlock: 1 + (seed % 4), memory: 1 + 500 * (seed % 2) };
        assert.deepEqual(await scoreAll(source, { ...blocks, keeper: second }, silentContext), whole);
        second.close();

        source.encoded = 0;
        const third = open(source, true, count);
        assert.equal(third.found, source.images * source.captions);
        assert.deepEqual(await scoreAll(source, { keeper: third }, silentContext), whole);
        assert.equal(source.encoded, 0);
        third.close();
      }
    }
  });

  test("hold every scale unweighted, in memory as in files", async () => {
    const source = randomSource(3);
    const shape = { images: source.images, captions: source.captions, planes: source.scaleWeights.length };
    const [memory, files] = [keepInMemory(shape), open(source, false)];
    await scoreAll(source, { keeper: memory, imageBlock: 2 }, silentContext);
    await scoreAll(source, { keeper: files, captionBlock: 2 }, silentContext);
    const order = captionOrder(source);
    for (let k = 0; k < shape.planes; k++) {
      assert.deepEqual(files.plane(k), memory.plane(k));
      const only = { ...source, scaleWeights: source.scaleWeights.map((_, j) => Number(j === k)) };
      const alone = await scoreAll(only, {}, silentContext);
      const plane = files.plane(k);
      for (let i = 0; i < shape.images; i++) {
        order.forEach((c, place) => {
          assert.equal(plane[i * shape.captions + place], alone[i * shape.captions + c]);
        });
      }
    }
    files.close();
  });

  test("survive a line that a crash has cut, and say when their file is too short", async () => {
    const source = randomSource(6);
    const whole = await scoreAll(source, {}, silentContext);
    const first = open(source, false);
    await assert.rejects(scoreAll(source, { imageBlock: 1, keeper: first }, stopAfter(1)), /stopped/);
    first.close();
    appendFileSync(path.join(folder, "kept", "blocks.jsonl"), '{"start":1,"en');
    for (let again = 0; again < 2; again++) {
      const next = open(source, true);
      assert.equal(next.found, (again === 0 ? 1 : source.images) * source.captions);
      assert.deepEqual(await scoreAll(source, { imageBlock: 1, keeper: next }, silentContext), whole);
      next.close();
    }
    truncateSync(path.join(folder, "kept", "scores-1.f32"), 3);
    const damaged = open(source, true);
    const says = (error: unknown): boolean => error instanceof AmsError && /with --fresh/.test(error.hint ?? "");
    await assert.rejects(scoreAll(source, { keeper: damaged }, silentContext), says);
    damaged.close();
  });
});

describe("an evaluation that was interrupted", () => {
  const scoring = (): string => path.join(folder, "scoring");
  const kept = (): string[] => (existsSync(scoring()) ? readdirSync(scoring()) : []);

  test("goes on with --resume to the same result, which leaves nothing behind", async () => {
    const model = await sample.model();
    const options = { scales: true, imageBlock: 1, way: "fused" } as const;
    const whole = await evaluate(model, sample.dataset, options, silentContext);
    const keep = { folder: scoring() };
    const notes: string[] = [];
    const note = (line: string): unknown => notes.push(line);
    const stopping = stopAfter(2);
    await assert.rejects(evaluate(model, sample.dataset, { ...options, keep }, { ...stopping, note }), /stopped/);
    assert.equal(kept().length, 1);
    assert.equal(notes.pop(), "the scores of 22 of 66 pairs are kept: the same line goes on with them");
    const progress: string[] = [];
    const context = { ...silentContext, note, progress: (told: { note?: string }) => progress.push(told.note ?? "") };
    const removals: (() => void)[] = [];
    const held = { ...keep, finished: (remove: () => void) => removals.push(remove) };
    const resumed = await evaluate(model, sample.dataset, { ...options, keep: held }, context);
    assert.match(notes.join("\n"), /going on with the scores of 22 of 66 pairs/);
    assert.ok(
      progress.every((text) => !/0\.0 pairs|\d{6,} h/.test(text)),
      progress.join("; "),
    );
    assert.deepEqual(resumed.scores, whole.scores);
    assert.deepEqual(resumed.scales, whole.scales);
    assert.equal(kept().length, 1, "the caller may need them still");
    await evaluate(model, sample.dataset, { ...options, keep: { ...held, fresh: true } }, context);
    assert.equal(notes.length, 1, "nothing to go on with after --fresh");
    for (const remove of removals) remove();
    assert.deepEqual(kept(), []);
  });

  test("is forgotten after a month", async () => {
    const model = await sample.model();
    const keep = { folder: scoring() };
    await assert.rejects(evaluate(model, sample.dataset, { keep, imageBlock: 1 }, stopAfter(2)), /stopped/);
    const [name = ""] = kept();
    const long = new Date(Date.now() - 40 * 24 * 3600_000);
    utimesSync(path.join(scoring(), name, "blocks.jsonl"), long, long);
    await evaluate(model, sample.dataset, { keep, images: 2 }, silentContext);
    assert.deepEqual(kept(), []);
  });

  test("is not taken for another model, threshold or gallery", async () => {
    const [model, other] = [await sample.model(), await sample.model()];
    const bias = other.parameters.get("img.fc1.bias")!;
    bias.assign(tf.add(bias, 0.1));
    const keep = { folder: scoring() };
    await assert.rejects(evaluate(model, sample.dataset, { keep, imageBlock: 1 }, stopAfter(2)), /stopped/);
    for (const [which, options] of [
      [other, {}],
      [model, { threshold: 0.3 }],
      [model, { images: 5 }],
      [model, { scales: true }],
    ] as const) {
      // prettier-ignore
      const notes: string[] = [];
      const context = { ...silentContext, note: (line: string) => notes.push(line) };
      const found = await evaluate(which, sample.dataset, { ...options, keep: { ...keep, resume: true } }, context);
      assert.match(notes.join("\n"), /no scores are kept of this model, gallery and threshold/);
      assert.deepEqual(found.scores, (await evaluate(which, sample.dataset, options, silentContext)).scores);
    }
    assert.equal(kept().length, 1, "the interrupted one's are still there");
  });

  test("remembers which images could not be read", async () => {
    const model = await sample.model();
    const items = sample.dataset.splits["test"]!.map((item, i) =>
      i === 0 ? { ...item, image: `${item.image}.gone` } : item,
    );
    const broken = { ...sample.dataset, splits: { test: items } };
    const options = { onBadImage: "skip", imageBlock: 1 } as const;
    const keep = { folder: scoring() };
    await assert.rejects(evaluate(model, broken, { ...options, keep }, stopAfter(2)), /stopped/);
    const resumed = await evaluate(model, broken, { ...options, keep: { ...keep, resume: true } }, silentContext);
    assert.equal(resumed.images, 5);
    assert.deepEqual(resumed.scores, (await evaluate(model, broken, options, silentContext)).scores);
  });
});

describe("scales", () => {
  test("alone and left out have the recalls of sums in which the other weights are 0", async () => {
    const model = await sample.model();
    const evaluation = await evaluate(model, sample.dataset, { scales: true }, silentContext);
    assert.equal(evaluation.scales?.length, 6);
    const weights = [1, 2, 3, 4, 5, 6].map((k) => model.parameters.get(`b${k}`)!);
    const withWeights = async (of: (k: number) => number) => {
      weights.forEach((weight, k) => weight.assign(tf.fill(weight.shape, of(k))));
      return evaluate(model, sample.dataset, {}, silentContext);
    };
    for (const [k, { scale, alone, without }] of evaluation.scales.entries()) {
      assert.equal(scale, String(k + 1));
      const { i2t, t2i } = await withWeights((j) => Number(j === k));
      assert.deepEqual([alone.i2t, alone.t2i], [i2t, t2i]);
      const rest = await withWeights((j) => Number(j !== k));
      assert.deepEqual([without?.i2t, without?.t2i], [rest.i2t, rest.t2i]);
    }
    const text = evaluation[displaySymbol]()["text/plain"];
    for (const row of [/^all +/m, /^3 alone +/m, /^all but 6 +/m]) assert.match(text, row);
    const json = JSON.parse(JSON.stringify(evaluation)) as { scales: { alone: { rsum: number } }[] };
    assert.equal(json.scales[2]?.alone.rsum, evaluation.scales[2]?.alone.rsum);
  });
});
