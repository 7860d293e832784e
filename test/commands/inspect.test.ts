/** `inspect` and `eval --scores`: files for and from other programs, held against what the published code computed. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { parseWords } from "../../src/commands/parse.js";
import type { Inspection } from "../../src/commands/results.js";
import { createSession } from "../../src/commands/session.js";
import { commands } from "../../src/commands/table.js";
import { silentContext } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/index.js";
import { displaySymbol } from "../../src/display.js";
import { AmsError } from "../../src/errors.js";
import type { Evaluation } from "../../src/evaluate/index.js";
import { saveModel } from "../../src/model/store.js";
import { readSafetensors, writeSafetensors, type StoredTensor } from "../../src/model/safetensors.js";
import { fixture } from "../fixtures.js";
import { goldenJson, goldenTensors, largestDifference, tinyModel } from "../golden.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-inspect-"));
const out = path.join(folder, "out.safetensors");
const tiny = (name: string): string => fixture(`golden/tiny/${name}.safetensors`);
const weights = [tiny("weights_img"), tiny("weights_txt")];

after(async () => {
  await closeImageWorkers();
  rmSync(folder, { recursive: true, force: true });
});

async function ams<R = Inspection>(...words: string[]): Promise<R> {
  const { command, options } = parseWords(words, commands);
  return (await command.run(options, silentContext, createSession(folder))) as R;
}

/** Runs `inspect` and reads what it wrote. */
async function tensorsOf(...words: string[]): Promise<Map<string, StoredTensor>> {
  await ams("inspect", ...words, "--out", out);
  return readSafetensors(out).tensors;
}

function compare(
  found: Map<string, StoredTensor>,
  name: string,
  golden: ArrayLike<number>,
  limit: number,
  shape?: number[],
): void {
  const tensor = found.get(name);
  assert.ok(tensor, `${name} was not written`);
  if (shape !== undefined) assert.deepEqual(tensor.shape, shape);
  const off = largestDifference(tensor.data, golden);
  assert.ok(off <= limit, `${name} is off by ${off}`);
}

const refused = (words: string[], message: RegExp): Promise<void> =>
  assert.rejects(ams(...words), (error: unknown) => {
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.lines().join("\n"), message);
    assert.ok(error.where !== undefined && error.hint !== undefined);
    return true;
  });

describe("inspect pixels", () => {
  const picture = (name: string): string => fixture(`golden/image/files/${name}`);

  test("writes what torchvision's evaluation transform makes of each file, under its name", async () => {
    const golden = goldenTensors("image/tensor96");
    const found = await tensorsOf("pixels", ...[...golden.keys()].map(picture), "--size", "96");
    assert.deepEqual([...found.keys()], [...golden.keys()]);
    for (const [name, { data }] of golden) compare(found, name, data, 1e-6, [3, 96, 96]);
  });

  test("refuses no files, files that are no images, and two of one name", async () => {
    await refused(["inspect", "pixels", "--out", out], /needs files of images/);
    const text = path.join(folder, "text.png");
    writeFileSync(text, "no image");
    await refused(
      ["inspect", "pixels", text, "--size", "8", "--out", out],
      /cannot be decoded[^]*text\.png\nto do: replace the file by an intact one$/, // the data sets' --skip-bad-images is not offered
    );
    const one = picture("coffee_500x375.jpg");
    await refused(["inspect", "pixels", one, one, "--size", "8", "--out", out], /two images have the name coffee/);
    await refused(["inspect", "pixels", one, "--gradients", "--out", out], /no use for --gradients/);
  });
});

describe("inspect tokens", () => {
  test("writes the published tokenizer's ids and masks, one row a line", async () => {
    const { captions } = goldenJson<{ captions: { text: string; ids: number[]; mask: number[] }[] }>(
      "tokenizer/goldens",
    );
    const lines = captions.filter(
      ({ text }) => !text.includes("\n") && text !== "" && Buffer.from(text).toString() === text,
    );
    assert.ok(lines.length > 300);
    const file = path.join(folder, "captions.txt");
    writeFileSync(file, lines.map(({ text }) => `${text}\n`).join(""));
    const target = path.join(folder, "tokens.json");
    const { tensors } = await ams("inspect", "tokens", file, "--out", target);
    assert.deepEqual(tensors, { ids: [lines.length, 30], mask: [lines.length, 30] });
    const found = JSON.parse(readFileSync(target, "utf8")) as { ids: number[][]; mask: number[][] };
    assert.deepEqual(Object.keys(found), ["ids", "mask"]);
    lines.forEach(({ text, ids, mask }, i) => {
      assert.deepEqual([found.ids[i], found.mask[i]], [ids, mask], JSON.stringify(text));
    });
    const same = await tensorsOf("tokens", file);
    assert.deepEqual([...(same.get("ids")?.data ?? [])], found.ids.flat());
  });

  test("refuses missing, empty and other than UTF-8 files", async () => {
    await refused(["inspect", "tokens", "nowhere.txt", "--out", out], /file of captions does not exist[^]*nowhere/);
    const file = path.join(folder, "bad.txt");
    writeFileSync(file, "");
    await refused(["inspect", "tokens", file, "--out", out], /captions is empty/);
    writeFileSync(file, Buffer.from([0x61, 0xff, 0xfe]));
    await refused(["inspect", "tokens", file, "--out", out], /not UTF-8[^]*line 1[^]*iconv/);
    await refused(["inspect", "tokens", "--out", out], /needs one file of captions/);
  });
});

describe("inspect features", () => {
  test("of the published code's bare weights equal its features", async () => {
    const golden = goldenTensors("tiny/activations");
    const found = await tensorsOf("features", "--checkpoint", ...weights, "--inputs", tiny("inputs"));
    for (let k = 1; k <= 6; k++) {
      compare(found, `image_scale_${k}`, golden.get(`img.feat.${k}`)?.data ?? [], 2e-6, [6, 17, 48]);
      compare(found, `text_scale_${k}`, golden.get(`txt.feat.${k}`)?.data ?? [], 2e-6, [6, 30, 48]);
    }
    assert.equal(found.size, 12);
  });

  test("take pixels and tokens as inspect wrote them, in blocks, either alone", async () => {
    const { pixels, ids, mask } = Object.fromEntries(goldenTensors("tiny/inputs"));
    assert.ok(pixels !== undefined && ids !== undefined && mask !== undefined);
    const area = 3 * 32 * 32;
    const named = Array.from({ length: 12 }, (_, b): [string, StoredTensor] => [
      `${b}.png`,
      { shape: [3, 32, 32], data: (pixels.data as Float32Array).slice((b % 6) * area, ((b % 6) + 1) * area) },
    ]);
    const pictures = path.join(folder, "pictures.safetensors");
    writeSafetensors(pictures, named);
    const rows = (data: ArrayLike<number>): number[][] =>
      Array.from({ length: 6 }, (_, c) => Array.from(data).slice(c * 30, c * 30 + 30));
    const tokens = path.join(folder, "six.json");
    writeFileSync(tokens, JSON.stringify({ ids: rows(ids.data), mask: rows(mask.data) }));
    const whole = await tensorsOf("features", "--checkpoint", ...weights, "--inputs", tiny("inputs"));
    const found = await tensorsOf("features", "--checkpoint", ...weights, "--inputs", pictures, "--inputs", tokens);
    const image = whole.get("image_scale_6")?.data as Float32Array;
    compare(found, "image_scale_6", [...image, ...image], 1e-6, [12, 17, 48]);
    compare(found, "text_scale_6", whole.get("text_scale_6")?.data ?? [], 1e-6);
    const alone = await tensorsOf("features", "--checkpoint", ...weights, "--inputs", tokens);
    assert.ok(alone.has("text_scale_1") && !alone.has("image_scale_1"));
  });

  test("refuses inputs and weights that do not suit", async () => {
    const put = (tensors: Record<string, StoredTensor>): string => {
      const file = path.join(folder, "inputs.safetensors");
      writeSafetensors(file, Object.entries(tensors));
      return file;
    };
    const features = (file: string): string[] => [
      "inspect",
      "features",
      "--checkpoint",
      ...weights,
      "--inputs",
      file,
      "--out",
      out,
    ];
    const ints = (shape: number[], value = 1): StoredTensor => ({
      shape,
      data: new Int32Array(shape.reduce((a, b) => a * b)).fill(value),
    });
    const floats = (shape: number[]): StoredTensor => ({
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b)),
    });
    await refused(features(put({ other: floats([2]) })), /no inputs in this file[^]*it has other/);
    await refused(features(put({ pixels: floats([2, 3, 16, 16]) })), /16 x 16[^]*32 x 32[^]*--size 32/);
    await refused(features(put({ pixels: floats([3, 2, 2]) })), /pixels is \[3, 2, 2\]/);
    await refused(features(put({ ids: ints([1, 30]) })), /no mask beside the ids/);
    await refused(features(put({ ids: ints([1, 30]), mask: ints([1, 29]) })), /mask is \[1, 29\]/);
    await refused(features(put({ ids: ints([1, 30]), mask: ints([1, 30], 0) })), /begins with a token[^]*caption 0/);
    await refused(
      features(put({ ids: ints([1, 30], 120), mask: ints([1, 30]) })),
      /120 is no word piece: the model knows 0 to 119/,
    );
    await refused(features(put({ ids: ints([1, 41]), mask: ints([1, 41]) })), /41 tokens have only 40 positions/);
    await refused(["inspect", "features", "--checkpoint", ...weights, "--out", out], /needs --inputs/);
    await refused(
      ["inspect", "features", "--checkpoint", tiny("weights_img"), "--inputs", tiny("inputs"), "--out", out],
      /lack txt\.text_encoder/,
    );
    await refused(
      ["inspect", "features", "--checkpoint", tiny("inputs"), "--inputs", tiny("inputs"), "--out", out],
      /no weights of an AMS encoder/,
    );
    await refused(
      ["inspect", "features", "--checkpoint", "a.safetensors", "--inputs", tiny("inputs"), "--out", out],
      /no such file of weights/,
    );
  });
});

describe("inspect scores", () => {
  type Matrix = number[][];
  const golden = goldenJson<{
    train: {
      f32: Record<string, number> & { scale: Record<string, Matrix>; total_faithful: Matrix; total_fixed: Matrix };
    };
    test: { f64: Record<string, { scale: Record<string, Matrix>; total: Matrix }> };
  }>("tiny/scores");
  const fromWeights = ["scores", "--checkpoint", ...weights, "--inputs", tiny("inputs")];

  for (const mode of ["faithful", "fixed"] as const) {
    const switched = mode === "fixed" ? ["--quirk", "firstScaleText=corrected"] : [];

    test(`of a training step, first scale ${mode}: every scale, their sum, the loss and every parameter's gradient`, async () => {
      const found = await tensorsOf(...fromWeights, "--mode", "train", "--gradients", ...switched);
      const { scale, [`total_${mode}` as const]: total, [`loss_${mode}`]: loss } = golden.train.f32;
      for (let k = 1; k <= 6; k++) {
        const expected = scale[k === 1 && mode === "fixed" ? "1_fixed" : String(k)] as Matrix;
        compare(found, `scale_${k}`, expected.flat(), 2e-6, [6, 6]);
      }
      compare(found, "total", total.flat(), 5e-6, [6, 6]);
      compare(found, "loss", [loss as number], 2e-6 * (loss as number), []);
      const gradients = goldenTensors(`tiny/grads_${mode}_f64`);
      for (const [name, { data, shape }] of gradients) {
        const most = (data as Float32Array).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        // The gradient of a key bias is analytically zero: what is there is rounding noise.
        compare(found, name, data, name.endsWith("key.bias") ? 1e-4 : 2e-5 * most, shape);
      }
      const scores = ["scale_1", "scale_2", "scale_3", "scale_4", "scale_5", "scale_6", "total", "loss"];
      const rest = [...found.keys()].filter((name) => !scores.includes(name) && !gradients.has(name));
      assert.deepEqual(rest, [], "the published code has no gradient there");
    });

    test(`of features, first scale ${mode}: the loss's gradient of every feature`, async () => {
      const features = path.join(folder, "features.safetensors");
      await ams("inspect", "features", "--checkpoint", ...weights, "--inputs", tiny("inputs"), "--out", features);
      const found = await tensorsOf("scores", "--features", features, "--mode", "train", "--gradients", ...switched);
      // The features are ours, rounded: of all gradients together the golden limit is 1e-5 in relative length.
      const squares = { off: 0, all: 0 };
      for (const [name, { data, shape }] of goldenTensors(`tiny/feature_grads_${mode}`)) {
        const expected = data as Float32Array;
        const tensor = found.get(name);
        if (tensor === undefined && expected.every((g) => g === 0)) continue;
        assert.deepEqual(tensor?.shape, shape, name);
        expected.forEach((g, i) => {
          squares.off += (g - (tensor.data[i] as number)) ** 2;
          squares.all += g ** 2;
        });
      }
      const off = Math.sqrt(squares.off / squares.all);
      assert.ok(off <= 1e-5, `off by ${String(off)}`);
      assert.ok(found.has("b1"));
    });
  }

  test("of the evaluation at both thresholds", async () => {
    for (const [name, { scale, total }] of Object.entries(golden.test.f64)) {
      const threshold = /[\d.]+/.exec(name)?.[0] ?? "";
      const found = await tensorsOf(...fromWeights, "--mode", "evaluation", "--threshold", threshold);
      for (let k = 1; k <= 6; k++) compare(found, `scale_${k}`, (scale[String(k)] as Matrix).flat(), 2e-6);
      compare(found, "total", total.flat(), 5e-6);
    }
  });

  test("are the same from features, with the pads, scale weights and thresholds that these came with", async () => {
    const model = tinyModel({ restoreScaleWeights: true, restoreThresholds: true });
    model.parameters.get("b3")?.assign((await import("@tensorflow/tfjs-core")).tensor1d([0.5]));
    model.thresholds = { mined: 0.03, safe: 0.06 };
    const saved = path.join(folder, "saved");
    saveModel(
      { ...model, tokenizer: { ...model.tokenizer, words: Array.from({ length: 120 }, (_, i) => vocabulary(i)) } },
      saved,
    );
    const features = path.join(folder, "features.safetensors");
    await ams("inspect", "features", "--checkpoint", saved, "--inputs", tiny("inputs"), "--out", features);
    for (const mode of ["train", "evaluation"]) {
      const options = ["--mode", mode, "--recipe", "ams-corrected"];
      const direct = await tensorsOf("scores", "--checkpoint", saved, "--inputs", tiny("inputs"), ...options);
      const later = await tensorsOf("scores", "--features", features, ...options);
      const asPublished = await tensorsOf("scores", "--features", features, "--mode", mode);
      compare(later, "total", direct.get("total")?.data ?? [], 2e-6);
      assert.ok(largestDifference(later.get("total")?.data ?? [], asPublished.get("total")?.data ?? []) > 1e-2);
    }
  });

  test("of more captions than images have no loss, and no gradients", async () => {
    const { pixels, ids, mask } = Object.fromEntries(goldenTensors("tiny/inputs"));
    const file = path.join(folder, "four.safetensors");
    const four = { shape: [4, 3, 32, 32], data: (pixels?.data as Float32Array).slice(0, 4 * 3 * 32 * 32) };
    writeSafetensors(file, Object.entries({ pixels: four, ids: ids as StoredTensor, mask: mask as StoredTensor }));
    const words = ["scores", "--checkpoint", ...weights, "--inputs", file];
    const found = await tensorsOf(...words);
    assert.deepEqual([found.get("total")?.shape, found.has("loss")], [[4, 6], false]);
    await refused(["inspect", ...words, "--gradients", "--out", out], /4 images and 6 captions make no batch/);
  });

  test("show their loss, and refuse what does not fit", async () => {
    const shown = (await ams("inspect", ...fromWeights, "--mode", "train", "--out", out))[displaySymbol]();
    assert.match((await shown)["text/plain"], /loss 7\.736/);
    await refused(["inspect", ...fromWeights, "--features", out, "--out", out], /not of both/);
    await refused(["inspect", "scores", "--features", tiny("inputs"), "--out", out], /not the features[^]*0 scales/);
    await refused(["inspect", ...fromWeights, "--quirk", "padWord=corrected", "--out", out], /padWords=corrected/);
    await refused(
      ["inspect", ...fromWeights, "--quirk", "a=b", "--out", out],
      /write NAME=published or NAME=corrected/,
    );
    const nowhere = path.join(folder, "text.png", "x.safetensors");
    await refused(["inspect", ...fromWeights, "--out", nowhere], /cannot be (written|made)/);
    assert.ok(!existsSync(nowhere));
  });
});

/** 120 word pieces: the special ones where BERT's tokenizer wants them. */
function vocabulary(i: number): string {
  return { 0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]" }[i] ?? `word${i}`;
}

describe("eval --scores", () => {
  interface Golden {
    sims: number[][];
    i2t: { metrics: object };
    t2i: { metrics: object };
    rsum: number;
  }

  /** An F64 tensor beside an I32 one, as numpy writes them. */
  function writeDoubles(file: string, scores: number[][], owner: number[]): void {
    const values = Buffer.from(Float64Array.from(scores.flat()).buffer);
    const owners = Buffer.from(Int32Array.from(owner).buffer);
    const header = Buffer.from(
      JSON.stringify({
        scores: { dtype: "F64", shape: [scores.length, owner.length], data_offsets: [0, values.length] },
        owner: { dtype: "I32", shape: [owner.length], data_offsets: [values.length, values.length + owners.length] },
      }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(file, Buffer.concat([length, header, values, owners]));
  }

  const file = path.join(folder, "given.safetensors");
  const owner = Array.from({ length: 200 }, (_, c) => Math.floor(c / 5));

  test("gives the published metrics of a matrix in float64, exactly", async () => {
    const { sims, i2t, t2i, rsum } = goldenJson<Golden>("eval/random40x200");
    writeDoubles(file, sims, owner);
    const found = (await ams<Evaluation>("eval", "--scores", file)).toJSON();
    assert.deepEqual([found.i2t, found.t2i, found.rsum, found.ties], [i2t.metrics, t2i.metrics, rsum, 0]);
    assert.deepEqual([found.split, found.images, found.captions], ["given", 40, 200]);
    assert.equal(found.interval.length, 2);
  });

  test("tells scores apart that float32 would tie", async () => {
    const close = [
      [0.5 + 1e-12, 0.5],
      [0.5, 0.5 + 1e-12],
    ];
    writeDoubles(file, close, [0, 1]);
    const { ties, i2t } = await ams<Evaluation>("eval", "--scores", file);
    assert.deepEqual([ties, i2t.r1], [0, 100]);
  });

  test("refuses files without scores or owners, owners that are no images, NaN, and options for models", async () => {
    const scores: StoredTensor = { shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) };
    const put = (tensors: Record<string, StoredTensor>): string[] => {
      writeSafetensors(file, Object.entries(tensors));
      return ["eval", "--scores", file];
    };
    await refused(put({ scores }), /it has scores[^]*owner \[captions\]/);
    await refused(put({ scores, owner: { shape: [3], data: Int32Array.of(0, 1, 1) } }), /owner \[3\]/);
    await refused(
      put({ scores, owner: { shape: [2], data: Int32Array.of(0, 2) } }),
      /caption 1 is said to belong to image 2, and the 2 images count from 0 to 1/,
    );
    await refused(
      put({
        scores: { shape: [2, 2], data: Float32Array.of(NaN, 0, 0, 1) },
        owner: { shape: [2], data: Int32Array.of(0, 1) },
      }),
      /not a number/,
    );
    await refused([...put({ scores }), "--checkpoint", "scenes-small"], /without --checkpoint/);
    await refused(["eval", "--scores", path.join(folder, "none.safetensors")], /there is no such file/);
  });
});
