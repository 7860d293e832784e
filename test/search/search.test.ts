/** Two-stage search on pictures: the order is that of the exact scores. */
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext, type Context } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import type { Item } from "../../src/data/dataset.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { evaluate } from "../../src/evaluate/index.js";
import type { Model } from "../../src/model/ams.js";
import { search } from "../../src/search/index.js";
import { makeSample, type Sample } from "../evaluate/sample.js";

let sample: Sample;
let model: Model;
let items: Item[];
before(async () => {
  await startEngine("plain");
  sample = await makeSample();
  model = await sample.model();
  items = sample.dataset.splits["test"]!;
});
after(async () => {
  sample.remove();
  await closeImageWorkers();
});

const captions = (): string[] => items.flatMap((item) => item.captions.map(({ text }) => text));

describe("a gallery with images that cannot be read", () => {
  const spoiled = (): Item[] => {
    const copies = items.map((item) => ({ ...item }));
    copies[1]!.image = path.join(sample.dataset.root, "gone.png");
    copies[4]!.image = path.join(sample.dataset.root, "vocab.txt");
    return copies;
  };

  test("leaves them out, named once, and finds the others as without them", async () => {
    const notes: string[] = [];
    const context: Context = { ...silentContext, note: (line) => notes.push(line) };
    const left = spoiled();
    const query = { text: "a blue square on grey" };
    const hits = await search(model, left, query, 6, context);
    const wanted = await search(model, items.filter((_, i) => i !== 1 && i !== 4), query, 6, silentContext); // prettier-ignore
    assert.deepEqual(hits.hits.map(({ item }) => item.id), wanted.hits.map(({ item }) => item.id)); // prettier-ignore
    assert.equal(hits.hits.length, 4);
    await search(model, left, query, 6, context); // from the same index
    assert.equal(notes.length, 1, notes.join());
    assert.match(notes[0]!, /^2 of 6 images of the gallery cannot be read and are left out: .*gone\.png.*vocab\.txt/);
  });

  test("names one that broke after the index was made", async () => {
    const image = path.join(sample.dataset.root, "later.png");
    copyFileSync(items[0]!.image, image);
    const own = items.map((item, i) => (i === 0 ? { ...item, image } : item));
    assert.equal((await search(model, own, { text: "a red square" }, 6, silentContext)).hits.length, 6);
    rmSync(image);
    const notes: string[] = [];
    const context: Context = { ...silentContext, note: (line) => notes.push(line) };
    assert.equal((await search(model, own, { text: "a red square" }, 6, context)).hits.length, 5);
    assert.match(notes.join(), /left out: this image does not exist .*later\.png/);
  });

  test("is an error when none is left, and so is an unreadable image that asks", async () => {
    const gone = items.map((item) => ({ ...item, image: `${item.image}.gone` }));
    await assert.rejects(search(model, gone, { text: "a" }, 1, silentContext), /none of the 6 images of the gallery/);
    const asking = search(model, items, { image: gone[0]!.image }, 1, silentContext);
    await assert.rejects(asking, /does not exist/);
  });
});

describe("search", () => {
  test("finds images for a text in the order of their exact scores", async () => {
    const { scores } = await evaluate(model, sample.dataset, {}, silentContext);
    const column = captions().indexOf("a blue square on grey");
    const order = items
      .map((item, i) => ({ id: item.id, score: scores[i * 11 + column]! }))
      .sort((a, b) => b.score - a.score);
    const hits = await search(model, items, { text: "a blue square on grey" }, 4, silentContext);
    assert.deepEqual(hits.hits.map(({ item }) => item.id), order.slice(0, 4).map(({ id }) => id)); // prettier-ignore
    hits.hits.forEach(({ score }, i) => {
      assert.ok(Math.abs(score - order[i]!.score) < 1e-5);
    });
    assert.deepEqual([hits.gallery, hits.candidates], [6, 6]);
  });

  test("finds captions for an image file", async () => {
    const { scores } = await evaluate(model, sample.dataset, {}, silentContext);
    const order = captions().map((text, c) => ({ text, score: scores[3 * 11 + c]! })).sort((a, b) => b.score - a.score); // prettier-ignore
    const hits = await search(model, items, { image: items[3]!.image }, { k: 3 }, silentContext);
    assert.deepEqual(hits.hits.map(({ caption }) => caption), order.slice(0, 3).map(({ text }) => text)); // prettier-ignore
    assert.ok(hits.hits.every(({ item, caption }) => item.captions.some(({ text }) => text === caption)));
  });

  test("scores exactly only the candidates of the first stage", async () => {
    const { scores } = await evaluate(model, sample.dataset, { pooled: true }, silentContext);
    const column = captions().indexOf("a pink square on grey");
    const nearest = items
      .map((item, i) => ({ id: item.id, pooled: scores[i * 11 + column]! }))
      .sort((a, b) => b.pooled - a.pooled);
    const hits = await search(model, items, { text: "a pink square on grey" }, { k: 2, candidates: 2 }, silentContext);
    const found = hits.hits.map(({ item, pooled }) => ({ id: item.id, pooled })).sort((a, b) => b.pooled - a.pooled);
    assert.deepEqual(found.map(({ id }) => id), nearest.slice(0, 2).map(({ id }) => id)); // prettier-ignore
    assert.ok(Math.abs(found[0]!.pooled - nearest[0]!.pooled) < 1e-5);
  });

  test("encodes a gallery once, and anew after the weights have changed", async () => {
    const labels: string[] = [];
    const context: Context = {
      ...silentContext,
      progress: ({ label, total }) => labels.push(`${label} ${String(total)}`),
    };
    const encodings = async (): Promise<number> => {
      labels.length = 0;
      await search(own, gallery, { text: "a red square" }, 1, context);
      return labels.filter((label) => label === "encoding images 6").length;
    };
    const own = await sample.model();
    const gallery = [...items];
    assert.deepEqual([await encodings(), await encodings()], [1, 0]);
    const bias = own.parameters.get("txt.fc1.bias")!;
    bias.assign(tf.add(bias, 0.5));
    assert.deepEqual([await encodings(), await encodings()], [1, 0]);
  });

  test("shows pictures and escaped texts, and converts to JSON", async () => {
    const odd = items.map((item) => ({ ...item, captions: [{ text: "<script>a square</script>" }] }));
    const hits = await search(model, odd, { text: "<b>red</b>" }, 2, silentContext);
    const bundle = await hits[displaySymbol]();
    const html = bundle["text/html"] as string;
    assert.equal(html.match(/src="data:image\/jpeg;base64,/g)?.length, 2);
    assert.ok(!html.includes("<script>") && !html.includes("<b>red"));
    assert.match(bundle["text/plain"], /red\.png|blue\.png|green\.png|yellow\.png|pink\.png|white\.png/);
    const json = JSON.parse(JSON.stringify(hits)) as { hits: { id: string; score: number; captions: string[] }[] };
    assert.equal(json.hits[0]?.id, hits.hits[0]?.item.id);
    assert.deepEqual(json.hits[0]?.captions, ["<script>a square</script>"]);
  });

  test("refuses empty queries and galleries, no hits, and images that are not there", async () => {
    const refused = (query: { text: string } | { image: string }, gallery: Item[], k: number): Promise<void> =>
      assert.rejects(
        search(model, gallery, query, k, silentContext),
        (error: unknown) => error instanceof AmsError && error.lines().length === 3,
      );
    await refused({ text: "  " }, items, 3);
    await refused({ text: "red" }, [], 3);
    await refused({ text: "red" }, items, 0);
    await refused({ image: "/no/such/picture.png" }, items, 3);
  });

  test("says that a long query is cut", async () => {
    const notes: string[] = [];
    const text = "a red square on the left of the ".repeat(6);
    await search(model, items, { text }, 1, { ...silentContext, note: (line) => notes.push(line) });
    assert.match(notes.join(), /more than 28 word pieces/);
  });

  test("leaves no tensors behind", async () => {
    const tensors = tf.memory().numTensors;
    await search(model, [...items], { text: "a red square" }, 2, silentContext);
    await search(model, items, { image: items[0]!.image }, 2, silentContext);
    assert.equal(tf.memory().numTensors, tensors);
  });
});
