import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../../src/engine/index.js";
import type { AmsError } from "../../../src/errors.js";
import { buildModel } from "../../../src/model/build.js";
import { encodeCaptions, encodeImages, type Model } from "../../../src/model/ams.js";
import { sizes, spreadScales } from "../../../src/model/config.js";
import { loadModel, saveModel } from "../../../src/model/store.js";
import { writeSafetensors } from "../../../src/model/safetensors.js";
import { layersIn } from "../../../src/model/weights/encoder.js";
import { resizePositions } from "../../../src/model/weights/positions.js";
import { reportLine } from "../../../src/model/weights/report.js";
import { goldenTensors, largestDifference, tensorOf } from "../../golden.js";
import { hubTensors, textConfig, threeLines, visionConfig, vocabulary, writeFolder, type Tensors } from "./sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-weights-"));
const at = (name: string): string => path.join(folder, name);

before(async () => {
  await startEngine("plain");
  writeFolder(at("vit"), hubTensors("img"), visionConfig);
  writeFolder(at("bert"), hubTensors("txt"), textConfig, vocabulary);
});
after(() => {
  rmSync(folder, { recursive: true });
});

/** The largest difference of a model's features from the golden ones. */
function featureError(model: Model): number {
  const inputs = goldenTensors("tiny/inputs");
  const wanted = goldenTensors("tiny/activations");
  const images = encodeImages(model, tensorOf(inputs, "pixels"));
  const captions = encodeCaptions(
    model,
    tensorOf(inputs, "ids") as tf.Tensor2D,
    tensorOf(inputs, "mask") as tf.Tensor2D,
  );
  const differences = [...images, ...captions].map((feature, i) => {
    const name = i < 6 ? `img.feat.${i + 1}` : `txt.feat.${i - 5}`;
    return largestDifference(feature.dataSync(), wanted.get(name)?.data ?? []);
  });
  return Math.max(...differences);
}

/** Every golden weight of an encoder is in the model as it is. */
function assertGolden(model: Model, side: "img" | "txt"): void {
  const own = side === "img" ? "visual_encoder." : "text_encoder.";
  let compared = 0;
  for (const [name, variable] of model.parameters) {
    if (!name.startsWith(`${side}.${own}`)) continue;
    const golden = goldenTensors(`tiny/weights_${side}`).get(name.slice(4));
    assert.equal(largestDifference(variable.dataSync(), golden?.data ?? []), 0, name);
    compared++;
  }
  assert.ok(compared > 100);
}

describe("pretrained encoders", () => {
  test("the published code's states with their projections give its features", async () => {
    writeFolder(at("img"), goldenTensors("tiny/weights_img"), visionConfig);
    writeFolder(at("txt"), goldenTensors("tiny/weights_txt"), textConfig, vocabulary);
    const model = await buildModel({ vision: at("img"), text: at("txt") });
    assert.equal(model.config.size, "tiny");
    assert.deepEqual(model.config, sizes.tiny);
    assert.ok(featureError(model) < 2e-6, `features are off by ${featureError(model)}`);
    assert.deepEqual(model.tokenizer.words, vocabulary);
  });

  test("hub folders with the names of google/vit and bert are found, and their report says all", async () => {
    const vit = hubTensors("img");
    vit.set("classifier.weight", { shape: [3, 32], data: new Float32Array(96) });
    vit.set("classifier.bias", { shape: [3], data: new Float32Array(3) });
    vit.delete("vit.pooler.dense.weight");
    const bert = hubTensors("txt");
    bert.set("cls.predictions.bias", { shape: [120], data: new Float32Array(120) });
    bert.set("bert.embeddings.position_ids", { shape: [1, 40], data: new Int32Array(40) });
    writeFolder(at("vit-extra"), vit, visionConfig);
    writeFolder(at("bert-extra"), bert, textConfig, vocabulary);
    const model = await buildModel({ vision: at("vit-extra"), text: at("bert-extra"), embed: 48 });
    assertGolden(model, "img");
    assertGolden(model, "txt");
    const [image, text] = model.weights ?? [];
    assert.deepEqual(image?.unused, ["classifier.weight", "classifier.bias"]);
    assert.deepEqual(image.missing, ["visual_encoder.pooler.dense.weight"]);
    assert.deepEqual(text?.unused.sort(), ["bert.embeddings.position_ids", "cls.predictions.bias"]);
    assert.deepEqual(text.missing, []);
    assert.deepEqual([image.used, image.kept, text.used, text.kept], [180, 19, 181, 18]);
    assert.match(reportLine(image), /^image encoder from vit-extra\/model\.safetensors: 180 tensors used; 19 kept/);
    assert.match(reportLine(image), /2 unused \(classifier\.weight, classifier\.bias\); 1 missing .*; 12 .* are new/);
  });

  test("old names of norms, gamma and beta, and a prefix of DataParallel", async () => {
    const old = new Map(
      [...hubTensors("txt", "module.bert.")].map(([name, tensor]) => [
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
        tensor,
      ]),
    );
    assert.ok(old.has("module.bert.encoder.layer.3.output.LayerNorm.gamma"));
    writeFolder(at("bert-old"), old, textConfig, vocabulary);
    assertGolden(await buildModel({ vision: at("vit"), text: at("bert-old"), embed: 48 }), "txt");
  });

  test("sharded safetensors", async () => {
    const all = [...hubTensors("img")];
    mkdirSync(at("sharded"));
    const half = Math.floor(all.length / 2);
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
    writeSafetensors(path.join(at("sharded"), names[0]), all.slice(0, half));
    writeSafetensors(path.join(at("sharded"), names[1]), all.slice(half));
    const index = {
      metadata: { total_size: 1 },
      weight_map: Object.fromEntries(all.map(([name], i) => [name, names[i < half ? 0 : 1]])),
    };
    const indexFile = path.join(at("sharded"), "model.safetensors.index.json");
    writeFileSync(indexFile, JSON.stringify(index));
    writeFileSync(path.join(at("sharded"), "config.json"), JSON.stringify(visionConfig));
    assertGolden(await buildModel({ vision: at("sharded"), text: at("bert"), embed: 48 }), "img");
    const swapped = { weight_map: { ...index.weight_map, [all[0]![0]]: names[1] } };
    writeFileSync(indexFile, JSON.stringify(swapped));
    await assert.rejects(buildModel({ vision: at("sharded") }), threeLines(/is not in model-00002/));
    writeFileSync(indexFile, JSON.stringify({ weight_map: { x: "../../x" } }));
    await assert.rejects(buildModel({ vision: at("sharded") }), threeLines(/no usable weight_map/));
    writeFileSync(indexFile, JSON.stringify(index));
    rmSync(path.join(at("sharded"), names[1]));
    await assert.rejects(
      buildModel({ vision: at("sharded") }),
      threeLines(/model-00002-of-00002\.safetensors is missing/),
    );
  });

  test("half precision is converted and said so", async () => {
    writeFolder(at("vit-half"), hubTensors("img"), visionConfig);
    writeSafetensors(path.join(at("vit-half"), "model.safetensors"), hubTensors("img"), { half: true });
    const { weights, parameters } = await buildModel({ vision: at("vit-half"), text: at("bert"), embed: 48 });
    assert.deepEqual(weights?.[0]?.converted, ["F16"]);
    const name = "visual_encoder.encoder.layer.5.output.dense.weight";
    const golden = goldenTensors("tiny/weights_img").get(name)?.data ?? [];
    const error = largestDifference(parameters.get(`img.${name}`)?.dataSync() ?? [], golden);
    assert.ok(error > 0 && error < 1e-3, String(error));
  });

  test("the dropout of its own training comes along: of BERT's configuration, and of a model of this package", async () => {
    writeFolder(at("bert-dropout"), hubTensors("txt"), { ...textConfig, hidden_dropout_prob: 0.25 }, vocabulary);
    const model = await buildModel({ vision: at("vit"), text: at("bert-dropout"), embed: 48 });
    assert.equal(model.config.text.dropout, 0.25);
    saveModel(model, at("own-dropout"));
    assert.equal((await buildModel({ vision: at("vit"), text: at("own-dropout") })).config.text.dropout, 0.25);
    const config = path.join(at("own-dropout"), "config.json");
    for (const [given, found] of [
      [', "dropout": 0', 0],
      ["", 0.1],
    ] as const) {
      const text = JSON.stringify(JSON.parse(readFileSync(config, "utf8"))).replace(/,\s*"dropout":[\d.]+/, given);
      writeFileSync(config, text);
      assert.equal((await buildModel({ vision: at("vit"), text: at("own-dropout") })).config.text.dropout, found);
    }
  });

  test("256 layers are the most, and a gap among them is named", () => {
    const names = (layers: number[]): string[] => layers.map((n) => `vit.encoder.layer.${n}.output.dense.weight`);
    const first = Array.from({ length: 257 }, (_, n) => n);
    assert.equal(layersIn(names(first.slice(0, 256)), "vit.", "file"), 256);
    assert.throws(() => layersIn(names(first), "vit.", "file"), threeLines(/more than 256 layers/, /get it again/));
    assert.throws(() => layersIn(names([0, 1, 3]), "vit.", "file"), threeLines(/layers beyond 2, but no layer 2/));
    // A single name asks for nothing.
    assert.throws(() => layersIn(names([999_999_999]), "vit.", "file"), threeLines(/no layer 0/));
  });

  test("an encoder alone: the other side is random, of the size base or the asked one", async () => {
    const model = await buildModel({ vision: at("vit"), size: "tiny", vocabulary: path.join(at("bert"), "vocab.txt") });
    assert.equal(model.config.size, "tiny");
    assert.equal(model.weights?.length, 1);
    assertGolden(model, "img");
  });

  test("another image size: positions are resized, and the report says from where to where", async () => {
    const golden = goldenTensors("tiny/weights_img").get("visual_encoder.embeddings.position_embeddings")?.data;
    for (const resize of ["bicubic", "bilinear"] as const) {
      const model = await buildModel({ vision: at("vit"), text: at("bert"), embed: 48, pixels: 48, resize });
      const name = "img.visual_encoder.embeddings.position_embeddings";
      const wanted = resizePositions(golden as Float32Array, 32, 4, 6, resize);
      assert.deepEqual(model.parameters.get(name)?.shape, [1, 37, 32]);
      assert.equal(largestDifference(model.parameters.get(name)?.dataSync() ?? [], wanted), 0);
      assert.ok(model.weights?.[0]?.notes.includes(`positions resized from 32 to 48 px (${resize})`));
      assert.equal(model.config.image.pixels, 48);
    }
  });

  test("encoders of two depths: scales lie at the same shares of each", async () => {
    const shallow = new Map([...hubTensors("txt")].filter(([name]) => !/layer\.([6-9]|1\d)\./.test(name)));
    writeFolder(at("bert-6"), shallow, { ...textConfig, num_hidden_layers: 6 }, vocabulary);
    const model = await buildModel({ vision: at("vit"), text: at("bert-6"), embed: 48 });
    assert.deepEqual(model.config.scales, [1, 3, 5, 7, 9, 11]);
    assert.deepEqual(model.config.textScales, [1, 2, 3, 4, 5, 6]);
    assert.equal(model.config.size, "custom");
    saveModel(model, at("saved"));
    const read = await loadModel(at("saved"));
    assert.deepEqual(read.config, model.config);
    assert.deepEqual(read.tokenizer.words, vocabulary);
    const inputs = goldenTensors("tiny/inputs");
    const features = encodeCaptions(
      read,
      tensorOf(inputs, "ids") as tf.Tensor2D,
      tensorOf(inputs, "mask") as tf.Tensor2D,
    );
    assert.equal(features.length, 6);
    assert.deepEqual(spreadScales(6, 24), [2, 6, 10, 14, 18, 22]);
  });

  test("a tokenizer.json serves where there is no vocab.txt", async () => {
    writeFolder(at("bert-json"), hubTensors("txt"), textConfig);
    const vocab = Object.fromEntries(vocabulary.map((piece, id) => [piece, id]));
    const json = path.join(at("bert-json"), "tokenizer.json");
    writeFileSync(json, JSON.stringify({ model: { type: "WordPiece", vocab } }));
    const model = await buildModel({ vision: at("vit"), text: at("bert-json"), embed: 48 });
    assert.deepEqual(model.tokenizer.words, vocabulary);
    writeFileSync(json, JSON.stringify({ model: { type: "BPE", vocab } }));
    await assert.rejects(buildModel({ text: at("bert-json") }), threeLines(/no WordPiece/));
  });
});

describe("weights that do not fit are refused with what, where and what to do", () => {
  let count = 0;
  const changed = (side: "img" | "txt", change: (tensors: Tensors) => void, config: object = {}): string => {
    const tensors = hubTensors(side);
    change(tensors);
    const place = at(`changed-${count++}`);
    return writeFolder(place, tensors, { ...(side === "img" ? visionConfig : textConfig), ...config }, vocabulary);
  };
  const nothing = (): void => undefined;
  const set =
    (name: string, shape: number[], value = 0) =>
    (tensors: Tensors) => {
      tensors.set(name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) });
    };
  const layer = "encoder.layer.4.output.dense.weight";

  for (const [what, side, change, config, message, hint] of [
    [
      "a missing key",
      "img",
      (t) => t.delete(`vit.${layer}`),
      {},
      /visual_encoder\.encoder\.layer\.4\.output\.dense\.weight is missing/,
      /whole ViT/,
    ],
    [
      "many missing keys",
      "txt",
      (t) => {
        for (const k of t.keys()) if (k.includes("layer.4.")) t.delete(k);
      },
      {},
      /layers beyond 4, but no layer 4/,
      /incomplete or damaged/,
    ],
    ["a wrong shape", "img", set(`vit.${layer}`, [32, 60]), {}, /vit\..*is \[32, 60\] and should be \[32, 64\]/, /ViT/],
    [
      "integers for weights",
      "img",
      (t) => t.set(`vit.${layer}`, { shape: [32, 64], data: new Int32Array(2048) }),
      {},
      /is of type I32, weights are floats/,
      /ViT/,
    ],
    ["NaN", "img", set(`vit.${layer}`, [32, 64], NaN), {}, /has 2048 values that are NaN or infinite/, /diverged/],
    [
      "infinite numbers",
      "txt",
      set("bert.pooler.dense.bias", [32], Infinity),
      {},
      /bert\.pooler\.dense\.bias has 32 values/,
      /diverged/,
    ],
    [
      "positions that are no square",
      "img",
      set("vit.embeddings.position_embeddings", [1, 16, 32]),
      {},
      /16 positions, which are no square/,
      /square RGB/,
    ],
    [
      "grey images",
      "img",
      set("vit.embeddings.patch_embeddings.projection.weight", [32, 1, 8, 8]),
      {},
      /patches of 1 channels/,
      /RGB/,
    ],
    [
      "a configuration of another width",
      "img",
      nothing,
      { hidden_size: 64 },
      /says width 64, the weights have 32/,
      /different models/,
    ],
    [
      "a configuration of another vocabulary",
      "txt",
      nothing,
      { vocab_size: 130 },
      /says vocabulary 130, the weights have 120/,
      /different models/,
    ],
    ["heads that do not divide", "img", nothing, { num_attention_heads: 5 }, /number of heads/, /num_attention_heads/],
    ["no heads", "txt", nothing, { num_attention_heads: "four" }, /no usable num_attention_heads/, /config\.json/],
    ["RoBERTa", "txt", nothing, { model_type: "roberta" }, /is to be bert, and this is roberta/, /bert-base-uncased/],
    ["Swin", "img", nothing, { model_type: "swin" }, /is to be vit or deit, and this is swin/, /vit-base/],
    ["another activation", "txt", nothing, { hidden_act: "gelu_new" }, /activation gelu_new/, /gelu/],
    ["another epsilon", "img", nothing, { layer_norm_eps: 1e-5 }, /epsilon 0.00001/, /1e-12/],
    ["relative positions", "txt", nothing, { position_embedding_type: "relative_key" }, /relative_key/, /absolute/],
    [
      "two encoders",
      "img",
      (t) => {
        for (const [k, v] of [...t]) t.set(`other.${k}`, v);
      },
      {},
      /2 encoders/,
      /by itself/,
    ],
  ] as [string, "img" | "txt", (tensors: Tensors) => unknown, object, RegExp, RegExp][]) {
    // prettier-ignore
    test(what, async () => {
      const place = changed(side, change, config);
      const options = side === "img" ? { vision: place } : { text: place };
      await assert.rejects(buildModel(options), threeLines(message, hint));
    });
  }

  test("a ViT given as text, a BERT given as image: by the configuration, and by the names", async () => {
    await assert.rejects(buildModel({ text: at("vit") }), threeLines(/this is vit/, /--vision/));
    await assert.rejects(buildModel({ vision: at("bert") }), threeLines(/this is bert/, /--text/));
    rmSync(path.join(writeFolder(at("bare"), hubTensors("txt"), {}), "config.json"));
    await assert.rejects(
      buildModel({ vision: at("bare") }),
      threeLines(/no Vision Transformer/, /this is a BERT.*--text/),
    );
  });

  test("a file that is cut short, an empty folder, weights for TensorFlow, no folder", async () => {
    const place = changed("img", nothing);
    const file = path.join(place, "model.safetensors");
    truncateSync(file, readFileSync(file).length - 100);
    await assert.rejects(buildModel({ vision: place }), threeLines(/not a complete safetensors file/, /again/));
    mkdirSync(at("empty"));
    await assert.rejects(
      buildModel({ vision: at("empty") }),
      threeLines(/no weights in this folder/, /model\.safetensors/),
    );
    writeFileSync(path.join(at("empty"), "tf_model.h5"), "");
    await assert.rejects(buildModel({ vision: at("empty") }), threeLines(/no weights/, /TensorFlow or Flax/));
    await assert.rejects(buildModel({ vision: at("nowhere") }), threeLines(/no file or folder/, /check the path/));
  });

  test("a file of another kind, and a path that is not there", async () => {
    writeFileSync(at("README.md"), "# AMS notebook\n\nTrain, measure and understand\n");
    await assert.rejects(
      buildModel({ vision: at("README.md") }),
      threeLines(/^this is no safetensors file$/, /torch file/),
    );
    for (const place of ["/nonexist", "./nonexist", "some/where/else"]) {
      await assert.rejects(buildModel({ vision: place }), (error: AmsError) => {
        assert.match(error.message, /there is no file or folder/);
        assert.doesNotMatch(error.hint ?? "", /hf download/);
        return true;
      });
    }
    await assert.rejects(
      buildModel({ vision: "owner/nonexist" }),
      threeLines(/no model/, /hf download owner\/nonexist/),
    );
  });

  test("widths of no known size without a configuration do not tell their heads", async () => {
    const rest = { hidden_size: 40, num_attention_heads: 4 };
    const place = changed("txt", (tensors) => {
      for (const [name, { shape }] of tensors) {
        const wider = shape.map((n) => (n === 32 ? 40 : n));
        set(name, wider, 0.1)(tensors);
      }
    }, rest); // prettier-ignore
    const model = await buildModel({ text: place, embed: 48, seed: 1 });
    assert.equal(model.config.text.heads, 4);
    rmSync(path.join(place, "config.json"));
    await assert.rejects(buildModel({ text: place }), threeLines(/number of heads cannot be told/, /config\.json/));
  });

  test("a vocabulary of another length, a cased one", async () => {
    const short = changed("txt", nothing);
    writeFileSync(path.join(short, "vocab.txt"), `${vocabulary.slice(0, 110).join("\n")}\n`);
    await assert.rejects(
      buildModel({ text: short }),
      threeLines(/knows 120 word pieces, the vocabulary has 110/, /vocab\.txt/),
    );
    const cased = changed("txt", nothing);
    writeFileSync(path.join(cased, "tokenizer_config.json"), '{"do_lower_case": false}');
    await assert.rejects(buildModel({ text: cased }), threeLines(/capital letters/, /uncased/));
  });

  test("sizes that contradict: --size, --pixels, --resize, --embed, --checkpoint", async () => {
    const vision = at("vit");
    await assert.rejects(
      buildModel({ vision, size: "small" }),
      threeLines(/not of size small: patch 8/, /leave out --size/),
    );
    await assert.rejects(buildModel({ vision, pixels: 50 }), threeLines(/50 pixels are no multiple/, /choose 48/));
    await assert.rejects(
      buildModel({ vision, checkpoint: at("vit") }),
      threeLines(/either from a checkpoint/, /leave out/),
    );
    await assert.rejects(
      buildModel({ size: "tiny", pixels: 48 }),
      threeLines(/--pixels goes with --vision/, /add --vision/),
    );
    await assert.rejects(buildModel({ size: "tiny", embed: 8 }), threeLines(/--embed goes with/, /leave out --embed/));
  });

  test("a size with another image: asks for --resize, and does it then", async () => {
    const large = changed("img", (tensors) => {
      set("vit.embeddings.position_embeddings", [1, 26, 32], 0.5)(tensors);
    }, { image_size: 40 }); // prettier-ignore
    const options = { vision: large, text: at("bert"), size: "tiny" } as const;
    await assert.rejects(buildModel(options), threeLines(/trained at 40 px, size tiny has 32/, /--resize bicubic/));
    const model = await buildModel({ ...options, resize: "bicubic" });
    assert.equal(model.config.image.pixels, 32);
    assert.equal(model.config.size, "tiny");
  });
});

describe("resizing positions", () => {
  test("the same size changes nothing, a constant stays one, [CLS] stays", () => {
    const values = Float32Array.from({ length: 10 * 3 }, (_, i) => Math.sin(i));
    for (const mode of ["bicubic", "bilinear"] as const) {
      assert.ok(largestDifference(resizePositions(values, 3, 3, 3, mode), values) < 1e-7);
      const constant = resizePositions(new Float32Array(30).fill(2), 3, 3, 5, mode);
      assert.ok(largestDifference(constant, new Float32Array(26 * 3).fill(2)) < 1e-6);
      assert.deepEqual(resizePositions(values, 3, 3, 7, mode).slice(0, 3), values.slice(0, 3));
    }
  });
});
