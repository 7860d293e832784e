/** Region features in SCAN's precomputed layout: read, refused, and trained on with a GRU; encoded with a BERT. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession, type Session } from "../../src/commands/session.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { silentContext } from "../../src/context.js";
import { closeRegionFeatures, openRegionFeatures, readRegions } from "../../src/data/regionFeatures.js";
import type { Displayable } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { evaluate } from "../../src/evaluate/index.js";
import { writeNpy } from "../../src/evaluate/npy.js";
import { createApi, displaySymbol } from "../../src/index.js";
import { encodeCaptions, encodeImages } from "../../src/model/ams.js";
import { buildModel } from "../../src/model/build.js";
import { runChain } from "../../src/model/chain.js";
import { recurrentLayers } from "../../src/model/gru.js";
import { wordsOf } from "../../src/model/regionModel.js";
import { Random } from "../../src/random.js";
import { packageRoot } from "../../src/paths.js";
import { checkpointsIn } from "../../src/train/checkpoint.js";
import { recipeOf } from "../../src/train/recipe.js";
import { buildIndex, indexGallery } from "../../src/search/index.js";
import { checkIntended } from "../../src/train/trainer.js";
import { fixture } from "../fixtures.js";
import { largestDifference } from "../golden.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-regions-"));
const folder = path.join(home, "f30k_precomp");
const [regions, width] = [4, 6];
const colours = ["red", "green", "blue"];
const things = ["dog", "cat", "boat", "tree"];
const features: Record<string, Float32Array> = {};

/** A picture has a colour and a thing, each as a direction of its features; captions name them. */
function write(name: string, images: number, repeat = 1, at = folder): void {
  mkdirSync(at, { recursive: true });
  const random = Random.stream(1, name);
  const all = new Float32Array(images * repeat * regions * width);
  const lines: string[] = [];
  for (let i = 0; i < images; i++) {
    const [colour, thing] = [i % 3, i % 4];
    const own = Float32Array.from({ length: regions * width }, (_, k) => {
      const [r, e] = [Math.floor(k / width), k % width];
      return 0.1 * random.normal() + Number(r === 0 && e === colour) + Number(r === 1 && e === 2 + thing);
    });
    for (let k = 0; k < repeat; k++) all.set(own, (i * repeat + k) * regions * width);
    for (let k = 0; k < 5; k++) lines.push(`A ${colours[colour]} ${things[thing]}, number ${k}.`);
  }
  features[name] = all;
  writeNpy(path.join(at, `${name}_ims.npy`), [images * repeat, regions, width], all);
  writeFileSync(path.join(at, `${name}_caps.txt`), `${lines.join("\n")}\n`);
}

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = home;
  write("train", 24);
  write("dev", 6, 5); // a row for each caption
  write("test", 12);
});

after(() => {
  closeRegionFeatures();
  rmSync(home, { recursive: true, force: true });
});

describe("a folder of region features", () => {
  test("has its splits with five captions a picture, also where rows are repeated", async () => {
    const { splits, name } = await openRegionFeatures(folder);
    assert.equal(name, "f30k_precomp");
    assert.deepEqual(
      Object.entries(splits).map(([split, items]) => [split, items.length, items[1]?.captions.length]),
      [
        ["train", 24, 5],
        ["val", 6, 5],
        ["test", 12, 5],
      ],
    );
    const val = splits["val"] ?? [];
    assert.equal(val[2]?.image, `${path.join(folder, "dev_ims.npy")}#10`);
    assert.equal(val[2].captions[1]?.text, "A blue boat, number 1.");
    const { pixels, bad } = readRegions([val[2].image, splits["train"]![7]!.image], { count: regions, width }); // prettier-ignore
    assert.deepEqual(bad, []);
    const each = regions * width;
    assert.deepEqual(pixels.slice(0, each), features["dev"]?.slice(10 * each, 11 * each));
    assert.deepEqual(pixels.slice(each), features["train"]?.slice(7 * each, 8 * each));
  });

  test("with one caption a picture keeps every picture, whatever their number", async () => {
    const at = path.join(home, "single");
    write("test", 10, 1, at);
    const captions = Array.from({ length: 10 }, (_, i) => `caption ${i}`);
    writeFileSync(path.join(at, "test_caps.txt"), `${captions.join("\n")}\n`);
    const items = (await openRegionFeatures(at)).splits["test"]!;
    assert.deepEqual(items.map((item) => item.captions.map(({ text }) => text)), captions.map((text) => [text])); // prettier-ignore
    assert.equal(items[7]?.image, `${path.join(at, "test_ims.npy")}#7`);
  });

  test("is read anew where another file lies in its place", () => {
    const file = path.join(home, "replaced_ims.npy");
    const read = (): number => readRegions([`${file}#0`], { count: regions, width }).pixels[0]!;
    for (const value of [1, 2]) {
      writeNpy(`${file}.new`, [2 * value, regions, width], new Float32Array(2 * value * regions * width).fill(value));
      renameSync(`${file}.new`, file);
      assert.equal(read(), value);
    }
  });

  const wrong: [string, (at: string) => void, RegExp][] = [
    ["without captions", (at) => { rmSync(path.join(at, "test_caps.txt")); }, /only one of its two files/], // prettier-ignore
    ["with captions that do not fit", (at) => { writeFileSync(path.join(at, "test_caps.txt"), "a dog\na cat\n"); }, /2 captions do not fit 3 pictures/], // prettier-ignore
    ["with an empty caption", (at) => { writeFileSync(path.join(at, "test_caps.txt"), "a dog\n\na cat\n"); }, /a caption is empty/], // prettier-ignore
    ["with features of another form", (at) => { writeNpy(path.join(at, "test_ims.npy"), [3, 24], new Float32Array(72)); }, /features are \[images, regions, width\]/], // prettier-ignore
    ["with numbers of another type", (at) => { writeNpy(path.join(at, "test_ims.npy"), [3, 4, 6], new Float64Array(72)); }, /its numbers are <f8/], // prettier-ignore
    ["with a file that is cut short", (at) => { const file = path.join(at, "test_ims.npy"); writeFileSync(file, readFileSync(file).subarray(0, 300)); }, /it ends at byte 300/], // prettier-ignore
    ["with no .npy file", (at) => { writeFileSync(path.join(at, "test_ims.npy"), "no features"); }, /it does not begin as one/], // prettier-ignore
    ["with splits of two sizes", (at) => { writeNpy(path.join(at, "train_ims.npy"), [3, 2, 6], new Float32Array(36)); writeFileSync(path.join(at, "train_caps.txt"), "a\nb\nc\n"); }, /the other splits have 2 regions of 6, this one 4 of 6/], // prettier-ignore
  ];
  for (const [what, spoil, message] of wrong) {
    test(`${what} is refused`, async () => {
      const at = path.join(home, what.replaceAll(" ", "-"));
      write("test", 3, 1, at);
      spoil(at);
      await assert.rejects(openRegionFeatures(at), message);
    });
  }

  test("tells rows that the model cannot look at", () => {
    const file = path.join(folder, "train_ims.npy");
    const { bad, pixels } = readRegions([`${file}#99`, `${file}#0`], { count: regions, width });
    assert.deepEqual(bad.map(({ index, message }) => [index, message]), [[0, "the file has only 24 rows"]]); // prettier-ignore
    assert.ok(pixels.slice(0, 24).every((x) => x === 0) && pixels.slice(24).some((x) => x !== 0));
    assert.throws(() => readRegions(["/photo.jpg"], { count: regions, width }), /this is a picture/);
    assert.throws(() => readRegions([`${file}#0`], { count: 36, width: 2048 }), { message: /36 regions of 2048, the file has \[24, 4, 6\]/, hint: new RegExp(`ams build --data ${folder} --regions 4x6 --recipe naaf`) }); // prettier-ignore
    const spoiled = path.join(home, "spoiled.npy");
    writeNpy(spoiled, [1, 1, 2], Float32Array.of(1, NaN));
    assert.match(readRegions([`${spoiled}#0`], { count: 1, width: 2 }).bad[0]?.message ?? "", /no number/);
  });

  test("is shown with the size of its features, and checked row by row", async () => {
    const api = createApi({ cwd: home });
    const dataset = await api.data(folder, { samples: 2, check: true });
    const shown = await dataset[displaySymbol]();
    for (const text of [shown["text/plain"], String(shown["text/html"])]) {
      assert.match(text, /4 regions of 6 numbers an image: ams build --regions 4x6/);
      assert.equal(text.split("4 regions of 6 numbers").length, 1 + 1 + 2, "in the caption, and once a sample");
      assert.ok(!text.includes("cannot be read"));
    }
    const spoilt = { ...dataset, splits: { test: dataset.splits["test"]!.map((item) => ({ ...item, image: item.image.replace("#3", "#30") })) } }; // prettier-ignore
    await assert.rejects(api.data(spoilt, { check: true }), /1 of 12 images cannot be read: 3 \(the file has only 12 rows\)/); // prettier-ignore
    await api.data(folder, { samples: 0 });
    assert.match((await api.plot("sizes")).text, /train +120 .* 0\n/);
  });
});

describe("the GRU", () => {
  test("is that of plain loops in both directions, with true ends", () => {
    const [vocabulary, inner, size] = [7, 5, 3];
    const random = new Random(12);
    const rows = (n: number, m: number): number[][] =>
      Array.from({ length: n }, () => Array.from({ length: m }, () => Math.fround(random.normal())));
    const table = rows(vocabulary, inner);
    const weights = ["", "_reverse"].map((suffix) => ({ suffix, ih: rows(3 * size, inner), hh: rows(3 * size, size), bi: rows(1, 3 * size)[0]!, bh: rows(1, 3 * size)[0]! })); // prettier-ignore
    const parameters = new Map<string, tf.Variable>();
    parameters.set("txt.embed.weight", tf.variable(tf.tensor2d(table)));
    for (const { suffix, ih, hh, bi, bh } of weights) {
      parameters.set(`txt.rnn.weight_ih_l0${suffix}`, tf.variable(tf.tensor2d(ih)));
      parameters.set(`txt.rnn.weight_hh_l0${suffix}`, tf.variable(tf.tensor2d(hh)));
      parameters.set(`txt.rnn.bias_ih_l0${suffix}`, tf.variable(tf.tensor1d(bi)));
      parameters.set(`txt.rnn.bias_hh_l0${suffix}`, tf.variable(tf.tensor1d(bh)));
    }
    const captions = [
      [2, 5, 6, 3],
      [4, 1],
    ];
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
    const dot = (a: number[], b: number[]): number => a.reduce((sum, x, e) => sum + x * b[e]!, 0);
    const wanted = captions.map((caption) => {
      const states = weights.map(({ suffix, ih, hh, bi, bh }) => {
        let h = new Array<number>(size).fill(0);
        const order = suffix === "" ? caption : [...caption].reverse();
        const found = order.map((id) => {
          const x = table[id]!;
          const gate = (k: number, e: number): [number, number] => [
            dot(ih[k * size + e]!, x) + bi[k * size + e]!,
            dot(hh[k * size + e]!, h) + bh[k * size + e]!,
          ];
          h = h.map((old, e) => {
            const [ri, rh] = gate(0, e);
            const [zi, zh] = gate(1, e);
            const [ni, nh] = gate(2, e);
            const z = sigmoid(zi + zh);
            return (1 - z) * Math.tanh(ni + sigmoid(ri + rh) * nh) + z * old;
          });
          return h;
        });
        return suffix === "" ? found : found.reverse();
      });
      const each = caption.map((_, t) => states[0]![t]!.map((x, e) => (x + states[1]![t]![e]!) / 2));
      return [...each, ...Array.from({ length: 4 - caption.length }, () => new Array<number>(size).fill(0))];
    });
    const ids = tf.tensor2d(captions.map((caption) => [...caption, 0, 0].slice(0, 4)), [2, 4], "int32"); // prettier-ignore
    const mask = tf.tensor2d(captions.map((caption) => [0, 1, 2, 3].map((t) => Number(t < caption.length))), [2, 4], "int32"); // prettier-ignore
    const config = {
      vocabulary,
      positions: 30,
      width: inner,
      layers: 1,
      heads: 1,
      hidden: 1,
      dropout: 0,
      recurrent: true,
    };
    const layers = recurrentLayers(parameters, config, ids, mask);
    const [found] = runChain({ ...layers, reads: [{ layer: 1, make: (hidden) => tf.clone(hidden) }] });
    assert.ok(largestDifference(found!.dataSync(), wanted.flat(2)) < 2e-6);
  });

  test("knows the words that are often enough, the others are unknown", async () => {
    const words = wordsOf(["A dog.", "a dog", "a Dog!", "a cat a dog"], 3);
    assert.deepEqual(words, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "dog"]);
    const model = await buildModel({ regions: { count: 4, width: 6 }, words, recipe: recipeOf("naaf"), embed: 8 });
    assert.deepEqual(model.tokenizer.encode("A dog and a cat").pieces.slice(0, 7), ["[CLS]", "a", "dog", "[UNK]", "a", "[UNK]", "[SEP]"]); // prettier-ignore
  });
});

describe("a model of region features", () => {
  for (const recipe of ["naaf", "uarda", "vse"] as const) {
    test(`learns with ${recipe} and a GRU, is resumed exactly, evaluated and searched`, async () => {
      const api = createApi({ cwd: home });
      await api.data(folder, { samples: 2 });
      const options = { epochs: 4, batchSize: 24, lr: 0.01, validate: 6, checkpointSeconds: 1000 } as const;
      const make = async () => api.build({ regions: "4x6", recipe, embed: 16, seed: 4 });
      const before = await api.eval({ model: await make(), split: "test" });
      const whole = await api.train({ ...options, model: await make(), name: `${recipe}-regions`, recipe });
      assert.equal(whole.steps.length, 20);
      const evaluation = await api.eval({ split: "test" });
      assert.ok(evaluation.rsum > before.rsum + 40, `rSum ${before.rsum} -> ${evaluation.rsum}`);
      for (const direction of ["t2i", "i2t"] as const) {
        const { text, svg } = await api.plot("gallery", { direction, queries: 2, k: 2 });
        assert.match(
          text,
          direction === "t2i" ? /test_ims\.npy#\d+ {2}A \w+ \w+, number 0/ : /test_ims\.npy#\d+ \(right answer/,
        );
        assert.match(svg, direction === "t2i" ? /number 0/ : />test_ims\.npy#\d+</);
        assert.ok(!svg.includes("<image"));
      }
      const hits = await api.search("a red dog", { split: "test", k: 3 });
      assert.equal(hits.hits.length, 3);

      const gallery = { index: `${recipe}-rows`, split: "test" };
      assert.deepEqual((await api.index({ ...gallery, features: "float32" })).images, 12);
      const stored = await api.search("a red dog", { index: gallery.index, k: 3 });
      stored.hits.forEach(({ item, score }, i) => {
        assert.equal(item.id, hits.hits[i]!.item.id);
        assert.ok(Math.abs(score - hits.hits[i]!.score) < 1e-5, `${score} ${hits.hits[i]!.score}`);
      });
      assert.ok(!(await stored[displaySymbol]())["text/plain"].includes("the file is gone"));
      const again = await api.index({ ...gallery, update: true });
      assert.deepEqual([again.added, again.updated, again.removed], [0, 0, 0]);
      const file = path.join(folder, "test_ims.npy");
      utimesSync(file, new Date(), new Date(statSync(file).mtimeMs + 5000));
      assert.equal((await api.index({ ...gallery, update: true })).updated, 12);

      await api.train({ ...options, model: await make(), name: `${recipe}-parts`, recipe, steps: 7 });
      const parts = await createApi({ cwd: home }).train({ resume: `${recipe}-parts`, steps: 20 });
      assert.equal(parts.steps.length, 20);
      const weights = (name: string): Buffer =>
        readFileSync(path.join(checkpointsIn(path.join(home, "runs", name, "checkpoints")).at(-1) ?? "", "model.safetensors")); // prettier-ignore
      assert.ok(weights(`${recipe}-regions`).equals(weights(`${recipe}-parts`)));
    });
  }

  test("is shown with its parts, and told where the open data do not fit", async () => {
    const notes: string[] = [];
    const api = createApi({ cwd: home, context: { ...silentContext, note: (line) => void notes.push(line) } });
    await api.data(folder, { samples: 0 });
    const model = await api.build({ regions: "4x6", recipe: "naaf", embed: 8, measure: false });
    const shown = (await (model as unknown as Displayable)[displaySymbol]())["text/plain"];
    assert.match(shown, /image +4 regions of 6 numbers, a linear layer/);
    assert.match(shown, /text +\d+ words, 30 tokens, a bidirectional GRU of width 8 over word vectors of 300 numbers/);
    assert.match(shown, /embedding +8 numbers a region and a word, one scale/);
    assert.match(shown, /text: word vectors +[\d,]+ /);
    assert.match(shown, /text: GRU +14,880 /); // twice three gates of 8, over 300 and 8 numbers, with two biases
    assert.ok(!/^other|after layers|--recompute/m.test(shown), shown);
    assert.deepEqual(notes, []);
    for (const regions of ["36x2048", "6x4"]) {
      await api.build({ regions, recipe: "naaf", embed: 8, measure: false });
      assert.deepEqual(notes.splice(0), ["the model will not fit the open data: f30k_precomp has 4 regions of 6 numbers an image: --regions 4x6 fits them"]); // prettier-ignore
    }
  });

  test("has the captions of a pretrained BERT where one is given", async () => {
    const text = fixture("weights/transformers/bert");
    const model = await buildModel({ regions: { count: 4, width: 6 }, text, recipe: recipeOf("naaf"), embed: 12 });
    assert.ok(model.parameters.has("txt.fc1.weight") && !model.parameters.has("txt.rnn.weight_ih_l0"));
    const { text: bert } = model.config;
    const ids = tf.tensor2d([[1, 2, 3]], [1, 3], "int32");
    const [captions] = encodeCaptions(model, ids, tf.onesLike(ids));
    const [images] = encodeImages(model, tf.ones([2, 4, 6]));
    assert.deepEqual([captions?.shape, images?.shape], [[1, 3, 12], [2, 4, 12]]); // prettier-ignore
    const whole = await buildModel({ text, recipe: recipeOf("ams-corrected") });
    const name = "txt.text_encoder.embeddings.word_embeddings.weight";
    assert.equal(bert.width, whole.config.text.width);
    assert.deepEqual(model.parameters.get(name)?.dataSync(), whole.parameters.get(name)?.dataSync());
  });

  test("is refused for recipes of pictures, without words, and for pictures", async () => {
    const size = { count: 4, width: 6 };
    await assert.rejects(buildModel({ regions: size, recipe: recipeOf("ams-corrected") }), /ams-corrected does not work on region features/); // prettier-ignore
    await assert.rejects(buildModel({ regions: size, recipe: recipeOf("fne"), words: wordsOf(["a a a a"]) }), /does not work on region/); // prettier-ignore
    await assert.rejects(buildModel({ regions: size, recipe: recipeOf("naaf") }), /needs to know the words/);
    await assert.rejects(buildModel({ regions: size, recipe: recipeOf("naaf"), size: "tiny" }), /--size means nothing/);
    const api = createApi({ cwd: home });
    await api.data(folder, { samples: 0 });
    const own = { message: /the model looks at pictures/, hint: `build a model for them: ams build --data ${folder} --regions 4x6 --recipe naaf` }; // prettier-ignore
    await assert.rejects(api.eval({ split: "test", checkpoint: "scenes-small" }), own);
    await assert.rejects(api.train({ checkpoint: "scenes-encoders", recipe: "naaf", batchSize: 4, name: "pictures" }), own); // prettier-ignore
    const model = await api.build({ regions: "5x6", recipe: "naaf", embed: 8, measure: false });
    for (const skipBadImages of [false, true]) {
      const start = api.train({ model, batchSize: 4, name: "other-size", skipBadImages });
      await assert.rejects(start, { message: /5 regions of 6, the file has \[24, 4, 6\]/, hint: own.hint });
    }
    for (const name of ["pictures", "other-size"]) assert.ok(!existsSync(path.join(home, "runs", name)));
    await api.build({ regions: "4x6", recipe: "naaf", embed: 8, measure: false });
    await assert.rejects(api.plot("attention", { split: "test" }), (error: Error) => /region|picture|image/.test(error.message)); // prettier-ignore
  });

  test("and one of pictures refuse each other's data before anything is made of them", async () => {
    const features = await openRegionFeatures(folder);
    const image = path.join(home, "nowhere.png"); // not even looked for
    const items = [1, 2, 3, 4].map((n) => ({ id: String(n), image, captions: [{ text: "a dog" }] }));
    const pictures = { ...features, name: "pictures", root: home, splits: { train: items, test: items } };
    const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");
    const ofPictures = await buildModel({ size: "tiny", vocabulary });
    const ofFeatures = await buildModel({
      regions: { count: regions, width },
      recipe: recipeOf("naaf"),
      embed: 8,
      words: wordsOf(["a dog", "a dog", "a dog", "a dog"]),
    });
    const refusals = [
      [ofPictures, features, /the data are region features, and the model looks at pictures/],
      [ofFeatures, pictures, /the model looks at region features, and this is a picture/],
    ] as const;
    const kept = path.join(home, "scoring-of-refused");
    const index = mkdtempSync(path.join(home, "index-of-refused-"));
    for (const [model, data, message] of refusals) {
      assert.throws(() => checkIntended(model, data, { batchSize: 4 }), message);
      const keep = { folder: kept, fresh: false, resume: false, finished: () => undefined };
      await assert.rejects(evaluate(model, data, { split: "test", keep }, silentContext), message);
      assert.ok(!existsSync(kept), "nothing of an evaluation was begun");
      const items = data.splits["test"];
      await assert.rejects(indexGallery(model, items).images(silentContext), message);
      // A wish for a fresh index must not cost the one that is there.
      writeFileSync(path.join(index, "kept"), "");
      const gallery = { source: data.name, items };
      await assert.rejects(buildIndex(model, { folder: index, gallery, fresh: true }, silentContext), message);
      assert.deepEqual(readdirSync(index), ["kept"]);
    }
    // Without a model none is loaded or drawn for such data.
    for (const size of [undefined, "tiny"] as const) {
      const session: Session = { ...createSession(home), dataset: features };
      const given = checkOptions(trainCommand, { size, batchSize: 4 });
      const notes: string[] = [];
      const context = { ...silentContext, note: (line: string) => notes.push(line) };
      await assert.rejects(trainCommand.run(given as never, context, session), refusals[0][2]);
      assert.equal(session.model, undefined);
      assert.ok(!notes.some((line) => /pretrained/.test(line)), notes.join());
    }
  });
});
