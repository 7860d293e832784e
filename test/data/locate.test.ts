/** Flickr30K and MS-COCO are found where people put them; what is not there is named, with where to get it. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import { locate, locateBoxes, type KnownName } from "../../src/data/locate.js";
import { openKnown } from "../../src/data/openKnown.js";
import { silentContext } from "../../src/context.js";
import { AmsError } from "../../src/errors.js";
import { temporaryFolder } from "./pictures.js";

const home = temporaryFolder();

before(() => {
  process.env["HOME"] = home;
  process.env["AMS_HOME"] = path.join(home, "ams");
});

/** Writes empty files and files with content below a new working folder. */
function files(names: (string | [name: string, content: unknown])[]): string {
  const folder = temporaryFolder();
  for (const entry of names) {
    const [name, content] = typeof entry === "string" ? [entry, undefined] : entry;
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    const text = content === undefined ? "" : typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

const found = (name: KnownName, cwd: string, places: { root?: string; annotations?: string } = {}) => {
  const given = Object.fromEntries(Object.entries(places).map(([key, value]) => [key, path.join(cwd, value)]));
  const { root, source, annotations } = locate(name, { ...given, cwd });
  return {
    root: path.relative(cwd, root),
    layout: source.layout,
    annotations: path.relative(cwd, annotations),
    source,
  };
};

const refused = (name: KnownName, cwd: string, places: { root?: string; annotations?: string } = {}): string => {
  try {
    found(name, cwd, places);
  } catch (error) {
    assert.ok(error instanceof AmsError);
    assert.equal(error.lines().length, 3);
    return error.lines().join("\n");
  }
  return assert.fail("nothing was refused");
};

describe("a set is found by itself", () => {
  const of = ({ root, layout, annotations }: ReturnType<typeof found>) => [root, layout, annotations];

  test("with images in a folder of their own and annotations beside them", () => {
    const cwd = files(["data/flickr30k/flickr30k-images/1.jpg", "data/flickr30k/flickr30k_test.json"]);
    assert.deepEqual(of(found("flickr30k", cwd)), ["data/flickr30k/flickr30k-images", "albef", "data/flickr30k"]);
  });

  test("with annotations in a folder of theirs, whichever of the layouts they have", () => {
    const cwd = files(["flickr30k/images/1.jpg", "flickr30k/annotations/dataset_flickr30k.json"]);
    assert.deepEqual(of(found("flickr30k", cwd)), [
      "flickr30k/images",
      "karpathy",
      "flickr30k/annotations/dataset_flickr30k.json",
    ]);
    const old = files(["f/1.jpg", "f/results_20130124.token", "f/train.txt", "f/test.txt"]);
    const { source, ...rest } = found("flickr30k", old, { root: "f" });
    assert.deepEqual([rest.root, rest.layout], ["f", "token"]);
    assert.deepEqual(Object.keys((source as { splits: object }).splits), ["train", "test"]);
  });

  test("with the annotations beside its images, although others lie in a place that is looked at before", () => {
    const own = ["data/flickr30k/images/1.jpg", "data/flickr30k/dataset_flickr30k.json"];
    const cwd = files([...own, "flickr30k/flickr30k_test.json"]);
    assert.deepEqual(of(found("flickr30k", cwd)), ["data/flickr30k/images", "karpathy", own[1]]);
  });

  test("at home and under the folder of everything generated", () => {
    mkdirSync(path.join(home, "ams", "data", "coco", "images", "val2014"), { recursive: true });
    writeFileSync(path.join(home, "ams", "data", "coco", "coco_test.json"), "");
    const { root, source } = locate("coco", { cwd: temporaryFolder() });
    assert.equal(root, path.join(home, "ams", "data", "coco", "images"));
    assert.equal(source.layout, "albef");
  });

  test("by one of the two, or by the name of a file", () => {
    const cwd = files(["pictures/1.jpg", "words/flickr30k_train.json", ["words/some.json", "[]"]]);
    assert.deepEqual(of(found("flickr30k", cwd, { root: "pictures", annotations: "words" })), [
      "pictures",
      "albef",
      "words",
    ]);
    const one = found("flickr30k", cwd, { root: "pictures", annotations: "words/flickr30k_train.json" });
    assert.deepEqual([one.layout, one.annotations], ["karpathy", "words/flickr30k_train.json"]); // empty: told when read
    const other = found("flickr30k", cwd, { root: "pictures", annotations: "words/some.json" });
    assert.deepEqual(Object.keys((other.source as { files: object }).files), ["train"]);
  });

  test("with COCO's own captions, and Karpathy's splits for the pictures of 2017", () => {
    const cwd = files([
      "coco/train2014/1.jpg",
      "coco/annotations/captions_train2014.json",
      "coco/annotations/captions_val2017.json",
    ]);
    const { layout, source } = found("coco", cwd);
    assert.equal(layout, "captions");
    assert.equal((source as { files: string[] }).files.length, 1);
    const late = files(["coco/train2017/1.jpg", "coco/annotations/captions_train2017.json", "coco/dataset_coco.json"]);
    const renamed = found("coco", late).source as { layout: string; karpathy?: string };
    assert.deepEqual([renamed.layout, path.basename(renamed.karpathy ?? "")], ["captions", "dataset_coco.json"]);
    const usual = files(["coco/train2014/1.jpg", "coco/annotations/captions_train2014.json", "coco/dataset_coco.json"]);
    assert.equal(found("coco", usual).layout, "karpathy");
  });
});

describe("what is missing is said", () => {
  test("everything", () => {
    const text = refused("flickr30k", temporaryFolder());
    assert.match(text, /the images of flickr30k are not here, nor its annotations/);
    assert.match(text, /looked in .*flickr30k/);
    assert.match(text, /DenotationGraph.*caption_datasets\.zip.*--root DIR --annotations DIR/s);
  });

  test("the images alone, or the annotations alone", () => {
    const words = refused("flickr30k", files(["data/flickr30k/flickr30k_test.json"]));
    assert.match(words, /^the images of flickr30k are not here\n/);
    assert.doesNotMatch(words, /caption_datasets/);
    const pictures = refused("flickr30k", files(["pictures/1.jpg"]), { root: "pictures" });
    assert.match(pictures, /no annotation file of flickr30k is here: flickr30k_\{train,val,test\}\.json/);
    assert.match(pictures, /the images are in .*pictures/);
    assert.match(pictures, /ALBEF.*--root .*pictures --annotations DIR/s);
  });

  test("a place that was named and is not there", () => {
    const cwd = files(["pictures/1.jpg"]);
    assert.match(refused("flickr30k", cwd, { root: "nowhere" }), /does not exist\nwhere: .*nowhere/);
    assert.match(
      refused("flickr30k", cwd, { root: "pictures", annotations: "no" }),
      /annotations do not exist\nwhere: .*no\n/,
    );
  });

  test("pictures that are still packed", () => {
    const flickr = files(["flickr30k/flickr30k-images.tar.gz", "flickr30k/flickr30k_test.json"]);
    assert.match(
      refused("flickr30k", flickr),
      /images of flickr30k are not here\n.*\nto do: unpack .*flickr30k-images\.tar\.gz\. Then/,
    );
    assert.doesNotMatch(refused("flickr30k", files(["val2014.zip"])), /unpack/);
  });

  test("a root that is a file", () => {
    const cwd = files(["pictures.zip"]);
    assert.match(refused("flickr30k", cwd, { root: "pictures.zip" }), /it is a file\nwhere: .*pictures\.zip/);
  });

  test("some of the files of a layout, in a note", async () => {
    const notesOf = async (name: KnownName, names: Parameters<typeof files>[0], file?: string): Promise<string> => {
      const cwd = files(names);
      const notes: string[] = [];
      const context = { ...silentContext, note: (line: string) => void notes.push(line) };
      await openKnown(name, { cwd, annotations: file === undefined ? undefined : path.join(cwd, file) }, context);
      return notes.join("\n");
    };
    const rows = [{ image: "1.jpg", caption: ["one"] }];
    const picture = "flickr30k/1.jpg";
    const some = await notesOf("flickr30k", [picture, ["flickr30k/flickr30k_test.json", rows]]);
    assert.match(
      some,
      /^flickr30k_train\.json and flickr30k_val\.json are not in .*flickr30k: there is no split train and no val; .*ALBEF/,
    );
    const split = (name: string): [string, unknown] => [`flickr30k/flickr30k_${name}.json`, rows];
    const two = await notesOf("flickr30k", [picture, split("test"), split("train")]);
    assert.match(two, /^flickr30k_val\.json is not in .*: there is no split val; /);
    assert.equal(await notesOf("flickr30k", [picture, split("test")], "flickr30k/flickr30k_test.json"), "");

    const tokens: [string, unknown] = ["flickr30k/results_20130124.token", "1.jpg#0\tone\n"];
    const lists = await notesOf("flickr30k", [picture, tokens]);
    assert.match(
      lists,
      /no train\.txt, val\.txt and test\.txt beside .*: all images are in one split, "all"; .*flickr30k_entities/,
    );
    const list = (name: string): [string, unknown] => [`flickr30k/${name}.txt`, "1\n"];
    const val = await notesOf("flickr30k", [picture, tokens, list("train"), list("test")]);
    assert.match(val, /^val\.txt of .* is not beside the other lists: there is no split val/);

    const captions = { images: [{ id: 1, file_name: "1.jpg" }], annotations: [{ image_id: 1, caption: "one" }] };
    const coco = await notesOf("coco", ["coco/train2014/1.jpg", ["coco/captions_train2014.json", captions]]);
    assert.match(
      coco,
      /captions_val2014\.json is not in .*coco: its images are left out; .*annotations_trainval2014\.zip/,
    );
  });

  test("the boxes", () => {
    const cwd = files(["flickr30k/images/1.jpg", "flickr30k/flickr30k_test.json"]);
    const located = locate("flickr30k", { cwd });
    assert.throws(() => locateBoxes("flickr30k", located, undefined, cwd), /the boxes of flickr30k are not here/);
    mkdirSync(path.join(cwd, "flickr30k", "Annotations"));
    assert.throws(() => locateBoxes("flickr30k", located, undefined, cwd), {
      message: /not whole: there is no Sentences\/$/,
      where: path.join(cwd, "flickr30k"),
    });
    mkdirSync(path.join(cwd, "flickr30k", "Sentences"));
    assert.deepEqual(locateBoxes("flickr30k", located, undefined, cwd), [path.join(cwd, "flickr30k")]);
  });
});

describe("COCO's own files", () => {
  const captions = (set: string, ids: number[]): [string, unknown] => [
    `coco/annotations/captions_${set}.json`,
    {
      images: ids.map((id) => ({ id, file_name: `00000000000${String(id)}.jpg` })),
      annotations: ids.map((id) => ({ image_id: id, caption: `picture ${String(id)}` })),
    },
  ];
  const instances = (set: string, image: number): [string, unknown] => [
    `coco/annotations/instances_${set}.json`,
    { categories: [{ id: 3, name: "car" }], annotations: [{ image_id: image, category_id: 3, bbox: [1, 2, 30, 40] }] },
  ];
  const images = [
    "coco/train2017/000000000001.jpg",
    "coco/train2017/000000000002.jpg",
    "coco/val2017/000000000003.jpg",
  ];

  test("are train and val by themselves, with the boxes of the things", async () => {
    const cwd = files([...images, captions("train2017", [1, 2]), captions("val2017", [3]), instances("train2017", 2)]);
    const { dataset } = await openKnown("coco", { cwd, boxes: true });
    assert.deepEqual(
      Object.entries(dataset.splits).map(([split, items]) => [split, items.map(({ id }) => id)]),
      [
        ["train", ["train2017/000000000001.jpg", "train2017/000000000002.jpg"]],
        ["val", ["val2017/000000000003.jpg"]],
      ],
    );
    assert.deepEqual(dataset.splits["train"]![1]!.objects, [
      { box: { x: 1, y: 2, width: 30, height: 40 }, label: "car" },
    ]);
    assert.deepEqual(dataset.splits["val"]![0]!.objects, []);
  });

  test("have Karpathy's splits by COCO's numbers, under the names of 2017", async () => {
    const split = (cocoid: number, name: string) => ({ cocoid, filename: "old name.jpg", split: name, sentences: [] });
    const splits = { images: [split(1, "test"), split(3, "restval")] };
    const cwd = files([
      ...images,
      captions("train2017", [1, 2]),
      captions("val2017", [3]),
      ["coco/dataset_coco.json", splits],
    ]);
    const { dataset } = await openKnown("coco", { cwd });
    assert.deepEqual(
      Object.entries(dataset.splits).map(([name, items]) => [name, items.map(({ captions: [first] }) => first?.text)]),
      [
        ["train", ["picture 3"]],
        ["test", ["picture 1"]],
      ],
    );
  });

  test("with boxes of other pictures alone are refused", async () => {
    const cwd = files([...images, captions("train2017", [1, 2]), instances("train2017", 77)]);
    await assert.rejects(openKnown("coco", { cwd, boxes: true }), /no image of the data set has boxes here/);
  });

  test("with a box that is none are refused", async () => {
    const [name, content] = instances("train2017", 1);
    const bad = JSON.parse(JSON.stringify(content).replace("[1,2,30,40]", "[1,2,30]")) as unknown;
    const cwd = files([...images, captions("train2017", [1, 2]), [name, bad]]);
    await assert.rejects(openKnown("coco", { cwd, boxes: true }), {
      message: /bbox must be \[x, y, width, height\]/,
      where: /instances_train2017\.json, annotation 1$/,
    } as never);
  });
});
