/** The toy training that the published code was run on: its pictures, captions, first weights and order, for our own steps. */
import * as tf from "@tensorflow/tfjs-core";
import { silentContext } from "../../src/context.js";
import type { Batch } from "../../src/data/batches.js";
import { pixelDeviation, pixelMean } from "../../src/data/pixels.js";
import { recalls, scoreAll, type ScoreSource } from "../../src/evaluate/index.js";
import { encodeCaptions, encodeImages, scaleWeights, type Model } from "../../src/model/ams.js";
import { regions } from "../../src/model/config.js";
import { objective } from "../../src/train/objective.js";
import { applyAdam, clipGradients, createAdam, globalNorm } from "../../src/train/optimiser.js";
import { recipeOf } from "../../src/train/recipe.js";
import { hash32 } from "../../src/random.js";
import { goldenJson, goldenTensors, tinyModel } from "../golden.js";

/** The three that the published code ran, and one that is wrong on purpose. */
export type Variant = "nodropout" | "dropout" | "nodropout_fixed" | "dropout_0.3";

const dropoutOf: Record<Variant, number> = { nodropout: 0, dropout: 0.1, nodropout_fixed: 0, "dropout_0.3": 0.3 };

export interface ToyRun {
  variant: Variant;
  seed: number;
  /** Of every step. */
  loss: number[];
  /** Of the 64 pictures that were not trained on. */
  final_test: { rsum: number };
}

/** What the published code recorded. */
export function publishedRuns(): {
  order_nodropout: Record<string, number[][]>;
  runs: ToyRun[];
  steps_per_epoch: number;
} {
  return goldenJson("toytrain/toytrain");
}

const batchSize = 16;
const learningRate = 1e-3;

/** A training from the published run's weights in its order of captions: `losses` does the steps and gives the loss of each. */
export function toyTraining(variant: Variant, seed: number): { model: Model; losses: Generator<number> } {
  const model = firstWeights(seed, variant === "nodropout_fixed");
  return { model, losses: steps(model, dropoutOf[variant], seed) };
}

function* steps(model: Model, dropout: number, seed: number): Generator<number> {
  const recipe = { ...recipeOf("ams-published"), batchSize, dropout };
  const auxiliary = { logScale: tf.tidy(() => tf.variable(tf.scalar(0))) };
  const adam = createAdam();
  const data = toyData();
  for (const order of publishedRuns().order_nodropout[String(seed)] ?? []) {
    for (let start = 0; start + batchSize <= order.length; start += batchSize) {
      const batch = data(order.slice(start, start + batchSize));
      const stepSeed = hash32(`toy/${seed}/${adam.step}`);
      const result = objective({ model, recipe, batch, auxiliary, stepSeed, keepPatches: 1 });
      const { loss, gradients } = result;
      clipGradients(gradients, globalNorm(gradients), recipe.clip);
      const options = { learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
      applyAdam(adam, model.parameters, gradients, options);
      tf.dispose([...gradients.values()]);
      model.thresholds = result.thresholds;
      yield loss;
    }
  }
}

/** rSum of the pictures that were not trained on, evaluated as published: learned scale weights, the last batch's threshold. */
export async function testRsum(model: Model): Promise<number> {
  const [first, pictures] = [256, 64];
  const data = toyData();
  const source: ScoreSource = {
    images: pictures,
    captions: 5 * pictures,
    regions: regions(model.config),
    words: model.config.maxLength,
    scaleWeights: scaleWeights(model),
    encodeImages: (start, end) => {
      const { pixels } = data(Array.from({ length: end - start }, (_, i) => 5 * (first + start + i)));
      return tf.tidy(() => encodeImages(model, tf.tensor4d(pixels, [end - start, 3, 32, 32])));
    },
    encodeCaptions: (captions) => {
      const { ids, mask } = data(Array.from(captions, (caption) => 5 * first + caption));
      const shape: [number, number] = [captions.length, model.config.maxLength];
      return tf.tidy(() => encodeCaptions(model, tf.tensor2d(ids, shape, "int32"), tf.tensor2d(mask, shape, "int32")));
    },
  };
  const scores = await scoreAll(source, { threshold: model.thresholds.safe }, silentContext);
  const owner = Int32Array.from({ length: source.captions }, (_, caption) => Math.floor(caption / 5));
  return recalls(scores, pictures, owner).rsum;
}

/** Batches of captions, by their numbers: caption c describes picture c / 5. */
function toyData(): (captions: number[]) => Batch {
  const { vocab, captions } = goldenJson<{ vocab: Record<string, number>; captions: string[][] }>("toytrain/toydata");
  const images = goldenTensors("toytrain/toydata").get("images")?.data as Uint8Array;
  const texts = captions.flat();
  const [area, width] = [32 * 32, 30];
  return (chosen) => {
    const pixels = new Float32Array(chosen.length * 3 * area);
    const ids = new Int32Array(chosen.length * width);
    const pairs = chosen.map((caption, b) => {
      const item = Math.floor(caption / 5);
      for (let c = 0; c < 3; c++) {
        for (let p = 0; p < area; p++) {
          const byte = images[(item * area + p) * 3 + c] as number;
          pixels[(b * 3 + c) * area + p] = (byte / 255 - (pixelMean[c] as number)) / (pixelDeviation[c] as number);
        }
      }
      const words = (texts[caption] as string).split(" ").map((word) => vocab[word] as number);
      ids.set([101, ...words, 102], b * width);
      return { item, caption: caption % 5 };
    });
    return { pixels, ids, mask: ids.map((id) => (id === 0 ? 0 : 1)), pairs, crops: [], skipped: [] };
  };
}

/** The weights that the golden data's rule gives for a seed (README of the golden data, "Random numbers"). */
function firstWeights(seed: number, firstScaleText: boolean): Model {
  const model = tinyModel({ firstScaleText });
  for (const [name, variable] of model.parameters) {
    if (/^b\d$/.test(name)) continue;
    const random = mulberry32(fnv1a(`seed${seed}.${name}`));
    const { gain, offset } = ruleOf(name, variable.shape);
    const values = Float32Array.from({ length: variable.size }, () => offset + gain * (2 * random() - 1));
    tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
  }
  return model;
}

function ruleOf(name: string, shape: number[]): { gain: number; offset: number } {
  const bias = name.endsWith(".bias");
  if (/layernorm/i.test(name)) return bias ? { gain: 0.1, offset: 0 } : { gain: 0.2, offset: 1 };
  const projection = name.includes(".fc");
  if (bias) return { gain: projection ? 0.05 : 0.1, offset: 0 };
  if (name.includes("word_embeddings")) return { gain: 1.5, offset: 0 };
  if (/position_embeddings|token_type|cls_token/.test(name)) return { gain: 0.3, offset: 0 };
  const factor = projection ? 0.8 : /\.(query|key)\./.test(name) ? 1 : name.includes("projection") ? 1.5 : 0.6;
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
  return { gain: factor * Math.sqrt(3 / fanIn), offset: 0 };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

function mulberry32(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
