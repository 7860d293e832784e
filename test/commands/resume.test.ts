/** Going on with a run: its checkpoint, its data, and which run a bare --resume takes. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { silentContext } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import type { Model } from "../../src/model/ams.js";
import { buildModel } from "../../src/model/build.js";
import type { Run } from "../../src/train/trainer.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-resume-"));
process.env["AMS_HOME"] = path.join(folder, "home");
const photos = path.join(folder, "photos");
const runs = path.join(folder, "home", "runs");

/** Every call has a session of its own, as in a terminal. */
async function train(options: Record<string, unknown>): Promise<{ run: Run; notes: string[] }> {
  const notes: string[] = [];
  const context = { ...silentContext, note: (line: string) => notes.push(line) };
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
    const { run } = await train({ resume: true, steps: 3 });
    assert.deepEqual([run.name, run.steps.length], ["own", 3]);
  });

  test("falls back to the checkpoint before a damaged one", async () => {
    writeFileSync(path.join(runs, "own", "checkpoints", "step-00000003", "model.safetensors"), "damaged");
    const { run, notes } = await train({ resume: "own", steps: 4 });
    assert.equal(run.steps.at(-1)?.step, 4);
    assert.match(notes.join("\n"), /step-00000003 cannot be read/);
  });

  test("opens the scenes as they were drawn for it", async () => {
    const data = await openScenes(
      { counts: { train: 8, val: 2, test: 2, "test-pairs": 2, "test-style": 2 }, pixels: 32 },
      silentContext,
    );
    await train({ data, model, name: "drawn", steps: 1, epochs: 9, batchSize: 2, validate: 0 });
    const { run } = await train({ name: "drawn", resume: true, steps: 2 });
    assert.equal(run.steps.length, 2);
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
