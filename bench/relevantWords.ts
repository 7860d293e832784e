/**
 * What UARDA saves by skipping words that are irrelevant to an image, and what that does to the recall: one model, one gallery of the scenes'
 * test split, several thresholds. `node build/bench/relevantWords.js --checkpoint RUN|DIR [--images 200] [--rounds 3]`
 *
 * Both ways give the same scores; "computed" makes every word's attention and leaves the irrelevant ones out of the mean, "skipped" stops
 * after their similarities. Encoding is done before and not counted. Ways take turns, so that other work on the machine meets both.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { createSession } from "../src/commands/session.js";
import { loadModel } from "../src/commands/models.js";
import { silentContext } from "../src/context.js";
import { closeImageWorkers } from "../src/data/index.js";
import { openScenes } from "../src/data/emojiScenes/index.js";
import { currentEngine, startEngine } from "../src/engine/index.js";
import { captionFeatures, imageEncoder, tokenise } from "../src/evaluate/encode.js";
import { recalls, scoreAll, type ScoreSource } from "../src/evaluate/index.js";
import { regions } from "../src/model/config.js";
import { packageRoot } from "../src/paths.js";

interface Row {
  threshold: number;
  /** Percent of the words of all pairs. */
  relevant: number;
  /** Seconds, the best of the rounds. */
  computed: number;
  skipped: number;
  /** Percent less time. */
  saved: number;
  i2t: number;
  t2i: number;
  rsum: number;
  /** Largest difference of a score between both ways. */
  difference: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      checkpoint: { type: "string" },
      images: { type: "string", default: "200" },
      rounds: { type: "string", default: "3" },
    },
  });
  if (values.checkpoint === undefined) throw new Error("give --checkpoint: a run of the recipe uarda, or its folder");
  await startEngine("auto");
  const model = await loadModel(values.checkpoint, silentContext, createSession(process.cwd()));
  if (model.config.head?.score !== "relevant") throw new Error(`${values.checkpoint} is no model of the recipe uarda`);
  const scenes = await openScenes({}, silentContext);
  const items = (scenes.splits["test"] ?? []).slice(0, Number(values.images));
  const texts = items.flatMap(({ captions }) => captions.map(({ text }) => text));
  const owner = Int32Array.from(items.flatMap(({ captions }, i) => captions.map(() => i)));
  const tokens = tokenise(model.tokenizer, texts, model.config.maxLength);

  const encode = imageEncoder(model, items, silentContext.signal);
  const images: tf.Tensor3D[] = [];
  for (let start = 0; start < items.length; start += 16) {
    images.push(...(await encode(start, Math.min(start + 16, items.length))));
  }
  const allImages = tf.concat(images); // [images, R, E]
  const captions: tf.Tensor3D[] = [];
  for (let start = 0; start < texts.length; start += 64) {
    const some = Int32Array.from({ length: Math.min(64, texts.length - start) }, (_, i) => start + i);
    for (const features of captionFeatures(model, tokens, some)) {
      const [count, words] = features.shape;
      captions.push(tf.pad(features, [[0, 0], [0, model.config.maxLength - words], [0, 0]])); // prettier-ignore
      if (count !== some.length) throw new Error("captions were lost");
    }
  }
  const allCaptions = tf.concat(captions); // [captions, 30, E]
  const source: ScoreSource = {
    images: items.length,
    captions: texts.length,
    regions: regions(model.config),
    words: model.config.maxLength,
    scaleWeights: [1],
    score: "relevant",
    lengths: tokens.lengths,
    encodeImages: (start, end) => [tf.slice(allImages, start, end - start)],
    encodeCaptions: (chosen) => [tf.gather(allCaptions, tf.tensor1d(chosen, "int32"))],
  };

  const measure = async (threshold: number): Promise<Row> => {
    const best = { computed: Infinity, skipped: Infinity };
    const scores: Record<string, Float32Array> = {};
    let [words, relevant] = [0, 0];
    for (let round = 0; round <= Number(values.rounds); round++) {
      for (const way of ["computed", "skipped"] as const) {
        [words, relevant] = [0, 0];
        const onWords = (all: number, some: number): void => {
          words += all;
          relevant += some;
        };
        const began = performance.now();
        scores[way] = await scoreAll(
          source,
          { threshold, relevant: { skip: way === "skipped", onWords } },
          silentContext,
        );
        const seconds = (performance.now() - began) / 1000;
        if (round > 0) best[way] = Math.min(best[way], seconds); // the first one warms up
      }
    }
    const [one, other] = [scores["computed"] ?? new Float32Array(), scores["skipped"] ?? new Float32Array()];
    const { i2t, t2i, rsum } = recalls(other, items.length, owner);
    return {
      threshold,
      relevant: (100 * relevant) / words,
      ...best,
      saved: 100 * (1 - best.skipped / best.computed),
      i2t: i2t.r1,
      t2i: t2i.r1,
      rsum,
      difference: one.reduce((most, score, p) => Math.max(most, Math.abs(score - (other[p] ?? NaN))), 0),
    };
  };

  const { mined } = model.thresholds;
  console.log(
    `${items.length} images x ${texts.length} captions, mined threshold ${mined.toFixed(4)}, ${currentEngine()?.name ?? ""}`,
  );
  console.log("threshold  relevant  computed   skipped     saved   i2t R@1   t2i R@1      rSum");
  const rows: Row[] = [];
  // -2: every word is relevant; then up to the mined one and beyond.
  for (const threshold of [-2, 0, 0.5 * mined, mined, 1.25 * mined, 1.5 * mined]) {
    const row = await measure(threshold);
    rows.push(row);
    const cells = [`${row.relevant.toFixed(1)} %`, `${row.computed.toFixed(2)} s`, `${row.skipped.toFixed(2)} s`, `${row.saved.toFixed(0)} %`]; // prettier-ignore
    console.log([threshold.toFixed(3), ...cells, row.i2t.toFixed(1), row.t2i.toFixed(1), row.rsum.toFixed(1)].map((cell) => cell.padStart(9)).join(" ")); // prettier-ignore
  }
  const folder = path.join(packageRoot(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const result = { images: items.length, captions: texts.length, mined, engine: currentEngine()?.name, rows };
  writeFileSync(path.join(folder, "relevant-words.json"), `${JSON.stringify(result, null, 2)}\n`);
  await closeImageWorkers();
}

void main();
