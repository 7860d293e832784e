/** The set on disk: its layout, the same bytes from any number of workers, interruption, bad options. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import sharp from "sharp";
import { silentContext, type Context, type Progress } from "../../../src/context.js";
import { openScenes, type SceneOptions } from "../../../src/data/emojiScenes/index.js";
import { AmsError } from "../../../src/errors.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-scenes-"));
after(() => {
  rmSync(home, { recursive: true, force: true });
});

const small = { train: 7, val: 3, test: 4, "test-pairs": 2, "test-style": 2 };

function digests(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [path.relative(folder, file), createHash("sha256").update(readFileSync(file)).digest("hex")]),
  );
}

function refuses(options: SceneOptions, message: RegExp): Promise<void> {
  return assert.rejects(openScenes(options, silentContext), (error) => {
    assert.ok(error instanceof AmsError);
    assert.match(error.message, message);
    assert.ok(error.where !== undefined && error.hint !== undefined);
    return true;
  });
}

describe("openScenes", () => {
  test("writes Flickr30K's layout and opens it as a data set", async () => {
    const folder = path.join(home, "layout");
    const seen: Progress[] = [];
    const context: Context = { ...silentContext, progress: (progress) => seen.push(progress) };
    const scenes = await openScenes({ folder, counts: small, pixels: 64 }, context);
    for (const [split, count] of Object.entries(small)) assert.equal(scenes.splits[split]?.length, count);
    assert.deepEqual([seen.at(-1)?.done, seen.at(-1)?.total], [18, 18]);
    assert.match(seen.at(-1)?.note ?? "", /scenes\/s$/);

    const train = JSON.parse(readFileSync(path.join(folder, "flickr30k_train.json"), "utf8")) as Record<
      string,
      string
    >[];
    assert.equal(train.length, 35);
    assert.deepEqual(Object.keys(train[0] ?? {}), ["image", "caption", "image_id"]);
    const test = JSON.parse(readFileSync(path.join(folder, "flickr30k_test.json"), "utf8")) as { caption: string[] }[];
    assert.equal(test.length, 4);
    assert.deepEqual(
      test[2]?.caption,
      scenes.splits["test"]?.[2]?.captions.map(({ text }) => text),
    );

    const item = scenes.splits["train"]?.[6];
    assert.ok(item !== undefined);
    const { width, height, channels } = await sharp(item.image).metadata();
    assert.deepEqual([width, height, channels], [64, 64, 3]);
    assert.ok(item.objects.length > 0 && item.captions.every(({ phrases }) => (phrases ?? []).length > 0));
    assert.equal(item.captions.length, 5);
  });

  test("makes the same bytes with one and with three workers, and a larger set begins with the smaller one", async () => {
    const one = path.join(home, "one");
    const three = path.join(home, "three");
    const first = await openScenes({ folder: one, counts: small, pixels: 48, workers: 1 }, silentContext);
    const second = await openScenes({ folder: three, counts: small, pixels: 48, workers: 3 }, silentContext);
    assert.deepEqual(digests(one), digests(three));
    assert.equal(first.fingerprint, second.fingerprint);

    const larger = path.join(home, "larger");
    const more = await openScenes({ folder: larger, counts: { ...small, train: 12 }, pixels: 48 }, silentContext);
    assert.notEqual(more.fingerprint, first.fingerprint);
    const all = digests(larger);
    for (const [name, hash] of Object.entries(digests(one))) if (name.endsWith(".png")) assert.equal(all[name], hash);
    assert.deepEqual(more.splits["train"]?.[6]?.captions, first.splits["train"]?.[6]?.captions);
    const otherSeed = await openScenes(
      { folder: path.join(home, "seed"), counts: small, pixels: 48, seed: 2 },
      silentContext,
    );
    assert.notEqual(otherSeed.fingerprint, first.fingerprint);
  });

  test("stops within a second when aborted, leaves nothing half-used, and goes on where it stopped", async () => {
    const counts = { train: 600, val: 0, test: 0, "test-pairs": 0, "test-style": 0 };
    const folder = path.join(home, "interrupted");
    const controller = new AbortController();
    let aborted = 0;
    const context: Context = {
      ...silentContext,
      signal: controller.signal,
      progress: ({ done }) => {
        if (done < 250 || aborted > 0) return;
        aborted = performance.now();
        controller.abort(new Error("stopped by the user"));
      },
    };
    const options = { folder, counts, pixels: 32, workers: 1 };
    await assert.rejects(openScenes(options, context), /stopped by the user/);
    assert.ok(performance.now() - aborted < 1000);
    assert.ok(!existsSync(folder), "an unfinished set must not look like a set");

    // A torn image and a torn block of the interrupted part must not survive.
    writeFileSync(path.join(`${folder}.part`, "images", "train-000400.png"), "torn");
    writeFileSync(path.join(`${folder}.part`, "blocks", "train-000400.jsonl.part"), "{");
    const seen: Progress[] = [];
    const again: Context = { ...silentContext, progress: (progress) => seen.push(progress) };
    const scenes = await openScenes({ ...options, workers: 2 }, again);
    assert.ok((seen[0]?.done ?? 0) >= 200, "the finished blocks are used again");
    assert.equal(scenes.splits["train"]?.length, 600);
    const whole = path.join(home, "whole");
    await openScenes({ ...options, folder: whole }, silentContext);
    assert.deepEqual(digests(folder), digests(whole));
    assert.ok(!existsSync(`${folder}.part`) && !existsSync(`${folder}.lock`));
  });

  test("waits for another call that makes the same set, and takes over the lock of a dead process", async () => {
    const folder = path.join(home, "twice");
    writeFileSync(`${folder}.lock`, "999999999");
    const options = { folder, counts: small, pixels: 32 };
    const [first, second] = await Promise.all([openScenes(options, silentContext), openScenes(options, silentContext)]);
    assert.equal(first.fingerprint, second.fingerprint);
  });

  test("refuses options out of range, naming value and limits", async () => {
    await refuses({ counts: { training: 5 } as never }, /no split "training"/);
    await refuses({ counts: { train: -1 } }, /counts\.train must be a whole number from 0 to 100000, got -1/);
    await refuses({ counts: { train: 100_001 } }, /got 100001/);
    await refuses({ pixels: 31 }, /pixels must be a whole number from 32 to 512, got 31/);
    await refuses({ pixels: 513 }, /got 513/);
    await refuses({ pixels: 64.5 }, /got 64.5/);
    await refuses({ seed: Number.NaN }, /seed/);
    await refuses({ workers: 0 }, /workers/);
  });

  test("refuses folders that hold something else, other scenes, or cannot be written", async () => {
    const file = path.join(home, "file");
    writeFileSync(file, "mine");
    await refuses({ folder: path.join(file, "scenes"), counts: small }, /could not be written/);
    await refuses({ folder: path.join(file, "deep", "scenes"), counts: small }, /could not be written/);
    await refuses({ folder: home, counts: small }, /holds something else/);
    const folder = path.join(home, "layout");
    await refuses({ folder, counts: { ...small, train: 8 }, pixels: 64 }, /made with other options/);
  });

  test("notices a set that was damaged later", async () => {
    const folder = path.join(home, "one");
    const options = { folder, counts: small, pixels: 48 };
    const file = path.join(folder, "scenes-train.jsonl");
    const text = readFileSync(file, "utf8");
    for (const torn of [text.slice(0, 700), text.replace('"id"', '"id'), text.trimEnd()]) {
      writeFileSync(file, torn);
      await refuses(options, /annotations were changed/);
    }
    writeFileSync(file, text);
    rmSync(path.join(folder, "images", "val-000001.png"));
    await refuses(options, /17 of 18 images/);
    writeFileSync(path.join(folder, "scenes-val.jsonl"), "");
    await refuses(options, /annotations were changed/);
    rmSync(path.join(folder, "scenes-val.jsonl"));
    await refuses(options, /scenes-val\.jsonl cannot be read/);
    writeFileSync(path.join(folder, "manifest.json"), "null");
    await refuses(options, /manifest\.json does not hold recipe and hash/);
    writeFileSync(path.join(folder, "manifest.json"), "{");
    await refuses(options, /manifest\.json cannot be read/);
  });
});
