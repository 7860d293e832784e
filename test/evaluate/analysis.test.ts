/** Confusions, distributions and words of an evaluation: as numbers, frames and figures. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession, type Session } from "../../src/commands/session.js";
import { evalCommand } from "../../src/commands/verbs/eval.js";
import { plotCommand } from "../../src/commands/verbs/plot.js";
import { silentContext } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { confusionMatrix, evaluate, evaluateScores, hardestConfusions, saveScores, scoreDistributions, wordRelevance, type Evaluation } from "../../src/evaluate/index.js"; // prettier-ignore
import { frame } from "../../src/frame.js";
import { scaleWeights } from "../../src/model/ams.js";
import { shapeModel } from "../../src/model/head.js";
import { saveModel } from "../../src/model/store.js";
import type { Figure } from "../../src/plot/figure.js";
import { Random } from "../../src/random.js";
import { recipeOf } from "../../src/train/recipe.js";
import { readSvg } from "../plot/dom.js";
import { makeSample, type Sample } from "./sample.js";

let sample: Sample;
let evaluation: Evaluation;
before(async () => {
  await startEngine("plain");
  sample = await makeSample();
  evaluation = await evaluate(await sample.model(), sample.dataset, {}, silentContext);
});
after(async () => {
  sample.remove();
  await closeImageWorkers();
});

// Image 0 owns captions 0 and 1, image 1 owns 2, image 2 owns 3. Caption 1 finds image 2, caption 3 image 1.
const few = evaluateScores(
  Float64Array.of(0.9, 0.2, 0.1, 0, 0.1, 0.1, 0.8, 0.7, 0, 0.5, 0.3, 0.6),
  Int32Array.of(0, 0, 1, 2),
  { split: "test" },
);

describe("confusions", () => {
  test("name the wrong answer and its margin, the hardest first", () => {
    const [first, second, ...others] = hardestConfusions(few);
    assert.deepEqual([first?.caption, first?.image, first?.wrongImage, first?.rank, others.length], [1, 0, 2, 1, 0]);
    assert.ok(Math.abs((first?.margin ?? 0) - 0.3) < 1e-9);
    assert.deepEqual([second?.caption, second?.wrongImage], [3, 1]);
    assert.deepEqual(hardestConfusions(few, "i2t"), []);
    const tied = evaluateScores(Float64Array.of(1, 1, 0, 2), Int32Array.of(0, 1));
    assert.deepEqual(hardestConfusions(tied, "i2t").map(({ image, wrongCaption, margin }) => [image, wrongCaption, margin]), [[0, 1, 0]]); // prettier-ignore
  });

  test("are as many as queries are missed, of a random matrix both ways", () => {
    const random = new Random(3);
    const owner = Int32Array.from({ length: 60 }, (_, c) => Math.floor(c / 3));
    const scores = Float32Array.from({ length: 20 * 60 }, () => random.next());
    const some = evaluateScores(scores, owner);
    for (const direction of ["t2i", "i2t"] as const) {
      const found = hardestConfusions(some, direction);
      assert.equal(found.length, some.ranks[direction].filter((rank) => rank > 0).length);
      for (const { image, caption, wrongImage, wrongCaption, margin, score } of found) {
        assert.ok(owner[caption] === image && wrongImage !== image);
        if (direction === "i2t") assert.equal(owner[wrongCaption], wrongImage);
        const [right, wrong] = direction === "t2i" ? [image, wrongImage] : [image, image];
        assert.equal(score, scores[right * 60 + caption]);
        assert.ok(Math.abs(margin - (scores[wrong * 60 + wrongCaption]! - score)) < 1e-9);
      }
      found.slice(1).forEach(({ margin }, k) => assert.ok(margin <= found[k]!.margin));
    }
  });

  test("as a matrix are the largest margins over an image's captions", () => {
    const { images, margins } = confusionMatrix(few, 3);
    assert.deepEqual(images, [0, 2, 1]);
    const wanted = [
      [0, 0.5 - 0.2, 0.1 - 0.2],
      [0 - 0.6, 0, 0.7 - 0.6],
      [0.1 - 0.8, 0.3 - 0.8, 0],
    ];
    margins.flat().forEach((margin, k) => assert.ok(Math.abs(margin - wanted.flat()[k]!) < 1e-9));
    const right = evaluateScores(Float64Array.of(1, 0, 0, 1), Int32Array.of(0, 1));
    assert.throws(() => confusionMatrix(right), (error: unknown) => error instanceof AmsError && /nothing is confused/.test(error.message)); // prettier-ignore
  });
});

describe("distributions", () => {
  test("count every pair once, with mean, deviation and separation", () => {
    const { positive, negative, hardest, separation, edges } = scoreDistributions(few, 10);
    const sum = (bins: number[]): number => bins.reduce((a, b) => a + b);
    assert.deepEqual([positive, negative, hardest].map(({ bins }) => sum(bins)), [4, 8, 4]); // prettier-ignore
    assert.deepEqual([edges.length, edges[0], edges[10]], [11, 0, 0.9]);
    assert.ok(Math.abs(positive.mean - (0.9 + 0.2 + 0.8 + 0.6) / 4) < 1e-9);
    const negatives = [0.1, 0, 0.1, 0.1, 0.7, 0, 0.5, 0.3];
    const mean = negatives.reduce((a, b) => a + b) / 8;
    const variance = negatives.reduce((s, v) => s + (v - mean) ** 2, 0) / 7;
    assert.ok(Math.abs(negative.mean - mean) < 1e-9 && Math.abs(negative.deviation - Math.sqrt(variance)) < 1e-9);
    assert.ok(Math.abs(hardest.mean - (0.1 + 0.5 + 0.3 + 0.7) / 4) < 1e-9);
    assert.equal(separation, 6 / 8);
    const constant = scoreDistributions(evaluateScores(new Float32Array(4), Int32Array.of(0, 1)), 4);
    assert.deepEqual([sum(constant.negative.bins), constant.separation], [2, 0.5]);
  });
});

describe("words", () => {
  test("add up to the scores of their pairs: own, hardest and lowest image", async () => {
    for (const padWords of [true, false]) {
      const model = await sample.model({ padWords });
      const scored = await evaluate(model, sample.dataset, { threshold: 0.02 }, silentContext);
      const tensors = tf.memory().numTensors;
      const { words, captions, thresholds } = await wordRelevance(scored, { captions: 4 }, silentContext);
      assert.equal(tf.memory().numTensors, tensors);
      assert.deepEqual([captions, thresholds.used], [4, 0.02]);
      const ids = scored.items.map(({ id }) => id);
      const weights = scaleWeights(model);
      for (const caption of new Set(words.map((row) => row.caption))) {
        const column = ids.map((_, i) => scored.scores[i * scored.owner.length + caption]!);
        const others = column.filter((_, i) => i !== scored.owner[caption]);
        const wanted = {
          own: column[scored.owner[caption]!]!,
          hardest: Math.max(...others),
          lowest: Math.min(...others),
        };
        for (const [against, score] of Object.entries(wanted)) {
          const rows = words.filter((row) => row.caption === caption && row.against === against);
          if (against === "own") assert.ok(rows.every(({ image, other }) => image === other));
          const length = rows.filter(({ scale }) => scale === 1).length;
          // Pads have no row, but count as published: only the corrected variant adds up.
          if (!padWords) continue;
          const sum = rows.reduce((s, row) => s + weights[row.scale - 1]! * (row.feature + row.relevance + row.negative), 0); // prettier-ignore
          assert.ok(Math.abs(sum / length - score) < 1e-5, `${against}: ${sum / length} ${score}`);
        }
      }
      assert.deepEqual(words.slice(0, 3).map(({ word, place }) => [place, word]), [[0, "[CLS]"], [1, "a"], [2, words[2]!.word]]); // prettier-ignore
    }
  });

  test("need a model and wrong images", async () => {
    await assert.rejects(wordRelevance(few, {}, silentContext), /words need a model/);
  });
});

describe("frames", () => {
  test("of confusions, score bins, words and scales", async () => {
    const model = await sample.model();
    const whole = await evaluate(model, sample.dataset, { scales: true }, silentContext);
    const confusions = frame(whole, { of: "confusions" });
    assert.deepEqual(confusions.columns, ["direction", "image", "caption", "wrong_image", "wrong_caption", "score", "wrong_score", "margin", "rank"]); // prettier-ignore
    assert.equal(confusions.shape[0], hardestConfusions(whole).length + hardestConfusions(whole, "i2t").length);
    const bins = frame(whole, { of: "scores" });
    const column = (name: string): number[] => bins.column(name).values as number[];
    assert.deepEqual(["positive", "negative"].map((name) => column(name).reduce((a, b) => a + b)), [11, 55]); // prettier-ignore
    assert.deepEqual(frame(whole, { of: "scales" }).shape[0], 12);
    assert.throws(() => frame(whole, { of: "words" }), (error: unknown) => error instanceof AmsError && /--words 100/.test(error.hint ?? "")); // prettier-ignore
    whole.words = await wordRelevance(whole, { captions: 2 }, silentContext);
    const words = frame(whole, { of: "words" });
    assert.equal(words.shape[0], whole.words.words.length);
    assert.ok(words.groupby(["word"]).col(["strongest"]).mean().shape[0]! > 3);
  });
});

describe("plot", () => {
  const draw = (session: Session, options: Record<string, unknown>): Promise<Figure> =>
    plotCommand.run(checkOptions(plotCommand, options) as never, silentContext, session);

  test("confusion shows who is taken for whom, with axes, units and a text", async () => {
    const session = { ...createSession("."), evaluations: [evaluation] };
    const { svg, text, plotly, title } = await draw(session, { figure: "confusion", count: 4 });
    assert.equal(title, "Hardest confusions (test)");
    for (const label of ["image whose captions ask", "image that is found", "(no unit)", "red"]) assert.ok(svg.includes(label), label); // prettier-ignore
    const [trace] = plotly?.data as [{ x: number[]; marker: { color: number[] } }];
    const { margins } = confusionMatrix(evaluation, 4);
    assert.deepEqual([trace.x.length, trace.marker.color.length], [16, 16]);
    trace.marker.color.forEach((value, k) => assert.ok(Math.abs(value - margins.flat()[k]!) < 1e-4 * Math.max(1, Math.abs(value)))); // prettier-ignore
    assert.match(text, /caption +its image +score +rank +found instead +score +margin/);
    assert.match(text, /a \w+ square on/);
    const [hardest] = hardestConfusions(evaluation);
    const { caption, score, wrongScore, rank } = hardest!;
    const [right, wrong] = [score.toFixed(3), wrongScore.toFixed(3)];
    const words = evaluation.items.flatMap((item) => item.captions)[caption]!.text;
    assert.ok(new RegExp(`^${words} +\\w+ +${right} +${rank + 1} +\\w+ +${wrong} `, "m").test(text), text);
  });

  test("confusion shows the pictures beside the map and those of the hardest confusions with their numbers, where they can be read", async () => {
    const evil = "<script>alert(1)</script> & <b>red</b>";
    const items = evaluation.items.map((item) => ({ ...item, captions: item.captions.map(() => ({ text: evil })) }));
    const session = { ...createSession("."), evaluations: [{ ...evaluation, items }] };
    const { svg, plotly, text } = await draw(session, { figure: "confusion", count: 4 });
    const { images, annotations } = plotly?.layout as { images: { source: string }[]; annotations: { text: string }[] };
    const hardest = hardestConfusions(evaluation, "t2i", 4);
    assert.equal(images.length, 2 * 4 + 2 * hardest.length);
    assert.ok(images.every(({ source }) => source.startsWith("data:image/jpeg;base64,")));
    assert.equal(svg.match(/<image /g)?.length, images.length);
    hardest.forEach(({ score, wrongScore, rank }, i) => {
      assert.ok(annotations[1 + 2 * i]!.text.startsWith("&lt;script&gt;"));
      assert.equal(annotations[2 + 2 * i]!.text, `\u2713 ${score.toFixed(2)}, rank ${rank + 1}<br>\u2717 ${wrongScore.toFixed(2)}, rank 1`); // prettier-ignore
    });
    const root = readSvg(svg);
    assert.equal(root.querySelectorAll("script, b, a").length, 0);
    assert.ok(root.textContent?.includes("<script>alert(1)</script> &"), "as text");
    assert.ok(text.includes(evil));

    const gone = items.map((item, i) => (i === hardest[0]!.image ? { ...item, image: `${item.image}.gone` } : item));
    const fewer = { ...createSession("."), evaluations: [{ ...evaluation, items: gone }] };
    const left = (await draw(fewer, { figure: "confusion", count: 4 })).plotly?.layout["images"] as unknown[];
    assert.ok(left.length > 0 && left.length < images.length);
    const without = { ...createSession("."), evaluations: [few] };
    const plain = await draw(without, { figure: "confusion" });
    assert.deepEqual([plain.plotly?.layout["images"], plain.svg.includes("<image")], [[], false]);
  });

  test("takes the evaluation that the session has of the same model, images and captions, and scores no pair anew", async () => {
    const session = createSession(".");
    const model = await sample.model();
    const four = { data: sample.dataset, model, images: 4 };
    const labels: string[] = [];
    const context = { ...silentContext, progress: ({ label }: { label: string }) => void labels.push(label) };
    const run = async (options: Record<string, unknown>): Promise<Figure> => {
      labels.length = 0;
      return plotCommand.run(checkOptions(plotCommand, options) as never, context, session);
    };
    const made = await evalCommand.run(checkOptions(evalCommand, { ...four, scales: true }) as never, context, session);
    assert.ok(labels.length > 0);
    for (const figure of ["recall", "confusion", "gallery", "scales"])
      for (const options of [four, { ...four, data: undefined }, { images: 4, split: "test" }]) {
        await run({ figure, ...options });
        assert.deepEqual(labels, [], `${figure} scored again`);
      }
    await run({ figure: "distribution", words: 2, ...four });
    assert.ok(!labels.some((label) => label.startsWith("scoring")), labels.join());
    await run({ figure: "distribution", words: 2, ...four });
    assert.deepEqual(labels, [], "its words are there too");
    assert.deepEqual(session.evaluations, [made]);
    for (const other of [{ images: 5 }, { captionsPerImage: 1 }, { model: await sample.model() }]) {
      await run({ figure: "confusion", ...four, ...other });
      assert.ok(labels.length > 0, `${Object.keys(other).join()} asks for other scores`);
    }
  });

  test("keeps a model that is named again, with what was measured of it, until its file has changed", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ams-again-"));
    const checkpoint = path.join(folder, "model");
    const model = await sample.model();
    saveModel(model, checkpoint);
    const session = createSession(folder);
    const options = { data: sample.dataset, checkpoint };
    const run = (): Promise<Figure> => draw(session, { figure: "confusion", ...options });
    await run();
    const [made, tensors] = [session.evaluations.at(-1), tf.memory().numTensors];
    await run();
    assert.deepEqual([session.evaluations.length, session.evaluations[0] === made], [1, true]);
    assert.equal(tf.memory().numTensors, tensors, "the second copy is let go");
    for (const [name, weight] of model.parameters) if (name.includes("fc")) weight.assign(tf.mul(weight, 1.2));
    saveModel(model, checkpoint);
    await run();
    assert.notEqual(session.evaluations[0], made);
    rmSync(folder, { recursive: true });
  });

  test("recall draws exact and pooled scores of one split apart, and splits of one model by their names", async () => {
    const session = createSession(".");
    const model = await sample.model();
    const both = {
      ...sample.dataset,
      splits: { ...sample.dataset.splits, val: sample.dataset.splits["test"]!.slice(1) },
    };
    for (const pooled of [false, true]) {
      const options = checkOptions(evalCommand, { data: both, model, pooled });
      await evalCommand.run(options as never, silentContext, session);
    }
    const { text, title } = await draw(session, { figure: "recall", split: "test" });
    assert.match(text, /^test, exact score +text → image/m);
    assert.match(text, /^test, pooled score +text → image/m);
    assert.equal(title, "Recall at K (test, 6 images)");
    assert.equal(session.evaluations.length, 2);
    assert.equal((await draw(session, { figure: "confusion" })).title, "Hardest confusions (test, pooled score)");
    const four = await draw(session, { figure: "recall", split: ["test", "val"] });
    assert.match(four.text, /^test, exact score, 6 images [^]*^test, pooled score, 6 images [^]*^val, exact score, 5 images /m); // prettier-ignore
    for (const evaluation of session.evaluations) evaluation.name = "first";
    const named = await draw(session, { figure: "recall", split: ["test", "val"] });
    assert.match(named.text, /^Recall at K \(first: test, 6 images; val, 5 images\)$[^]*^val, exact score, 5 images /m);
  });

  test("take a score matrix instead of a model", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ams-given-"));
    saveScores(path.join(folder, "own.npy"), evaluation);
    saveScores(path.join(folder, "few.safetensors"), few);
    const session = createSession(folder);
    const given = (figure: string, scores: string | string[], more: object = {}): Promise<Figure> =>
      draw(session, { figure, scores, ...more });
    const { text } = await given("recall", ["own.npy", "few.safetensors"]);
    assert.match(text, /^own\.npy, 6 images [^]*^few\.safetensors, 3 images /m);
    const map = await given("confusion", "few.safetensors");
    assert.match(map.text, /^caption 1 +image 0 +0\.200 +2 +image 2 +0\.500 /m);
    assert.equal(map.title, "Hardest confusions (few.safetensors)");
    assert.match((await given("confusion", "own.npy", { data: sample.dataset })).text, /a \w+ square on/);
    assert.match((await given("distribution", "own.npy")).text, /true pairs +11 /);
    for (const [wanted, refused] of [
      [/attention needs more than scores/, given("attention", "own.npy")],
      [/drawn of one matrix, not of 2/, given("confusion", ["own.npy", "own.npy"])],
      [/belongs to one split/, given("recall", "own.npy", { split: ["test", "val"] })],
      [/no words at a scale/, given("distribution", "own.npy", { scale: 2 })],
      [/without --checkpoint/, given("recall", "own.npy", { checkpoint: "some" })],
      [/cannot be opened/, given("recall", "gone.npy")],
    ] as const) {
      await assert.rejects(refused, (error: unknown) => {
        assert.ok(error instanceof AmsError && error.lines().length === 3, String(error));
        assert.match(error.message, wanted);
        return true;
      });
    }
    rmSync(folder, { recursive: true });
  });

  test("distribution shows both kinds of scores, and words with the thresholds", async () => {
    const session = { ...createSession("."), evaluations: [evaluation] };
    const { svg, text } = await draw(session, { figure: "distribution", words: 3 });
    for (const label of ["score of a pair, S (no unit)", "pairs (% of each kind)", "at scale 6", "words (% of each kind)", "mined t = 0.000", "safe t = 0.000 (in use)"]) assert.ok(svg.includes(label), label); // prettier-ignore
    assert.match(text, /true pairs +11 /);
    assert.match(text, /a true pair scores above a wrong one of its caption in \d+\.\d %/);
    assert.match(text, /words in their own image +\d+/);
    const pairs = await draw(session, { figure: "distribution", words: 0 });
    assert.doesNotMatch(pairs.svg, /mined/);
    await assert.rejects(draw(session, { figure: "distribution", scale: 7 }), /has no scale 7/);
    const labels: string[] = [];
    const context = { ...silentContext, progress: ({ label }: { label: string }) => void labels.push(label) };
    const options = { figure: "distribution", scale: 7, data: sample.dataset, model: await sample.model() };
    const asked = plotCommand.run(checkOptions(plotCommand, options) as never, context, createSession("."));
    await assert.rejects(asked, /has no scale 7/);
    assert.deepEqual(labels, [], "refused before anything is scored");
  });

  test("a scale is refused where there are no words to show at it", async () => {
    const model = await sample.model();
    const pooled = shapeModel(model, recipeOf("vse").head, "vse");
    const context = { ...silentContext, progress: () => assert.fail("something is scored") };
    const unscored = (options: object): Promise<Figure> =>
      plotCommand.run(
        checkOptions(plotCommand, { figure: "distribution", data: sample.dataset, ...options }) as never,
        context,
        createSession("."),
      );
    const scored = (changes: object, options: object = {}): Promise<Figure> =>
      draw(
        { ...createSession("."), evaluations: [{ ...evaluation, ...changes }] },
        { figure: "distribution", scale: 1, ...options },
      );
    const { model: _, ...without } = evaluation;
    const ensemble = draw({ ...createSession("."), evaluations: [without] }, { figure: "distribution", scale: 1 });
    for (const [wanted, refused] of [
      [/^the model compares images and captions as wholes/, unscored({ model: pooled, scale: 1 })],
      [/^words are compared between at least two images/, unscored({ model, scale: 1, images: 1 })],
      [/^--words 0 leaves no words/, unscored({ model, scale: 1, words: 0 })],
      [/^the model compares images and captions as wholes/, scored({ model: pooled, scoredBy: "pooled" })],
      [/^the pooled score compares images and captions as wholes/, scored({ scoredBy: "pooled" })],
      [/^words are compared between at least two images/, scored({ images: 1 })],
      [/^--words 0 leaves no words/, scored({}, { words: 0 })],
      [/^scores without one model have no words/, ensemble],
    ] as const) {
      await assert.rejects(refused, (error: unknown) => {
        assert.ok(error instanceof AmsError && error.lines().length === 3, String(error));
        assert.match(error.message, wanted);
        assert.match(error.where ?? "", /--scale 1$/);
        return true;
      });
    }
    assert.match((await scored({}, { words: 2, scale: 2 })).svg, /at scale 2/);
  });
});
