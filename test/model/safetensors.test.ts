/** Weights on disk: exact round trips, half precision, and damaged files that say what is wrong. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { buildModel } from "../../src/model/build.js";
import { readSafetensors, writeSafetensors } from "../../src/model/safetensors.js";
import { loadModel, saveModel } from "../../src/model/store.js";
import { packageRoot } from "../../src/paths.js";
import { recipeOf } from "../../src/train/recipe.js";
import { largestDifference } from "../golden.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-weights-"));
const file = (name: string): string => path.join(folder, name);

/** Whether an error has a message that matches, a place and advice. */
const threeLines =
  (message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.message, message);
    assert.equal(error.lines().length, 3);
    return true;
  };

before(async () => {
  await startEngine("auto");
});
after(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("safetensors", () => {
  test("floats, whole numbers and bytes come back as they were", () => {
    const tensors = new Map([
      ["a", { shape: [2, 3], data: Float32Array.of(1, -2.5, 1e-30, 3e30, NaN, -0) }],
      ["b", { shape: [2], data: Int32Array.of(-7, 2 ** 31 - 1) }],
      ["c", { shape: [3], data: Uint8Array.of(0, 128, 255) }],
    ]);
    writeSafetensors(file("all"), tensors, { metadata: { what: "test" } });
    const { tensors: read, metadata } = readSafetensors(file("all"));
    assert.deepEqual(read, tensors);
    assert.equal(metadata["what"], "test");
  });

  test("half precision rounds to the nearest, ties to even, with subnormals, overflow and carries", () => {
    const cases: [number, number][] = [
      [1, 1],
      [1 + 2 ** -11, 1], // a tie: even mantissa
      [1 + 3 * 2 ** -11, 1 + 2 ** -9],
      [2047.5 / 1024, 2], // carries into the exponent
      [65504, 65504],
      [70000, Infinity],
      [2 ** -24, 2 ** -24],
      [2 ** -26, 0],
      [-0.1, -0.0999755859375],
    ];
    writeSafetensors(file("half"), [["x", { shape: [cases.length], data: Float32Array.from(cases, (c) => c[0]) }]], {
      half: true,
    });
    const found = readSafetensors(file("half")).tensors.get("x");
    assert.deepEqual(
      Array.from(found?.data ?? []),
      cases.map((c) => c[1]),
    );
  });

  for (const [what, damage, message] of [
    ["a file that is cut off", (b: Buffer) => b.subarray(0, b.length - 5), /ends at/],
    ["a file of four bytes", (b: Buffer) => b.subarray(0, 4), /4 bytes/],
    [
      "a header that is no JSON",
      (b: Buffer) => Buffer.concat([b.subarray(0, 8), Buffer.from("#"), b.subarray(9)]),
      /not JSON/,
    ],
    ["an absurd header length", (b: Buffer) => Buffer.concat([Buffer.alloc(8, 255), b.subarray(8)]), /header of/],
  ] as const) {
    test(`${what} is refused by name`, () => {
      writeSafetensors(file("good"), [["x", { shape: [4], data: Float32Array.of(1, 2, 3, 4) }]]);
      writeFileSync(file("bad"), damage(readFileSync(file("good"))));
      assert.throws(
        () => readSafetensors(file("bad")),
        (e: AmsError) => message.test(e.message) && e.where === file("bad") && e.hint !== undefined,
      );
    });
  }
});

describe("a safetensors header of another program", () => {
  const entry = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
  for (const [header, message] of [
    [null, /header is no object/],
    [[], /header is no object/],
    [{ x: null }, /entry x has no usable fields/],
    [{ x: { ...entry, shape: undefined } }, /entry x has no usable shape/],
    [{ x: { ...entry, dtype: undefined } }, /entry x has no usable dtype/],
    [{ x: { ...entry, data_offsets: undefined } }, /entry x has no usable data_offsets/],
    [{ x: { ...entry, shape: [-1, -1] } }, /entry x has no usable shape/],
    [{ x: { ...entry, data_offsets: [0.5, 4.5] } }, /entry x has no usable data_offsets/],
    [{ x: { ...entry, dtype: "toString" } }, /x has type toString/],
  ] as const) {
    test(`is refused by name: ${JSON.stringify(header)}`, () => {
      const text = Buffer.from(JSON.stringify(header));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      writeFileSync(file("odd"), Buffer.concat([length, text, Buffer.alloc(4)]));
      assert.throws(() => readSafetensors(file("odd")), threeLines(message));
    });
  }

  test("a folder in the place of the file is refused", () => {
    mkdirSync(file("folder.safetensors"));
    assert.throws(() => readSafetensors(file("folder.safetensors")), threeLines(/it is a folder/));
  });
});

describe("model folders", () => {
  const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");

  test("a model comes back with its weights, thresholds, quirks and vocabulary", async () => {
    const model = await buildModel({ size: "tiny", vocabulary, seed: 2, recipe: recipeOf("ams-corrected") });
    model.thresholds = { mined: 0.25, safe: 0.5 };
    saveModel(model, file("model"));
    const read = await loadModel(file("model"));
    for (const [name, variable] of model.parameters) {
      assert.equal(largestDifference(variable.dataSync(), read.parameters.get(name)?.dataSync() ?? []), 0, name);
    }
    assert.deepEqual(read.thresholds, model.thresholds);
    assert.deepEqual(read.quirks, model.quirks);
    assert.deepEqual(read.tokenizer.words, model.tokenizer.words);
  });

  test("a model of the published code's quirks loses its scale weights and thresholds", async () => {
    const model = await buildModel({ size: "tiny", vocabulary, seed: 2, recipe: recipeOf("ams-published") });
    model.thresholds = { mined: 0.25, safe: 0.5 };
    model.parameters.get("b3")?.assign(tf.tensor1d([0.5]));
    saveModel(model, file("lossy"));
    const read = await loadModel(file("lossy"));
    assert.deepEqual(read.thresholds, { mined: 0, safe: 0 });
    assert.equal(read.parameters.get("b3")?.dataSync()[0], 1);
  });

  test("a checkpoint of another size is refused", async () => {
    saveModel(await buildModel({ size: "tiny", vocabulary, seed: 2 }), file("tiny"));
    await assert.rejects(
      buildModel({ checkpoint: file("tiny"), size: "base" }),
      (e: AmsError) => /size tiny, not base/.test(e.message) && e.hint !== undefined,
    );
  });

  test("weights that do not fit their configuration name the parameters", async () => {
    saveModel(await buildModel({ size: "tiny", vocabulary, seed: 2 }), file("edited"));
    const config = path.join(file("edited"), "config.json");
    writeFileSync(config, readFileSync(config, "utf8").replace('"embed": 48', '"embed": 40'));
    await assert.rejects(loadModel(file("edited")), /img\.fc1\.weight is \[48, 32\] and should be \[40, 32\]/);
  });

  type Json = Record<string, unknown>;
  const inConfig = (change: Json) => (stored: Json) => ({
    ...stored,
    config: { ...(stored["config"] as Json), ...change },
  });
  const inPart = (part: "image" | "text", change: Json) => (stored: Json) =>
    inConfig({ [part]: { ...((stored["config"] as Json)[part] as Json), ...change } })(stored);
  for (const [what, edit, message] of [
    ["empty", () => ({ format: "ams", config: {}, quirks: {} }), /config\.size: .*and \d+ more/],
    ["null", () => null, /not that of an AMS model/],
    ["without thresholds", ({ thresholds: _, ...rest }: Json) => rest, /thresholds: /],
    [
      "with quirks that are words",
      (stored: Json) => ({ ...stored, quirks: { ...(stored["quirks"] as Json), padWords: "yes" } }),
      /quirks\.padWords: /,
    ],
    ["with a huge width", inConfig({ embed: 1e9 }), /config\.embed: /],
    ["with a negative width", inConfig({ embed: -48 }), /config\.embed: /],
    ["with a broken width", inConfig({ embed: 48.5 }), /config\.embed: /],
    ["with scales that are text", inConfig({ scales: "1,3" }), /config\.scales: /],
    ["with a scale above the layers", inConfig({ scales: [1, 13] }), /config\.scales: layer 13 of 12/],
    ["with more tokens than positions", inConfig({ maxLength: 41 }), /config\.maxLength: 41 tokens/],
    ["with pixels that patches do not fill", inPart("image", { pixels: 33 }), /pixels: 33 is no multiple of patch 8/],
    ["with an image width that heads do not share", inPart("image", { heads: 5 }), /image\.width: 32 is no multiple/],
    ["with a text width that heads do not share", inPart("text", { heads: 3 }), /text\.width: 32 is no multiple/],
    ["with a vocabulary elsewhere", (stored: Json) => ({ ...stored, vocabulary: "../vocab.txt" }), /vocabulary: /],
    ["of another vocabulary", inPart("text", { vocabulary: 1000 }), /\d+ word pieces and the configuration says 1000/],
    ["of BERT's vocabulary without it", ({ vocabulary: _, ...rest }: Json) => rest, /30522 word pieces and/],
    ["of sizes that the weights do not have", inPart("text", { width: 16384, hidden: 65536 }), /do not fit/],
  ] as [string, (stored: Json) => unknown, RegExp][]) {
    test(`a configuration ${what} is refused by its field`, async () => {
      saveModel(await buildModel({ size: "tiny", vocabulary, seed: 2 }), file("odd-config"));
      const config = path.join(file("odd-config"), "config.json");
      writeFileSync(config, JSON.stringify(edit(JSON.parse(readFileSync(config, "utf8")) as Json)));
      await assert.rejects(loadModel(file("odd-config")), threeLines(message));
    });
  }

  for (const value of [NaN, Infinity]) {
    test(`weights that are ${value} are refused by their name`, async () => {
      const model = await buildModel({ size: "tiny", vocabulary, seed: 2 });
      const damaged = model.parameters.get("txt.fc3.weight");
      damaged?.assign(tf.fill(damaged.shape, value));
      saveModel(model, file("diverged"));
      await assert.rejects(
        loadModel(file("diverged")),
        threeLines(/txt\.fc3\.weight has 1536 values that are NaN or infinite/),
      );
    });
  }

  test("weights that are a folder are refused", async () => {
    saveModel(await buildModel({ size: "tiny", vocabulary, seed: 2 }), file("hollow"));
    const weights = path.join(file("hollow"), "model.safetensors");
    rmSync(weights);
    mkdirSync(weights);
    await assert.rejects(loadModel(file("hollow")), threeLines(/it is a folder/));
  });

  test("a folder without a model says what is needed", async () => {
    await assert.rejects(
      loadModel(folder),
      (e: AmsError) => /no config\.json/.test(e.message) && /model\.safetensors/.test(e.hint ?? ""),
    );
  });
});
