import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { silentContext } from "../../src/context.js";
import { openFolder } from "../../src/data/folder.js";
import { temporaryFolder } from "./pictures.js";

/** A folder with empty image files and the tables given as text. */
function written(tables: Record<string, string>, images = ["a.jpg", "b.png", "sub/c.jpg"]): string {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, "sub"));
  for (const name of images) writeFileSync(path.join(folder, name), "");
  for (const [name, text] of Object.entries(tables)) writeFileSync(path.join(folder, name), text);
  return folder;
}

describe("a folder of images with a table", () => {
  test("as CSV with splits", async () => {
    const table = 'image,caption,split\na.jpg,"A dog, running",train\nsub/c.jpg,A cat,test\na.jpg,A hound,train\n';
    const folder = written({ "captions.csv": table });
    const { splits, name } = await openFolder({ folder });
    assert.equal(name, path.basename(folder));
    assert.deepEqual(splits, {
      train: [
        { id: "a.jpg", image: path.join(folder, "a.jpg"), captions: [{ text: "A dog, running" }, { text: "A hound" }] },
      ],
      test: [{ id: "sub/c.jpg", image: path.join(folder, "sub", "c.jpg"), captions: [{ text: "A cat" }] }],
    });
  });

  test("as TSV with other names of columns and a byte order mark", async () => {
    const folder = written({ "t.tsv": "\ufeffText\tFile_Name\tsplit\r\na dog, two cats\tb.png\tval\r\n" });
    const { splits } = await openFolder({ folder, name: "mine" });
    assert.deepEqual(splits["val"]?.[0]?.captions, [{ text: "a dog, two cats" }]);
  });

  test("whose splits have other names, or such that JavaScript's objects have as well", async () => {
    const splits = ["Training ", "validation", "dev", "TEST", "__proto__", "constructor", ""];
    const images = splits.map((_, i) => `${String(i)}.jpg`);
    const rows = splits.map((split, i) => `${images[i]!},words,${split}`);
    const folder = written({ "t.csv": ["image,caption,split", ...rows].join("\n") }, images);
    const opened = await openFolder({ folder });
    const found = Object.entries(opened.splits).map(([split, items]) => [split, ...items.map(({ id }) => id)]);
    assert.deepEqual(found, [
      ["train", "0.jpg", "6.jpg"],
      ["val", "1.jpg", "2.jpg"],
      ["test", "3.jpg"],
      ["__proto__", "4.jpg"],
      ["constructor", "5.jpg"],
    ]);
  });

  test("which lies apart from its images", async () => {
    const folder = written({}, ["a.jpg"]);
    const tables = written({ "t.csv": "image,caption\na.jpg,a dog\n" }, []);
    const { root, splits } = await openFolder({ folder: tables, root: folder });
    assert.equal(root, folder);
    assert.equal(Object.values(splits).flat()[0]?.image, path.join(folder, "a.jpg"));
  });

  test("without a row", async () => {
    const folder = written({ "t.csv": "image,caption\n" });
    await assert.rejects(openFolder({ folder }), { message: /has no images/, hint: /name none/ } as never);
  });

  test("as JSONL with one or several captions a line", async () => {
    const lines = [
      '{"image": "a.jpg", "caption": "one", "split": "val"}',
      "",
      '{"file": "b.png", "captions": ["x", "y"]}',
    ];
    const folder = written({ "t.jsonl": lines.join("\n") });
    const { splits } = await openFolder({ folder });
    assert.deepEqual(Object.keys(splits), ["val", "train"]);
    assert.equal(splits["train"]?.[0]?.captions.length, 2);
  });

  test("without splits spreads images by name, the same for any order of the rows, and says so", async () => {
    const images = Array.from({ length: 200 }, (_, i) => `${String(i)}.jpg`);
    const lines = images.map((image) => `${image},a picture`);
    const folder = written({ "x.csv": ["image,caption", ...lines].join("\n") }, images);
    const backwards = path.join(folder, "y.csv");
    writeFileSync(backwards, ["image,caption", ...lines.reverse()].join("\n"));
    const notes: string[] = [];
    const context = { ...silentContext, note: (line: string) => void notes.push(line) };
    const one = await openFolder({ folder, captions: path.join(folder, "x.csv") }, context);
    const other = await openFolder({ folder, captions: backwards });
    const ids = (split: string, { splits }: typeof one) => splits[split]?.map(({ id }) => id).sort();
    for (const split of ["train", "val", "test"]) assert.deepEqual(ids(split, one), ids(split, other));
    assert.ok((one.splits["train"]?.length ?? 0) > 140 && (one.splits["val"]?.length ?? 0) > 8);
    assert.match(notes[0] ?? "", /no split column/);
  });
});

describe("a table that cannot be right", () => {
  const complains = (tables: Record<string, string>, message: RegExp, where: RegExp): Promise<void> =>
    assert.rejects(openFolder({ folder: written(tables) }), { name: "AmsError", message, where } as never);

  test("none or several", async () => {
    await complains({}, /no table of captions/, /ams-data/);
    await complains({ "a.csv": "", "b.jsonl": "" }, /several tables: a\.csv, b\.jsonl/, /ams-data/);
  });
  test("no column of captions", () =>
    complains({ "a.csv": "image,words\na.jpg,x" }, /no caption column/, /a\.csv, line 1/));
  test("an empty file", () => complains({ "a.csv": "" }, /the file is empty/, /a\.csv$/));
  test("semicolons", () =>
    complains({ "a.csv": "image;caption\na.jpg;x" }, /separated by semicolons/, /a\.csv, line 1/));
  test("a broken line of JSON before others", () =>
    complains({ "a.jsonl": '{"image": \n{"image": "a.jpg", "caption": "x"}\n' }, /the line is not whole/, /line 1/));
  test("a caption with an unquoted comma", () =>
    complains({ "a.csv": "image,caption\na.jpg,a dog, running" }, /3 fields, the header 2/, /a\.csv, line 2/));
  test("a missing image", () =>
    complains({ "a.csv": "image,caption,split\n\nz.jpg,a dog,val" }, /1 image is missing: z\.jpg/, /a\.csv, line 3/));
  test("a path outside", () =>
    complains({ "a.csv": "image,caption\n../a.jpg,a dog" }, /outside the image root/, /a\.csv, line 2/));
  test("no path at all", () => complains({ "a.csv": "image,caption\n,a dog" }, /outside the image root/, /line 2/));
  test("a broken line of JSON", () =>
    complains({ "a.jsonl": '{"image": "a.jpg", "caption": "x"}\n{"image": ' }, /truncated/, /a\.jsonl, line 2/));
  test("a line of the wrong type", async () => {
    await complains({ "a.jsonl": "[]" }, /image must be a path, not nothing/, /line 1/);
    await complains({ "a.jsonl": "3" }, /must be an object, not the number 3/, /line 1/);
    await complains({ "a.jsonl": '{"image": "a.jpg", "caption": 5}' }, /caption must be a text/, /line 1/);
    await complains({ "a.jsonl": '{"image": "a.jpg", "caption": "x", "split": 1}' }, /split must be a text/, /line 1/);
  });
});
