import assert from "node:assert/strict";
import { copyFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import {
  batches,
  checkImages,
  loadPixels,
  loadReadable,
  type Batch,
  type BatchOptions,
  type Pair,
} from "../../src/data/batches.js";
import { silentContext } from "../../src/context.js";
import type { Item } from "../../src/data/dataset.js";
import { decodeImage } from "../../src/data/decode.js";
import { closeImageWorkers, imageThreads } from "../../src/data/imagePool.js";
import { normalise } from "../../src/data/pixels.js";
import { resizeBicubic } from "../../src/data/resize.js";
import { openTokenizer, type Tokenizer } from "../../src/data/tokens.js";
import { AmsError } from "../../src/errors.js";
import { drawItems, drawPicture, temporaryFolder } from "./pictures.js";

const size = 16;
const each = 3 * size * size;
const folder = temporaryFolder();
let items: Item[];
let order: Pair[];
let tokenizer: Tokenizer;

before(async () => {
  items = await drawItems(folder, 11);
  order = items.map((_, i) => ({ item: (i * 4) % 11, caption: i % 2 }));
  tokenizer = await openTokenizer();
});
after(closeImageWorkers);

function options(changes: Partial<BatchOptions> = {}): BatchOptions {
  const augmentation = { train: true, size, cropScale: [0.5, 1], cropRatio: [0.75, 4 / 3], flip: 0.5 } as const;
  const base = { batchSize: 4, tokenizer, seed: 3, epoch: 0, dropLast: false, workers: 2 };
  return { ...base, augmentation: { ...augmentation, cropScale: [0.5, 1], cropRatio: [0.75, 4 / 3] }, ...changes };
}

async function all(changes: Partial<BatchOptions> = {}, list = items): Promise<Batch[]> {
  const found: Batch[] = [];
  for await (const batch of batches(list, order, options(changes))) found.push(batch);
  return found;
}

describe("batches", () => {
  test("hold the pairs of the order with their captions, the last one shorter unless it is dropped", async () => {
    const found = await all();
    assert.deepEqual(
      found.map(({ pairs }) => pairs),
      [order.slice(0, 4), order.slice(4, 8), order.slice(8)],
    );
    assert.deepEqual(
      found.map(({ pixels }) => pixels.length),
      [4 * each, 4 * each, 3 * each],
    );
    const text = items[order[5]!.item]!.captions[order[5]!.caption]!.text;
    assert.deepEqual(found[1]!.ids.subarray(30, 60), tokenizer.encode(text).ids);
    assert.deepEqual(found[1]!.mask.subarray(30, 60), tokenizer.encode(text).mask);
    assert.equal((await all({ dropLast: true })).length, 2);
  });

  test("are the same with one, two and three threads and however far ahead", async () => {
    const two = await all();
    assert.deepEqual(await all({ workers: 1, ahead: 0 }), two);
    assert.deepEqual(await all({ workers: 3, ahead: 5 }), two);
  });

  test("show the crop and flip that they report", async () => {
    const flips = new Set<boolean>();
    for (const { pixels, crops, pairs } of await all()) {
      for (const [row, { flip, imageWidth, imageHeight, ...crop }] of crops.entries()) {
        const image = await decodeImage(items[pairs[row]!.item]!.image);
        assert.deepEqual([imageWidth, imageHeight], [image.width, image.height]);
        const expected = new Float32Array(each);
        normalise(resizeBicubic(image, size, size, crop), flip, expected, 0);
        assert.deepEqual(pixels.subarray(row * each, (row + 1) * each), expected);
        flips.add(flip);
      }
    }
    assert.equal(flips.size, 2, "some pictures are mirrored and some are not");
  });

  test("differ from epoch to epoch and seed to seed, and not when repeated", async () => {
    const [first] = await all();
    assert.deepEqual((await all())[0], first);
    assert.notDeepEqual((await all({ epoch: 1 }))[0]!.crops, first!.crops);
    assert.notDeepEqual((await all({ seed: 4 }))[0]!.crops, first!.crops);
  });

  test("crop every picture anew: no two of an epoch's batches have the same crops", async () => {
    const same = items.map(() => items[0]!); // one picture, so that only the random numbers differ
    const crops = (await all({}, same)).flatMap((batch) => batch.crops.map((crop) => JSON.stringify(crop)));
    assert.ok(new Set(crops).size > crops.length / 2, crops.join(" "));
  });

  test("are prepared no further ahead than told, which bounds their memory", async () => {
    const asked = new Set<number>();
    const watched = new Proxy(items, {
      get: (list, key, receiver) => {
        if (/^\d+$/.test(String(key))) asked.add(Number(key));
        return Reflect.get(list, key, receiver) as unknown;
      },
    });
    const stream = batches(watched, order, options({ batchSize: 1, ahead: 2 }));
    for (let taken = 1; taken <= 4; taken++) {
      await stream.next();
      assert.equal(asked.size, Math.min(taken + 2, items.length));
    }
    await stream.return();
  });

  test("of a resumed epoch are those that the whole one would have had", async () => {
    assert.deepEqual(await all({ start: 1 }), (await all()).slice(1));
    assert.deepEqual(await all({ start: 3 }), []);
  });

  test("see a picture that has changed since the last epoch", async () => {
    const own = await drawItems(temporaryFolder(), 11);
    const before = await all({}, own);
    copyFileSync(own[1]!.image, own[0]!.image);
    const changed = await all({}, own);
    assert.notDeepEqual(changed[0]!.pixels.subarray(0, each), before[0]!.pixels.subarray(0, each));
    assert.deepEqual(changed[1], before[1]);
  });
});

describe("unreadable images", () => {
  const broken = async (): Promise<Item[]> => {
    const own = await drawItems(temporaryFolder(), 11);
    writeFileSync(own[order[1]!.item]!.image, "no picture");
    rmSync(own[order[4]!.item]!.image);
    return own;
  };

  test("stop with the file and the item", async () => {
    const own = await broken();
    await assert.rejects(all({}, own), (error) => {
      assert.ok(error instanceof AmsError);
      assert.match(error.message, /cannot be decoded/);
      assert.match(error.where ?? "", new RegExp(`^item "item-4", image .*${path.sep}4.png$`));
      return true;
    });
  });

  test("are replaced by the pairs after the batch when skipped, and counted", async () => {
    const found = await all({ onBadImage: "skip" }, await broken());
    // the second pair is replaced by the first one after the batch that can be read
    assert.deepEqual(found[0]!.pairs, [order[0], order[5], order[2], order[3]]);
    assert.deepEqual(
      found[0]!.skipped.map(({ pair }) => pair),
      [order[1], order[4]],
    );
    assert.match(found[0]!.skipped[1]!.reason, /does not exist/);
    assert.deepEqual(found[1]!.pairs, [order[8], order[5], order[6], order[7]]);
    assert.deepEqual(found[1]!.skipped.length, 1);
    assert.deepEqual(found[2], (await all())[2]);
    const text = items[order[5]!.item]!.captions[order[5]!.caption]!.text;
    assert.deepEqual(found[0]!.ids.subarray(30, 60), tokenizer.encode(text).ids);
    assert.ok(found[0]!.pixels.subarray(each, 2 * each).some((value) => value !== 0));
  });

  test("are listed at their places, whichever of the threads met them", async () => {
    const own = await drawItems(temporaryFolder(), 11);
    for (const number of [2, 3, 7, 10]) rmSync(own[number]!.image);
    const files = own.map(({ image }) => image);
    const { pixels, bad } = await loadReadable(files, size, undefined, { workers: 3 });
    assert.deepEqual(bad.map(({ index, where }) => [index, where]), [2, 3, 7, 10].map((i) => [i, files[i]])); // prettier-ignore
    const empty = files.map((_, i) => pixels.subarray(i * each, (i + 1) * each).every((value) => value === 0));
    assert.deepEqual(empty, files.map((_, i) => [2, 3, 7, 10].includes(i))); // prettier-ignore
  });

  test("end the epoch when no other images are left", async () => {
    const own = await drawItems(temporaryFolder(), 11);
    for (const { image } of own) rmSync(image);
    await assert.rejects(all({ onBadImage: "skip" }, own), /no readable images are left/);
  });
});

describe("a thread that dies over an image", () => {
  const files = (): string[] => items.map(({ image }) => image);

  test("makes that image a bad one, and the rest is prepared by a new thread", async () => {
    await closeImageWorkers();
    const work = loadReadable(files(), 384, undefined, { workers: 1 });
    await imageThreads()[0]!.terminate();
    const { pixels, bad } = await work;
    assert.equal(bad.length, 1);
    assert.match(bad[0]!.message, /thread that prepares images has stopped/);
    assert.equal(bad[0]!.where, files()[bad[0]!.index]);
    const whole = await loadPixels(files(), 384);
    const one = 3 * 384 ** 2;
    whole.fill(0, bad[0]!.index * one, (bad[0]!.index + 1) * one);
    assert.deepEqual(pixels, whole);
  });

  test("is an error when it happens again and again", async () => {
    const work = loadReadable(files(), 384, undefined, { workers: 1 });
    const state = { ended: false };
    const killing = (async () => {
      while (!state.ended) {
        await Promise.all(imageThreads().map((thread) => thread.terminate()));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await assert.rejects(work, /thread that prepares images has stopped/);
    state.ended = true;
    await killing;
    assert.equal((await loadPixels(files().slice(0, 1), size)).length, each);
  });
});

describe("the check of all images", () => {
  test("lists the ones that cannot be read", async () => {
    const own = await drawItems(temporaryFolder(), 11);
    writeFileSync(own[4]!.image, "no picture");
    rmSync(own[7]!.image);
    const bad = await checkImages({ train: own.slice(0, 6), test: own.slice(6) }, silentContext);
    assert.deepEqual(
      bad.map(({ split, id }) => [split, id]),
      [
        ["train", "item-4"],
        ["test", "item-7"],
      ],
    );
    assert.match(bad[0]!.reason, /cannot be decoded/);
  });
});

test("decoded pictures of all threads together stay within the bound", async () => {
  const own = temporaryFolder();
  const whole = 60 * 60 * 3;
  const plain = (value: number): Promise<Buffer> =>
    sharp({ create: { width: 60, height: 60, channels: 3, background: { r: value, g: value, b: value } } })
      .png({ compressionLevel: 0 })
      .toBuffer();
  const files = Array.from({ length: 6 }, (_, i) => path.join(own, `${String(i)}.png`));
  const [dark, light] = [await plain(10), await plain(200)];
  assert.equal(dark.length, light.length); // so that a kept picture is not told from a changed one
  const write = (bytes: Buffer): void => {
    for (const file of files) {
      writeFileSync(file, bytes);
      utimesSync(file, 1000, 1000);
    }
  };
  const kept = async (cacheBytes: number): Promise<number> => {
    await closeImageWorkers();
    const load = () => loadPixels(files, size, undefined, { workers: 2, cacheBytes });
    write(dark);
    const before = await load();
    write(light);
    const after = await load();
    return files.filter((_, i) => before[i * each] === after[i * each]).length;
  };
  assert.equal(await kept(1e6), 6);
  assert.equal(await kept(2 * whole), 2); // one in each thread
  assert.equal(await kept(whole), 0); // half a picture in each
});

describe("the end of the work", () => {
  test("an abort stops the threads, not only the wait for them", async () => {
    const large = path.join(temporaryFolder(), "large.png");
    await drawPicture(large, 1500, 1000, 1);
    const many = Array.from({ length: 24 }, () => large);
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const start = performance.now();
      await work();
      return performance.now() - start;
    };
    const load = (signal?: AbortSignal) => loadPixels(many, 384, signal, { workers: 1, cacheBytes: 0 });
    await loadPixels([large], 384, undefined, { workers: 1, cacheBytes: 0 }); // the thread is up
    const whole = await timed(load);
    const controller = new AbortController();
    const aborted = load(controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    const next = await timed(() => loadPixels([items[0]!.image], size, undefined, { workers: 1, cacheBytes: 0 }));
    assert.ok(next < whole / 2, `${String(next)} ms after an abort, ${String(whole)} ms for all`);
  });

  test("an early break leaves nothing waiting", async () => {
    for await (const batch of batches(items, order, options({ batchSize: 1, ahead: 8 }))) {
      assert.equal(batch.pairs.length, 1);
      break;
    }
    assert.equal((await all()).length, 3); // the threads still work
  });

  test("an abort ends the wait for a batch with its reason", async () => {
    const controller = new AbortController();
    const stream = batches(items, order, options({ batchSize: 2 }), controller.signal);
    await stream.next();
    controller.abort(new Error("enough"));
    await assert.rejects(stream.next(), /enough/);
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
    await assert.rejects(loadPixels([items[0]!.image], size, controller.signal), /enough/);
  });

  test("a thread that dies is an error with the image it was at, and the next request starts another", async () => {
    const work = loadPixels(
      items.map(({ image }) => image),
      384,
    );
    await Promise.all([
      closeImageWorkers(),
      assert.rejects(work, (error) => {
        assert.ok(error instanceof AmsError);
        assert.match(error.message, /thread that prepares images has stopped/);
        assert.ok(items.some(({ image }) => image === error.where));
        return true;
      }),
    ]);
    assert.equal((await loadPixels([items[0]!.image], size)).length, each);
  });
});

describe("images for evaluation", () => {
  test("are resized whole, in the order of their paths", async () => {
    const files = items.map(({ image }) => image);
    const pixels = await loadPixels(files, size, undefined, { workers: 3 });
    for (const [i, file] of files.entries()) {
      const expected = new Float32Array(each);
      normalise(resizeBicubic(await decodeImage(file), size, size), false, expected, 0);
      assert.deepEqual(pixels.subarray(i * each, (i + 1) * each), expected);
    }
    assert.equal((await loadPixels([], size)).length, 0);
  });

  test("must all be readable", async () => {
    const missing = path.join(folder, "missing.png");
    await assert.rejects(loadPixels([items[0]!.image, missing], size), { name: "AmsError", where: missing });
  });
});
