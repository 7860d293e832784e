/** The index on disk: the answers of a search in memory, kept through updates, kills and interrupts. */
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs, {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { silentContext, type Context } from "../../src/context.js";
import type { Item } from "../../src/data/dataset.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { captionFeatures, tokenise } from "../../src/evaluate/encode.js";
import { isNarrower } from "../../src/evaluate/evaluate.js";
import { encodeImages, encodeUnprojected, scaleWeights, type Model } from "../../src/model/ams.js";
import { loadPixels } from "../../src/data/batches.js";
import { buildModel } from "../../src/model/build.js";
import {
  buildIndex,
  bytesPerImage,
  imagesOfFolder,
  indexBytes,
  openGallery,
  search,
  type ImageList,
  type Indexed,
  type IndexOptions,
} from "../../src/search/index.js";
import { framesSvg, hitsFigure } from "../../src/search/hits.js";
import { linkWords, placeName, strongestLinks } from "../../src/search/links.js";
import { npmCommand } from "../../src/npmCommand.js";
import { lanceInstallation, loadLance } from "../../src/search/lance.js";
import { lockIndex, openStore } from "../../src/search/store.js";
import { Random } from "../../src/random.js";
import { colours, makeSample, type Sample } from "../evaluate/sample.js";

let sample: Sample;
let model: Model;
let items: Item[];
let scratch: string;
let counter = 0;
before(async () => {
  await startEngine("wasm");
  sample = await makeSample();
  model = await sample.model();
  items = sample.dataset.splits["test"]!;
  scratch = mkdtempSync(path.join(tmpdir(), "ams-index-"));
});
after(async () => {
  sample.remove();
  rmSync(scratch, { recursive: true });
  await closeImageWorkers();
});

const newFolder = (): string => path.join(scratch, String(counter++));
const list = (of: readonly Item[] = items, source = "squares"): ImageList => ({ source, items: [...of] });
const build = (
  folder: string,
  options: Omit<IndexOptions, "folder"> = { gallery: list() },
  context = silentContext,
): Promise<Indexed> => buildIndex(model, { folder, ...options }, context);
const listening = (notes: string[]): Context => ({ ...silentContext, note: (line) => notes.push(line) });

/** Ids of the images in an index, and the number of its captions. */
async function content(folder: string): Promise<{ ids: string[]; captions: number }> {
  const store = await openStore(folder);
  const ids = (await store.images()).map(({ id }) => id).sort();
  const { captions } = await store.counts();
  store.close();
  return { ids, captions };
}

/** Of everything in a folder and below it. */
const bytesOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0); // prettier-ignore

function threeLines(wanted: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AmsError, String(error));
    assert.equal(error.lines().length, 3, error.lines().join("\n"));
    assert.match(error.lines().join("\n"), wanted);
    return true;
  };
}

/** So many small pictures in a folder of their own. */
function manyPictures(count: number): string {
  const folder = newFolder();
  mkdirSync(folder);
  const sources = items.map(({ image }) => image);
  for (let i = 0; i < count; i++) copyFileSync(sources[i % 6]!, path.join(folder, `${String(i).padStart(3, "0")}.png`));
  return folder;
}

describe("a search in an index", () => {
  for (const [features, tolerance] of [
    ["float32", 1e-5],
    ["float16", 5e-3],
    ["none", 1e-5],
  ] as const) {
    test(`gives the hits and scores of one in memory: features ${features}`, async () => {
      const folder = newFolder();
      const report = await build(folder, { gallery: list(), features });
      assert.deepEqual([report.images, report.captions, report.added], [6, 11, 6]);
      const gallery = await openGallery(model, folder);
      for (const query of [{ text: "a blue square on grey" }, { image: items[3]!.image }]) {
        const stored = await search(model, gallery, query, 4, silentContext);
        const wanted = await search(model, items, query, 4, silentContext);
        assert.equal(stored.gallery, wanted.gallery);
        assert.deepEqual(stored.hits.map(({ item, caption }) => [item.id, caption]), wanted.hits.map(({ item, caption }) => [item.id, caption])); // prettier-ignore
        stored.hits.forEach(({ score, pooled, links }, i) => {
          const other = wanted.hits[i]!;
          assert.ok(Math.abs(score - other.score) < tolerance, `${score} ${other.score}`);
          assert.ok(Math.abs(pooled - other.pooled) < 1e-5);
          assert.deepEqual(links.map(({ word }) => word), other.links.map(({ word }) => word)); // prettier-ignore
        });
      }
      gallery.close();
    });
  }

  test("needs no file where features are kept, and shows the hit as gone", async () => {
    const image = path.join(scratch, "short-lived.png");
    copyFileSync(items[0]!.image, image);
    const folder = newFolder();
    await build(folder, { gallery: list([{ ...items[0]!, image }]) });
    rmSync(image);
    const gallery = await openGallery(model, folder);
    const hits = await search(model, gallery, { text: "a red square" }, 1, silentContext);
    gallery.close();
    assert.equal(hits.hits[0]?.item.id, "red");
    assert.match((await hits[displaySymbol]())["text/plain"], /the file is gone/);
  });

  test("of a folder of pictures has no captions to find, and says so", async () => {
    const folder = newFolder();
    await build(folder, { gallery: imagesOfFolder(manyPictures(3)) });
    const gallery = await openGallery(model, folder);
    const asking = search(model, gallery, { image: items[0]!.image }, 1, silentContext);
    await assert.rejects(asking, threeLines(/the gallery has no captions/));
    gallery.close();
  });

  test("takes what the report says for an image", async () => {
    const { scales, embed, image } = model.config;
    const numbers = 4 * scales.length * embed;
    const regions = (image.pixels / image.patch) ** 2 + 1;
    assert.equal(bytesPerImage(model, "none"), numbers);
    const folder = newFolder();
    await build(folder, { gallery: list(), features: "float32" });
    const gallery = await openGallery(model, folder);
    for await (const rows of gallery.scan()) {
      for (const { features } of rows) {
        const kept = features!.reduce((sum, scale) => sum + 4 * scale.length, 0);
        assert.equal(numbers + kept, bytesPerImage(model, "float32"));
        assert.equal(features![0]!.length % regions, 0);
      }
    }
    gallery.close();
  });
});

describe("an index that grows and shrinks", () => {
  test("adds only what is new, and says what was there", async () => {
    const folder = newFolder();
    await build(folder, { gallery: list(items.slice(0, 4)) });
    const notes: string[] = [];
    const report = await build(folder, { gallery: list() }, listening(notes));
    assert.deepEqual([report.added, report.updated, report.images], [2, 0, 6]);
    assert.match(notes.join(), /4 of 6 images are in the index already/);
    assert.deepEqual(await content(folder), { ids: items.map(({ id }) => id).sort(), captions: 11 });
  });

  test("update encodes changed images and captions anew and removes what is gone, of this gallery alone", async () => {
    const folder = newFolder();
    const own = path.join(scratch, "changing.png");
    copyFileSync(items[0]!.image, own);
    const gallery = [{ ...items[0]!, image: own }, ...items.slice(1, 4)];
    await build(folder, { gallery: list(gallery, "first") });
    await build(folder, { gallery: list(items.slice(4), "second") });
    copyFileSync(items[5]!.image, own);
    const renamed = { ...gallery[1]!, captions: [{ text: "a green square" }] };
    const report = await build(folder, { gallery: list([gallery[0]!, renamed, gallery[2]!], "first"), update: true });
    assert.deepEqual([report.added, report.updated, report.removed], [0, 2, 1]);
    assert.deepEqual((await content(folder)).ids, ["blue", "green", "pink", "red", "white"]);
    assert.equal((await content(folder)).captions, 2 + 1 + 1 + 4);
    const store = await openStore(folder);
    const near = await store.nearestImages(new Float32Array(store.record.width).fill(1), 9);
    const [changed, white] = ["red", "white"].map((id) => near.find((image) => image.id === id)!);
    assert.ok(Math.abs(changed!.pooled - white!.pooled) < 1e-6, "the changed picture has the vector of what it is now");
    store.close();
  });

  test("deletes by id or file, captions too, also with a quote in the name", async () => {
    const folder = newFolder();
    const quoted = path.join(scratch, "O'Brien's.png");
    copyFileSync(items[1]!.image, quoted);
    await build(folder, { gallery: list([...items, { ...items[1]!, id: "quoted", image: quoted }]) });
    const report = await build(folder, { remove: ["blue", quoted] });
    assert.deepEqual([report.removed, report.images, report.captions], [2, 5, 10]);
    await assert.rejects(
      build(folder, { remove: ["red", "nobody"] }),
      threeLines(/no image "nobody"[^]*nothing was removed/),
    );
    assert.equal((await content(folder)).ids.length, 5);
  });

  test("leaves unreadable images out, named, and takes them once they can be read", async () => {
    const folder = newFolder();
    const pictures = manyPictures(3);
    writeFileSync(path.join(pictures, "001.png"), "no picture");
    const notes: string[] = [];
    const report = await build(folder, { gallery: imagesOfFolder(pictures) }, listening(notes));
    assert.deepEqual([report.added, report.unreadable.length], [2, 1]);
    assert.match(notes.join(), /1 of 3 images cannot be read and are left out: .*001\.png/);
    copyFileSync(items[0]!.image, path.join(pictures, "001.png"));
    assert.equal((await build(folder, { gallery: imagesOfFolder(pictures) })).added, 1);
  });

  test("an image that comes twice is in it once", async () => {
    const folder = newFolder();
    assert.equal((await build(folder, { gallery: list([...items, items[0]!]) })).images, 6);
  });
});

/** So many pictures of random colours, none like another: what repeats is packed. */
async function noise(count: number): Promise<string> {
  const folder = newFolder();
  mkdirSync(folder);
  const random = new Random(7);
  const raw = { width: 48, height: 48, channels: 3 as const };
  for (let i = 0; i < count; i++) {
    const data = Uint8Array.from({ length: 48 * 48 * 3 }, () => random.int(256));
    await sharp(data, { raw })
      .png()
      .toFile(path.join(folder, `${String(i).padStart(3, "0")}.png`));
  }
  return folder;
}

describe("the size that is announced", () => {
  for (const features of ["float32", "float16", "none"] as const) {
    test(`is what is written, within a tenth: features ${features}, for what is missing in an index`, async () => {
      const { source, items: pictures } = imagesOfFolder(await noise(150));
      const gallery = pictures.map((item, i) => ({
        ...item,
        captions: ["red", "blue"].map((colour) => ({ text: `picture ${i} of a ${colour} square on the left` })),
      }));
      const folder = newFolder();
      await build(folder, { gallery: list(gallery.slice(0, 1), source), features });
      const [before, notes] = [bytesOf(folder), [] as string[]];
      await build(folder, { gallery: list(gallery, source) }, listening(notes));
      const [written, announced] = [bytesOf(folder) - before, indexBytes(model, features, gallery.slice(1))];
      assert.ok(Math.abs(announced / written - 1) < 0.1, `${announced} announced, ${written} written`);
      const said = notes.join("\n");
      const [, number, unit] = /the index takes about ([\d.]+) ([kM])B for 149 images/.exec(said)!;
      assert.ok(Math.abs((Number(number) * (unit === "k" ? 1e3 : 1e6)) / announced - 1) < 0.05);
      assert.ok(said.endsWith(features));
    });
  }
});

describe("an index on a disk", () => {
  test("is refused where there is no room for it, with what it needs and what is free", async (t) => {
    const folder = newFolder();
    const { bavail, bsize, ...rest } = fs.statfsSync(scratch);
    assert.ok(bavail * bsize > 0);
    t.mock.method(fs, "statfsSync", () => ({ ...rest, bavail: 1, bsize: 6 * bytesPerImage(model, "none") }));
    await assert.rejects(build(folder, { gallery: list(), features: "float32" }), threeLines(/would need .* [kMG]B, and .* are free[^]*--features none/)); // prettier-ignore
    await assert.rejects(build(folder, { gallery: list(), fresh: true, features: "none" }), threeLines(/would need/));
    t.mock.restoreAll();
    assert.equal((await build(folder, { gallery: list(), fresh: true })).images, 6);
  });

  test("of many small writes is joined once a tenth of it has been deleted", async () => {
    const folder = newFolder();
    await build(folder, { gallery: list(), writeEvery: 0 });
    const parts = async (): Promise<number> => {
      const connection = await (await loadLance()).connect(path.join(folder, "tables"));
      const table = await connection.openTable("images");
      const { numFragments } = (await table.stats()).fragmentStats;
      table.close();
      connection.close();
      return numFragments;
    };
    assert.ok((await parts()) > 2, String(await parts()));
    await build(folder, { remove: ["blue"] });
    assert.equal(await parts(), 1);
    assert.deepEqual((await content(folder)).ids.length, 5);
  });
});

describe("an index is refused", () => {
  test("with another model, or the same one after a step of training; --fresh makes it anew", async () => {
    const folder = newFolder();
    await build(folder);
    const other = await buildModel({ size: "tiny", seed: 6, vocabulary: path.join(sample.dataset.root, "vocab.txt") });
    await assert.rejects(openGallery(other, folder), threeLines(/made by another model[^]*--fresh/));
    await assert.rejects(buildIndex(other, { folder, gallery: list() }, silentContext), threeLines(/made by another model/)); // prettier-ignore
    assert.equal((await content(folder)).ids.length, 6);
    const trained = await sample.model();
    (await openGallery(trained, folder)).close();
    const bias = trained.parameters.get("txt.fc2.bias")!;
    bias.assign(tf.add(bias, 1e-3));
    await assert.rejects(openGallery(trained, folder), threeLines(/made by another model/));
    const pads = { ...model, quirks: { ...model.quirks, padWords: !model.quirks.padWords } };
    await assert.rejects(openGallery(pads, folder), threeLines(/made by another model/));
    const fresh = await buildIndex(other, { folder, gallery: list(items.slice(0, 2)), fresh: true }, silentContext);
    assert.equal(fresh.images, 2);
  });

  test("where there is none, where it is damaged, and in a folder with something else", async () => {
    await assert.rejects(openGallery(model, newFolder()), threeLines(/there is no index/));
    const folder = newFolder();
    await build(folder);
    const record = readFileSync(path.join(folder, "index.json"), "utf8");
    writeFileSync(path.join(folder, "index.json"), record.slice(0, 40));
    await assert.rejects(openGallery(model, folder), threeLines(/record is damaged[^]*--fresh/));
    writeFileSync(path.join(folder, "index.json"), record);
    rmSync(path.join(folder, "tables", "images.lance"), { recursive: true });
    await assert.rejects(openGallery(model, folder), threeLines(/cannot be read[^]*--fresh/));
    const photos = manyPictures(1);
    await assert.rejects(build(photos, { gallery: list() }), threeLines(/something else than an index: 000\.png/));
    await assert.rejects(build(photos, { gallery: list(), fresh: true }), threeLines(/something else/));
    assert.ok(readFileSync(path.join(photos, "000.png")).length > 0);
  });

  test("with a file of its tables cut short or gone, by searches, scans and updates alike, in words without the store's own paths", async () => {
    const whole = newFolder();
    await build(whole);
    for (const cut of [
      (file: string) => {
        truncateSync(file, 200);
      },
      (file: string) => {
        rmSync(file);
      },
    ]) {
      for (const table of ["images", "captions"]) {
        const folder = newFolder();
        cpSync(whole, folder, { recursive: true });
        const data = path.join(folder, "tables", `${table}.lance`, "data");
        for (const file of readdirSync(data)) cut(path.join(data, file));
        const gallery = await openGallery(model, folder);
        const refusal = (error: unknown): boolean => {
          assert.doesNotMatch(String(error), /\.rs:\d|Caused by/);
          return threeLines(/^the index cannot be (read|written): [^]*/)(error);
        };
        await assert.rejects(search(model, gallery, { image: items[0]!.image }, 3, silentContext), refusal);
        if (table === "images") {
          await assert.rejects(search(model, gallery, { text: "a red square" }, 3, silentContext), refusal);
          await assert.rejects(gallery.scan().next(), refusal);
        }
        gallery.close();
        const changed = items.map((item) => ({ ...item, captions: [{ text: "another" }] }));
        await assert.rejects(build(folder, { gallery: list(changed), update: true }), refusal);
      }
    }
  });

  test("with another precision of features", async () => {
    const folder = newFolder();
    await build(folder, { gallery: list(), features: "none" });
    await assert.rejects(build(folder, { gallery: list(), features: "float16" }), threeLines(/keeps features as none/));
  });

  test("while another process writes it, not after one that is gone", async () => {
    const folder = newFolder();
    await build(folder);
    const unlock = lockIndex(folder);
    await assert.rejects(build(folder), threeLines(/another process is writing this index[^]*writing\.lock[^]*delete the file/)); // prettier-ignore
    unlock();
    writeFileSync(path.join(folder, "writing.lock"), "999999999");
    assert.equal((await build(folder)).images, 6);
  });

  test("with one clear error where LanceDB has no binary", async () => {
    const missing = (): Promise<never> => Promise.reject(new Error("Cannot find native binding.\nmore"));
    await assert.rejects(loadLance(missing), threeLines(/cannot be loaded: Cannot find native binding\.\n[^]*@lancedb\/lancedb[^]*npm install/)); // prettier-ignore
  });

  test("with the command that installs it there: in a clone, a project, for all users, beside a wheel", () => {
    const folder = newFolder();
    const put = (...parts: string[]): string => {
      const root = path.join(folder, ...parts);
      mkdirSync(root, { recursive: true });
      const optionalDependencies = { "@lancedb/lancedb": "1.2.3" };
      writeFileSync(path.join(root, "package.json"), JSON.stringify({ optionalDependencies }));
      return root;
    };
    const clone = put("clone");
    assert.equal(lanceInstallation(clone), `npm install --include=optional --prefix "${clone}"`);
    const project = put("project");
    const inProject = lanceInstallation(put("project", "node_modules", "ams-notebook"));
    assert.equal(inProject, `npm install --ignore-scripts --prefix "${project}" @lancedb/lancedb@1.2.3`);
    const own = "install --omit=dev --ignore-scripts --no-package-lock";
    const forAll = put("lib", "node_modules", "ams-notebook");
    assert.equal(lanceInstallation(forAll, "npm"), `npm ${own} --prefix "${forAll}"`);
    const wheel = put("ams_notebook", "package");
    writeFileSync(path.join(folder, "ams_notebook", "launch.py"), "");
    const program = path.join(folder, "node_modules", "npm", "bin", "npm-cli.js");
    mkdirSync(path.dirname(program), { recursive: true });
    writeFileSync(program, "");
    const npm = npmCommand(path.join(folder, "node.exe"));
    assert.equal(npm, `"${path.join(folder, "node.exe")}" "${program}"`);
    assert.equal(lanceInstallation(wheel, npm), `${npm} ${own} --prefix "${wheel}"`);
    assert.equal(npmCommand(path.join(folder, "no", "node")), "npm");
  });

  test("for a folder without pictures", () => {
    const empty = newFolder();
    mkdirSync(empty);
    assert.throws(() => imagesOfFolder(empty), threeLines(/no pictures/));
    assert.throws(() => imagesOfFolder(path.join(empty, "none")), threeLines(/cannot be read/));
  });
});

describe("an index that is tidied up", () => {
  test("leaves a search that is open its files, and gives the space back later", async () => {
    const folder = newFolder();
    const gallery = imagesOfFolder(manyPictures(30));
    await build(folder, { gallery });
    const full = bytesOf(folder);
    const open = await openGallery(model, folder);
    const removed = gallery.items.slice(0, 25).map(({ image }) => image);
    await buildIndex(model, { folder, remove: removed }, silentContext);
    assert.equal((await search(model, open, { text: "a red square" }, 5, silentContext)).hits.length, 5);
    open.close();
    const store = await openStore(folder);
    await store.tidy(0, 0);
    store.close();
    assert.ok(bytesOf(folder) < 0.5 * full, `${String(bytesOf(folder))} of ${String(full)} bytes`);
    assert.equal((await content(folder)).ids.length, 5);
  });
});

describe("an index that is cut off", () => {
  test("by an interrupt keeps what was encoded, stops at once, and goes on", async () => {
    const folder = newFolder();
    const gallery = imagesOfFolder(manyPictures(120));
    const stop = new AbortController();
    let asked = 0;
    const context: Context = {
      ...silentContext,
      signal: stop.signal,
      progress: ({ done }) => {
        if (done < 20 || stop.signal.aborted) return;
        asked = performance.now();
        stop.abort(new Error("interrupted"));
      },
    };
    await assert.rejects(build(folder, { gallery }, context), /interrupted/);
    assert.ok(performance.now() - asked < 1000);
    const { ids } = await content(folder);
    assert.ok(ids.length >= 19 && ids.length < 120, String(ids.length));
    const report = await build(folder, { gallery });
    assert.deepEqual([report.added, report.images], [120 - ids.length, 120]);
  });

  test("by SIGKILL at any moment is whole as far as it came, and goes on", { timeout: 120_000 }, async () => {
    const pictures = manyPictures(40);
    const folder = newFolder();
    const vocabulary = path.join(sample.dataset.root, "vocab.txt");
    let least = 0;
    for (const after of [8, 8, 8]) {
      await killedAfter(after, [folder, pictures, vocabulary]);
      const store = await openStore(folder).catch((error: unknown) => {
        assert.match(String(error), /there is no index/); // killed before the first image was written
        return undefined;
      });
      if (store === undefined) continue;
      const images = await store.images();
      assert.ok(images.length >= least, "nothing that was there is lost");
      least = images.length;
      const near = await store.nearestImages(new Float32Array(store.record.width).fill(1), 1000);
      assert.equal(near.length, images.length);
      const bytes = new Set(near.map(({ features }) => features?.length));
      assert.ok(bytes.size <= 1 && !bytes.has(undefined));
      assert.ok((await store.counts()).captions >= 2 * images.length, "an image has its captions");
      store.close();
    }
    assert.ok(least > 0 && least < 40, `the kills came in the middle: ${String(least)}`);
    const plain = await buildModel({ size: "tiny", seed: 5, vocabulary });
    const gallery = imagesOfFolder(pictures);
    const captioned = gallery.items.map((item) => ({ ...item, captions: [{ text: "a square" }, { text: `a ${item.id}` }] })); // prettier-ignore
    const options = { folder, gallery: { source: gallery.source, items: captioned }, features: "float32" as const };
    const report = await buildIndex(plain, options, silentContext);
    assert.deepEqual([report.images, report.captions, report.added], [40, 80, 40 - least]);
    const whole = newFolder();
    await buildIndex(plain, { ...options, folder: whole }, silentContext);
    const [one, other] = [await openStore(folder), await openStore(whole)];
    const query = new Float32Array(one.record.width).fill(1);
    const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
    const [pieces, straight] = [(await one.nearestImages(query, 40)).sort(byId), (await other.nearestImages(query, 40)).sort(byId)]; // prettier-ignore
    pieces.forEach((image, i) => {
      assert.equal(image.id, straight[i]!.id);
      assert.ok(Math.abs(image.pooled - straight[i]!.pooled) < 1e-5);
    });
    one.close();
    other.close();
  });

  test("between captions and their image leaves captions that nobody finds and the next call removes", async () => {
    const folder = newFolder();
    await build(folder, { gallery: list(items.slice(0, 2)) });
    const store = await openStore(folder);
    const vector = new Float32Array(store.record.width).fill(1);
    const row = { id: "x", image: "/x.png", source: "", size: 1, changed: 1, captions: ["left behind"], vector };
    await store.put([row], [{ image: "/x.png", text: "left behind", vector }], []);
    store.close();
    const { connect } = await loadLance();
    const connection = await connect(path.join(folder, "tables"));
    const images = await connection.openTable("images");
    await images.delete("image = '/x.png'"); // as if the process had ended before it was written
    images.close();
    connection.close();
    assert.equal((await content(folder)).captions, 5);
    const gallery = await openGallery(model, folder);
    const { hits } = await search(model, gallery, { image: items[0]!.image }, 5, silentContext);
    gallery.close();
    assert.equal(hits.length, 4);
    assert.ok(hits.every(({ caption }) => caption !== "left behind"));
    const notes: string[] = [];
    const report = await build(folder, { gallery: list(items.slice(0, 2)) }, listening(notes));
    assert.equal(report.captions, 4);
    assert.match(notes.join(), /removed 1 captions/);
  });
});

/** Starts the worker, kills it once it has reported so many images, and waits for its end. */
async function killedAfter(images: number, args: string[]): Promise<void> {
  const child = spawn(process.execPath, [path.join(__dirname, "indexWorker.js"), ...args]);
  let said = "";
  child.stdout.on("data", (data: Buffer) => {
    said += data.toString();
    if (said.split("\n").length > images) child.kill("SIGKILL");
  });
  await new Promise((resolve) => child.once("exit", resolve));
}

describe("the strongest links", () => {
  test("are the words and regions of the largest similarities, little words last", async () => {
    const text = "a pink square on the left";
    const little = (word: string): number => Number(["a", "on", "the"].includes(word));
    const pixels = await loadPixels([items[4]!.image], model.config.image.pixels);
    const side = model.config.image.pixels;
    const features = tf.tidy(() => encodeImages(model, tf.tensor4d(pixels, [1, 3, side, side])));
    const words = tf.tidy(() => captionFeatures(model, tokenise(model.tokenizer, [text], model.config.maxLength), Int32Array.of(0))); // prettier-ignore
    const weights = scaleWeights(model);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const [seen, said] = [features.map((f) => f.arraySync()[0]!), words.map((w) => w.arraySync()[0]!)];
    const similarity = (w: number, j: number): number =>
      weights.reduce((sum, weight, k) => sum + (weight / total) * said[k]![w]!.reduce((dot, x, e) => dot + x * seen[k]![j]![e]!, 0), 0); // prettier-ignore
    const expected = text
      .split(" ")
      .map((word, i) => {
        const regions = Array.from({ length: seen[0]!.length - 1 }, (_, j) => similarity(i + 1, j + 1));
        const best = Math.max(...regions);
        return { word, best, at: regions.indexOf(best) };
      })
      .sort((a, b) => little(a.word) - little(b.word) || b.best - a.best);
    const grid = Math.sqrt(seen[0]!.length - 1);
    assert.ok(isNarrower(model), "the scorer takes the features before their projection");
    const unprojected = tf.tidy(() => encodeUnprojected(model, tf.tensor4d(pixels, [1, 3, side, side])));
    const kept = unprojected.map((f) => f.dataSync<"float32">());
    const links = strongestLinks(model, kept, linkWords(model, text), 6);
    assert.deepEqual(links.map(({ word }) => word), expected.map(({ word }) => word)); // prettier-ignore
    assert.deepEqual(strongestLinks(model, kept, linkWords(model, text)), links.slice(0, 3));
    const shouted = strongestLinks(model, kept, linkWords(model, "THE ON left"), 1);
    assert.deepEqual(shouted.map(({ word }) => word), ["left"]); // prettier-ignore
    links.forEach(({ similarity: found, box, span, word }, i) => {
      assert.ok(Math.abs(found - expected[i]!.best) < 1e-5);
      assert.deepEqual([box.x * grid, box.y * grid], [expected[i]!.at % grid, Math.floor(expected[i]!.at / grid)]);
      assert.equal(text.slice(...span), word);
    });
    tf.dispose([features, unprojected, words]);
  });

  test("name places as people do", () => {
    const at = (x: number, y: number): string => placeName({ x: x - 0.05, y: y - 0.05, width: 0.1, height: 0.1 });
    assert.deepEqual([at(0.1, 0.1), at(0.5, 0.5), at(0.5, 0.9), at(0.9, 0.5), at(0.9, 0.1)], ["upper left", "middle", "bottom", "right", "upper right"]); // prettier-ignore
  });

  test("have frames of different kinds that do not lie on each other, within the picture", () => {
    const box = { x: 0.5, y: 0.5, width: 0.0625, height: 0.0625 };
    const boxes = [box, { ...box, x: 0.5 + 0.0625 }, box, { ...box, x: 0.1 }];
    const links = boxes.map((of, i) => ({ word: String(i), span: [0, 1] as [number, number], similarity: 1 - i / 10, box: of })); // prettier-ignore
    const attributes = (svg: string, name: string): number[] =>
      Array.from(svg.matchAll(new RegExp(`<rect[^>]* ${name}="(-?[\\d.]+)"[^>]*stroke-dasharray`, "g")), ([, v]) => Number(v)); // prettier-ignore
    const svg = framesSvg(links, { width: 256, height: 256 });
    const [x, y, w] = ["x", "y", "width"].map((name) => attributes(svg, name).reverse()); // the strongest is drawn last
    assert.deepEqual(
      [x, y],
      [
        [128, 144 - 4, 128 - 8, 25.6],
        [128, 124, 120, 128],
      ],
    );
    assert.deepEqual(w, [16, 24, 32, 16]);
    const styles = new Set(Array.from(svg.matchAll(/stroke="(#[0-9a-f]{6})" [^/]*stroke-dasharray="([^"]+)"/g), ([, colour, dash]) => `${colour!} ${dash!}`)); // prettier-ignore
    assert.equal(styles.size, 3);
    assert.equal(svg.match(/<circle/g)?.length, 1 + 2 + 3 + 4);
    const corner = links.map((link) => ({ ...link, box: { x: 0, y: 0.9375, width: 0.0625, height: 0.0625 } }));
    const edge = framesSvg(corner, { width: 256, height: 256 });
    assert.ok(attributes(edge, "x").every((at) => at >= 2));
    attributes(edge, "y").forEach((at, i) => assert.ok(at + attributes(edge, "height")[i]! <= 254));
  });

  test("have room in the picture: every word and number is there, with the line of its frame", async () => {
    const text = "a yellow square";
    const found = await search(model, items, { text }, 3, silentContext);
    const { "text/html": html, "text/plain": plain } = await found[displaySymbol]();
    const { svg } = await hitsFigure(found);
    const drawn = svg.replace(/<desc>[^]*?<\/desc>/, "");
    found.hits.forEach(({ links, item }) => {
      links.forEach(({ word, similarity }, i) => {
        const mark = `${"\u25cf".repeat(i + 1)} ${word} ${similarity.toFixed(2)}`;
        for (const form of [drawn, String(html), plain]) assert.ok(form.includes(mark), `${mark} of ${item.id}`);
      });
    });
    assert.equal(drawn.match(/<line [^>]*stroke-dasharray="(none|7 4|2 3)"/g)?.length, 9);
    const captions = await search(model, items, { image: items[0]!.image }, 3, silentContext);
    const own = (await hitsFigure(captions)).svg.replace(/<desc>[^]*?<\/desc>/, "");
    for (const { caption, links } of captions.hits) {
      assert.ok(own.includes(`>${caption!}</text>`), "the caption stands alone in its line");
      for (const { word, similarity } of links) assert.match(own, new RegExp(`${word} [a-z ]+ ${similarity.toFixed(2)}`)); // prettier-ignore
    }
  });

  test("are shown with their words escaped, and marked in the pictures", async () => {
    const hits = await search(model, items, { text: "<b>pink</b> <script> square" }, 2, silentContext);
    assert.ok(hits.hits.every(({ links }) => links.length === 3));
    const plain = await search(model, items, { text: "red" }, 1, silentContext);
    assert.ok(plain.hits[0]!.links.length === 1);
    const bundle = await hits[displaySymbol]();
    const html = bundle["text/html"] as string;
    assert.ok(!html.includes("<script>") && !html.includes("<b>pink"));
    assert.match(bundle["text/plain"], /\u25cf \S+ -?\d\.\d\d/);
    assert.ok(Object.keys(colours).some((colour) => bundle["text/plain"].includes(`${colour}.png`)));
    const json = JSON.parse(JSON.stringify(hits)) as { hits: { links: { word: string; box: { width: number } }[] }[] };
    assert.ok(json.hits[0]!.links[0]!.box.width > 0);
  });
});

test("indexing and searching leave no tensors behind", async () => {
  const folder = newFolder();
  const tensors = tf.memory().numTensors;
  await build(folder);
  const gallery = await openGallery(model, folder);
  await search(model, gallery, { text: "a red square" }, 2, silentContext);
  await search(model, gallery, { image: items[0]!.image }, 2, silentContext);
  gallery.close();
  assert.equal(tf.memory().numTensors, tensors);
});
