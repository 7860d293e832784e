import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { openKarpathy } from "../../src/data/karpathy.js";
import { openTokenFile } from "../../src/data/tokenFile.js";
import { temporaryFolder } from "./pictures.js";

const root = temporaryFolder();
mkdirSync(path.join(root, "val2014"));
for (const name of ["1.jpg", "2.jpg", "3.jpg", "val2014/4.jpg"]) writeFileSync(path.join(root, name), "");

function written(name: string, text: string): string {
  const file = path.join(temporaryFolder(), name);
  writeFileSync(file, text);
  return file;
}

describe("Karpathy's split file", () => {
  const image = (filename: string, split: string, ...raw: string[]) => ({
    filename,
    split,
    sentences: raw.map((text) => ({ raw: text, tokens: text.split(" ") })),
  });
  const open = (images: unknown) =>
    openKarpathy({ root, file: written("dataset_x.json", JSON.stringify({ images, dataset: "x" })) });

  test("gives its splits, with restval in train and COCO's folders", async () => {
    const images = [
      image("1.jpg", "train", "one", "uno"),
      image("2.jpg", "test", "two"),
      { ...image("4.jpg", "restval", "four"), filepath: "val2014" },
    ];
    const { splits, name } = await open(images);
    assert.equal(name, "x");
    assert.deepEqual(splits["train"], [
      { id: "1.jpg", image: path.join(root, "1.jpg"), captions: [{ text: "one" }, { text: "uno" }] },
      { id: "val2014/4.jpg", image: path.join(root, "val2014", "4.jpg"), captions: [{ text: "four" }] },
    ]);
    assert.equal(splits["test"]?.length, 1);
  });

  test("complains about what cannot be right, with the image", async () => {
    await assert.rejects(open({}), /images must be a list, not an object/);
    await assert.rejects(open([image("9.jpg", "test", "x")]), {
      message: /missing: 9\.jpg/,
      where: /image 1$/,
    } as never);
    await assert.rejects(open([image("1.jpg", "test", "x"), 1]), { where: /image 2$/ } as never);
    await assert.rejects(
      open([{ ...image("1.jpg", "test"), sentences: [{ tokens: [] }] }]),
      /must have a text as "raw"/,
    );
    await assert.rejects(
      open([{ ...image("1.jpg", "test", "x"), split: undefined }]),
      /split must be a text, not nothing/,
    );
    await assert.rejects(open([{ ...image("1.jpg", "test", "x"), filepath: "../.." }]), /outside the image root/);
    await assert.rejects(open([image("1.jpg", "test")]), /1 caption is empty/);
  });
});

describe("Flickr's token file", () => {
  const file = written("results.token", "1.jpg#0\tOne .\n1.jpg#1\tUno # 1\n2.jpg#0\tTwo\r\n3.jpg#0\tThree\n");

  test("gives all images, or the splits of name lists", async () => {
    const { splits, name } = await openTokenFile({ root, file });
    assert.equal(name, "results");
    assert.deepEqual(
      splits["all"]?.map(({ id, captions }) => [id, captions.length]),
      [
        ["1.jpg", 2],
        ["2.jpg", 1],
        ["3.jpg", 1],
      ],
    );
    assert.equal(splits["all"][0]?.captions[1]?.text, "Uno # 1");
    const lists = { train: written("train.txt", "3\n1\n"), test: written("test.txt", "2.jpg\n") };
    const both = (await openTokenFile({ root, file, splits: lists })).splits;
    assert.deepEqual(
      both["train"]?.map(({ id }) => id),
      ["1.jpg", "3.jpg"],
    );
    assert.deepEqual(
      both["test"]?.map(({ id }) => id),
      ["2.jpg"],
    );
  });

  test("takes names without their ending, whichever it is", async () => {
    const folder = temporaryFolder();
    for (const name of ["1.png", "2.jpg", "2.png"]) writeFileSync(path.join(folder, name), "");
    const file = written("own.token", "1.png#0\tOne\n2.jpg#0\tTwo\n2.png#0\tToo\n");
    const lists = { train: written("train.txt", "1\n2.png\n") };
    const { splits } = await openTokenFile({ root: folder, file, splits: lists });
    assert.deepEqual(splits["train"]?.map(({ id }) => id), ["1.png", "2.png"]); // prettier-ignore
  });

  test("complains about a line of another form and about unknown names", async () => {
    const bad = written("bad.token", "1.jpg#0\tOne\n2.jpg Two\n");
    await assert.rejects(openTokenFile({ root, file: bad }), {
      name: "AmsError",
      where: /bad\.token, line 2/,
    } as never);
    const list = written("val.txt", "7\n");
    await assert.rejects(openTokenFile({ root, file, splits: { val: list } }), {
      message: /have no captions: 7/,
      where: list,
    } as never);
  });
});
