import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { silentContext } from "../../src/context.js";
import { openCoco, openFlickr30k } from "../../src/data/annotations.js";
import { fingerprint } from "../../src/data/items.js";
import { AmsError } from "../../src/errors.js";
import { temporaryFolder } from "./pictures.js";

const root = temporaryFolder();
mkdirSync(path.join(root, "val2014"));
for (const name of ["1.jpg", "2.jpg", "3.jpg", "val2014/4.jpg"]) writeFileSync(path.join(root, name), "");

/** A folder with the annotation files given as values or as text. */
function written(files: Record<string, unknown>): string {
  const folder = temporaryFolder();
  for (const [name, value] of Object.entries(files)) {
    writeFileSync(path.join(folder, name), typeof value === "string" ? value : JSON.stringify(value));
  }
  return folder;
}

const trainRows = [
  { image: "flickr30k-images/1.jpg", caption: "One.", image_id: 1 },
  { image: "flickr30k-images/2.jpg", caption: "Two", image_id: 2 },
  { image: "flickr30k-images/1.jpg", caption: "One again", image_id: 1 },
];
const testRows = [{ image: "flickr30k-images/3.jpg", caption: ["three", "drei"] }];

describe("the annotation files of the published training", () => {
  test("give the splits of Flickr30K, rows of one image together, only the last part of the path", async () => {
    const annotations = written({
      "flickr30k_test.json": testRows,
      "flickr30k_train.json": trainRows,
      "flickr30k_extra.json": [],
      "coco_val.json": "not read",
    });
    const { name, splits } = await openFlickr30k({ root, annotations });
    assert.equal(name, "flickr30k");
    assert.deepEqual(Object.keys(splits), ["train", "test", "extra"]);
    assert.deepEqual(splits["train"], [
      { id: "1.jpg", image: path.join(root, "1.jpg"), captions: [{ text: "One." }, { text: "One again" }] },
      { id: "2.jpg", image: path.join(root, "2.jpg"), captions: [{ text: "Two" }] },
    ]);
    assert.deepEqual(splits["test"]?.[0]?.captions, [{ text: "three" }, { text: "drei" }]);
  });

  test("give COCO's images by their whole path", async () => {
    const annotations = written({ "coco_val.json": [{ image: "val2014/4.jpg", caption: ["four"] }] });
    const { splits } = await openCoco({ root, annotations });
    assert.deepEqual(
      splits["val"]?.map(({ id, image }) => [id, image]),
      [["val2014/4.jpg", path.join(root, "val2014", "4.jpg")]],
    );
  });

  test("can be named one by one", async () => {
    const file = path.join(written({ "some.json": testRows }), "some.json");
    assert.deepEqual(Object.keys((await openFlickr30k({ root, annotations: { mine: file } })).splits), ["mine"]);
  });

  test("have a fingerprint that changes with a caption", async () => {
    const print = async (rows: unknown) =>
      (await openFlickr30k({ root, annotations: written({ "flickr30k_train.json": rows }) })).fingerprint;
    assert.equal(await print(trainRows), await print(trainRows));
    assert.notEqual(await print(trainRows), await print([...trainRows.slice(0, 2), { ...trainRows[2], caption: "!" }]));
  });
});

describe("annotations that cannot be right", () => {
  const complains = async (rows: unknown, message: RegExp, where: RegExp, open = openFlickr30k): Promise<void> => {
    const layout = open === openCoco ? "coco" : "flickr30k";
    await assert.rejects(open({ root, annotations: written({ [`${layout}_train.json`]: rows }) }), (error) => {
      assert.ok(error instanceof AmsError, String(error));
      assert.match(error.message, message);
      assert.match(error.where ?? "", where);
      assert.ok(error.hint);
      return true;
    });
  };

  test("no list", () => complains({ images: [] }, /must hold a list of rows, not an object/, /_train\.json$/));
  test("a truncated file", () => complains('[{"image": "1.jpg", "cap', /truncated/, /line 1, character 25$/));
  test("a row that is no object", () => complains([trainRows[0], 7], /must be an object, not the number 7/, /row 2$/));
  test("an image that is no text", () =>
    complains([{ image: 3, caption: "x" }], /image must be a path, not the number 3/, /row 1$/));
  test("a caption that is no text", () =>
    complains([{ image: "1.jpg", caption: [1] }], /caption must be a text or a list of texts/, /row 1$/));
  test("no caption", () => complains([{ image: "1.jpg" }], /not nothing/, /row 1$/));
  test("a path outside the root", async () => {
    await complains([{ image: "../1.jpg", caption: "x" }], /lies outside the image root/, /row 1$/, openCoco);
    await complains([{ image: "val2014/../../1.jpg", caption: "x" }], /outside/, /row 1$/, openCoco);
    await complains([{ image: "/etc/passwd", caption: "x" }], /outside/, /row 1$/, openCoco);
    await complains([{ image: "a/..", caption: "x" }], /outside/, /row 1$/);
  });
  test("missing images", () =>
    complains([...trainRows, { image: "9.jpg", caption: "x" }], /1 image is missing: 9\.jpg/, /row 4$/));
  test("empty captions", () => complains([{ image: "1.jpg", caption: " " }], /1 caption is empty/, /row 1$/));
  test("an image twice in a file with lists", () =>
    complains([testRows[0], testRows[0]], /1 image comes twice/, /row 2$/));
  test("an image_id of two images", () =>
    complains(
      [trainRows[0], { image: "2.jpg", caption: "x", image_id: 1 }],
      /1 image_id belongs to two images: 1/,
      /row 2$/,
    ));
  test("no root, no folder, no files", async () => {
    const annotations = written({ "flickr30k_train.json": trainRows });
    const nowhere = path.join(root, "nowhere");
    await assert.rejects(openFlickr30k({ root: nowhere, annotations }), /image root is not a folder/);
    await assert.rejects(openFlickr30k({ root, annotations: nowhere }), /annotation folder cannot be read/);
    await assert.rejects(openCoco({ root, annotations }), /no annotation file coco_<split>\.json/);
  });

  test("are left out and told when they are to be skipped", async () => {
    const rows = [
      { image: "9.jpg", caption: "missing" },
      ...trainRows,
      { image: "3.jpg", caption: "" },
      { image: "8.jpg", caption: "missing" },
    ];
    const notes: string[] = [];
    const annotations = written({ "flickr30k_train.json": rows });
    const context = { ...silentContext, note: (line: string) => void notes.push(line) };
    const { splits } = await openFlickr30k({ root, annotations, onProblem: "skip" }, context);
    assert.deepEqual(
      splits["train"]?.map(({ id }) => id),
      ["1.jpg", "2.jpg"],
    );
    assert.equal(notes.length, 2);
    assert.match(notes[0] ?? "", /2 images are missing: 9\.jpg, 8\.jpg \(.*rows 1, 6\)/);
    assert.match(notes[1] ?? "", /1 caption is empty/);
  });
});

test("145,000 rows take a few seconds at most", async () => {
  const many = temporaryFolder();
  for (let i = 0; i < 500; i++) writeFileSync(path.join(many, `${String(i)}.jpg`), "");
  const rows = Array.from({ length: 145_000 }, (_, i) => ({
    image: `flickr30k-images/${String(i % 500)}.jpg`,
    caption: `A caption of usual length about picture ${String(i)} and what can be seen in it.`,
    image_id: i % 500,
  }));
  const annotations = written({ "flickr30k_train.json": rows });
  const began = process.cpuUsage();
  const { splits } = await openFlickr30k({ root: many, annotations });
  const seconds = process.cpuUsage(began).user / 1e6; // not the wall's: the machine may be busy
  assert.equal(splits["train"]?.length, 500);
  assert.ok(seconds < 5, `${seconds.toFixed(1)} s`);
});

test("the fingerprint tells names, captions, their order and their splits apart, and nothing else", () => {
  const item = (id: string, text: string, image = id) => ({ id, image, captions: [{ text }] });
  const all = [
    { train: [item("a", "x"), item("b", "y")], val: [] },
    { train: [item("b", "y"), item("a", "x")], val: [] },
    { train: [item("c", "x"), item("b", "y")], val: [] },
    { train: [item("a", "z"), item("b", "y")], val: [] },
    { train: [item("a", "x")], val: [item("b", "y")] },
    { val: [item("a", "x"), item("b", "y")], train: [] },
  ];
  assert.equal(new Set(all.map((splits) => fingerprint(splits))).size, all.length);
  const moved = { train: [item("a", "x", "/elsewhere/a"), item("b", "y", "/elsewhere/b")], val: [] };
  assert.equal(fingerprint(moved), fingerprint(all[0]!));
});
