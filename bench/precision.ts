/**
 * What bfloat16 products change: the scores and recalls of a trained model, and the curve of a training, beside float32.
 *
 *     npm run build && node build/bench/precision.js            # needs the scenes; 100 images, 60 steps: about six minutes
 *     node build/bench/precision.js --images 20 --steps 10
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext } from "../src/context.js";
import { loadPixels } from "../src/data/batches.js";
import type { Item } from "../src/data/dataset.js";
import { closeImageWorkers, openScenes } from "../src/data/index.js";
import { startEngine } from "../src/engine/index.js";
import { withPrecision, type Precision } from "../src/engine/matrixProduct.js";
import { captionFeatures, tokenise } from "../src/evaluate/encode.js";
import { evaluateScores, scoreSource } from "../src/evaluate/evaluate.js";
import { scoreAll } from "../src/evaluate/index.js";
import { disposeModel, encodeImages, type Model } from "../src/model/ams.js";
import { buildModel } from "../src/model/build.js";
import { amsHome, packageRoot } from "../src/paths.js";
import { recipeOf } from "../src/train/recipe.js";
import { train, type Run } from "../src/train/trainer.js";

const { values: given } = parseArgs({
  options: { images: { type: "string", default: "100" }, steps: { type: "string", default: "60" } },
});
const [images, steps] = [Number(given.images), Number(given.steps)];

/** All scores of some items, [images, captions], with products of the given precision in both encoders. */
async function scoresOf(model: Model, items: Item[], precision: Precision): Promise<Float32Array> {
  const texts = items.flatMap(({ captions }) => captions.map(({ text }) => text));
  const tokens = tokenise(model.tokenizer, texts, model.config.maxLength);
  const { signal } = silentContext;
  const side = model.config.image.pixels;
  const source = {
    ...scoreSource(model, items, tokens, silentContext),
    encodeImages: async (start: number, end: number): Promise<tf.Tensor3D[]> => {
      const files = items.slice(start, end).map(({ image }) => image);
      const pixels = await loadPixels(files, side, signal);
      return withPrecision(precision, () =>
        tf.tidy(() => encodeImages(model, tf.tensor4d(pixels, [end - start, 3, side, side]))),
      );
    },
    encodeCaptions: (captions: Int32Array): tf.Tensor3D[] =>
      withPrecision(precision, () => captionFeatures(model, tokens, captions)),
  };
  return scoreAll(source, { threshold: model.thresholds.safe }, silentContext);
}

async function scores(items: Item[]): Promise<object> {
  const model = await buildModel({ checkpoint: "scenes-small" });
  const owner = Int32Array.from(items.flatMap(({ captions }, i) => captions.map(() => i)));
  const exact = await scoresOf(model, items, "float32");
  const rounded = await scoresOf(model, items, "bfloat16");
  disposeModel(model);
  const mean = exact.reduce((sum, s) => sum + s, 0) / exact.length;
  const deviation = Math.sqrt(exact.reduce((sum, s) => sum + (s - mean) ** 2, 0) / exact.length);
  const differences = exact.map((s, p) => Math.abs(s - rounded[p]!));
  const recalls = [exact, rounded].map((matrix) => {
    const { i2t, t2i, rsum } = evaluateScores(matrix, owner);
    return { i2t, t2i, rsum };
  });
  return {
    pairs: exact.length,
    deviationOfScores: deviation,
    largestDifference: differences.reduce((a, b) => Math.max(a, b), 0),
    rootMeanSquareDifference: Math.sqrt(differences.reduce((sum, d) => sum + d * d, 0) / differences.length),
    float32: recalls[0],
    bfloat16: recalls[1],
  };
}

async function main(): Promise<void> {
  await startEngine("native");
  const scenes = await openScenes({}, silentContext);
  const found = await scores((scenes.splits["val"] ?? []).slice(0, images));
  console.log(JSON.stringify(found, null, 2));

  const engineHome = amsHome();
  const home = mkdtempSync(path.join(tmpdir(), "ams-precision-"));
  process.env["AMS_HOME"] = home; // the runs go there
  const curves: { name: string; run: Run; seconds: number }[] = [];
  const { seed } = recipeOf("scenes-contrast");
  for (const [name, precision, other] of [
    ["float32", "float32", 0],
    ["bfloat16", "bfloat16", 0],
    ["float32, another seed", "float32", 1],
  ] as const) {
    const model = await buildModel({ checkpoint: "scenes-encoders", recipe: recipeOf("scenes-contrast") });
    const began = process.cpuUsage();
    const run = await train(
      model,
      scenes,
      {
        recipe: "scenes-contrast",
        overrides: { precision },
        seed: seed + other,
        steps,
        validate: images,
        name: name.replaceAll(/\W+/g, "-"),
      },
      silentContext,
    );
    const { user, system } = process.cpuUsage(began);
    curves.push({ name, run, seconds: (user + system) / 1e6 });
    disposeModel(model);
  }
  process.env["AMS_HOME"] = engineHome;
  rmSync(home, { recursive: true, force: true });
  await closeImageWorkers();

  const lossesOf = ({ run }: (typeof curves)[number]): number[] => run.steps.map(({ loss }) => loss);
  console.log(`| steps | ${curves.map(({ name }) => name).join(" | ")} |\n|---|${"---:|".repeat(curves.length)}`);
  for (let first = 0; first < steps; first += 10) {
    const last = Math.min(first + 10, steps);
    const means = curves.map(
      (curve) =>
        lossesOf(curve)
          .slice(first, last)
          .reduce((a, b) => a + b, 0) /
        (last - first),
    );
    console.log(`| ${first + 1}-${last} | ${means.map((mean) => mean.toFixed(4)).join(" | ")} |`);
  }
  const rsum = ({ run }: (typeof curves)[number]): number => run.epochs.at(-1)?.evaluation?.rsum ?? NaN;
  console.log(`| rSum | ${curves.map((curve) => rsum(curve).toFixed(1)).join(" | ")} |`);
  console.log(`| processor s | ${curves.map(({ seconds }) => seconds.toFixed(0)).join(" | ")} |`);
  const folder = path.join(packageRoot(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const report = {
    command: `node build/bench/precision.js --images ${images} --steps ${steps}`,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, node ${process.version}`,
    scores: found,
    training: curves.map((curve) => ({
      name: curve.name,
      losses: lossesOf(curve),
      rsum: rsum(curve),
      processorSeconds: curve.seconds,
    })),
  };
  writeFileSync(path.join(folder, "precision.json"), `${JSON.stringify(report, null, 2)}\n`);
}

void main();
