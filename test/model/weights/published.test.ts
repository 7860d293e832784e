/** Checkpoints of the published code: what this package writes it reads again; damage is named. PyTorch's side: pytorch.test.ts. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../../src/engine/index.js";
import { buildModel } from "../../../src/model/build.js";
import { openCheckpoint } from "../../../src/model/weights/published.js";
import { writePublished } from "../../../src/model/weights/publishedWrite.js";
import { FloatTensor, OrderedDict, writeTorch } from "../../../src/model/weights/torchWrite.js";
import { recipeOf } from "../../../src/train/recipe.js";
import { goldenTensors, largestDifference, tinyModel } from "../../golden.js";
import { threeLines, vocabulary, type Tensors } from "./sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-published-"));
const at = (name: string): string => path.join(folder, name);
const corrected = recipeOf("ams-corrected");

before(async () => {
  await startEngine("plain");
  writeFileSync(at("vocab.txt"), `${vocabulary.join("\n")}\n`);
});
after(() => {
  rmSync(folder, { recursive: true });
});

/** A checkpoint as the published code would write it from the golden weights, with changes. */
function write(
  name: string,
  change: (states: [Tensors, Tensors], top: Map<string, unknown>) => void = () => undefined,
): string {
  const states: [Tensors, Tensors] = [goldenTensors("tiny/weights_img"), goldenTensors("tiny/weights_txt")];
  const top = new Map<string, unknown>([["epoch", 3]]);
  change(states, top);
  const state = (tensors: Tensors): OrderedDict =>
    new OrderedDict(
      [...tensors].map(([key, { shape, data }]) => [key, new FloatTensor(shape, () => data as Float32Array)]),
    );
  if (!top.has("model")) top.set("model", states.map(state));
  writeTorch(at(name), top);
  return at(name);
}

describe("a checkpoint of the published code", () => {
  test("comes back from its own file: every tensor, the numbers beside, the names of the published states", async () => {
    const model = tinyModel();
    model.thresholds = { mined: 0.25, safe: 0.125 };
    model.parameters.get("b2")?.assign(tf.tensor1d([0.75]));
    const progress = { epoch: 7, eiters: 31717, bestRsum: 531.25, options: { dataset: "flickr", alpha: 2.5 } };
    const { invented } = writePublished(model, at("model_best.pth.tar"), { progress });
    const opened = openCheckpoint(at("model_best.pth.tar"));
    opened.torch.close();
    for (const [k, part] of (["img", "txt"] as const).entries()) {
      assert.deepEqual([...opened.states[k]!.keys()].sort(), [...goldenTensors(`tiny/weights_${part}`).keys()].sort());
    }
    assert.equal(invented.length, 38); // two last layers of 16 tensors, two poolers, one final norm
    const read = await buildModel({ checkpoint: at("model_best.pth.tar"), recipe: corrected });
    for (const [name, variable] of model.parameters) {
      assert.equal(largestDifference(variable.dataSync(), read.parameters.get(name)?.dataSync() ?? []), 0, name);
    }
    assert.deepEqual(read.thresholds, model.thresholds);
    assert.deepEqual({ ...read.progress, options: {} }, { ...progress, options: {} });
    assert.equal(read.progress?.options["alpha"], 2.5);
    assert.equal(read.config.size, "tiny");
    assert.deepEqual(read.tokenizer.words, vocabulary);
    assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith(".tmp")), []); // prettier-ignore
  });

  test("what AMS never reads is kept, so that a second file has every tensor of the first", async () => {
    const first = write("first.pth.tar");
    const model = await buildModel({ checkpoint: first });
    assert.deepEqual(writePublished(model, at("second.pth.tar")).invented, []);
    const [a, b] = [openCheckpoint(first), openCheckpoint(at("second.pth.tar"))];
    for (const k of [0, 1] as const) {
      assert.equal(a.states[k].size, b.states[k].size);
      for (const [name, tensor] of a.states[k]) {
        assert.equal(largestDifference(tensor.read(), b.states[k].get(name)?.read() ?? []), 0, name);
      }
    }
    a.torch.close();
    b.torch.close();
  });

  test("under the published recipe its thresholds and scale weights are lost, as the published code loses them", async () => {
    const model = tinyModel();
    model.thresholds = { mined: 0.25, safe: 0.125 };
    model.parameters.get("b2")?.assign(tf.tensor1d([0.75]));
    writePublished(model, at("lossy.pth.tar"));
    const read = await buildModel({ checkpoint: at("lossy.pth.tar"), recipe: recipeOf("ams-published") });
    assert.deepEqual(read.thresholds, { mined: 0, safe: 0 });
    assert.equal(read.parameters.get("b2")?.dataSync()[0], 1);
  });

  test("states of DataParallel are found; extra tensors are named as unused", async () => {
    const file = write("parallel.pth.tar", ([image]) => {
      for (const [name, tensor] of [...image]) {
        image.delete(name);
        image.set(`module.${name}`, tensor);
      }
      image.set("module.queue", { shape: [2], data: new Float32Array(2) });
    });
    const { weights } = await buildModel({ checkpoint: file });
    assert.deepEqual(weights?.[0]?.unused, ["module.queue"]);
    assert.equal(weights[0].used, 192);
  });

  test("a size that is asked for must be its own", async () => {
    const file = write("sized.pth.tar");
    assert.equal((await buildModel({ checkpoint: file, size: "tiny" })).config.size, "tiny");
    await assert.rejects(
      buildModel({ checkpoint: file, size: "base" }),
      threeLines(/size tiny, not base/, /leave out --size/),
    );
  });

  test("is written with its vocabulary beside it, and read with that; another model's is never overwritten", async () => {
    const words = at("words.txt");
    writeFileSync(words, `${["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"].join("\n")}\n`);
    const model = await buildModel({ size: "tiny", vocabulary: words });
    mkdirSync(at("own"));
    const file = path.join(at("own"), "model.pth.tar");
    assert.deepEqual(writePublished(model, file).files, [file, path.join(at("own"), "vocab.txt")]);
    assert.deepEqual((await buildModel({ checkpoint: file })).tokenizer.words, model.tokenizer.words);
    writePublished(model, file); // the same once more
    assert.throws(
      () => writePublished(model, at("here.pth.tar")),
      threeLines(/vocabulary of another model is in the way/, /another folder/),
    );
    assert.ok(!existsSync(at("here.pth.tar")));
  });

  test("with BERT's vocabulary needs no file, and is read beside the vocabulary of another model", async () => {
    const model = await buildModel({ size: "tiny" });
    const file = at("bert.pth.tar"); // vocab.txt here has 120 word pieces
    assert.deepEqual(writePublished(model, file).files, [file]);
    assert.equal((await buildModel({ checkpoint: file })).tokenizer.vocabularySize, 30522);
  });

  test("takes no seed; a folder with a model takes no vocabulary either", async () => {
    const file = write("seeded.pth.tar");
    await assert.rejects(buildModel({ checkpoint: file, seed: 1 }), threeLines(/its own weights/, /leave out --seed/));
    const given = { checkpoint: folder, vocabulary: at("vocab.txt") };
    await assert.rejects(buildModel(given), threeLines(/its own weights/, /leave out --vocabulary/));
    assert.equal((await buildModel({ checkpoint: file, vocabulary: at("vocab.txt") })).tokenizer.vocabularySize, 120);
  });

  const layer = "text_encoder.encoder.layer.2.intermediate.dense.weight";
  for (const [what, change, message, hint] of [
    [
      "a missing key",
      ([, t]) => t.delete(layer),
      /text_encoder\.encoder\.layer\.2\.intermediate\.dense\.weight is missing/,
      /BERT/,
    ],
    ["a missing projection", ([i]) => i.delete("fc3.bias"), /fc3\.bias is missing/, /ViT/],
    [
      "no projections",
      ([i]) => {
        for (const n of i.keys()) if (n.startsWith("fc")) i.delete(n);
      },
      /no projections/,
      /--vision and --text/,
    ],
    [
      "a wrong shape",
      ([, t]) => t.set(layer, { shape: [64, 31], data: new Float32Array(64 * 31) }),
      /is \[64, 31\] and should be \[64, 32\]/,
      /BERT/,
    ],
    [
      "NaN",
      ([, t]) => t.set(layer, { shape: [64, 32], data: new Float32Array(2048).fill(NaN) }),
      /2048 values that are NaN/,
      /diverged/,
    ],
    [
      "one state",
      (_, top) => top.set("model", [new OrderedDict()]),
      /no "model" with two states/,
      /--vision and --text/,
    ],
    ["an epoch of NaN", (_, top) => top.set("epoch", NaN), /epoch of the checkpoint is NaN/, /damaged/],
    ["an epoch of -1", (_, top) => top.set("epoch", -1), /epoch of the checkpoint is -1/, /damaged/],
    ["an epoch of 2.5", (_, top) => top.set("epoch", 2.5), /epoch of the checkpoint is 2\.5/, /damaged/],
    ["a best rSum of NaN", (_, top) => top.set("best_rsum", NaN), /best_rsum of the checkpoint is NaN/, /damaged/],
    ["no states", (_, top) => top.set("model", 5), /no "model" with two states/, /pth\.tar/],
    ["states the wrong way round", (s) => s.reverse(), /no Vision Transformer/, /--text/],
    [
      "another vocabulary",
      ([, t]) =>
        t.set("text_encoder.embeddings.word_embeddings.weight", { shape: [130, 32], data: new Float32Array(130 * 32) }),
      /knows 130 word pieces, the vocabulary has 120/,
      /--vocabulary/,
    ],
  ] as [string, (states: [Tensors, Tensors], top: Map<string, unknown>) => unknown, RegExp, RegExp][]) {
    // prettier-ignore
    test(`with ${what} is refused`, async () => {
      const file = write("wrong.pth.tar", (states, top) => void change(states, top));
      await assert.rejects(buildModel({ checkpoint: file }), threeLines(message, hint));
    });
  }

  test("cut short anywhere it is refused before anything is built", async () => {
    const bytes = readFileSync(write("whole.pth.tar"));
    for (const length of [0, 1, 3, 30, 5000, bytes.length >> 1, bytes.length - 30, bytes.length - 1]) {
      const file = at("cut.pth.tar");
      writeFileSync(file, bytes.subarray(0, length));
      await assert.rejects(
        buildModel({ checkpoint: file }),
        threeLines(/not a complete|no checkpoint/),
        `${length} bytes`,
      );
    }
  });

  test("a flipped bit is refused by the checksum of its record", async () => {
    const bytes = readFileSync(write("flipped.pth.tar"));
    const name = bytes.indexOf("archive/data/60");
    bytes[name + "archive/data/60".length + bytes.readUInt16LE(name - 2)]! ^= 1; // behind the padding of its header
    writeFileSync(at("flipped.pth.tar"), bytes);
    await assert.rejects(
      buildModel({ checkpoint: at("flipped.pth.tar") }),
      threeLines(/record archive\/data\/60 does not have its checksum/, /copy or download/),
    );
  });

  test("other files are no checkpoints", async () => {
    writeFileSync(at("text.txt"), "hello, I am no checkpoint at all");
    await assert.rejects(buildModel({ checkpoint: at("text.txt") }), threeLines(/no checkpoint of the published code/));
    writeFileSync(at("pickle.pth"), "\x80\x02K\x01.", "latin1");
    await assert.rejects(buildModel({ checkpoint: at("pickle.pth") }), threeLines(/not one of torch\.save/));
  });
});
