import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import type { RunList } from "../src/commands/results.js";
import type { StoredRun } from "../src/commands/runList.js";
import { displaySymbol, type Displayable, type MimeBundle } from "../src/display.js";
import { AmsError } from "../src/errors.js";
import { compareEvaluations } from "../src/evaluate/compare.js";
import { makeEvaluation } from "../src/evaluate/evaluation.js";
import { createApi, frame, startEngine, type Dataset, type Evaluation, type Item } from "../src/index.js";
import type { Run } from "../src/train/trainer.js";

const item = (id: string, ...captions: string[]): Item => ({
  id,
  image: `/pictures/${id}.png`,
  captions: captions.map((text) => ({ text })),
});
const datasetOf = (splits: Dataset["splits"]): Dataset => ({
  name: "few",
  root: "/pictures",
  splits,
  fingerprint: "f",
});
const few = datasetOf({
  train: [item("a", "two red  cars", "cars"), item("b", "a <b>dog</b> & co")],
  val: [item("c", "x y")],
});

const steps = [1, 2].map((step) => ({
  step,
  epoch: 0,
  loss: 4 / step,
  learningRate: 1e-5,
  gradientNorm: 2,
  imagesPerSecond: 80,
}));

// Image 0 owns captions 0 and 1, image 1 owns none, image 2 owns caption 2, which it ranks second.
const evaluation: Evaluation = makeEvaluation({
  dataset: "few",
  split: "test",
  images: 3,
  scores: Float32Array.from([9, 8, 7, 0, 0, 0, 6, 5, 4]),
  owner: Int32Array.of(0, 0, 2),
  items: [item("p", "one", "two"), item("q"), item("r", "three")],
  seconds: 1,
  scoredBy: "given",
});

const run = {
  name: "r",
  steps,
  epochs: [
    { epoch: 0, step: 1, loss: 4, seconds: 3, evaluation },
    { epoch: 1, step: 2, loss: 2, seconds: 3 },
  ],
} as unknown as Run;

const stored: StoredRun = {
  name: "r",
  folder: "/runs/r",
  recipe: "scenes-hinge",
  options: {},
  status: "unfinished",
  epochs: run.epochs,
  lastStep: { step: 2, loss: 1.5 },
  changed: new Date(0),
};
const listOf = (...runs: StoredRun[]): RunList => ({
  runs,
  frame: () => assert.fail("asked of itself"),
  figure: () => assert.fail("not asked"),
  [displaySymbol]: () => ({ "text/plain": "" }),
});

const bundle = async (value: unknown): Promise<MimeBundle> => (value as Displayable)[displaySymbol]();
const plain = async (value: unknown): Promise<string> => (await bundle(value))["text/plain"];

describe("a frame", () => {
  test("of a data set has a row a caption", () => {
    const made = frame(few);
    assert.deepEqual(made.columns, ["split", "image", "file", "caption", "words"]);
    assert.deepEqual(made.dtypes, ["string", "string", "string", "string", "int32"]);
    assert.deepEqual(made.values, [
      ["train", "a", "a.png", "two red  cars", 3],
      ["train", "a", "a.png", "cars", 1],
      ["train", "b", "b.png", "a <b>dog</b> & co", 4],
      ["val", "c", "c.png", "x y", 2],
    ]);
    const means = made.groupby(["split"]).col(["words"]).mean();
    assert.deepEqual(means.columns, ["split", "words_mean"]);
    assert.deepEqual(means.values, [
      ["train", 8 / 3],
      ["val", 2],
    ]);
  });

  test("of a run has a row a step, or an epoch with NaN where nothing was measured", () => {
    const made = frame(run);
    assert.deepEqual(made.columns, ["step", "epoch", "loss", "learningRate", "gradientNorm", "imagesPerSecond"]);
    assert.deepEqual(made.values, [
      [1, 0, 4, 1e-5, 2, 80],
      [2, 0, 2, 1e-5, 2, 80],
    ]);
    const epochs = frame(run, { of: "epochs" });
    assert.deepEqual(epochs.columns.slice(0, 5), ["epoch", "step", "loss", "seconds", "i2t_r1"]);
    assert.deepEqual(epochs.column("t2i_r5").values, [evaluation.t2i.r5, NaN]);
    assert.deepEqual(epochs.column("rsum").values, [evaluation.rsum, NaN]);
  });

  test("of an evaluation has a row a query, whose mean ranks are the evaluation's own", () => {
    const made = frame(evaluation);
    assert.deepEqual(made.columns, ["direction", "image", "caption", "rank"]);
    assert.deepEqual(made.values, [
      ["i2t", "p", "", 1],
      ["i2t", "r", "", 3],
      ["t2i", "p", "one", 1],
      ["t2i", "p", "two", 1],
      ["t2i", "r", "three", 2],
    ]);
    const means = made.groupby(["direction"]).col(["rank"]).mean();
    assert.deepEqual(means.column("rank_mean").values, [evaluation.i2t.meanr, evaluation.t2i.meanr]);
    assert.equal(made.query(made.column("rank").gt(1)).shape[0], 2);
  });

  test("of an evaluation's summary has one row", () => {
    const made = frame(evaluation, { of: "summary" });
    assert.equal(made.shape[0], 1);
    const value = (name: string): unknown => made.column(name).values[0];
    assert.deepEqual(["dataset", "split", "images", "captions"].map(value), ["few", "test", 3, 3]);
    assert.deepEqual(["i2t_r1", "t2i_meanr", "rsum"].map(value), [
      evaluation.i2t.r1,
      evaluation.t2i.meanr,
      evaluation.rsum,
    ]);
    assert.deepEqual([value("rsum_low"), value("rsum_high")], evaluation.interval);
  });

  test("of the list of runs has a row a run", () => {
    const young = { ...stored, name: "young", epochs: [], lastStep: undefined };
    const made = frame(listOf(stored, young));
    assert.deepEqual(made.columns, ["name", "recipe", "status", "epochs", "steps", "loss", "rsum", "changed"]);
    assert.deepEqual(made.values, [
      ["r", "scenes-hinge", "unfinished", 2, 2, 2, evaluation.rsum, "1970-01-01T00:00:00.000Z"],
      ["young", "scenes-hinge", "unfinished", 0, 0, NaN, NaN, "1970-01-01T00:00:00.000Z"],
    ]);
  });

  test("of recalls by kind of phrase has a row a kind", () => {
    const phrases = [{ start: 0, end: 1, objects: [], type: "animals" }];
    const items = evaluation.items.map((each) => ({
      ...each,
      captions: each.captions.map((caption, c) => ({ ...caption, ...(c === 0 ? { phrases } : {}) })),
    }));
    const made = frame({ ...evaluation, items }, { of: "phrases" });
    assert.deepEqual(made.columns.slice(0, 6), ["type", "captions", "images", "r1", "r1_low", "r1_high"]);
    assert.deepEqual(made.column("type").values, ["all captions", "animals"]);
    assert.deepEqual(made.column("captions").values, [3, 2]);
    assert.deepEqual(made.column("r1").values, [evaluation.t2i.r1, 50]);
    assert.throws(() => frame(evaluation, { of: "phrases" }), AmsError);
  });

  test("of a comparison has a row a measure, or what differs between two runs", () => {
    const records = [{ what: "epochs", a: "2", b: "3" }];
    const compared = compareEvaluations(evaluation, evaluation, ["x", "y"], records);
    const made = frame(compared);
    assert.deepEqual(made.columns, ["measure", "a", "b", "difference", "low", "high", "p", "real"]);
    assert.deepEqual(made.column("measure").values.slice(5), ["t2i R@10", "rSum"]);
    assert.deepEqual(made.values[6], ["rSum", evaluation.rsum, evaluation.rsum, 0, 0, 0, 1, false]);
    assert.deepEqual(frame(compared, { of: "records" }).values, [["epochs", "2", "3"]]);
    assert.throws(
      () => frame(compared, { of: "folds" }),
      (error: unknown) => error instanceof AmsError && /measures, records/.test(error.hint ?? ""),
    );
  });

  test("has no column that hides a method", () => {
    const frames = [
      frame(few),
      frame(run),
      frame(run, { of: "epochs" }),
      frame(evaluation),
      frame(evaluation, { of: "summary" }),
      frame(listOf(stored)),
      frame(compareEvaluations(evaluation, evaluation)),
    ];
    for (const made of frames)
      for (const name of made.columns) assert.ok(!(name in Object.getPrototypeOf(made)), `${name} is danfo's own`);
  });

  test("without rows still has its columns and shows them", async () => {
    for (const made of [frame(datasetOf({ train: [] })), frame({ ...run, steps: [] }), frame(listOf())]) {
      assert.equal(made.shape[0], 0);
      assert.equal(made.dtypes.length, made.columns.length);
      const text = await plain(made);
      for (const name of made.columns) assert.ok(text.includes(name), name);
      assert.match(text, /\n0 rows, \d columns$/);
    }
  });

  test("takes the 158,000 captions of a large set", () => {
    const items = Array.from({ length: 31_600 }, (_, i) => item(String(i), "a", "b", "c", "d", "e"));
    assert.deepEqual(frame(datasetOf({ train: items })).shape, [158_000, 5]);
  });

  test("of a value that is no result is an error that says what to give", () => {
    for (const value of [undefined, null, 42, "scenes", [], {}, { steps: 3 }, Promise.resolve(few)])
      assert.throws(
        () => frame(value as unknown as Dataset),
        (error: unknown) =>
          error instanceof AmsError && error.lines().length === 3 && /^where: frame\(/.test(error.lines()[1]!),
      );
    assert.throws(
      () => frame(createApi().runs() as unknown as RunList),
      (error: unknown) => error instanceof AmsError && /frame\(await/.test(error.hint ?? ""),
    );
  });

  test("of a table that is not there is an error with the tables that are", () => {
    assert.throws(
      // @ts-expect-error a run has steps and epochs
      () => frame(run, { of: "queries" }),
      (error: unknown) =>
        error instanceof AmsError && error.lines().length === 3 && /steps, epochs/.test(error.hint ?? ""),
    );
    // @ts-expect-error a data set has one table
    assert.throws(() => frame(few, { of: "steps" }), AmsError);
  });

  test("is ams.frame too", () => {
    assert.deepEqual(createApi().frame(few).values, frame(few).values);
  });
});

describe("a frame shows", () => {
  test("an HTML table with escaped captions, and the same as text", async () => {
    const shown = await bundle(frame(few));
    const html = String(shown["text/html"]);
    assert.match(html, /^<table>/);
    assert.ok(html.includes("a &#60;b&#62;dog&#60;/b&#62; &#38; co"), html);
    assert.ok(!html.includes("<b>"));
    assert.match(html, /<div>4 rows, 5 columns<\/div>$/);
    assert.ok(shown["text/plain"].includes("a <b>dog</b> & co"));
  });

  test("its first twenty rows and its size", async () => {
    const items = Array.from({ length: 1234 }, (_, i) => item(`i${i}`, "words"));
    const shown = await bundle(frame(datasetOf({ train: items })));
    const html = String(shown["text/html"]);
    assert.equal(html.match(/<tr>/g)?.length, 1 + 20);
    assert.ok(html.includes("i19.png") && !html.includes("i20.png"));
    assert.match(shown["text/plain"], /\nthe first 20 of 1,234 rows, 5 columns$/);
  });

  test("itself also as what its methods return: frames, groups' means, single columns", async () => {
    const made = frame(few);
    assert.match(await plain(made.groupby(["split"]).col(["words"]).mean()), /train +2\.66667\n[^]*2 rows, 2 columns$/);
    assert.match(await plain(made.tail(1)), /^ {3}split[^]*\n3 {2}val[^]*\n1 row, 5 columns$/);
    assert.match(await plain(made.column("words")), /\n3 +2\n4 rows, 1 column$/);
  });
});

describe("danfo", () => {
  const index = JSON.stringify(path.join(__dirname, "..", "src", "index.js"));
  const node = (code: string, ...flags: string[]): string => {
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, "-e", code], { encoding: "utf8" });
    return stdout + stderr;
  };

  test("is loaded by the first frame, not with the library", () => {
    const code = `const { frame } = require(${index});
      const loaded = () => Object.keys(require.cache).some((file) => file.includes("danfojs"));
      const before = loaded(); frame({ runs: [] }); console.log(before, loaded());`;
    assert.equal(node(code), "false true\n");
  });

  test("prints nothing, and leaves warnings as they were", () => {
    const code = `const { frame } = require(${index});
      const made = frame({ splits: { a: [{ id: "1", image: "1", captions: [{ text: "x" }] }] }, fingerprint: "" });
      made.loc({ columns: ["words"] }).add(1);
      console.log(process.noDeprecation);`;
    assert.equal(node(code, "--pending-deprecation"), "undefined\n");
  });

  test("leaves the engine as it is, also when it calculates", async () => {
    const { name } = await startEngine("auto");
    const backend = tf.getBackend();
    const gradient = (): number =>
      tf.tidy(
        () =>
          tf
            .grad((x) => tf.square(x))(tf.scalar(3))
            .dataSync()[0]!,
      );
    assert.ok(name === "plain" || backend !== "cpu", `${name} on ${backend}`);
    const made = frame(few);
    assert.deepEqual(made.loc({ columns: ["words"] }).add(1).values, [[4], [2], [5], [3]]);
    assert.equal(tf.getBackend(), backend);
    assert.equal(gradient(), 6);
  });
});
