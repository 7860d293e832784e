/** `ams index` and `ams search --index` as people call them: by line with --json, and as functions. */
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { parseWords } from "../../src/commands/parse.js";
import { commands } from "../../src/commands/table.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { AmsError, createApi, displaySymbol, type Context, silentContext } from "../../src/index.js";
import { startEngine } from "../../src/engine/index.js";
import { saveModel } from "../../src/model/store.js";
import { packageRoot } from "../../src/paths.js";
import type { StoredIndex } from "../../src/search/index.js";
import { lockIndex } from "../../src/search/store.js";
import { makeSample, type Sample } from "../evaluate/sample.js";

let sample: Sample;
let scratch: string;
let checkpoint: string;
let photos: string;
const home = process.env["AMS_HOME"];
before(async () => {
  await startEngine("plain");
  sample = await makeSample();
  scratch = mkdtempSync(path.join(tmpdir(), "ams-index-verb-"));
  process.env["AMS_HOME"] = path.join(scratch, "home");
  [checkpoint, photos] = [path.join(scratch, "model"), path.join(scratch, "photos")];
  saveModel(await sample.model(), checkpoint);
  mkdirSync(path.join(photos, "below"), { recursive: true });
  sample.dataset.splits["test"]!.forEach(({ image }, i) => {
    copyFileSync(image, path.join(photos, i < 3 ? "" : "below", path.basename(image)));
  });
});
after(async () => {
  if (home === undefined) delete process.env["AMS_HOME"];
  else process.env["AMS_HOME"] = home;
  sample.remove();
  rmSync(scratch, { recursive: true });
  await closeImageWorkers();
});

const refused = (work: Promise<unknown>, wanted: RegExp): Promise<void> =>
  assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.lines().join("\n"), wanted);
    assert.equal(error.lines().length, 3);
    return true;
  });

describe("ams.index", () => {
  test("makes an index of a folder, and a search finds in it, with the model that made it", async () => {
    const notes: string[] = [];
    const context: Context = { ...silentContext, note: (line) => notes.push(line) };
    const ams = createApi({ cwd: scratch, context });
    await ams.engine("plain");
    const made = await ams.index("photos", { index: "mine", checkpoint });
    assert.deepEqual([made.images, made.captions, made.added, made.index], [6, 0, 6, "mine"]);
    assert.equal(made.folder, path.join(scratch, "home", "indexes", "mine"));
    assert.match(
      made[displaySymbol]() instanceof Promise ? "" : JSON.stringify(made[displaySymbol]()),
      /index mine: 6 images/,
    );
    assert.match(notes.join("\n"), /the index takes about \d+ kB for 6 images, their features as float16/);
    const later = createApi({ cwd: scratch });
    await later.engine("plain");
    const hits = await later.search("a red square", { index: "mine", k: 6 });
    assert.deepEqual(hits.hits.map(({ item }) => item.id).sort(), ["below/pink.png", "below/white.png", "below/yellow.png", "blue.png", "green.png", "red.png"]); // prettier-ignore
    const gone = await later.index({ index: "mine", delete: ["below/pink.png", path.join("photos", "red.png")] });
    assert.deepEqual([gone.removed, gone.images], [2, 4]);
  });

  test("takes what changed and what is gone with --update, all anew with --fresh, and as many candidates as it is told", async () => {
    const own = path.join(scratch, "changing");
    mkdirSync(own);
    const [first, second, third] = sample.dataset.splits["test"]!.map(({ image }) => image);
    copyFileSync(first!, path.join(own, "a.png"));
    copyFileSync(second!, path.join(own, "b.png"));
    const ams = createApi({ cwd: scratch });
    await ams.engine("plain");
    await ams.index("changing", { index: "moving", checkpoint });
    copyFileSync(third!, path.join(own, "a.png"));
    rmSync(path.join(own, "b.png"));
    const kept = await ams.index("changing", { index: "moving", checkpoint });
    assert.deepEqual([kept.added, kept.updated, kept.removed, kept.images], [0, 0, 0, 2]);
    const updated = await ams.index("changing", { index: "moving", checkpoint, update: true });
    assert.deepEqual([updated.added, updated.updated, updated.removed, updated.images], [0, 1, 1, 1]);

    const other = await sample.model();
    other.parameters.get("img.fc1.bias")!.assign(tf.add(other.parameters.get("img.fc1.bias")!, 0.1));
    await refused(ams.index("photos", { index: "moving", model: other }), /made by another model/);
    const fresh = await ams.index("photos", { index: "moving", model: other, fresh: true });
    assert.deepEqual([fresh.added, fresh.images], [6, 6]);

    for (const where of [{ index: "moving" }, { data: sample.dataset }]) {
      const hits = await ams.search("a red square", { ...where, model: other, k: 1, candidates: 3 });
      assert.deepEqual([hits.gallery, hits.candidates, hits.hits.length], [6, 3, 1]);
    }
  });

  test("says what cannot be", async () => {
    const ams = createApi({ cwd: scratch });
    await ams.engine("plain");
    await refused(ams.search("red", { index: "nowhere" }), /there is no index "nowhere"/);
    await refused(ams.index({ index: "nowhere", delete: ["a"] }), /there is no index "nowhere"/);
    await refused(ams.index("no-such-folder", { checkpoint }), /there is no folder/);
    await refused(ams.index("photos", { checkpoint, split: "test" }), /two galleries/);
    await refused(ams.index("photos", { checkpoint, update: true, images: 3 }), /--images cuts short/);
    await refused(ams.index("photos", { checkpoint, index: "a:b" }), /cannot be called "a:b"/);
    await refused(ams.index("photos", { checkpoint, index: "./photos" }), /something else than an index/);
    await ams.index("photos", { checkpoint, index: "./own" });
    await refused(ams.search("red", { index: "./own", split: "val" }), /--split means nothing/);
  });

  test("are listed with what they hold, as a table, a frame and a line, and removed by name or folder", async () => {
    const notes: string[] = [];
    const ams = createApi({ cwd: scratch, context: { ...silentContext, note: (line) => notes.push(line) } });
    await ams.engine("plain");
    for (const index of ["kept", "gone"]) await ams.index("photos", { checkpoint, index, features: "none" });
    await ams.index("photos", { checkpoint, index: "./beside" });
    writeFileSync(path.join(scratch, "beside", "notes.txt"), "mine");
    const broken = path.join(scratch, "home", "indexes", "broken");
    mkdirSync(broken);
    writeFileSync(path.join(broken, "index.json"), '{"version": 1');
    const cut = path.join(scratch, "home", "indexes", "cut");
    await ams.index("photos", { checkpoint, index: "cut" });
    rmSync(path.join(cut, "tables", "captions.lance"), { recursive: true });

    const list = await ams.indexes();
    const of = (name: string): StoredIndex => list.indexes.find((index) => index.name === name)!;
    const { images, captions, features, model, folder, bytes, problem } = of("kept");
    assert.deepEqual([images, captions, features, model, problem], [6, 0, "none", checkpoint, undefined]);
    assert.equal(folder, path.join(scratch, "home", "indexes", "kept"));
    assert.ok(bytes > 6 * 3072 && bytes < 1e6);
    for (const name of ["broken", "cut"]) assert.match(of(name).problem ?? "", /the index cannot be read/);
    const names = list.indexes.map(({ name }) => name);
    assert.ok(!names.includes("beside") && names.includes("gone"));
    assert.deepEqual(list.frame().column("name").values, names);
    const shown = JSON.stringify(await list[displaySymbol]());
    assert.match(shown, /kept +6 +0 +none +\d+ kB/);

    await refused(ams.indexes({ remove: ["kept", "kpt"] }), /there is no index "kpt"\n[^]*did you mean kept/);
    await refused(ams.indexes({ remove: ["./photos"] }), /there is no index ".\/photos"/);
    assert.ok(existsSync(folder), "nothing goes where one is unknown");
    const unlock = lockIndex(folder);
    await refused(ams.indexes({ remove: ["kept"] }), /another process is writing this index/);
    unlock();
    const left = await ams.indexes({ remove: ["gone", "gone", "broken", "cut", "./beside"] });
    assert.equal(left.removed.length, 4);
    assert.deepEqual(left.indexes.map(({ name }) => name), names.filter((name) => !["gone", "broken", "cut"].includes(name))); // prettier-ignore
    for (const name of ["gone", "broken", "cut"]) assert.ok(!existsSync(path.join(scratch, "home", "indexes", name)));
    assert.deepEqual(readdirSync(path.join(scratch, "beside")), ["notes.txt"], "what is not the index's stays");
    assert.ok(notes.some((line) => line === `removed the index ${path.join(scratch, "beside")}`));
    await refused(ams.search("red", { index: "gone" }), /there is no index "gone"/);

    const { command } = parseWords(["index", "--list"], commands);
    assert.equal(command.name, "indexes");
    assert.throws(() => parseWords(["index", "--list", "photos"], commands), AmsError);
  });

  test("is a line with --json, in a process that ends by itself", async () => {
    const cli = path.join(packageRoot(), "build", "src", "cli.js");
    const run = async (...words: string[]): Promise<Record<string, unknown>> => {
      const { stdout } = await promisify(execFile)(process.execPath, [cli, ...words, "--json"], { cwd: scratch });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const made = await run("index", "photos", "--index", "line", "--checkpoint", checkpoint, "--features", "none");
    assert.deepEqual([made["images"], made["features"]], [6, "none"]);
    const found = await run("search", "a", "red", "square", "--index", "line", "--k", "2");
    const hits = found["hits"] as { id: string; links: unknown[]; score: number }[];
    assert.equal(hits.length, 2);
    assert.equal(hits[0]!.links.length, 3);
    assert.ok(hits[0]!.score >= hits[1]!.score);
  });
});
