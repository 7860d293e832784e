/** Folders as transformers' save_pretrained wrote them (write_transformers.py), against the hidden states that it computed with them. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../../src/engine/index.js";
import type { Model } from "../../../src/model/ams.js";
import { encodeTokens } from "../../../src/model/bert.js";
import { buildModel } from "../../../src/model/build.js";
import { noDropout } from "../../../src/model/dropout.js";
import { readSafetensors } from "../../../src/model/safetensors.js";
import { encodePixels } from "../../../src/model/vit.js";
import { fixture } from "../../fixtures.js";
import { largestDifference, tensorOf } from "../../golden.js";

const at = (name: string): string => fixture(`weights/transformers/${name}`);
const layers = [1, 2, 3, 4, 5, 6];

before(async () => {
  await startEngine("auto");
});

describe("folders of save_pretrained", () => {
  const expected = readSafetensors(at("expected.safetensors")).tensors;

  function assertHidden(model: Model): void {
    const { parameters, config } = model;
    const images = encodePixels(parameters, config.image, tensorOf(expected, "pixels") as tf.Tensor4D, layers);
    const [ids, mask] = ["ids", "mask"].map((name) => tensorOf(expected, name) as tf.Tensor2D) as [
      tf.Tensor2D,
      tf.Tensor2D,
    ];
    const texts = encodeTokens(parameters, config.text, ids, mask, layers, noDropout);
    for (const [kind, found] of [
      ["image", images],
      ["text", texts],
    ] as const) {
      layers.forEach((layer, i) => {
        const off = largestDifference(found[i]!.dataSync(), expected.get(`${kind}.${layer}`)?.data ?? []);
        assert.ok(off <= 2e-5, `${kind} layer ${layer} is off by ${off}`);
      });
    }
  }

  test("with heads, in one file: every name is known, the heads are of no use", async () => {
    const vision = at("vit-for-classification");
    const model = await buildModel({ vision, text: at("bert-for-pretraining"), embed: 8 });
    const [image, text] = model.weights ?? [];
    assert.deepEqual(image?.missing, ["visual_encoder.pooler.dense.weight", "visual_encoder.pooler.dense.bias"]);
    assert.deepEqual(image.unused, ["classifier.bias", "classifier.weight"]);
    assert.deepEqual(text?.missing, []);
    assert.ok(text.unused.length > 0 && text.unused.every((name) => name.startsWith("cls.")), text.unused.join());
    assert.deepEqual([model.config.image.heads, model.config.text.heads, model.tokenizer.vocabularySize], [2, 2, 60]);
    assertHidden(model);
  });

  test("without heads: shards of safetensors, and pytorch_model.bin", async () => {
    const model = await buildModel({ vision: at("vit"), text: at("bert"), embed: 8 });
    for (const { missing, unused } of model.weights ?? []) assert.deepEqual([missing, unused], [[], []]);
    assertHidden(model);
  });
});
