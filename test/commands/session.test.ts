import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { openDataset, splitOf, wantDataset } from "../../src/commands/datasets.js";
import { checkpointFolder, wantModel } from "../../src/commands/models.js";
import { createSession, resolvePath, setModel, type Session } from "../../src/commands/session.js";
import { buildCommand } from "../../src/commands/verbs/build.js";
import { compareCommand } from "../../src/commands/verbs/compare.js";
import { dataCommand } from "../../src/commands/verbs/data.js";
import { evalCommand } from "../../src/commands/verbs/eval.js";
import { exportCommand } from "../../src/commands/verbs/export.js";
import { indexCommand } from "../../src/commands/verbs/indexGallery.js";
import { plotCommand } from "../../src/commands/verbs/plot.js";
import { queryOf, searchCommand } from "../../src/commands/verbs/search.js";
import { nextRecipe, trainCommand } from "../../src/commands/verbs/train.js";
import { checkOptions } from "../../src/commands/parse.js";
import type { Command } from "../../src/commands/command.js";
import { recipeOf } from "../../src/train/recipe.js";
import { silentContext, type Context } from "../../src/context.js";
import type { Dataset, Item } from "../../src/data/dataset.js";
import { displaySymbol, isDisplayable } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import type { Evaluation } from "../../src/evaluate/index.js";
import { buildModel } from "../../src/model/build.js";
import { createParameters } from "../../src/model/parameters.js";
import { saveModel } from "../../src/model/store.js";
import type { Figure } from "../../src/plot/figure.js";
import { fixture } from "../fixtures.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-session-"));
process.env["AMS_HOME"] = path.join(folder, "home");

const dataset: Dataset = {
  name: "three",
  root: folder,
  fingerprint: "f",
  splits: {
    train: [{ id: "a", image: path.join(folder, "a.png"), captions: [{ text: "a red car" }] }],
    test: [{ id: "b", image: path.join(folder, "b.png"), captions: [{ text: "a cat" }, { text: "an animal" }] }],
  },
};

function fresh(): Session {
  return createSession(folder);
}

function run(command: Command, options: Record<string, unknown>, session = fresh()): Promise<unknown> {
  return command.run(checkOptions(command, options), silentContext, session);
}

/** The three lines of what a promise is rejected with. */
async function lines(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => assert.fail("it was accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AmsError, String(error));
  assert.equal(error.lines().length, 3, error.lines().join("\n"));
  return error.lines().join("\n");
}

describe("paths", () => {
  test("are relative to the session's folder, and ~ is the home folder", () => {
    assert.equal(resolvePath(fresh(), "x/y"), path.join(folder, "x", "y"));
    assert.equal(resolvePath(fresh(), "~/x"), path.join(homedir(), "x"));
    assert.equal(resolvePath(fresh(), "a~/x"), path.join(folder, "a~", "x"));
  });
});

describe("data sets", () => {
  test("the open one serves later verbs, by name too; an object takes its place", async () => {
    const session = fresh();
    assert.equal(await wantDataset({ data: dataset }, silentContext, session), dataset);
    assert.equal(await wantDataset({}, silentContext, session), dataset);
    assert.equal(await wantDataset({ data: "three" }, silentContext, session), dataset);
  });

  test("missing Flickr30K images say how to name them", async () => {
    const text = await lines(wantDataset({ data: "flickr30k" }, silentContext, fresh()));
    assert.match(text, /images of flickr30k are not here/);
    assert.match(text, /ams data flickr30k --root DIR --annotations DIR/);
    assert.match(await lines(wantDataset({ data: "flickr30k", root: "nowhere" }, silentContext, fresh())), /nowhere/);
  });

  test("a misspelt name is taken for a folder, and the near name is offered", async () => {
    assert.match(await lines(wantDataset({ data: "scnes" }, silentContext, fresh())), /did you mean scenes\?/);
  });

  test("a folder opens by what lies in it: annotation files beside the images", async () => {
    const own = path.join(folder, "mine");
    mkdirSync(path.join(own, "images"), { recursive: true });
    writeFileSync(path.join(own, "images", "1.png"), "");
    writeFileSync(path.join(own, "flickr30k_test.json"), JSON.stringify([{ image: "1.png", caption: ["one", "uno"] }]));
    const opened = await openDataset({ data: "mine" }, {}, silentContext, fresh());
    assert.equal(opened.splits["test"]?.[0]?.captions.length, 2);
  });

  test("a folder with a table of captions opens too", async () => {
    const own = path.join(folder, "table");
    mkdirSync(own);
    writeFileSync(path.join(own, "1.png"), "");
    writeFileSync(path.join(own, "captions.csv"), "image,caption,split\n1.png,a dog,test\n");
    const session = fresh();
    await openDataset({ data: "table" }, {}, silentContext, session);
    assert.equal(session.dataset?.splits["test"]?.[0]?.captions[0]?.text, "a dog");
  });

  test("a folder whose first split is empty shows the first that has images", async () => {
    const opened = { ...dataset, splits: { ...dataset.splits, train: [] } };
    assert.equal(await run(dataCommand, { data: opened, samples: 0 }), opened);
  });

  test("an unknown split names the splits that there are", () => {
    assert.throws(
      () => splitOf(dataset, "tst"),
      (error: unknown) => error instanceof AmsError && /did you mean test\?/.test(error.hint ?? ""),
    );
  });
});

describe("models", () => {
  const tiny = path.join(folder, "tiny-model");

  before(async () => {
    await startEngine("plain");
    saveModel(await buildModel({ size: "tiny", vocabulary: vocabularyFile() }), tiny);
  });

  /** The golden model's size has 120 word pieces. */
  function vocabularyFile(): string {
    const file = path.join(folder, "vocab.txt");
    const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...Array.from("abcdefghijklmnopqrstuvwxyz")];
    writeFileSync(file, words.join("\n"));
    return file;
  }

  test("a checkpoint is found by its folder, relative or absolute", () => {
    assert.equal(checkpointFolder(fresh(), "tiny-model"), tiny);
    assert.equal(checkpointFolder(fresh(), tiny), tiny);
  });

  test("a run without a best model is found by its newest checkpoint", () => {
    const checkpoints = path.join(folder, "unvalidated", "checkpoints");
    for (const step of ["step-00000000", "step-00000012", "step-00000020.damaged"]) {
      mkdirSync(path.join(checkpoints, step), { recursive: true });
      for (const name of ["config.json", "state.json"]) writeFileSync(path.join(checkpoints, step, name), "{}");
    }
    assert.equal(checkpointFolder(fresh(), "unvalidated"), path.join(checkpoints, "step-00000012"));
  });

  test("a missing checkpoint says where it looked and what there is", async () => {
    const text = await lines(run(evalCommand, { data: dataset, checkpoint: "no-such-model" }));
    assert.match(text, /there is no model "no-such-model"/);
    assert.match(text, /config\.json/);
  });

  test("a missing checkpoint is refused before the data are looked at", async () => {
    const data = path.join(folder, "no-such-data");
    assert.doesNotMatch(await lines(run(evalCommand, { data })), /there is no model/);
    const refusals: [Command, Record<string, unknown>][] = [
      [evalCommand, { checkpoint: "scenes-smal" }],
      [evalCommand, { checkpoint: ["scenes-small", "scenes-smal"] }],
      [evalCommand, { resume: "scenes-smal" }],
      [plotCommand, { figure: "recall", checkpoint: "scenes-smal" }],
      [plotCommand, { figure: "attention", checkpoint: "scenes-smal" }],
      [searchCommand, { query: "a cat", checkpoint: "scenes-smal" }],
      [indexCommand, { checkpoint: "scenes-smal" }],
      [compareCommand, { sides: ["scenes-small", "scenes-smal"] }],
      [compareCommand, { sides: ["scores.npy", "scenes-smal"] }],
    ];
    for (const [command, options] of refusals) {
      const text = await lines(run(command, { data, ...options }));
      assert.match(text, /there is no model "scenes-smal"[^]*did you mean scenes-small/, command.name);
    }
  });

  test("a checkpoint of another size is refused by build and by train", async () => {
    assert.match(await lines(run(buildCommand, { checkpoint: tiny, size: "base" })), /size tiny, not base/);
    const text = await lines(run(trainCommand, { data: dataset, checkpoint: tiny, size: "small" }));
    assert.match(text, /size tiny, not small/);
    assert.match(text, /leave out --size/);
  });

  test("a built model is the session's, and shows its parts", async () => {
    const session = fresh();
    const model = await buildCommand.run(
      checkOptions(buildCommand, { checkpoint: tiny }) as never,
      silentContext,
      session,
    );
    assert.ok(isDisplayable(model));
    const bundle = await model[displaySymbol]();
    assert.ok(session.model === model);
    const { parameters } = buildCommand.json(model) as { parameters: number };
    assert.equal(
      parameters,
      [...model.parameters.values()].reduce((sum, v) => sum + v.size, 0),
    );
    assert.match(bundle["text/plain"], /image: projections +9,504/);
    for (const row of [
      /a step +\d+ pairs in float32, .*FLOP/,
      /memory .* for a step/,
      /speed .*FLOP\/s measured here/,
      /training .* epochs/,
    ]) {
      assert.match(bundle["text/plain"], row);
    }
    const { plan } = buildCommand.json(model) as {
      plan: { flops: { total: number }; speed: { secondsPerStep: number } };
    };
    assert.ok(plan.flops.total > 0 && plan.speed.secondsPerStep > 0);
  });

  test("build foretells a step of another batch, and with less memory", async () => {
    const needed = async (options: object): Promise<{ batchSize: number; memory: { needed: number } }> => {
      const given = checkOptions(buildCommand, { checkpoint: tiny, measure: false, ...options });
      const model = await buildCommand.run(given as never, silentContext, fresh());
      return (buildCommand.json(model) as { plan: { batchSize: number; memory: { needed: number } } }).plan;
    };
    const whole = await needed({ bs: 512 });
    assert.equal(whole.batchSize, 512);
    const frugal = await needed({ bs: 512, recompute: true });
    const both = await needed({ bs: 512, recompute: true, microBatch: 8 });
    assert.ok(whole.memory.needed > frugal.memory.needed && frugal.memory.needed > both.memory.needed);
  });

  test("another model empties the list of evaluations, the same one keeps it", async () => {
    const session = fresh();
    const model = await wantModel({ checkpoint: tiny }, silentContext, session);
    session.evaluations = [{} as Evaluation];
    setModel(session, model);
    assert.equal(session.evaluations.length, 1);
    setModel(session, { ...model });
    assert.equal(session.evaluations.length, 0);
  });

  test("without a model, the shipped one is used with a note, or the error says how to get one", async () => {
    const notes: string[] = [];
    const context: Context = { ...silentContext, note: (text) => notes.push(text) };
    await wantModel({}, context, fresh()).then(
      (model) => {
        assert.equal(model.config.size, "small");
        assert.match(notes[0] ?? "", /scenes-small/);
      },
      (error: unknown) => {
        assert.ok(error instanceof AmsError && /ams train/.test(error.hint ?? ""));
      },
    );
  });

  test("items, captions and pictures that are not there", async () => {
    const session = { ...fresh(), dataset, model: await wantModel({ checkpoint: tiny }, silentContext, fresh()) };
    assert.match(await lines(run(plotCommand, { figure: "attention", item: 7 }, session)), /no image 7/);
    assert.match(
      await lines(run(plotCommand, { figure: "attention", item: "b", caption: 5 }, session)),
      /no caption 5/,
    );
    assert.match(await lines(run(plotCommand, { figure: "attention", image: "x.png" }, session)), /needs a caption/);
  });

  test("the attention of a picture of one's own becomes a figure, the session's last, and a file", async () => {
    const image = path.join(folder, "own.png");
    await sharp({ create: { width: 40, height: 30, channels: 3, background: "#c33" } })
      .png()
      .toFile(image);
    const notes: string[] = [];
    const session = { ...fresh(), model: await wantModel({ checkpoint: tiny }, silentContext, fresh()) };
    const options = checkOptions(plotCommand, { figure: "attention", image, caption: "a b c", out: "out/att.svg" });
    const context: Context = { ...silentContext, note: (text) => notes.push(text) };
    const figure = await plotCommand.run(options as never, context, session);
    assert.equal(session.figure, figure);
    assert.match(figure.text, /scale 6/);
    assert.deepEqual(notes, [`saved ${path.join(folder, "out", "att.svg")}`]);
    const written = await run(exportCommand, { what: "figure", out: "again.html" }, session);
    assert.deepEqual((written as { files: string[] }).files, [path.join(folder, "again.html")]);
    assert.ok(existsSync(path.join(folder, "again.html")));
  });

  describe("two checkpoints over the same pair", () => {
    const image = path.join(folder, "pair.png");
    const wide = path.join(folder, "wide-model");
    let session: Session;

    before(async () => {
      await sharp({ create: { width: 40, height: 30, channels: 3, background: "#3c3" } })
        .png()
        .toFile(image);
      const model = await buildModel({ size: "tiny", vocabulary: vocabularyFile(), seed: 9 });
      // Other weights, a grid of 2 x 2 patches instead of 4 x 4, and two scales instead of six.
      const config = { ...model.config, image: { ...model.config.image, pixels: 16 }, scales: [3, 9] };
      saveModel({ ...model, config, parameters: createParameters(config, 9) }, wide);
      session = { ...fresh(), model: await wantModel({ checkpoint: tiny }, silentContext, fresh()) };
    });

    const against = (other: Record<string, unknown>, of = session): Promise<Figure> =>
      run(plotCommand, { figure: "attention", image, caption: "a b c", ...other }, of) as Promise<Figure>;

    test("are two panels with their own products, grids, scales and thresholds, and leave no tensors", async () => {
      const alone = await against({});
      const before = tf.memory().numTensors;
      const figure = await against({ againstCheckpoint: "wide-model", out: "pair.html" });
      assert.equal(tf.memory().numTensors, before);
      assert.equal(figure.title, "Attention of two models");
      const [own, other] = figure.explorer!.views;
      assert.deepEqual([own?.name, own?.grid, own?.scales.length], ["tiny-model", 4, 6]);
      assert.deepEqual([other?.name, other?.grid, other?.scales.length], ["wide-model", 2, 2]);
      assert.equal(other?.threshold, session.model!.thresholds.safe);
      assert.deepEqual(own, { ...alone.explorer!.views[0], name: "tiny-model" });
      assert.match(figure.text, /tiny-model[^]*wide-model/);
      const page = readFileSync(path.join(folder, "pair.html"), "utf8");
      assert.ok(page.includes("wide-model") && page.includes("data-ams-explorer"));
    });

    test("with another caption too are named by both", async () => {
      const { explorer } = await against({ againstCheckpoint: "wide-model", againstCaption: "c a" });
      assert.deepEqual(
        explorer!.views.map(({ name }) => name),
        ["tiny-model: a b c", "wide-model: c a"],
      );
    });

    test("are said to show products where a model has pooled features, and so no attention", async () => {
      const pooled = await buildModel({ size: "tiny", vocabulary: vocabularyFile(), recipe: recipeOf("vse") });
      saveModel(pooled, path.join(folder, "pooled-model"));
      const mixed = await against({ againstCheckpoint: "pooled-model" });
      assert.equal(mixed.title, "Attention and products of two models");
      const of = { ...session, model: pooled };
      assert.equal((await against({ againstCheckpoint: "pooled-model" }, of)).title, "Products of two models");
      assert.equal((await against({ againstCaption: "c a" }, of)).title, "Products of two captions");
    });

    test("are refused, with which one and what to do, where the second is missing, damaged or sees no pictures", async () => {
      const missing = await lines(against({ againstCheckpoint: "wide-modle" }, fresh()));
      assert.match(missing, /there is no model "wide-modle"[^]*config\.json/);
      const damaged = path.join(folder, "damaged-model");
      cpSync(wide, damaged, { recursive: true });
      truncateSync(path.join(damaged, "model.safetensors"), 1000);
      assert.match(await lines(against({ againstCheckpoint: "damaged-model" })), /where: .*damaged-model/);
      const features = path.join(folder, "features-model");
      const { config, ...rest } = session.model!;
      const regions = { ...config, image: { ...config.image, regions: 36 } };
      saveModel({ ...rest, config: regions, parameters: createParameters(regions, 1) }, features);
      assert.match(await lines(against({ againstCheckpoint: "features-model" })), /region features do not say where/);
    });
  });

  test("a model that was trained in the session has its run's name in figures and tables", async (t) => {
    const image = path.join(folder, "red.png");
    await sharp({ create: { width: 40, height: 30, channels: 3, background: "#c33" } })
      .png()
      .toFile(image);
    const items = (name: string): Item[] =>
      [1, 2].map((n) => ({ id: `${name}${String(n)}`, image, captions: [{ text: "a b c" }] }));
    const pictures: Dataset = { ...dataset, splits: { train: items("t"), test: items("e") } };
    const model = await buildModel({ size: "tiny", vocabulary: vocabularyFile(), recipe: recipeOf("vse") });
    const session = fresh();
    t.after(() => rmSync(path.join(folder, "home", "runs"), { recursive: true })); // the tests below have no run
    await run(trainCommand, { data: pictures, model, name: "own", steps: 1, batchSize: 2, validate: 0 }, session);
    const figure = (await run(plotCommand, { figure: "recall" }, session)) as Figure;
    assert.equal(figure.title, "Recall at K (own: test, 2 images)");
    const evaluation = (await run(evalCommand, { split: "test" }, session)) as Evaluation;
    assert.match(evaluation[displaySymbol]()["text/plain"], /^own +\d/m);
    await wantModel(
      { model: await buildModel({ size: "tiny", vocabulary: vocabularyFile() }) },
      silentContext,
      session,
    );
    const other = (await run(evalCommand, { split: "test" }, session)) as Evaluation;
    assert.equal(other.name, undefined, "another model is not that run's");
  });

  test("a picture that cannot be read is named", async () => {
    const image = fixture("golden/eval/environment.json");
    const session = { ...fresh(), model: await wantModel({ checkpoint: tiny }, silentContext, fresh()) };
    assert.match(
      await lines(run(plotCommand, { figure: "attention", image, caption: "a cab" }, session)),
      /environment\.json/,
    );
  });

  test("exported weights are read again; a table needs something to write and the ending .csv", async () => {
    const session = { ...fresh(), model: await wantModel({ checkpoint: tiny }, silentContext, fresh()) };
    await run(exportCommand, { what: "weights", out: "copy" }, session);
    const copy = await wantModel({ checkpoint: "copy" }, silentContext, fresh());
    assert.deepEqual([...copy.parameters.keys()], [...session.model.parameters.keys()]);
    assert.match(await lines(run(exportCommand, { what: "table" }, session)), /no table to write/);
    assert.match(await lines(run(exportCommand, { what: "table", out: "t.xlsx" }, session)), /end the name with \.csv/);
  });
});

describe("runs and queries", () => {
  test("a pretrained model goes on with the stage after the pretraining, on photographs as published, others with their own recipe", () => {
    const scenes = { ...dataset, name: "scenes" };
    const pretrained = { recipe: "scenes-pretrain", source: "models/scenes-encoders" };
    assert.equal(nextRecipe(pretrained, scenes), "scenes-contrast");
    for (const name of ["flickr30k", "coco"])
      assert.equal(nextRecipe(pretrained, { ...dataset, name }), "ams-published");
    assert.equal(nextRecipe({ recipe: "scenes-pretrain" }, scenes), undefined);
    assert.equal(nextRecipe({ recipe: "ams-corrected", source: "runs/first/best" }, scenes), undefined);
  });

  test("no run to draw, to go on with, or of that name", async () => {
    assert.match(await lines(run(plotCommand, { figure: "history" })), /ams train/);
    assert.match(await lines(run(plotCommand, { figure: "history", run: "nope" })), /there is no run "nope"/);
    assert.match(await lines(run(trainCommand, { data: dataset, resume: true })), /no unfinished run/);
    assert.match(await lines(run(trainCommand, { data: dataset, resume: "nope" })), /there is no run "nope"/);
  });

  test("the name of a run is no path; of the published logger_name the last part counts", async () => {
    assert.match(await lines(run(trainCommand, { data: dataset, name: "../x" })), /no path\nwhere: --name \.\.\/x/);
    const resumed = run(trainCommand, { data: dataset, loggerName: "runs/f30k", resume: true });
    assert.match(await lines(resumed), /there is no run "f30k"/);
  });

  test("a query is a text, or the path of a picture that is there", () => {
    for (const name of ["photo.jpg", "my scan.TIFF"]) {
      writeFileSync(path.join(folder, name), "");
      assert.deepEqual(queryOf({ query: name }, fresh()), { image: path.join(folder, name) });
    }
    assert.deepEqual(queryOf({ query: "a dog as in dog.jpg" }, fresh()), { text: "a dog as in dog.jpg" });
    assert.throws(() => queryOf({ query: "other.jpg" }, fresh()), /there is no picture "other\.jpg"/);
    assert.deepEqual(queryOf({ image: "photo.jpg" }, fresh()), { image: path.join(folder, "photo.jpg") });
    assert.throws(() => queryOf({ image: "x.png" }, fresh()), /the picture that asks does not exist/);
    assert.throws(() => queryOf({}, fresh()), /search for what\?/);
    assert.throws(() => queryOf({ query: "a", image: "b" }, fresh()), /not both/);
  });
});
