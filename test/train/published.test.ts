/** Going on with a training of the published code. Adam's state as PyTorch writes it: test/model/weights/pytorch.test.ts. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { silentContext, type Context } from "../../src/context.js";
import type { Dataset } from "../../src/data/dataset.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { closeImageWorkers } from "../../src/data/index.js";
import { startEngine } from "../../src/engine/index.js";
import { buildModel } from "../../src/model/build.js";
import { parameterSpecs } from "../../src/model/parameters.js";
import { sizes } from "../../src/model/config.js";
import { FloatTensor, writeTorch } from "../../src/model/weights/torchWrite.js";
import { openTorch, TorchTensor } from "../../src/model/weights/torchFile.js";
import { writePublished } from "../../src/model/weights/publishedWrite.js";
import { train, type Run, type TrainOptions } from "../../src/train/trainer.js";
import { tinyModel } from "../golden.js";
import { threeLines, vocabulary } from "../model/weights/sample.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-go-on-"));
const file = path.join(home, "checkpoint.pth.tar");
let scenes: Dataset;

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = home;
  scenes = await openScenes(
    { counts: { train: 8, val: 2, test: 2, "test-pairs": 2, "test-style": 2 }, pixels: 32 },
    silentContext,
  );
  writeFileSync(path.join(home, "vocab.txt"), `${vocabulary.join("\n")}\n`);
  const model = tinyModel();
  model.thresholds = { mined: 0.25, safe: 0.125 };
  writePublished(model, file, { progress: { epoch: 6, eiters: 30, bestRsum: 123.5 } });
});
after(async () => {
  await closeImageWorkers();
  rmSync(home, { recursive: true });
});

/** 8 images with 5 captions in batches of 8: 5 steps an epoch. */
async function goOn(options: TrainOptions, from = file): Promise<{ run: Run; notes: string[] }> {
  const notes: string[] = [];
  const context: Context = { ...silentContext, note: (line) => void notes.push(line) };
  const model = await buildModel({ checkpoint: from });
  const run = await train(model, scenes, { batchSize: 8, validate: 0, startFrom: from, ...options }, context);
  return { run, notes };
}

/** The same file with something more in it. */
function extended(name: string, key: string, value: unknown): string {
  const opened = openTorch(file);
  const convert = (x: unknown): unknown => {
    if (x instanceof TorchTensor) return new FloatTensor(x.shape, () => x.read() as Float32Array);
    if (Array.isArray(x)) return x.map(convert);
    return x instanceof Map ? new Map([...x].map(([k, v]) => [k, convert(v)])) : x;
  };
  const top = convert(opened.value) as Map<string, unknown>;
  writeFileSync(path.join(home, "vocab.txt"), `${vocabulary.join("\n")}\n`);
  writeTorch(path.join(home, name), top.set(key, value));
  opened.close();
  return path.join(home, name);
}

const count = 12 + parameterSpecs(sizes.tiny, { complete: true }).length - 6;
const groups = (length: number): unknown[] => [new Map([["params", Array.from({ length }, (_, i) => i)]])];

describe("a training of the published code goes on", () => {
  test("under the corrected recipe with its epoch, rate, best rSum and thresholds", async () => {
    const { run, notes } = await goOn({ recipe: "ams-corrected", epochs: 8, steps: 32, name: "corrected" });
    assert.deepEqual(run.steps.map(({ epoch, step }) => [epoch, step]), [[6, 31], [6, 32]]); // prettier-ignore
    assert.ok(Math.abs(run.steps[0]!.learningRate - 2e-6) < 1e-12, "the rate of an epoch after the drop at 5");
    assert.match(notes.join("\n"), /going on with epoch 7 of 8, best rSum 123\.5, a fresh Adam/);
  });

  test("under the published recipe from epoch 0 with the full rate, as that code does, and says so", async () => {
    const { run, notes } = await goOn({ recipe: "ams-published", steps: 1, name: "published" });
    assert.deepEqual(run.steps.map(({ epoch, step }) => [epoch, step]), [[0, 1]]); // prettier-ignore
    assert.ok(Math.abs(run.steps[0]!.learningRate - 2e-5) < 1e-12);
    assert.match(notes.join("\n"), /epoch 0 again with a fresh Adam.*ams-corrected goes on with epoch 6/);
  });

  test("with Adam's state where the file has one", async () => {
    const zeros = (shape: number[]): FloatTensor => new FloatTensor(shape, () => new Float32Array(shape.reduce((a, b) => a * b, 1))); // prettier-ignore
    const b3 = new Map<string, unknown>([["step", 30], ["exp_avg", zeros([])], ["exp_avg_sq", zeros([])]]); // prettier-ignore
    const optimiser = new Map<string, unknown>([["state", new Map([[8, b3]])], ["param_groups", groups(count)]]); // prettier-ignore
    const from = extended("adam.pth.tar", "optimizer", optimiser);
    const { notes } = await goOn({ recipe: "ams-corrected", epochs: 8, steps: 31, name: "adam" }, from);
    assert.match(notes.join("\n"), /Adam's state of 1 parameters/);
    const wrong = new Map<string, unknown>([["step", 30], ["exp_avg", zeros([2])], ["exp_avg_sq", zeros([2])]]); // prettier-ignore
    const other = new Map<string, unknown>([["state", new Map([[8, wrong]])], ["param_groups", groups(count)]]); // prettier-ignore
    const damaged = extended("wrong.pth.tar", "optimizer", other);
    await assert.rejects(
      goOn({ recipe: "ams-corrected", epochs: 8, name: "wrong" }, damaged),
      threeLines(/Adam's exp_avg of b3 does not have the parameter's 1 numbers/, /--checkpoint/),
    );
  });

  const one = (x: number): FloatTensor => new FloatTensor([], () => Float32Array.of(x));
  for (const [what, step, first, second, message] of [
    ["a step of NaN", NaN, one(0), one(0), /step of b3 is no count/],
    ["a step below 0", -1, one(0), one(0), /step of b3 is no count/],
    ["half a step", 2.5, one(0), one(0), /step of b3 is no count/],
    ["an empty step", new FloatTensor([0], () => new Float32Array(0)), one(0), one(0), /step of b3 is no count/],
    ["a mean of NaN", 30, one(NaN), one(0), /exp_avg of b3 has unusable numbers/],
    ["a square of NaN", 30, one(0), one(NaN), /exp_avg_sq of b3 has unusable numbers/],
    ["a square below 0", 30, one(0), one(-1), /exp_avg_sq of b3 has unusable numbers/],
  ] as const) {
    test(`not with ${what} in Adam's state`, async () => {
      const b3 = new Map<string, unknown>([["step", step], ["exp_avg", first], ["exp_avg_sq", second]]); // prettier-ignore
      const optimiser = new Map<string, unknown>([["state", new Map([[8, b3]])], ["param_groups", groups(count)]]); // prettier-ignore
      const from = extended("unusable.pth.tar", "optimizer", optimiser);
      const name = what.replace(/\W+/g, "-");
      await assert.rejects(
        goOn({ recipe: "ams-corrected", epochs: 8, name }, from),
        threeLines(message, /--checkpoint/),
      );
    });
  }

  test("without it, and with a word, where the state is of other parameters", async () => {
    const state = new Map([[0, new Map([["step", 1]])]]);
    const optimiser = new Map<string, unknown>([["state", state], ["param_groups", groups(5)]]); // prettier-ignore
    const from = extended("other.pth.tar", "optimizer", optimiser);
    const { notes } = await goOn({ recipe: "ams-corrected", epochs: 8, steps: 31, name: "other" }, from);
    assert.match(notes.join("\n"), /not that of the published code's parameters/);
  });

  test("not when it had all of its epochs", async () => {
    await assert.rejects(
      goOn({ recipe: "ams-corrected", epochs: 6, name: "over" }),
      threeLines(/has had its 6 epochs/, /--epochs 11/),
    );
  });
});
