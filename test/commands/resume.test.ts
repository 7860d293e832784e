/** Going on with a run: its checkpoint, its data, and which run a bare --resume takes. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, describe, mock, test } from "node:test";
import sharp from "sharp";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { dataCommand } from "../../src/commands/verbs/data.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { silentContext } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import type { Model } from "../../src/model/ams.js";
import { buildModel } from "../../src/model/build.js";
import * as objective from "../../src/train/objective.js";
import type { Run } from "../../src/train/trainer.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-resume-"));
process.env["AMS_HOME"] = path.join(folder, "home");
const photos = path.join(folder, "photos");
const runs = path.join(folder, "home", "runs");

/** Every call has a session of its own, as in a terminal. */
async function train(
  options: Record<string, unknown>,
  signal = silentContext.signal,
): Promise<{ run: Run; notes: string[] }> {
  const notes: string[] = [];
  const context = { ...silentContext, signal, note: (line: string) => notes.push(line) };
  const run = await trainCommand.run(checkOptions(trainCommand, options) as never, context, createSession(folder));
  return { run, notes };
}

describe("a run that goes on", () => {
  let model: Model;
  before(async () => {
    await startEngine("plain");
    mkdirSync(photos);
    const rows = ["image,caption,split"];
    for (const name of ["1.png", "2.png", "3.png", "4.png"]) {
      await sharp({ create: { width: 40, height: 40, channels: 3, background: `#${name[0]!}0c` } })
        .png()
        .toFile(path.join(photos, name));
      rows.push(`${name},a b ${name[0]!},train`);
    }
    writeFileSync(path.join(photos, "captions.csv"), `${rows.join("\n")}\n`);
    const vocabulary = path.join(folder, "vocab.txt");
    writeFileSync(
      vocabulary,
      ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...Array.from("abcdefghijklmnopqrstuvwxyz")].join("\n"),
    );
    model = await buildModel({ size: "tiny", vocabulary });
    await train({ data: photos, model, name: "own", steps: 2, epochs: 9, batchSize: 2, validate: 0 });
  });

  test("opens the data that it was trained on, and is taken by a bare --resume only with a checkpoint", async () => {
    const record = (name: string, options: object): void => {
      const text = JSON.stringify({ recipe: "ams-corrected", options, epochs: [], status: "training" });
      writeFileSync(path.join(runs, name, "run.json"), text);
    };
    const data = { name: "photos", root: photos };
    record("own", { data, batchSize: 2, epochs: 9, validate: 0 });
    mkdirSync(path.join(runs, "later"));
    writeFileSync(path.join(runs, "later", "steps.jsonl"), "");
    record("later", { data });
    const { run, notes } = await train({ resume: true, steps: 3 });
    assert.deepEqual([run.name, run.steps.length], ["own", 3]);
    assert.equal(notes[0], "going on with run own (ams-corrected, tiny, step 2 of 3)");
  });

  test("is told how it goes on when it stops, which the published recipe does from epoch 1", async () => {
    for (const [recipe, told] of [
      ["ams-published", /to go on: .* \(the published recipe begins again at epoch 1 .*resumeSchedule=corrected/],
      ["ams-corrected", /to go on: ams train --resume stop-ams-corrected$/],
    ] as const) {
      const options = { data: photos, model, recipe, name: `stop-${recipe}`, steps: 2, batchSize: 2, validate: 0 };
      const { notes } = await train(options, AbortSignal.abort());
      assert.match(notes.find((line) => line.startsWith("stopped after")) ?? "", told);
    }
  });

  test("falls back to the checkpoint before a damaged one", async () => {
    writeFileSync(path.join(runs, "own", "checkpoints", "step-00000003", "model.safetensors"), "damaged");
    const { run, notes } = await train({ resume: "own", steps: 4 });
    assert.equal(run.steps.at(-1)?.step, 4);
    assert.match(
      notes.join("\n"),
      /step-00000003 cannot be read[^]*going on from step 2: the newest checkpoint that is whole/,
    );
    const optimiser = path.join(runs, "own", "checkpoints", "step-00000004", "optimiser.safetensors");
    truncateSync(optimiser, 1000);
    const next = await train({ resume: "own", steps: 5 });
    assert.equal(next.run.steps.at(-1)?.step, 5);
    assert.match(
      next.notes.join("\n"),
      /step-00000004 is damaged \(optimiser\.safetensors does not have its checksum\): using the one before\ngoing on from step 2/,
    );
  });

  test("refuses another name, size or checkpoint, and says which settings are no longer those of its first steps", async () => {
    const refused = async (options: Record<string, unknown>, wanted: RegExp): Promise<void> => {
      await assert.rejects(train({ resume: "own", steps: 6, ...options }), (error: unknown) => {
        assert.ok(error instanceof AmsError && error.where !== undefined && error.hint !== undefined);
        assert.match(error.message, wanted);
        return true;
      });
    };
    await refused({ name: "other" }, /"own" goes on under its own name/);
    await refused({ checkpoint: "scenes-small" }, /"own" goes on from its own last checkpoint/);
    await refused({ model }, /"own" goes on from its own last checkpoint/);
    await refused({ recipe: "naaf" }, /"own" goes on with the model of its recipe ams-corrected/);
    await assert.rejects(train({ resume: "own", epochs: 9, steps: undefined }), ({ where }: AmsError) =>
      /^run "own", up to --steps 5 \(as given now, else as when it began\)$/.test(where ?? ""),
    );
    await refused({ size: "small" }, /the model is of size tiny, not small/);
    const same = await train({ resume: "own", size: "tiny", batchSize: 2, steps: 6 });
    assert.ok(!same.notes.some((line) => line.includes("instead of")));
    const { notes } = await train({ resume: "own", seed: 99, lr: 0.5, steps: 7 });
    assert.ok(notes.includes('run "own" goes on with seed 99 instead of 3407, learningRate 0.5 instead of 0.00002: its first 6 steps were the other\'s, its record now names the new ones'), notes.join("\n")); // prettier-ignore
  });

  test("opens the scenes as they were drawn for it", async () => {
    const data = await openScenes(
      { counts: { train: 2, val: 2, test: 2, "test-pairs": 2, "test-style": 2 }, pixels: 32 },
      silentContext,
    );
    await train({ data, model, name: "drawn", epochs: 1, batchSize: 10, validate: 0 });
    const { run, notes } = await train({ name: "drawn", resume: true, epochs: 2 });
    assert.equal(notes[0], `going on with run drawn (${run.recipe}, tiny, step 1, 1 of 2 epochs)`);
    assert.equal(run.steps.length, 2);
  });

  test("finds annotations and tables of captions that lie elsewhere by itself", async () => {
    const elsewhere = path.join(folder, "elsewhere");
    mkdirSync(elsewhere);
    const rows = ["1.png", "2.png", "3.png", "gone.png"].map((image) => ({ image, caption: "a b", image_id: image }));
    writeFileSync(path.join(elsewhere, "flickr30k_train.json"), JSON.stringify(rows.slice(0, 3)));
    const table = path.join(elsewhere, "mine.csv");
    writeFileSync(table, ["image,caption,split", ...rows.map(({ image }) => `${image},a b,train`)].join("\n"));
    const choices: Record<string, Record<string, unknown>> = {
      annotated: { data: "flickr30k", root: photos, annotations: "elsewhere" },
      tabled: { data: photos, captions: path.join("elsewhere", "mine.csv") },
    };
    const common = { model, epochs: 9, batchSize: 2, validate: 0 };
    await assert.rejects(train({ ...choices["tabled"], ...common, name: "refused", steps: 1 }), /gone\.png/);
    for (const [name, choice] of Object.entries(choices)) {
      const session = createSession(folder);
      const opened = { ...choice, ...(name === "tabled" ? { skipProblems: true } : {}) };
      await dataCommand.run(checkOptions(dataCommand, opened) as never, silentContext, session);
      const first = checkOptions(trainCommand, { ...common, name, steps: 1 });
      await trainCommand.run(first as never, silentContext, session);
      const { run } = await train({ resume: name, steps: 2 });
      assert.equal(run.steps.length, 2);
    }
  });

  test("keeps its ways to save memory and its precision, which reach every step, until others are given", async () => {
    const steps: unknown[] = [];
    const { objectiveParts } = objective;
    const spy = mock.method(objective, "objectiveParts", (input: objective.ObjectiveInput) => {
      steps.push([input.recompute, input.microBatch, input.recipe.precision]);
      return objectiveParts(input);
    });
    const kept = ({ options: { recompute, microBatch } }: Run): unknown[] => [recompute, microBatch];
    try {
      const start = {
        data: photos,
        model,
        name: "frugal",
        recipe: "ams-corrected",
        steps: 2,
        epochs: 9,
        batchSize: 4,
        validate: 0,
      };
      const first = await train({ ...start, recompute: true, microBatch: 3, precision: "bfloat16" });
      assert.deepEqual(kept(first.run), [true, 3]);
      const idle = ({ notes }: { notes: string[] }): string[] => notes.filter((line) => line.includes("bfloat16"));
      const told = ["precision bfloat16 does nothing on engine plain: only TensorFlow has such products"];
      assert.deepEqual(idle(first), told);
      const second = await train({ resume: "frugal", steps: 3 });
      assert.deepEqual(kept(second.run), [true, 3]);
      assert.deepEqual(idle(second), told);
      const third = await train({ resume: "frugal", steps: 4, recompute: false, microBatch: 2, precision: "float32" });
      assert.deepEqual(kept(third.run), [false, 2]);
      assert.deepEqual(idle(third), []);
    } finally {
      spy.mock.restore();
    }
    const before = [true, 3, "bfloat16"];
    assert.deepEqual(steps, [before, before, before, [false, 2, "float32"]]);
  });

  test("names data that are gone, with the full command", async () => {
    const options = { data: { name: "coco", root: "/nowhere" } };
    writeFileSync(path.join(runs, "own", "run.json"), JSON.stringify({ recipe: "ams-corrected", options, epochs: [] }));
    await assert.rejects(train({ resume: "own" }), (error: unknown) => {
      assert.ok(error instanceof AmsError);
      assert.match(error.lines().join("\n"), /trained on cannot be opened: coco\nwhere: \/nowhere/);
      assert.match(error.hint ?? "", /ams train --name own --resume --data coco --root \/nowhere --annotations DIR/);
      return true;
    });
  });
});
