/** `ams data`: sizes of the scenes, what is told about a set and its problems, its frame, options that mean nothing for it. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { wantDataset } from "../../src/commands/datasets.js";
import { checkOptions } from "../../src/commands/parse.js";
import type { OpenedDataset } from "../../src/commands/results.js";
import { createSession, type Session } from "../../src/commands/session.js";
import { dataCommand } from "../../src/commands/verbs/data.js";
import { silentContext, type Context } from "../../src/context.js";
import type { Dataset } from "../../src/data/dataset.js";
import { heldOutArtist, isHeldOutPair, type SceneDataset } from "../../src/data/emojiScenes/index.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { displaySymbol, type MimeBundle } from "../../src/display.js";
import type { AmsError } from "../../src/errors.js";
import { drawPicture } from "../data/pictures.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-data-verb-"));
const photos = path.join(folder, "photos");

before(async () => {
  process.env["AMS_HOME"] = path.join(folder, "home");
  mkdirSync(photos);
  for (const i of [0, 1, 2, 3]) await drawPicture(path.join(photos, `${String(i)}.png`), 20, 15, i);
});

after(async () => {
  await closeImageWorkers();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  dataset: OpenedDataset;
  notes: string[];
  session: Session;
}

async function data(options: Record<string, unknown>, session = createSession(folder)): Promise<Opened> {
  const notes: string[] = [];
  const context: Context = { ...silentContext, note: (line) => void notes.push(line) };
  const dataset = await dataCommand.run(checkOptions(dataCommand, options) as never, context, session);
  return { dataset, notes, session };
}

const shownBy = async (dataset: OpenedDataset): Promise<MimeBundle> => dataset[displaySymbol]();

/** A folder with annotation files of Flickr30K over the photos; rows are [image, caption]. */
function annotated(name: string, rows: [string, string][], images = photos): Record<string, unknown> {
  const annotations = path.join(folder, name);
  mkdirSync(annotations);
  const train = rows.map(([image, caption]) => ({ image, caption, image_id: image }));
  writeFileSync(path.join(annotations, "flickr30k_train.json"), JSON.stringify(train));
  return { data: "flickr30k", root: images, annotations };
}

describe("ams data scenes --size", () => {
  const sizes = ({ splits }: Dataset): number[] => Object.values(splits).map((items) => items.length);

  test("sets the training split and the others in proportion; --train, --val and --test set them one by one", async () => {
    const common = { data: "scenes", pixels: 32, samples: 0 };
    assert.deepEqual(sizes((await data({ ...common, size: 21 })).dataset), [21, 3, 5, 5, 5]);
    assert.deepEqual(sizes((await data({ ...common, size: 21, val: 0, test: 2 })).dataset), [21, 0, 2, 2, 2]);
    assert.deepEqual(sizes((await data({ ...common, train: 3, val: 1, test: 1 })).dataset), [3, 1, 1, 1, 1]);
    await assert.rejects(data({ data: photos, size: 5 }), /--size is for the scenes/);
    for (const size of [0, 100_001]) await assert.rejects(data({ ...common, size }), /size/);
  });

  test("keeps the splits apart, and a larger set begins with the smaller one", async () => {
    const options = { data: "scenes", pixels: 32, samples: 0 };
    const small = (await data({ ...options, size: 40 })).dataset as unknown as SceneDataset;
    const large = (await data({ ...options, size: 400 })).dataset as unknown as SceneDataset;
    assert.deepEqual(sizes(large), [400, 40, 80, 80, 80]);
    const layouts = new Set<string>();
    const captions = new Set<string>();
    for (const [split, items] of Object.entries(large.splits)) {
      for (const { place, objects, captions: own } of items) {
        layouts.add(JSON.stringify([place, objects.map(({ label, box }) => [label, box])]));
        captions.add(JSON.stringify(own.map(({ text }) => text).sort()));
        const labels = [...new Set(objects.map(({ label }) => label))];
        const heldOut = labels.some((a, i) => labels.slice(i + 1).some((b) => isHeldOutPair(a, b)));
        assert.equal(heldOut, split === "test-pairs");
        assert.ok(objects.every(({ artist }) => (artist === heldOutArtist) === (split === "test-style")));
      }
    }
    assert.deepEqual([layouts.size, captions.size], [680, 680], "no scene comes twice, in whichever splits");
    for (const [split, items] of Object.entries(small.splits)) {
      const first = large.splits[split]!.slice(0, items.length);
      const content = (list: typeof items) => list.map(({ image: _, ...rest }) => rest);
      assert.deepEqual(content(first), content(items));
      for (const i of [0, items.length - 1]) {
        assert.deepEqual(readFileSync(first[i]!.image), readFileSync(items[i]!.image));
      }
    }
  });
});

describe("an opened data set", () => {
  test("is a danfo DataFrame by its method frame, which is none of its properties", async () => {
    const { dataset } = await data({ ...annotated("framed", [["0.png", "a dog"], ["0.png", "it runs fast"], ["1.png", "a cat"]]), samples: 0 }); // prettier-ignore
    const frame = dataset.frame();
    assert.deepEqual([frame.shape, frame.columns], [[3, 5], ["split", "image", "file", "caption", "words"]]); // prettier-ignore
    assert.deepEqual((frame["words"] as { values: unknown }).values, [2, 3, 2]);
    assert.ok(!Object.keys(dataset).includes("frame"));
  });

  test("shows the rest where a sample cannot be read, and says why", async () => {
    const images = mkdtempSync(path.join(folder, "spoiled-"));
    await drawPicture(path.join(images, "0.png"), 20, 15, 0);
    writeFileSync(path.join(images, "1.png"), "no <picture>");
    const { dataset } = await data(annotated("spoiled", [["0.png", "whole"], ["1.png", "<b>broken</b>"]], images)); // prettier-ignore
    const { "text/plain": text, "text/html": html } = await shownBy(dataset);
    assert.match(text, /1\.png\n {2}\(a picture of the figure cannot be read: .*\)\n {2}<b>broken<\/b>/);
    assert.equal(String(html).match(/<img /g)?.length, 1);
    assert.match(String(html), /cannot be read: .*&#60;b&#62;broken/s);
  });

  test("names the captions that lose their ends, and what is lost", async () => {
    const long = `${"dog ".repeat(28)}on the <beach>`;
    const { dataset } = await data({ ...annotated("long", [["0.png", "short"], ["0.png", long], ["1.png", "x"]]), samples: 0 }); // prettier-ignore
    const { "text/plain": text, "text/html": html } = await shownBy(dataset);
    assert.match(text, /1 caption loses its end: train 0\.png caption 1 \(without "on the <beach>"\)\. Shorten/);
    assert.match(String(html), /on the &#60;beach&#62;/);
    const { dataset: whole } = await data({ ...annotated("whole", [["0.png", "short"]]), samples: 0 });
    assert.doesNotMatch((await shownBy(whole))["text/plain"], /loses/);
  });
});

describe("problems", () => {
  const rows: [string, string][] = [["0.png", "one"], ["gone.png", "two"], ["gone.png", "three"], ["1.png", " "], ["2.png", "four"]]; // prettier-ignore

  test("are refused, or left out and all listed with their rows", async () => {
    const choice = annotated("problems", rows);
    await assert.rejects(data(choice), { message: "1 image is missing: gone.png", hint: /DenotationGraph.*--skip-problems/ } as never); // prettier-ignore
    const { dataset, notes } = await data({ ...choice, skipProblems: true, samples: 0 });
    const file = path.join(folder, "problems", "flickr30k_train.json");
    const { leftOut, splits } = dataCommand.json(dataset) as { leftOut: unknown; splits: unknown };
    assert.deepEqual(splits, { train: { images: 2, captions: 2 } });
    assert.deepEqual(leftOut, [
      { image: "gone.png", file, row: 2, reason: "image is missing" },
      { image: "gone.png", file, row: 3, reason: "image is missing" },
      { image: "1.png", file, row: 4, reason: "caption is empty" },
    ]);
    assert.match(notes.join("\n"), /flickr30k_val\.json and flickr30k_test\.json are not in/);
  });

  test("of pictures that a check left out are left out again when the set is opened again", async () => {
    const images = mkdtempSync(path.join(folder, "checked-"));
    for (const i of [0, 1, 2]) await drawPicture(path.join(images, `${String(i)}.png`), 20, 15, i);
    writeFileSync(path.join(images, "1.png"), "no picture");
    const choice = annotated("checked", [["0.png", "a"], ["1.png", "b"], ["2.png", "c"]], images); // prettier-ignore
    const { dataset, session } = await data({ ...choice, check: true, skipProblems: true, samples: 0 });
    assert.deepEqual(dataset.leftOut?.map(({ image }) => image), ["1.png"]); // prettier-ignore
    assert.deepEqual(dataset.opened?.leftOut, ["1.png"]);
    const { openDataset } = await import("../../src/commands/datasets.js");
    const again = await openDataset(dataset.opened, dataset.opened, silentContext, session);
    assert.equal(again.fingerprint, dataset.fingerprint);
    assert.deepEqual(again.splits["train"]!.map(({ id }) => id), ["0.png", "2.png"]); // prettier-ignore
  });
});

test("options that mean nothing for a kind of data are refused by name", async () => {
  const known = annotated("nothing", [["0.png", "a"]]);
  const tables = mkdtempSync(path.join(folder, "tables-"));
  writeFileSync(path.join(tables, "t.csv"), "image,caption,split\n0.png,a dog,train\n");
  const refused: [Record<string, unknown>, string][] = [
    [{ data: "scenes", root: photos }, "--root"],
    [{ data: "scenes", boxes: "boxes" }, "--boxes"],
    [{ ...known, captions: "t.csv" }, "--captions"],
    [{ ...known, data: known["annotations"] }, "--annotations"],
    [{ data: tables, root: photos, boxes: true }, "--boxes"],
    [{ data: tables, root: photos, annotations: "x" }, "--annotations"],
  ];
  for (const [options, name] of refused) {
    await assert.rejects(data(options), (error: AmsError) => {
      assert.match(error.message, new RegExp(`^${name} means nothing for `));
      assert.ok(error.where?.startsWith(name) === true && error.hint !== undefined);
      return true;
    });
  }
  // The table of a folder may lie apart from its images.
  const { dataset } = await data({ data: tables, root: photos, samples: 0 });
  assert.equal(dataset.splits["train"]![0]!.image, path.join(photos, "0.png"));
});

test("a split with the name of a property that all objects have is none", async () => {
  const choice = annotated("names", [["0.png", "a"]]);
  await assert.rejects(data({ ...choice, split: "constructor" }), /no split "constructor" with images/);
});

test("the scenes that are open stay open when their boxes are asked for", async () => {
  const { session, dataset } = await data({ data: "scenes", size: 2, pixels: 32, samples: 0 });
  assert.equal(await wantDataset({ boxes: true }, silentContext, session), dataset);
});
