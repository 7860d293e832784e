/** Pictures that cannot be read, at the start of a training or in the middle of it: counted, named, skipped or refused, never lost work. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Command } from "../../src/commands/command.js";
import { dataCommand } from "../../src/commands/verbs/data.js";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { evalCommand } from "../../src/commands/verbs/eval.js";
import { plotCommand } from "../../src/commands/verbs/plot.js";
import { searchCommand } from "../../src/commands/verbs/search.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { silentContext, type Context } from "../../src/context.js";
import type { Dataset } from "../../src/data/dataset.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import type { AmsError } from "../../src/errors.js";
import { evaluate, type Evaluation } from "../../src/evaluate/index.js";
import { buildModel } from "../../src/model/build.js";
import type { Model } from "../../src/model/ams.js";
import { createParameters } from "../../src/model/parameters.js";
import { halfDepth } from "../../src/model/config.js";
import type { Figure } from "../../src/plot/figure.js";
import type { Hits } from "../../src/search/index.js";
import type { Run } from "../../src/train/trainer.js";
import { drawItems } from "../data/pictures.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-bad-"));
let model: Model;

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = path.join(folder, "home");
  const vocabulary = path.join(folder, "vocab.txt");
  const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "picture", "number", "colours"];
  writeFileSync(
    vocabulary,
    [...pieces, ...Array.from("0123456789"), ...Array.from("0123456789", (d) => `##${d}`)].join("\n"),
  );
  const whole = await buildModel({ size: "tiny", vocabulary, seed: 5 });
  const config = halfDepth(halfDepth(whole.config));
  model = { ...whole, config, parameters: createParameters(config, 5) };
});

after(async () => {
  await closeImageWorkers();
  rmSync(folder, { recursive: true, force: true });
});

/** Twelve pictures to train on and six to validate with, in a folder of their own. */
async function pictures(): Promise<Dataset> {
  const root = mkdtempSync(path.join(folder, "set-"));
  const items = await drawItems(root, 18);
  return { name: "drawn", root, splits: { train: items.slice(0, 12), val: items.slice(12) }, fingerprint: "drawn" };
}

function spoil(dataset: Dataset, split: string, ...numbers: number[]): void {
  for (const number of numbers) writeFileSync(dataset.splits[split]![number]!.image, "no picture");
}

function noting(): { context: Context; notes: string[] } {
  const notes: string[] = [];
  return { context: { ...silentContext, note: (line) => notes.push(line) }, notes };
}

function train(options: Record<string, unknown>, context: Context): Promise<Run> {
  const all = { ...(options["resume"] === true ? {} : { model }), batchSize: 4, validate: 6, ...options };
  return trainCommand.run(checkOptions(trainCommand, all) as never, context, createSession(folder));
}

describe("a training with unreadable pictures", () => {
  test("passes over them when told so: named once, counted, listed in a file, and none of its steps is lost", async () => {
    const data = await pictures();
    spoil(data, "train", 2, 9);
    spoil(data, "val", 1);
    const { context, notes } = noting();
    const run = await train({ data, name: "skips", epochs: 2, skipBadImages: true }, context);
    assert.equal(run.status, "finished");
    assert.equal(run.steps.length, 12); // 24 pairs in batches of 4, twice
    assert.deepEqual([...run.skippedImages].sort(), ["item-2", "item-9"]);
    const lines = readFileSync(path.join(run.folder, "skipped.jsonl"), "utf8").trim().split("\n");
    assert.deepEqual(lines.map((line) => (JSON.parse(line) as { id: string }).id).sort(), ["item-2", "item-9"]);
    assert.equal(notes.filter((line) => line.startsWith("skipped an image:")).length, 2); // not once an epoch
    assert.ok(
      notes.some((line) => /^2 images could not be read, and others took their place (8|9|1\d) times/.test(line)),
    );
    assert.ok(notes.some((line) => /^1 of 6 images of val cannot be read and are left out: .*13\.png/.test(line)));
    assert.equal(run.epochs[1]!.evaluation?.images, 5);
    const written = JSON.parse(readFileSync(path.join(run.folder, "run.json"), "utf8")) as { skippedImages: number };
    assert.equal(written.skippedImages, 2);
  });

  test("stops by default with the picture's name, and goes on from its checkpoint", async () => {
    const data = await pictures();
    spoil(data, "train", 5);
    await assert.rejects(train({ data, name: "stops", epochs: 1, validate: 0 }, silentContext), (error: AmsError) => {
      assert.match(error.message, /cannot be decoded/);
      assert.match(error.where ?? "", /item-5/);
      assert.match(error.hint ?? "", /--skip-bad-images/);
      return true;
    });
    const run = await train({ data, name: "stops", resume: true, skipBadImages: true, validate: 0 }, silentContext);
    assert.equal(run.steps.length, 6);
    assert.deepEqual(run.skippedImages, ["item-5"]);
  });

  test("meets one that breaks in the middle of it, and remembers how to go on when it is resumed", async () => {
    const data = await pictures();
    const controller = new AbortController();
    const progress: Context["progress"] = ({ label, done }) => {
      if (label === "training" && done === 2) controller.abort();
    };
    const context = { ...silentContext, signal: controller.signal, progress };
    const first = await train({ data, name: "later", epochs: 1, skipBadImages: true }, context);
    assert.deepEqual([first.status, first.skippedImages], ["stopped", []]);
    rmSync(data.splits["train"]![0]!.image);
    spoil(data, "val", 0);
    const run = await train({ data, name: "later", resume: true, epochs: 3 }, silentContext);
    assert.deepEqual([run.status, run.steps.length, run.skippedImages], ["finished", 18, ["item-0"]]);
  });
});

describe("an evaluation with unreadable pictures", () => {
  test("leaves them and their captions out when told so, exactly", async () => {
    const data = await pictures();
    const clean = { ...data, splits: { val: data.splits["val"]!.filter((_, i) => i !== 1 && i !== 4) } };
    for (const pooled of [false, true]) {
      const wanted = await evaluate(model, clean, { split: "val", pooled }, silentContext);
      const spoiled = { ...data, splits: { val: data.splits["val"]! } };
      spoil(spoiled, "val", 1, 4);
      await assert.rejects(evaluate(model, spoiled, { split: "val", pooled }, silentContext), (error: AmsError) => {
        assert.match(error.lines().join("\n"), /cannot be decoded[^]*item-\d+", image .*\.png[^]*--skip-bad-images$/);
        return true;
      });
      const found = await evaluate(model, spoiled, { split: "val", pooled, onBadImage: "skip" }, silentContext);
      assert.deepEqual([found.images, found.captions], [4, 8]);
      assert.deepEqual(found.items.map(({ id }) => id), wanted.items.map(({ id }) => id)); // prettier-ignore
      assert.deepEqual(found.owner, wanted.owner);
      wanted.scores.forEach((score, i) => {
        assert.ok(Math.abs(score - found.scores[i]!) < 1e-5);
      });
    }
  });

  test("is an error when none is left", async () => {
    const data = await pictures();
    spoil(data, "val", 0, 1, 2, 3, 4, 5);
    const all = evaluate(model, data, { split: "val", onBadImage: "skip" }, silentContext);
    await assert.rejects(all, /none of the 6 images of the split "val" can be read/);
  });
});

describe("`ams data --check`", () => {
  const check = async (data: Dataset, options: object = {}): Promise<string[]> => {
    const { context, notes } = noting();
    const all = { data, check: true, samples: 0, ...options };
    await dataCommand.run(checkOptions(dataCommand, all) as never, context, createSession(folder));
    return notes;
  };

  test("names unreadable pictures, refuses them, or leaves them out", async () => {
    const data = await pictures();
    assert.deepEqual(await check(data), ["all 18 images can be read"]);
    spoil(data, "train", 3);
    rmSync(data.splits["val"]![2]!.image);
    await assert.rejects(check(data), {
      message: /2 of 18 images cannot be read: item-3 \(this image cannot be decoded.*item-14/s,
    });
    const notes = await check(data, { skipProblems: true });
    assert.match(notes[0] ?? "", /^left out, as 2 of 18/);
    assert.deepEqual([data.splits["train"]!.length, data.splits["val"]!.length], [11, 5]);
    assert.notEqual(data.fingerprint, "drawn");
  });
});

describe("verbs on a set with missing and unreadable pictures", () => {
  /** Twelve pictures to train on, six to validate with and six to test, as files in Flickr30K's layout: two of each are spoiled. */
  const spoiledSet = async (): Promise<{ root: string; annotations: string }> => {
    const annotations = mkdtempSync(path.join(folder, "flickr30k-"));
    const root = path.join(annotations, "images");
    mkdirSync(root);
    const items = await drawItems(root, 24);
    const rows = items.map(({ image, captions }) => ({ image: path.basename(image), caption: captions.map(({ text }) => text) })); // prettier-ignore
    const write = (split: string, list: unknown[]): void => {
      writeFileSync(path.join(annotations, `flickr30k_${split}.json`), JSON.stringify(list));
    };
    const train = rows.slice(0, 12).flatMap(({ image, caption }) => caption.map((text) => ({ image, caption: text, image_id: image }))); // prettier-ignore
    write("train", train);
    write("val", rows.slice(12, 18));
    write("test", rows.slice(18));
    for (const broken of [2, 13, 20]) writeFileSync(items[broken]!.image, "no picture");
    for (const missing of [9, 15, 22]) rmSync(items[missing]!.image);
    return { root, annotations };
  };

  /** As a process of its own: nothing is open before. */
  const call = async <R>(
    command: Command<never, R>,
    options: Record<string, unknown>,
  ): Promise<{ result: R; notes: string[] }> => {
    const { context, notes } = noting();
    const given = checkOptions(command, options) as never;
    return { result: await command.run(given, context, createSession(folder)), notes };
  };

  test("train: refused by default, else told, counted and passed over, and resumed although more have gone", async () => {
    const choice = { data: "flickr30k", ...(await spoiledSet()) };
    const common = { batchSize: 4, validate: 6 };
    await assert.rejects(
      call(trainCommand as never, { ...choice, ...common, model, name: "refused" }),
      (error: AmsError) => {
        assert.match(error.message, /^1 image is missing: 9\.png/);
        assert.match(error.hint ?? "", /--skip-problems/);
        return true;
      },
    );
    const train = (options: object): Promise<{ result: Run; notes: string[] }> => call(trainCommand as never, { ...common, name: "files", ...options }); // prettier-ignore
    const first = await train({ ...choice, model, skipBadImages: true, epochs: 2, steps: 3 });
    assert.match(first.notes.join("\n"), /^1 image is missing: 9\.png \(.*row 19\): passed over where they are read/m);
    rmSync(path.join(choice.root, "5.png"));
    // The run knows that it passes over pictures; the one that has gone meanwhile makes it no other data set.
    const { result: run, notes } = await train({ resume: true, steps: 12 });
    assert.equal(run.steps.length, 12);
    assert.deepEqual([...run.skippedImages].sort(), ["2.png", "5.png", "9.png"]);
    assert.match(notes.join("\n"), /^2 of 6 images of val cannot be read and are left out: .*13\.png.*15\.png/m);
    assert.equal(run.epochs.at(-1)!.evaluation?.images, 4);
    const lines = readFileSync(path.join(run.folder, "skipped.jsonl"), "utf8").trim().split("\n");
    assert.match(lines.find((line) => line.includes("9.png")) ?? "", /this image does not exist/);
  });

  test("train on what is left, when rows are left out instead", async () => {
    const choice = { data: "flickr30k", ...(await spoiledSet()) };
    const options = { ...choice, model, batchSize: 4, validate: 0, name: "left", steps: 2, skipProblems: true, skipBadImages: true }; // prettier-ignore
    const { result: run, notes } = await call<Run>(trainCommand as never, options);
    assert.equal(run.status, "finished");
    assert.match(notes.join("\n"), /^left out, as 1 image is missing: 9\.png/m);
    const { result: more } = await call<Run>(trainCommand as never, { name: "left", resume: true, steps: 3 });
    assert.equal(more.steps.length, 3);

    // Started on what is left, without passing over anything: it finds its data again when more go, and when those come back.
    const strict = { ...choice, model, batchSize: 4, validate: 0, name: "strict", skipProblems: true, epochs: 2 };
    writeFileSync(path.join(choice.root, "2.png"), readFileSync(path.join(choice.root, "3.png")));
    await call<Run>(trainCommand as never, { ...strict, steps: 2 });
    rmSync(path.join(choice.root, "4.png"));
    writeFileSync(path.join(choice.root, "9.png"), readFileSync(path.join(choice.root, "3.png")));
    const resumed = { name: "strict", resume: true, skipBadImages: true, steps: 10 };
    const { result: last } = await call<Run>(trainCommand as never, resumed);
    assert.deepEqual([last.steps.length, last.skippedImages], [10, ["4.png"]]);
  });

  test("eval, search and plot", async () => {
    const choice = { data: "flickr30k", ...(await spoiledSet()), model };
    const hint = /--skip-problems/;
    await assert.rejects(call(evalCommand as never, choice), (error: AmsError) => hint.test(error.hint ?? ""));
    await assert.rejects(call(evalCommand as never, { ...choice, skipProblems: true }), (error: AmsError) => {
      assert.match(error.where ?? "", /item "20\.png"/);
      return /--skip-bad-images/.test(error.hint ?? "");
    });
    const evaluated = await call<Evaluation>(evalCommand as never, { ...choice, skipBadImages: true });
    assert.deepEqual([evaluated.result.images, evaluated.result.captions], [4, 8]);
    assert.match(
      evaluated.notes.join("\n"),
      /^2 of 6 images of test cannot be read and are left out: .*20\.png.*22\.png/m,
    );

    const found = await call<Hits>(searchCommand as never, { ...choice, query: "picture number 19" });
    assert.equal(found.result.hits.length, 4);
    assert.match(found.notes.join("\n"), /^2 of 6 images of the gallery cannot be read and are left out: /m);

    const gallery = { ...choice, figure: "gallery", queries: 2 };
    await assert.rejects(call(plotCommand as never, { ...gallery, skipProblems: true }), /cannot be decoded/);
    const { result: figure } = await call<Figure>(plotCommand as never, { ...gallery, skipBadImages: true });
    assert.match(figure[displaySymbol]()["text/plain"], /right answer at rank \d of 4/);
    const attention = { ...choice, figure: "attention", skipProblems: true, item: "20.png" };
    await assert.rejects(call(plotCommand as never, attention), (error: AmsError) => {
      assert.match(error.where ?? "", /20\.png/);
      return !/--skip-bad-images/.test(error.hint ?? ""); // which would not help here
    });
  });
});
