/**
 * What UARDA saves by skipping words that are irrelevant to an image, and what that does to the recall: one model, one gallery of the scenes'
 * test split, several thresholds. `node build/bench/relevantWords.js --checkpoint RUN|DIR [--images 200] [--rounds 5]`
 *
 * Both ways give the same scores; "computed" makes every word's attention and leaves the irrelevant ones out of the mean, "skipped" stops
 * after their similarities. Encoding is done before and not counted. Ways and thresholds take turns, so that other work on the machine meets all.
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
import { median } from "./median.js";

interface Row {
  threshold: number;
  /** Percent of the words of all pairs. */
  relevant: number;
  /** Seconds, the median of the rounds. */
  skipped: number;
  /** Percent less time than with every word computed. */
  saved: number;
  i2t: number;
  t2i: number;
  rsum: number;
  /** Largest difference of a score between both ways. */
  difference: number;
}

interface Found {
  words: number;
  relevant: number;
  /** By the way that made them. */
  scores: Record<string, Float32Array>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      checkpoint: { type: "string" },
      images: { type: "string", default: "200" },
      rounds: { type: "string", default: "5" },
    },
  });
  if (values.checkpoint === undefined) throw new Error("give --checkpoint: a run of the recipe uarda, or its folder");
  const rounds = Number(values.rounds);
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

  const { mined } = model.thresholds;
  // -2: every word is relevant; then up to the mined one and beyond.
  const thresholds = [-2, 0, 0.5 * mined, mined, 1.25 * mined, 1.5 * mined];
  const ways = ["computed", "skipped"] as const;
  const seconds = thresholds.map(() => ({ computed: [] as number[], skipped: [] as number[] }));
  const found: Found[] = thresholds.map(() => ({ words: 0, relevant: 0, scores: {} }));
  for (let round = 0; round <= rounds; round++) {
    for (const [t, threshold] of thresholds.entries()) {
      for (const way of ways) {
        const own = found[t]!;
        Object.assign(own, { words: 0, relevant: 0 });
        const onWords = (all: number, some: number): void => {
          own.words += all;
          own.relevant += some;
        };
        const began = performance.now();
        own.scores[way] = await scoreAll(
          source,
          { threshold, relevant: { skip: way === "skipped", onWords } },
          silentContext,
        );
        if (round > 0) seconds[t]![way].push((performance.now() - began) / 1000); // the first one warms up
      }
    }
  }
  // Computing every word takes the same time at any threshold: one baseline for all, the median of its measurements.
  const baseline = median(seconds.flatMap(({ computed }) => computed));
  const rows = thresholds.map((threshold, t): Row => {
    const { words, relevant, scores } = found[t]!;
    const [one, other] = [scores["computed"]!, scores["skipped"]!];
    const { i2t, t2i, rsum } = recalls(other, items.length, owner);
    return {
      threshold,
      relevant: (100 * relevant) / words,
      skipped: median(seconds[t]!.skipped),
      saved: 100 * (1 - median(seconds[t]!.skipped) / baseline),
      i2t: i2t.r1,
      t2i: t2i.r1,
      rsum,
      difference: one.reduce((most, score, p) => Math.max(most, Math.abs(score - (other[p] ?? NaN))), 0),
    };
  });
  console.log(
    `${items.length} images x ${texts.length} captions, mined threshold ${mined.toFixed(4)}, ${currentEngine()?.name ?? ""}; every word computed: ${baseline.toFixed(2)} s`,
  );
  console.log("threshold  relevant   skipped     saved   i2t R@1   t2i R@1      rSum");
  for (const { threshold, relevant, skipped, saved, i2t, t2i, rsum } of rows) {
    const cells = [threshold.toFixed(3), `${relevant.toFixed(1)} %`, `${skipped.toFixed(2)} s`, `${saved.toFixed(0)} %`, i2t.toFixed(1), t2i.toFixed(1), rsum.toFixed(1)]; // prettier-ignore
    console.log(cells.map((cell) => cell.padStart(9)).join(" "));
  }
  const folder = path.join(packageRoot(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const result = {
    images: items.length,
    captions: texts.length,
    mined,
    engine: currentEngine()?.name,
    rounds,
    baseline,
    rows,
  };
  writeFileSync(path.join(folder, "relevant-words.json"), `${JSON.stringify(result, null, 2)}\n`);
  await closeImageWorkers();
}

void main();
