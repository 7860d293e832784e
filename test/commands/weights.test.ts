/** The verbs with files of other programs: build from encoders and checkpoints, export for the published code, eval and train. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import type { Command } from "../../src/commands/command.js";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { buildCommand } from "../../src/commands/verbs/build.js";
import { exportCommand } from "../../src/commands/verbs/export.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { silentContext, type Context } from "../../src/context.js";
import { displaySymbol, type Displayable } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import type { Model } from "../../src/model/ams.js";
import type { Run } from "../../src/train/trainer.js";
import { openCheckpoint } from "../../src/model/weights/published.js";
import { largestDifference } from "../golden.js";
import { hubTensors, textConfig, threeLines, visionConfig, vocabulary, writeFolder } from "../model/weights/sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-verbs-"));
const session = createSession(folder);
const notes: string[] = [];
const context: Context = { ...silentContext, note: (line) => void notes.push(line) };
const hub = process.env["HF_HUB_CACHE"];

async function run<T>(command: Command, options: Record<string, unknown>): Promise<T> {
  notes.length = 0;
  return (await command.run(checkOptions(command, options), context, session)) as T;
}

before(async () => {
  await startEngine("plain");
  writeFolder(path.join(folder, "vit"), hubTensors("img"), visionConfig);
  const snapshot = path.join(folder, "hub", "models--google-bert--bert-tiny", "snapshots", "0123456789");
  mkdirSync(snapshot, { recursive: true });
  writeFolder(snapshot, hubTensors("txt"), textConfig, vocabulary);
  process.env["HF_HUB_CACHE"] = path.join(folder, "hub");
});
after(() => {
  rmSync(folder, { recursive: true });
  if (hub === undefined) delete process.env["HF_HUB_CACHE"];
  else process.env["HF_HUB_CACHE"] = hub;
});

describe("files of other programs in the verbs", () => {
  test("build takes a relative folder and a name in the hub's cache, and its table says what was found", async () => {
    const build = buildCommand as unknown as Command;
    const model = await run<Model & Displayable>(build, { vision: "vit", text: "bert-tiny", embed: 48 });
    assert.equal(session.model, model);
    assert.equal(model.config.size, "tiny");
    const text = (await model[displaySymbol]())["text/plain"];
    assert.match(text, /image weights +image encoder from vit\/model\.safetensors: 180 tensors used; 20 kept/);
    assert.match(text, /text weights +text encoder from 0123456789\/model\.safetensors/);
    const summary = build.json(model) as { weights: { used: number }[] };
    assert.deepEqual(summary.weights.map(({ used }) => used), [180, 181]); // prettier-ignore
  });

  test("export --torch writes a checkpoint that build --checkpoint reads; its thresholds wait for a recipe that restores them", async () => {
    const model = session.model as Model;
    model.thresholds = { mined: 0.5, safe: 0.25 };
    const exporting = exportCommand as unknown as Command;
    const { files } = await run<{ files: string[] }>(exporting, { torch: "out/model_best.pth.tar" });
    assert.deepEqual(
      files,
      ["model_best.pth.tar", "vocab.txt"].map((name) => path.join(folder, "out", name)),
    );
    // Everything that the published code wants was in the encoders' files.
    assert.deepEqual(notes, [`made the folder ${path.join(folder, "out")}`]);
    const opened = openCheckpoint(files[0]!);
    opened.torch.close();
    assert.equal(opened.progress.options["thres_safe"], 0.25);
    const build = buildCommand as unknown as Command;
    const options = { checkpoint: "out/model_best.pth.tar", recipe: "ams-corrected" };
    assert.deepEqual((await run<Model>(build, options)).thresholds, { mined: 0.5, safe: 0.25 });
    const published = await run<Model>(build, { ...options, recipe: "ams-published" });
    assert.deepEqual(published.thresholds, { mined: 0, safe: 0 });
  });

  test("build --out keeps the model of pretrained encoders for the next command, which trains it", async () => {
    const build = buildCommand as unknown as Command;
    const built = await run<Model>(build, { vision: "vit", text: "bert-tiny", embed: 48, out: "kept", measure: false });
    assert.match(notes.join("\n"), /^written to .*kept; to train it: ams train --checkpoint kept$/m);
    mkdirSync(path.join(folder, "photos"));
    const rows = ["image,caption,split"];
    for (const name of ["1.png", "2.png", "3.png", "4.png"]) {
      const picture = sharp({ create: { width: 40, height: 40, channels: 3, background: `#${name[0]!}0c` } });
      await picture.png().toFile(path.join(folder, "photos", name));
      rows.push(`${name},w1 w${name[0]!},train`);
    }
    writeFileSync(path.join(folder, "photos", "captions.csv"), rows.join("\n"));
    const home = process.env["AMS_HOME"];
    process.env["AMS_HOME"] = path.join(folder, "home");
    const next = createSession(folder); // as in a terminal, where every command is a process of its own
    const options = { checkpoint: "kept", data: "photos", steps: 1, epochs: 1, batchSize: 2, validate: 0, lr: 1e-9 };
    const training = trainCommand as unknown as Command;
    const { model, steps } = (await training.run(checkOptions(training, options), context, next)) as Run;
    if (home === undefined) delete process.env["AMS_HOME"];
    else process.env["AMS_HOME"] = home;
    assert.equal(steps.length, 1);
    assert.deepEqual(model.tokenizer.words, vocabulary);
    // The rate is too small to change what came from the encoders.
    for (const name of ["img.visual_encoder.embeddings.cls_token", "txt.fc2.weight"]) {
      const [before, after] = [built, model].map((of) => of.parameters.get(name)?.dataSync() as Float32Array);
      assert.ok(largestDifference(before!, after!) < 1e-7, name);
    }
  });

  test("export of a model that was not built from such files says what it had to make up", async () => {
    const build = buildCommand as unknown as Command;
    await run(build, { size: "tiny", vocabulary: path.join("out", "vocab.txt") });
    const exporting = exportCommand as unknown as Command;
    await run(exporting, { torch: "random.pth.tar" });
    assert.match(notes.join(), /^38 tensors that AMS never reads .* have random values/);
  });

  test("export after a training says its epochs, steps and best rSum, also of one that began in a later epoch", async () => {
    const evaluation = (rsum: number): object => ({ evaluation: { rsum } });
    const epochs = [{ epoch: 6, ...evaluation(310.5) }, { epoch: 7, ...evaluation(300) }]; // prettier-ignore
    const exporting = exportCommand as unknown as Command;
    session.run = { model: session.model, epochs, steps: [{ step: 39 }, { step: 40 }] } as never;
    const { files } = await run<{ files: string[] }>(exporting, { torch: "trained.pth.tar" });
    delete session.run;
    const opened = openCheckpoint(files[0]!);
    opened.torch.close();
    const { epoch, eiters, bestRsum } = opened.progress;
    assert.deepEqual([epoch, eiters, bestRsum], [8, 40, 310.5]);
  });

  test("export without a word, and --torch with options that it does not take", async () => {
    const exporting = exportCommand as unknown as Command;
    await assert.rejects(run(exporting, {}), threeLines(/export needs WHAT/, /--torch/));
    for (const more of [{ what: "table" }, { half: true }, { out: "x" }]) {
      await assert.rejects(run(exporting, { torch: "no.pth", ...more }), threeLines(/--torch names the file/));
    }
    writeFileSync(path.join(folder, "file"), "");
    await assert.rejects(run(exporting, { torch: "file/x.pth" }), threeLines(/cannot be written/));
    assert.ok(!existsSync(path.join(folder, "no.pth")));
  });

  test("train --resume FILE together with --checkpoint is refused", async () => {
    const training = trainCommand as unknown as Command;
    await assert.rejects(
      run(training, { resume: "out/model_best.pth.tar", checkpoint: "vit" }),
      threeLines(/either from a file or from a checkpoint/),
    );
  });
});
