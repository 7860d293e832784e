/**
 * The search in two stages against the exact score of every image: which of the full answer's hits it finds, and how much sooner.
 *
 *     npm run build && node build/bench/search.js               # 20,000 scenes: about ten minutes on two cores
 *     node build/bench/search.js --images 100000 --queries 100 --folder DIR
 *
 * The gallery is the test split and as many training scenes as make up --images; captions of the test split ask. The index stays in --folder
 * (default out/bench-search), and a second call goes on with it. Saves bench/results/search-IMAGES.json.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext, type Context } from "../src/context.js";
import type { Item } from "../src/data/dataset.js";
import { closeImageWorkers, openScenes } from "../src/data/index.js";
import { renderTable } from "../src/display.js";
import { startEngine } from "../src/engine/index.js";
import { tokenise } from "../src/evaluate/encode.js";
import { scoreSource } from "../src/evaluate/evaluate.js";
import { scoreAll, type ScoreSource } from "../src/evaluate/scorer.js";
import type { Model } from "../src/model/ams.js";
import { buildModel } from "../src/model/build.js";
import { regions } from "../src/model/config.js";
import { packageRoot } from "../src/paths.js";
import { buildIndex, openGallery, search, type StoredGallery } from "../src/search/index.js";
import { median } from "./median.js";

const { values: given } = parseArgs({
  options: {
    images: { type: "string", default: "20000" },
    queries: { type: "string", default: "50" },
    k: { type: "string", default: "10" },
    candidates: { type: "string", multiple: true, default: ["10", "20", "50", "100", "200", "500"] },
    folder: { type: "string", default: path.join(packageRoot(), "out", "bench-search") },
  },
});
const [images, queries, k] = [given.images, given.queries, given.k].map(Number) as [number, number, number];

const context: Context = {
  ...silentContext,
  progress: ({ label, done, total, note }) => {
    if (done % 2000 < 64) process.stderr.write(`\r${label} ${String(done)}/${String(total)} ${note ?? ""}      `);
  },
};
const since = (start: number): number => (performance.now() - start) / 1000;

/** Every image of the index with every query: [images, queries], and the images' paths in that order. */
async function fullScores(
  model: Model,
  gallery: StoredGallery,
  texts: string[],
): Promise<{ scores: Float32Array; order: string[] }> {
  const tokens = tokenise(model.tokenizer, texts, model.config.maxLength);
  const order: string[] = [];
  const waiting: Float32Array[][] = [];
  const rows = gallery.scan();
  const [R, size] = [regions(model.config), await gallery.size("images")];
  const next = async (count: number): Promise<Float32Array[][]> => {
    while (waiting.length < count) {
      const batch = await rows.next();
      if (batch.done === true) throw new Error("the index ended before its last image");
      for (const { image, features } of batch.value) {
        order.push(image);
        waiting.push(features!);
      }
    }
    return waiting.splice(0, count);
  };
  const items: Item[] = Array.from({ length: size }, () => ({ id: "", image: "", captions: [] }));
  const source: ScoreSource = {
    ...scoreSource(model, items, tokens, context),
    encodeImages: async (start, end) => {
      const part = await next(end - start); // the scorer asks for one block after the other
      return model.config.scales.map((_, s) => {
        const each = part[0]![s]!.length;
        const all = new Float32Array(each * part.length);
        part.forEach((scales, i) => {
          all.set(scales[s]!, i * each);
        });
        return tf.tensor3d(all, [part.length, R, each / R]);
      });
    },
  };
  const scores = await scoreAll(source, { threshold: model.thresholds.safe }, context);
  return { scores, order };
}

async function main(): Promise<void> {
  await startEngine("auto");
  const model = await buildModel({ checkpoint: "scenes-small" });
  const needed = Math.max(0, images - 1000);
  const dataset = await openScenes(needed > 5000 ? { counts: { train: needed } } : {}, context);
  const test = dataset.splits["test"]!.slice(0, images);
  const items = [...test, ...dataset.splits["train"]!.slice(0, needed)].map((item) => ({ ...item, captions: [] }));
  const folder = path.join(given.folder, String(images));
  const indexed = await buildIndex(model, { folder, gallery: { source: "scenes", items } }, context);
  process.stderr.write(`\n${String(indexed.added)} images encoded in ${indexed.seconds.toFixed(0)} s\n`);

  const asking = Array.from({ length: queries }, (_, q) => test[Math.floor(((q + 0.5) * test.length) / queries)]!);
  const texts = asking.map(({ captions }) => captions[0]!.text);
  const gallery = await openGallery(model, folder);
  const start = performance.now();
  const { scores, order } = await fullScores(model, gallery, texts);
  const fullSeconds = since(start) / queries;
  const answers = texts.map((_, q) => order.map((image, i) => ({ image, score: scores[i * queries + q]! })).sort((a, b) => b.score - a.score)); // prettier-ignore
  const found = (of: string[][], at: number): number => (100 * asking.filter(({ image }, q) => of[q]!.slice(0, at).includes(image)).length) / queries; // prettier-ignore
  const full = answers.map((answer) => answer.slice(0, k).map(({ image }) => image));

  // What 16 bits change: the same pairs with features encoded anew, in float32.
  const some = test.slice(0, 100);
  const tokens = tokenise(model.tokenizer, texts, model.config.maxLength);
  const exact = await scoreAll(scoreSource(model, some, tokens, silentContext), { threshold: model.thresholds.safe }, silentContext); // prettier-ignore
  const place = new Map(order.map((image, i) => [image, i]));
  let largest = 0;
  some.forEach(({ image }, i) => {
    for (let q = 0; q < queries; q++) {
      largest = Math.max(largest, Math.abs(exact[i * queries + q]! - scores[place.get(image)! * queries + q]!));
    }
  });

  await search(model, gallery, { text: texts[0]! }, { k, candidates: 10 }, silentContext); // the first one compiles
  const rows: Record<string, number>[] = [];
  for (const candidates of given.candidates.map(Number)) {
    const seconds: number[] = [];
    const hits: string[][] = [];
    for (const text of texts) {
      const { hits: best, seconds: taken } = await search(model, gallery, { text }, { k, candidates }, silentContext);
      hits.push(best.map(({ item }) => item.image));
      seconds.push(taken);
    }
    const shared = hits.map((own, q) => own.filter((image) => full[q]!.includes(image)).length / k);
    rows.push({
      candidates,
      recall: (100 * shared.reduce((sum, share) => sum + share, 0)) / queries,
      first: (100 * hits.filter((own, q) => own[0] === full[q]![0]).length) / queries,
      r1: found(hits, 1),
      [`r${String(k)}`]: found(hits, k),
      seconds: median(seconds),
      speedUp: fullSeconds / median(seconds),
    });
  }
  gallery.close();
  const table = renderTable({
    caption: `${String(images)} scenes, ${String(queries)} captions ask; every image scored: R@1 ${found(full, 1).toFixed(1)}, R@${String(k)} ${found(full, k).toFixed(1)}, ${fullSeconds.toFixed(2)} s a query (all at once); features in 16 bits change scores by at most ${largest.toExponential(1)}`,
    columns: ["candidates", `of the full ${String(k)}, %`, "same first, %", "R@1", `R@${String(k)}`, "s a query", "speed-up"], // prettier-ignore
    rows: rows.map((row) => [row["candidates"]!, row["recall"]!.toFixed(1), row["first"]!.toFixed(1), row["r1"]!.toFixed(1), row[`r${String(k)}`]!.toFixed(1), row["seconds"]!.toFixed(3), row["speedUp"]!.toFixed(1)]), // prettier-ignore
  });
  process.stdout.write(`${table.text}\n`);
  const results = path.join(packageRoot(), "bench", "results");
  mkdirSync(results, { recursive: true });
  const record = {
    images,
    queries,
    k,
    processors: cpus().length,
    encoded: { images: indexed.added, seconds: indexed.seconds },
    full: { secondsPerQuery: fullSeconds, r1: found(full, 1), [`r${String(k)}`]: found(full, k) },
    float16: { largestDifference: largest },
    rows,
  };
  writeFileSync(path.join(results, `search-${String(images)}.json`), `${JSON.stringify(record, null, 2)}\n`);
  await closeImageWorkers();
}

void main();
