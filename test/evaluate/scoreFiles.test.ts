/** Score matrices in files, to and from NumPy; ensembles; the verbs that read them. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { checkOptions, parseWords } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { commands } from "../../src/commands/table.js";
import { compareCommand } from "../../src/commands/verbs/compare.js";
import { evalCommand } from "../../src/commands/verbs/eval.js";
import { silentContext, type Context } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import {
  evaluate,
  evaluateScores,
  openEnsemble,
  readScores,
  saveScores,
  type Comparison,
  type Evaluation,
} from "../../src/evaluate/index.js";
import { readNpy, writeNpy } from "../../src/evaluate/npy.js";
import { scaleWeights } from "../../src/model/ams.js";
import { saveModel } from "../../src/model/store.js";
import { runPython, withoutPytorch } from "../pytorch.js";
import { makeSample, type Sample } from "./sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-scores-"));
const file = (name: string): string => path.join(folder, name);
let sample: Sample;
before(async () => {
  process.env["AMS_HOME"] = folder; // the kept blocks of evaluations
  await startEngine("plain");
  sample = await makeSample();
});
after(async () => {
  sample.remove();
  rmSync(folder, { recursive: true });
  await closeImageWorkers();
});

const scores = Float32Array.of(0.9, 0.1, 0.25, 0.2, 0.3, 0.8);
const owner = Int32Array.of(0, 0, 1);
const given = (): Evaluation => evaluateScores(scores, owner, { split: "test", name: "small" });

async function ams<R = Evaluation>(...words: string[]): Promise<R> {
  const { command, options } = parseWords(words, commands);
  return (await command.run(options, silentContext, createSession(folder))) as R;
}

const refused = (promise: Promise<unknown>, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.lines().join("\n"), message);
    assert.ok(error.where !== undefined && error.hint !== undefined);
    return true;
  });

describe("score files", () => {
  test("are read back as they were written, as .npy and as safetensors", () => {
    for (const name of ["s.npy", "s.safetensors", "deep/er/s.npy"]) {
      const written = saveScores(file(name), given());
      assert.deepEqual(written.map((f) => existsSync(f)), name.endsWith("npy") ? [true, true] : [true]); // prettier-ignore
      const read = readScores(file(name));
      assert.deepEqual([read.scores, read.owner], [Float64Array.from(scores), owner]);
    }
    const exact = evaluateScores(Float64Array.of(0.1, 1 / 3), Int32Array.of(0, 0));
    saveScores(file("exact.safetensors"), exact);
    assert.equal(readScores(file("exact.safetensors")).scores[1], 1 / 3);
  });

  test("open in NumPy, and those of NumPy open here", { skip: withoutPytorch }, () => {
    saveScores(file("s.npy"), given());
    saveScores(file("s.safetensors"), given());
    const code = `
import sys, json, numpy, safetensors.numpy
folder = sys.argv[1]
s, o = numpy.load(folder + "/s.npy"), numpy.load(folder + "/s.owner.npy")
t = safetensors.numpy.load_file(folder + "/s.safetensors")
same = bool((t["scores"] == s).all() and (t["owner"] == o).all())
x = numpy.arange(12).reshape(3, 4) / 7
numpy.save(folder + "/f8.npy", x)
numpy.save(folder + "/f4.npy", x.astype("float32"))
numpy.save(folder + "/columns.npy", numpy.asfortranarray(x))
numpy.save(folder + "/columns.owner.npy", numpy.array([0, 0, 1, 2]))
numpy.save(folder + "/short.npy", numpy.array([1, -2], dtype="int16"))
numpy.save(folder + "/text.npy", numpy.array(["a", "b"]))
numpy.save(folder + "/records.npy", numpy.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))
with open(folder + "/v2.npy", "wb") as f: numpy.lib.format.write_array(f, x, version=(2, 0))
print(json.dumps([s.tolist(), str(s.dtype), o.tolist(), str(o.dtype), s.flags["C_CONTIGUOUS"], same]))
`;
    const [s, type, o, ownerType, rowsFirst, same] = JSON.parse(runPython(code, folder)) as [number[][], string, number[], string, boolean, boolean]; // prettier-ignore
    assert.deepEqual([Float32Array.from(s.flat()), type], [scores, "float32"]);
    assert.deepEqual([o, ownerType, rowsFirst, same], [[0, 0, 1], "int32", true, true]);
    const x = Float64Array.from({ length: 12 }, (_, i) => i / 7);
    for (const name of ["f8", "columns", "v2"])
      assert.deepEqual(readNpy(file(`${name}.npy`)), { shape: [3, 4], data: x });
    assert.deepEqual(readNpy(file("f4.npy")).data, Float64Array.from(Float32Array.from(x)));
    assert.deepEqual(readNpy(file("short.npy")), { shape: [2], data: Float64Array.of(1, -2) });
    assert.deepEqual(readScores(file("columns.npy")).owner, Int32Array.of(0, 0, 1, 2));
    for (const name of ["text", "records"]) assert.throws(() => readNpy(file(`${name}.npy`)), /its numbers are/);
  });

  test("that are damaged, missing or end in something else are refused", () => {
    writeNpy(file("whole.npy"), [2, 3], scores);
    assert.deepEqual(readNpy(file("whole.npy")).shape, [2, 3]);
    writeFileSync(file("text.npy"), "1 2 3 4 5 6 7 8 9");
    assert.throws(() => readNpy(file("text.npy")), /does not begin as one/);
    writeFileSync(file("short.npy"), "\x93NUMPY", "latin1");
    assert.throws(() => readNpy(file("short.npy")), /ends at byte 6/);
    assert.throws(() => readNpy(file("none.npy")), /cannot be opened/);
    assert.throws(() => saveScores(file("scores.csv"), given()), /cannot be saved as ".csv"/);
  });

  test("in a .npz say how one array of it is saved", async () => {
    const refusals = [ams("eval", "--scores", "all.npz"), ams("compare", "all.npz", "all.npz")];
    for (const read of refusals)
      await refused(
        read,
        /a \.npz holds several arrays[^]*all\.npz\n[^]*numpy\.save\("all\.npy", numpy\.load\("all\.npz"\)\["NAME"\]\)/,
      );
  });

  test("that are no matrix say so, whatever is beside them", () => {
    const refusal = (shape: number[], count: number): void => {
      writeNpy(file("odd.npy"), shape, new Float32Array(count));
      const known = (_: number, captions: number): Int32Array => new Int32Array(captions);
      for (const owners of [undefined, known]) {
        const wanted = `scores are of shape \\[${shape.join(", ")}\\], no matrix`;
        assert.throws(() => readScores(file("odd.npy"), owners), new RegExp(wanted));
      }
    };
    refusal([6], 6);
    refusal([1, 2, 3], 6);
    refusal([0, 50], 0);
  });

  test("may have owners of any whole numbers, and scores of 16 bits", () => {
    const npy = (name: string, type: string, shape: string, bytes: Uint8Array): void => {
      const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117) + "\n";
      writeFileSync(file(name), Buffer.concat([Buffer.from(`\x93NUMPY\x01\x00\x76\x00${header}`, "latin1"), bytes]));
    };
    const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer);
    npy("half.npy", "<f2", "2, 3", bytesOf(Uint16Array.of(0x3c00, 0x3800, 0x3400, 0xc000, 0, 1)));
    const halves = Float64Array.of(1, 0.5, 0.25, -2, 0, 2 ** -24);
    const owners: [string, ArrayBufferView][] = [
      ["<u8", BigUint64Array.of(0n, 0n, 1n)],
      ["<i8", BigInt64Array.of(0n, 0n, 1n)],
      ["<u4", Uint32Array.of(0, 0, 1)],
      ["<i4", Int32Array.of(0, 0, 1)],
      ["<u2", Uint16Array.of(0, 0, 1)],
      ["<i2", Int16Array.of(0, 0, 1)],
      ["|u1", Uint8Array.of(0, 0, 1)],
      ["|i1", Int8Array.of(0, 0, 1)],
    ];
    for (const [type, values] of owners) {
      npy("half.owner.npy", type, "3,", bytesOf(values));
      assert.deepEqual(readScores(file("half.npy")), { scores: halves, owner }, type);
    }
    npy("half.owner.npy", ">i4", "3,", new Uint8Array(12));
    assert.throws(() => readScores(file("half.npy")), /numbers are >i4/);
    const hint = `save it again: numpy.save("half.owner.npy", owner.astype("int32"))`;
    assert.throws(() => readScores(file("half.npy")), { hint });
  });
});

describe("eval", () => {
  test("--save writes the matrix that --scores evaluates to the same recalls, with the split's captions where --data names it", async () => {
    const options = checkOptions(evalCommand, { data: sample.dataset, model: await sample.model(), save: "own.npy" });
    const evaluation = await evalCommand.run(options as never, silentContext, createSession(folder));
    const again = await ams("eval", "--scores", "own.npy");
    assert.deepEqual([again.i2t, again.t2i, again.items.length], [evaluation.i2t, evaluation.t2i, 0]);
    const named = checkOptions(evalCommand, { data: sample.dataset, scores: "own.npy" });
    const session = createSession(folder);
    const withItems = await evalCommand.run(named as never, silentContext, session);
    assert.equal(withItems.items[3]?.id, evaluation.items[3]?.id);
    assert.deepEqual([withItems.dataset, withItems.split, session.evaluations.length], ["squares", "test", 1]);
    await refused(
      evalCommand.run({ ...(named as object), captionsPerImage: 1 } as never, silentContext, session),
      /of 6 images x 11 captions, not of the 6 x 6 of squares test/,
    );
    await refused(ams("eval", "--save", "recalls.csv"), /cannot be saved/);
  });

  test("--save-scales writes every scale beside the sum, which is their weighted sum", async () => {
    const model = await sample.model();
    for (const ending of ["npy", "safetensors"]) {
      const named = { data: sample.dataset, model, save: file(`whole.${ending}`), saveScales: true };
      const options = checkOptions(evalCommand, named) as never;
      const whole = await evalCommand.run(options, silentContext, createSession(folder));
      const planes = scaleWeights(model).map((weight, k) => ({ weight, ...readScores(file(`whole.scale-${String(k + 1)}.${ending}`)) })); // prettier-ignore
      assert.equal(planes.length, 6);
      for (const { owner: of } of planes) assert.deepEqual(of, whole.owner);
      Array.from(whole.scores).forEach((score, p) => {
        const sum = planes.reduce((total, { weight, scores: plane }) => total + weight * plane[p]!, 0);
        assert.ok(Math.abs(sum - score) < 1e-5);
      });
      const alone = await ams("eval", "--scores", `whole.scale-2.${ending}`);
      const expected = await evaluate(model, sample.dataset, { scales: true }, silentContext);
      assert.equal(alone.rsum, expected.scales![1]!.alone.rsum);
    }
    await refused(ams("eval", "--save-scales"), /needs a file to save beside/);
    await refused(ams("eval", "--save-scales", "--pooled", "--save", "s.npy"), /pooled scores have no scales/);
    const two = ["--checkpoint", "a", "--checkpoint", "b", "--save", "s.npy"];
    await refused(ams("eval", ...two, "--save-scales"), /without --save-scales/);
    await refused(ams("eval", "--scores", "s.npy", "--save", "t.npy", "--save-scales"), /without --save-scales/);
  });

  test("--captions-per-image says whose captions a bare matrix has", async () => {
    writeNpy(file("bare.npy"), [2, 4], Float32Array.of(1, 1, 0, 0, 0, 0, 1, 1));
    assert.equal((await ams("eval", "--scores", "bare.npy", "--captions-per-image", "2")).rsum, 600);
    await refused(ams("eval", "--scores", "bare.npy"), /bare\.owner\.npy is not beside them[^]*--captions-per-image N/);
    await refused(
      ams("eval", "--scores", "bare.npy", "--captions-per-image", "1"),
      /2 images x 4 captions are not 1 captions an image/,
    );
    writeNpy(file("turned.npy"), [4, 2], Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1));
    await refused(ams("eval", "--scores", "turned.npy", "--captions-per-image", "2"), /the other way round/);
    saveScores(file("owned.npy"), given());
    await refused(ams("eval", "--scores", "owned.npy", "--captions-per-image", "2"), /2 images x 3 captions/);
    writeNpy(file("mixed.npy"), [2, 4], Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1));
    writeNpy(file("mixed.owner.npy"), [4], Int32Array.of(0, 1, 0, 1));
    await refused(ams("eval", "--scores", "mixed.npy", "--captions-per-image", "2"), /caption 1 belongs to image 1/);
    await refused(ams("eval", "--scores", "bare.npy", "--scales"), /without --scales/);
    await refused(ams("eval", "--scores", "bare.npy", "--images", "1"), /without --images/);
  });

  test("of several checkpoints is the mean of their scores, as of several files", async () => {
    const model = await sample.model();
    saveModel(model, file("one"));
    for (const [, weight] of model.parameters) if (weight.name.includes("fc")) weight.assign(tf.mul(weight, 1.1));
    saveModel(model, file("two"));
    const session = createSession(folder);
    const options = checkOptions(evalCommand, {
      data: sample.dataset,
      checkpoint: ["one", "two"],
      save: "both.npy",
      folds: 2,
    });
    const both = await evalCommand.run(options as never, silentContext, session);
    const each = await Promise.all(
      ["one", "two"].map(async (checkpoint) => {
        const alone = checkOptions(evalCommand, { data: sample.dataset, checkpoint, save: `${checkpoint}.npy` });
        return evalCommand.run(alone as never, silentContext, createSession(folder));
      }),
    );
    both.scores.forEach((score, p) => {
      assert.ok(Math.abs(score - (each[0]!.scores[p]! + each[1]!.scores[p]!) / 2) < 1e-7);
    });
    assert.notDeepEqual(each[0]!.scores, each[1]!.scores);
    assert.deepEqual(both.members?.map(({ name, rsum }) => [name, rsum]), [["one", each[0]!.rsum], ["two", each[1]!.rsum]]); // prettier-ignore
    assert.match(both[displaySymbol]()["text/plain"], /^one [^]*^two [^]*^mean of 2 [^]*mean of 2 folds/m);
    assert.equal(session.evaluations.at(-1), both);
    assert.deepEqual((await ams("eval", "--scores", "one.npy", "--scores", "two.npy")).scores, both.scores);
    assert.deepEqual((await ams("eval", "--scores", "both.npy")).t2i, both.t2i);
  });

  test("keeps what is scored until the whole line is done: an ensemble's first model, and what could not be saved", async () => {
    const kept = (): number => (existsSync(file("scoring")) ? readdirSync(file("scoring")).length : 0);
    const notes: string[] = [];
    const controller = new AbortController();
    const stops: Context = {
      ...silentContext,
      signal: controller.signal,
      note: (line) => {
        notes.push(line);
        if (line === "scoring with two") controller.abort(new Error("stopped by the user"));
      },
    };
    const named = { data: sample.dataset, checkpoint: ["one", "two"] };
    const options = checkOptions(evalCommand, named) as never;
    await assert.rejects(evalCommand.run(options, stops, createSession(folder)), /stopped/);
    assert.equal(kept() > 0, true);
    notes.length = 0;
    const context = { ...silentContext, note: (line: string) => notes.push(line) };
    await evalCommand.run(options, context, createSession(folder));
    assert.match(notes.join("\n"), /scoring with one\ngoing on with the scores of 66 of 66 pairs/);
    assert.equal(kept(), 0);

    writeFileSync(file("afile"), "");
    await refused(ams("eval", "--checkpoint", "one", "--save", "afile/x.npy"), /x\.npy|afile/);
    assert.equal(kept(), 0, "refused before any work");
  });

  test("--pooled refuses what only the exact score has", async () => {
    for (const flags of [["--scales"], ["--memory", "1"], ["--threshold", "0.1"], ["--fresh"], ["--resume"]])
      await refused(ams("eval", "--pooled", ...flags), new RegExp(`${flags[0]!} has no effect`));
  });

  test("refuses ensembles of different galleries, and what means are not", async () => {
    const ensemble = openEnsemble();
    ensemble.add("a", given());
    assert.throws(() => ensemble.add("b", evaluateScores(scores, Int32Array.of(0, 1, 1))), /different galleries: caption 1 belongs to image 0 in one, to image 1 in the other/); // prettier-ignore
    await refused(ams("eval", "--checkpoint", "a", "--checkpoint", "b", "--scales"), /without --scales/);
    await refused(ams("eval", "--checkpoint", "a", "--resume", "b"), /the same as --checkpoint/);
  });
});

describe("compare", () => {
  test("takes score files, models and evaluations, in any mixture", async () => {
    for (const name of ["one", "two"]) {
      const options = checkOptions(evalCommand, { data: sample.dataset, checkpoint: name, save: `${name}.npy` });
      await evalCommand.run(options as never, silentContext, createSession(folder));
    }
    const files = await ams<Comparison>("compare", "one.npy", "two.npy");
    assert.deepEqual([files.a, files.b, files.images, files.captions], ["one.npy", "two.npy", 6, 11]);
    const mixed = checkOptions(compareCommand, { data: sample.dataset, sides: ["one", readBack("two.npy")] });
    const found = await compareCommand.run(mixed as never, silentContext, createSession(folder));
    assert.deepEqual(found.measures, files.measures);
  });

  test("refuses before any work what is not there, and a model on another gallery than the scores", async () => {
    const worked: Context = { ...silentContext, note: (line) => assert.fail(`worked: ${line}`) };
    const compare = (sides: unknown[], more: object = {}): Promise<unknown> =>
      compareCommand.run(checkOptions(compareCommand, { data: sample.dataset, sides, ...more }) as never, worked, createSession(folder)); // prettier-ignore
    await refused(compare(["one", "nobody"]), /there is no model "nobody"/);
    for (const sides of [["one", readBack("two.npy")], [readBack("two.npy"), "one"]])
      await refused(compare(sides, { images: 4 }), /one would be evaluated on 4 images x 7 captions, and two\.npy is of 6 x 11\n[^]*--images 6/); // prettier-ignore
  });

  const readBack = (name: string): Evaluation => {
    const read = readScores(file(name));
    return evaluateScores(read.scores, read.owner, { split: "test", name });
  };

  test("shows what differs between two runs", async () => {
    for (const [name, epochs] of [
      ["first", 2],
      ["second", 3],
    ] as const) {
      // prettier-ignore
      saveModel(await sample.model(), file(`runs/${name}/best`));
      const recipe = name === "first" ? "ams-corrected" : "vse";
      const options = { epochs, lr: 0.001, ...(name === "first" ? {} : { recipe }) };
      const done = Array.from({ length: epochs }, (_, epoch) => ({ epoch, step: epoch + 1, loss: 4 + epoch }));
      const record = { recipe, status: "finished", options, epochs: done };
      writeFileSync(file(`runs/${name}/run.json`), JSON.stringify(record));
      const steps = Array.from({ length: epochs }, (_, s) =>
        JSON.stringify({ step: s + 1, loss: epochs / 2 + (epochs - 1 - s) }),
      );
      writeFileSync(file(`runs/${name}/steps.jsonl`), `${steps.join("\n")}\n`);
    }
    const options = checkOptions(compareCommand, { data: sample.dataset, sides: ["first", "second"] });
    const found = await compareCommand.run(options as never, silentContext, createSession(folder));
    assert.deepEqual(found.records, [
      { what: "recipe", a: "ams-corrected", b: "vse" },
      { what: "epochs made", a: "2", b: "3" },
      { what: "steps made", a: "2", b: "3" },
      { what: "mean loss of the last epoch", a: "5.000", b: "6.000" },
      { what: "loss of the last step", a: "1.000", b: "1.500" },
      { what: "epochs", a: "2", b: "3" },
    ]);
    assert.ok(found.measures.every(({ difference, real }) => difference === 0 && !real));

    const { data } = found.curves!.plotly!;
    assert.deepEqual(data.map(({ name, x }) => [name, x]), [["first", [1, 2]], ["second", [1, 2, 3]]]); // prettier-ignore
    assert.equal((data[1] as { y: number[] }).y[0], 3.5);
    const bundle = await found[displaySymbol]();
    assert.match(bundle["text/html"] as string, /<table[^]*<svg/);
    assert.match(bundle["text/plain"], /^Training curves: first, second$[^]*^second +3 +1\.5/m);
    assert.equal((bundle["text/html"] as string).match(/<svg role="img"/g)?.length, 2, "differences and curves");
    assert.deepEqual(found.frame().column("measure").values, found.measures.map(({ measure }) => measure)); // prettier-ignore
    assert.match((await found.figure()).text, /rSum +\+0\.0/);
    const json = JSON.parse(JSON.stringify(compareCommand.json(found))) as { curves: { data: unknown[] } };
    assert.equal(json.curves.data.length, 2);
  });

  test("needs two, of one gallery, that are there", async () => {
    await refused(ams("compare", "one.npy"), /takes two things, not 1/);
    await refused(ams("compare", "one.npy", "two.npy", "three.npy"), /not 3/);
    await refused(ams("compare", "one.npy", "none.npy"), /cannot be opened/);
    saveScores(file("other.npy"), given());
    await refused(ams("compare", "one.npy", "other.npy"), /different galleries: 6 images x 11 captions, 2 images x 3/);
    const missing = checkOptions(compareCommand, { data: sample.dataset, sides: ["one", "no-such-model"] });
    await refused(
      compareCommand.run(missing as never, silentContext, createSession(folder)),
      /no model "no-such-model"/,
    );
  });
});
