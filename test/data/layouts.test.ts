/** The same scenes in every layout are the same data set; copies that are damaged are refused with file, place and what to do. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import { silentContext } from "../../src/context.js";
import type { Dataset } from "../../src/data/dataset.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { AmsError } from "../../src/errors.js";
import { layouts, type Written } from "./layouts.js";
import { temporaryFolder } from "./pictures.js";

let scenes: Dataset;
const folder = temporaryFolder();

before(async () => {
  const counts = { train: 4, val: 2, test: 3, "test-pairs": 0, "test-style": 0 };
  const { splits, ...rest } = await openScenes(
    { folder: path.join(folder, "scenes"), counts, pixels: 32 },
    silentContext,
  );
  const { train = [], val = [], test = [] } = splits;
  scenes = { ...rest, splits: { train, val, test } };
});

/** What every layout must give: the images of each split in order, with their captions. */
function content({ splits }: Dataset): Record<string, [string, string[]][]> {
  return Object.fromEntries(
    Object.entries(splits).map(([split, items]) => [
      split,
      items.map((item) => [path.basename(item.image), item.captions.map(({ text }) => text)]),
    ]),
  );
}

/** Opening must fail with three lines that name a file of the set. */
async function refused(written: Written, message: RegExp, place = /./): Promise<void> {
  await assert.rejects(written.open(), (error) => {
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.message, message);
    assert.ok(error.where?.includes(written.folder), String(error.where));
    assert.match(error.where ?? "", place);
    assert.ok(error.hint !== undefined && error.hint.length > 10);
    return true;
  });
}

for (const { name, write, truncate, wrongTypes, double } of layouts) {
  describe(name, () => {
    /** A fresh copy whose annotation file is changed. */
    const changed = (change: (text: string) => string | Buffer): Written => {
      const written = write(scenes);
      writeFileSync(written.file, change(readFileSync(written.file, "utf8")));
      return written;
    };
    const firstImage = (): string => path.basename(scenes.splits["train"]![1]!.image);
    const firstCaption = (): string => scenes.splits["train"]![1]!.captions[0]!.text;

    test("gives the scenes", async () => {
      assert.deepEqual(content(await write(scenes).open()), content(scenes));
    });

    test("may have a byte order mark and lines that end with CR LF", async () => {
      const marked = changed((text) => `\ufeff${text}`);
      assert.deepEqual(content(await marked.open()), content(scenes));
      const wide = changed((text) => text.replaceAll("\n", "\r\n"));
      assert.deepEqual(content(await wide.open()), content(scenes));
    });

    test("truncated", async () => {
      const cut = truncate ?? ((text: string) => text.slice(0, Math.floor((text.length * 2) / 3)));
      await refused(changed(cut), /truncated|never closed|this line (has|is not)/, /line \d+/);
    });

    test("of the wrong types", async () => {
      for (const [change, message] of wrongTypes) await refused(changed(change), message);
    });

    test("with an image that is missing, which can be skipped", async () => {
      const written = write(scenes);
      const image = (await written.open()).splits["train"]![1]!.image;
      rmSync(image);
      await refused(written, /^1 image is missing: .*train-000001\.png/, /(row|line|image)s? \d+/);
      const left = await written.open({ onProblem: "skip" });
      assert.deepEqual(content(left), { ...content(scenes), train: content(scenes)["train"]!.toSpliced(1, 1) });
      for (const { image, file, row, reason } of left.leftOut ?? []) {
        assert.equal(path.basename(image), "train-000001.png");
        assert.deepEqual([file, reason, typeof row], [written.file, "image is missing", "number"]);
      }
      assert.ok([1, 5].includes(left.leftOut?.length ?? 0), "a row an image, or one for each of its captions");
      // What reads the images may pass over it: then it is the same data set as with the image.
      const kept = await written.open({ onMissing: "keep" });
      assert.deepEqual([content(kept), kept.leftOut], [content(scenes), undefined]);
    });

    test("with a path that leads outside", async () => {
      const outside = changed((text) => text.replaceAll(firstImage(), "../../../../etc/passwd"));
      // Of Flickr30K's files only the last part of a path counts: there it is a picture that is not there.
      await refused(outside, /lies outside the image root|missing: passwd|no captions: train-000001/);
    });

    if (double !== undefined) test("with one number for two images", () => refused(changed(double[0]), double[1]));

    test("with an empty caption", async () => {
      const blank = changed((text) => text.replaceAll(firstCaption(), "  "));
      await refused(blank, /1 caption is empty/, /(row|line|image) \d+/);
      const left = (await blank.open({ onProblem: "skip" })).splits["train"]![1]!;
      assert.equal(left.captions.length, 4);
    });

    test("in another encoding", async () => {
      const latin = changed((text) =>
        Buffer.from(text.replace(firstCaption(), `caf\u00e9 ${firstCaption()}`), "latin1"),
      );
      await refused(latin, /not UTF-8 text/, /line \d+, character \d+ \(byte 0xe9\)/);
      const wide = changed((text) => Buffer.from(`\ufeff${text}`, "utf16le"));
      await refused(wide, /UTF-16/);
    });
  });
}

test("the place of a wrong byte is its line and character", async () => {
  const { readText } = await import("../../src/data/jsonFile.js");
  const file = path.join(folder, "latin1.txt");
  writeFileSync(
    file,
    Buffer.concat([Buffer.from("ein\nzwei \u00e4\u20ac x"), Buffer.from([0xfc]), Buffer.from("ber\n")]),
  );
  await assert.rejects(readText(file), { message: /not UTF-8/, where: `${file}, line 2, character 10 (byte 0xfc)` });
});

test("when none of the images is there, the error says so and where people get them", async () => {
  const written = layouts[0]!.write(scenes);
  rmSync(written.images, { recursive: true });
  mkdirSync(written.images);
  await refused(written, /^none of the 4 images is there: train-000000\.png, /);
  await assert.rejects(written.open(), { hint: /now .*images\).*DenotationGraph/ } as never);
  await assert.rejects(written.open({ onProblem: "skip" }), {
    message: "flickr30k has no images",
    hint: /all 25 rows were left out, the first as its image is missing/,
  } as never);
});

test("an image in two splits is told", async () => {
  const written = layouts[0]!.write(scenes);
  const test = path.join(written.folder, "flickr30k_test.json");
  writeFileSync(test, readFileSync(path.join(written.folder, "flickr30k_val.json")));
  const { openKnown } = await import("../../src/data/openKnown.js");
  const notes: string[] = [];
  await openKnown(
    "flickr30k",
    { root: written.images, annotations: written.folder },
    { ...silentContext, note: (line) => notes.push(line) },
  );
  assert.match(notes.join("\n"), /2 images are in two splits of flickr30k: val-000000\.png \(val and test\)/);
});
