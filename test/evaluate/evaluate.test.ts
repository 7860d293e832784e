/** Evaluation of a model on pictures, and of given score matrices. */
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext } from "../../src/context.js";
import { loadPixels } from "../../src/data/batches.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { tokenise } from "../../src/evaluate/encode.js";
import { evaluate, evaluateScores, recalls } from "../../src/evaluate/index.js";
import { captionVectors } from "../../src/evaluate/pooled.js";
import { allScores } from "../../src/match/attentionScore.js";
import { encodeCaptions, encodeImages, scaleWeights, type Model } from "../../src/model/ams.js";
import { shapeModel } from "../../src/model/head.js";
import { Random } from "../../src/random.js";
import { recipeOf } from "../../src/train/recipe.js";
import { makeSample, type Sample } from "./sample.js";

let sample: Sample;
before(async () => {
  await startEngine("plain");
  sample = await makeSample();
});
after(async () => {
  sample.remove();
  await closeImageWorkers();
});

/** The scores by the training score's code, all captions of full length at once. */
async function scoresInOneGo(model: Model, threshold: number): Promise<number[]> {
  const items = sample.dataset.splits["test"]!;
  const { maxLength, image } = model.config;
  const pixels = await loadPixels(items.map((item) => item.image), image.pixels); // prettier-ignore
  const encoded = items.flatMap(({ captions }) => captions.map(({ text }) => model.tokenizer.encode(text, maxLength)));
  return tf.tidy(() => {
    const rows = (key: "ids" | "mask"): tf.Tensor2D => tf.tensor2d(encoded.map((caption) => Array.from(caption[key])), undefined, "int32"); // prettier-ignore
    const words = model.quirks.padWords ? tf.cast(rows("mask"), "float32") : tf.ones([encoded.length, maxLength]);
    const images = encodeImages(model, tf.tensor4d(pixels, [items.length, 3, image.pixels, image.pixels]));
    const weights = scaleWeights(model);
    const scales = encodeCaptions(model, rows("ids"), rows("mask")).map((captions, k) =>
      tf.mul(allScores(images[k]!, captions, words as tf.Tensor2D, { threshold, propagate: true }).scores, weights[k]!),
    );
    return Array.from(tf.addN(scales).dataSync());
  });
}

describe("evaluate", () => {
  test("ranks the scores that the training's score code gives, with pads counted or masked", async () => {
    for (const padWords of [true, false]) {
      const model = await sample.model({ padWords });
      const weight = model.parameters.get("b3")!;
      weight.assign(tf.fill(weight.shape, 2.5));
      const evaluation = await evaluate(model, sample.dataset, { threshold: 0.01 }, silentContext);
      const wanted = await scoresInOneGo(model, 0.01);
      assert.equal(evaluation.scores.length, 6 * 11);
      wanted.forEach((score, p) => {
        assert.ok(Math.abs(score - evaluation.scores[p]!) < 1e-5, `${String(score)} ${String(evaluation.scores[p])}`);
      });
      assert.deepEqual(Array.from(evaluation.owner), [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5]);
      const { i2t, t2i, rsum } = recalls(evaluation.scores, 6, evaluation.owner);
      assert.deepEqual([evaluation.i2t, evaluation.t2i, evaluation.rsum], [i2t, t2i, rsum]);
      assert.ok(evaluation.interval[0] <= rsum && rsum <= evaluation.interval[1]);
    }
  });

  test("takes the first images and captions only when told so", async () => {
    const model = await sample.model();
    const options = { images: 4, captionsPerImage: 1 };
    const evaluation = await evaluate(model, sample.dataset, options, silentContext);
    assert.deepEqual([evaluation.images, evaluation.captions], [4, 4]);
    const whole = await evaluate(model, sample.dataset, {}, silentContext);
    assert.ok(Math.abs(evaluation.scores[1]! - whole.scores[2]!) < 1e-6); // image 0 with the first caption of image 1
  });

  test("says what does nothing for a model whose own score is one of pooled vectors", async () => {
    const notes: string[] = [];
    const context = { ...silentContext, note: (line: string) => void notes.push(line) };
    const model = { ...shapeModel(await sample.model(), recipeOf("vse").head, "vse"), recipe: "vse" };
    const told = await evaluate(model, sample.dataset, { threshold: 0.3, scales: true }, context);
    assert.equal(told.scoredBy, "pooled");
    assert.match(notes.join("\n"), /^--threshold, --scales: no effect, a model of vse scores a pair by one cosine/);
    notes.length = 0;
    await evaluate(model, sample.dataset, { scales: false }, context);
    await evaluate(await sample.model(), sample.dataset, { threshold: 0.3 }, context);
    assert.deepEqual(notes, []);
  });

  test("scores by pooled vectors when asked: cosines averaged over scales", async () => {
    const model = await sample.model();
    const evaluation = await evaluate(model, sample.dataset, { pooled: true }, silentContext);
    const [item] = sample.dataset.splits["test"]!;
    const side = model.config.image.pixels;
    const pixels = await loadPixels([item!.image], side);
    const { ids, mask } = model.tokenizer.encode(item!.captions[1]!.text, 30);
    const length = mask.indexOf(0);
    const mean = (rows: number[][]): number[] => rows[0]!.map((_, d) => rows.reduce((sum, row) => sum + row[d]!, 0));
    const dot = (a: number[], b: number[]): number => a.reduce((sum, x, d) => sum + x * b[d]!, 0);
    const images = encodeImages(model, tf.tensor4d(pixels, [1, 3, side, side]));
    const captions = encodeCaptions(
      model,
      tf.tensor2d([Array.from(ids)], undefined, "int32"),
      tf.tensor2d([Array.from(mask)]),
    );
    const cosines = images.map((image, k) => {
      const v = mean(image.arraySync()[0]!);
      const w = mean(captions[k]!.arraySync()[0]!.slice(0, length));
      return dot(v, w) / Math.sqrt(dot(v, v) * dot(w, w));
    });
    const expected = cosines.reduce((a, b) => a + b) / cosines.length;
    assert.ok(Math.abs(evaluation.scores[1]! - expected) < 1e-5, `${String(evaluation.scores[1])} ${String(expected)}`);
  });

  test("refuses folds without captions before it scores anything", async () => {
    const model = await sample.model();
    const context = { ...silentContext, progress: () => assert.fail("work was begun") };
    const options = { images: 4, folds: 5 };
    await assert.rejects(evaluate(model, sample.dataset, options, context), /5 folds of 4 images leave a fold/);
  });

  test("leaves no tensors behind", async () => {
    const model = await sample.model();
    const tensors = tf.memory().numTensors;
    await evaluate(model, sample.dataset, {}, silentContext);
    await evaluate(model, sample.dataset, { pooled: true }, silentContext);
    assert.equal(tf.memory().numTensors, tensors);
  });

  test("gives every caption its own vector, whatever is encoded with it and in whichever order", async () => {
    for (const padWords of [true, false]) {
      const model = await sample.model({ padWords });
      const { maxLength } = model.config;
      // More than a block of them, and no two neighbours of one length.
      const words = ["a", "dog", "on", "the", "big", "red", "car"];
      const texts = Array.from({ length: 70 }, (_, c) => words.slice(0, 1 + ((3 * c) % 7)).join(" "));
      const vectors = await captionVectors(model, tokenise(model.tokenizer, texts, maxLength), silentContext);
      for (const c of [0, 1, 2, 40, 69]) {
        const alone = await captionVectors(model, tokenise(model.tokenizer, [texts[c]!], maxLength), silentContext);
        const difference = tf.max(tf.abs(tf.sub(tf.slice(vectors, [c, 0], [1, -1]), alone))).dataSync()[0]!;
        assert.ok(difference < 1e-5, `caption ${String(c)} is off by ${String(difference)}`);
      }
      const [first, second] = [0, 1].map((c) => tf.slice(vectors, [c, 0], [1, -1]));
      assert.ok(tf.max(tf.abs(tf.sub(first!, second!))).dataSync()[0]! > 1e-3);
    }
  });

  test("says which splits there are, and that a split is empty", async () => {
    const model = await sample.model();
    const missing = (error: unknown): boolean => error instanceof AmsError && /test, empty/.test(error.hint ?? "");
    await assert.rejects(evaluate(model, sample.dataset, { split: "val" }, silentContext), missing);
    await assert.rejects(evaluate(model, sample.dataset, { split: "empty" }, silentContext), /has no captions/);
  });

  test("names the pair of a NaN score", async () => {
    const model = await sample.model();
    const bias = model.parameters.get("img.fc2.bias")!;
    bias.assign(tf.fill(bias.shape, NaN));
    await assert.rejects(evaluate(model, sample.dataset, {}, silentContext), (error: unknown) => {
      return error instanceof AmsError && error.where === "image 0, caption 0";
    });
  });
});

describe("an evaluation shows", () => {
  const random = new Random(2);
  const matrix = (images: number): { scores: Float32Array; owner: Int32Array } => ({
    scores: Float32Array.from({ length: images * images }, () => random.next()),
    owner: Int32Array.from({ length: images }, (_, i) => i),
  });

  test("both directions, rSum with its interval, ties and sizes", () => {
    const evaluation = evaluateScores(Float32Array.of(3, 1, 0, 2, 2, 1), Int32Array.of(0, 1, 1), { split: "a<b>" });
    const bundle = evaluation[displaySymbol]();
    assert.match(bundle["text/plain"], /2 images x 3 captions/);
    assert.match(bundle["text/plain"], /this model +100\.0 +100\.0 +100\.0 +1 +1\.0|this model +50\.0/);
    assert.match(bundle["text/plain"], /95 % interval over images .* to /);
    assert.match(bundle["text/plain"], /1 tied queries/); // image 1: its best caption has 2, so has a wrong one
    assert.match(bundle["text/html"] as string, /a&#60;b&#62;/);
    assert.equal(evaluation.ties, 1);
  });

  test("the linear floor and the oracle beside scenes of every number of images, and what they were measured among", () => {
    const shows = (dataset: string, split: string, images: number): string => {
      const { scores, owner } = matrix(images);
      return evaluateScores(scores, owner, { dataset, split })[displaySymbol]()["text/plain"];
    };
    const full = shows("scenes", "test-style", 1000);
    assert.match(full, /linear model on colours \(1,000 images\) +4\.7 +16\.6 +25\.8/);
    assert.match(full, /oracle.* \(1,000 images\) +90\.2 +99\.1/);
    assert.match(full, /among 1,000 images of the default scenes\./);
    const few = shows("scenes", "test", 20);
    assert.match(few, /linear model on colours \(1,000 images\) +21\.7/);
    assert.match(few, /default scenes; among 20 recalls are higher/);
    assert.match(shows("scenes", "val", 20), /linear model on colours \(1,000 images of test\) +21\.7/);
    assert.doesNotMatch(shows("my-scenes", "test", 20), /linear model/);
    assert.doesNotMatch(shows("scenes", "train", 20), /linear model/);
    const published = shows("flickr30k", "test", 20);
    assert.doesNotMatch(published, /NAAF/);
    assert.match(published, /among 20 recalls are higher, so they are not shown/);
  });

  test("published rows beside Flickr30K's test split", () => {
    const { scores, owner } = matrix(1000);
    const text = evaluateScores(scores, owner, { dataset: "flickr30k", split: "test" })[displaySymbol]()["text/plain"];
    assert.match(text, /AMS, the authors' own log .* 531\.2/);
    assert.doesNotMatch(
      evaluateScores(scores, owner, { dataset: "flickr30k", split: "val" })[displaySymbol]()["text/plain"],
      /AMS/,
    );
  });

  test("itself as one JSON object without the matrix", () => {
    const json = JSON.parse(JSON.stringify(evaluateScores(Float32Array.of(1, 0, 0, 1), Int32Array.of(0, 1)))) as Record<
      string,
      unknown
    >;
    for (const key of ["split", "images", "captions", "i2t", "t2i", "rsum", "ties", "interval", "seconds"])
      assert.ok(key in json, key);
    assert.deepEqual(json["i2t"], { r1: 100, r5: 100, r10: 100, medr: 1, meanr: 1 });
    assert.ok(!("scores" in json));
  });

  test("refuses a matrix that is no whole number of rows", () => {
    assert.throws(() => evaluateScores(new Float32Array(7), Int32Array.of(0, 1)), AmsError);
    assert.throws(() => evaluateScores(new Float32Array(0), new Int32Array(0)), AmsError);
  });
});
