/** Our side of bench/evaluate.ts: the scorer at base feature sizes, timed for every line on stdin, or its peak memory. */
import { createInterface } from "node:readline";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext, type Context } from "../src/context.js";
import { startEngine } from "../src/engine/index.js";
import { scoreAll, type ScoreAllOptions, type ScoreSource } from "../src/evaluate/index.js";
import { readSafetensors, writeSafetensors } from "../src/model/safetensors.js";

export interface EvaluateCase {
  kind: "time" | "memory";
  threads: number;
  images: number;
  captions: number;
  /** time: features that both sides read, and where the scores go. */
  features?: string;
  out?: string;
  /** memory: bytes for the captions' features. */
  memory?: number;
  options?: Pick<ScoreAllOptions, "way" | "norms" | "imageBlock">;
}

const [scales, regions, words, width, embed] = [6, 577, 30, 768, 1024];

/** Features from the file: hidden states with their projection, as a model of the published size gives them. */
function stored({ images, captions, features = "" }: EvaluateCase): ScoreSource {
  const { tensors } = readSafetensors(features);
  const each = <T>(name: string, make: (data: Float32Array) => T): T[] =>
    Array.from({ length: scales }, (_, k) => make(tensors.get(`${name}_${k + 1}`)!.data as Float32Array));
  const ones = tf.ones<tf.Rank.R3>([images, regions, 1]);
  const hidden = each("hidden", (data) => tf.concat([tf.tensor3d(data, [images, regions, width]), ones], 2));
  const biases = each("bias", (data) => tf.tensor2d(data, [embed, 1]));
  const folds = each("weight", (data) => tf.tensor2d(data, [embed, width])).map((w, k) =>
    tf.concat([w, biases[k]!], 1),
  );
  const texts = each("words", (data) => tf.tensor3d(data, [captions, words, embed]));
  return {
    ...{ images, captions, regions, words },
    scaleWeights: Array<number>(scales).fill(1),
    fold: (k) => tf.clone(folds[k]!),
    encodeImages: (start, end) => hidden.map((h) => tf.slice3d(h, [start, 0, 0], [end - start, regions, width + 1])), // prettier-ignore
    encodeCaptions: (indexes) => texts.map((text) => tf.gather(text, tf.tensor1d(indexes, "int32"))),
  };
}

/** Random features made block by block, as encoders give them. */
function streamed({ images, captions }: EvaluateCase): ScoreSource {
  const normal = (a: number, b: number, c: number): tf.Tensor3D => tf.randomNormal([a, b, c], 0, 1 / 32, "float32", a);
  return {
    ...{ images, captions, regions, words },
    scaleWeights: Array<number>(scales).fill(1),
    fold: () => tf.randomNormal([embed, width + 1], 0, 1 / 32),
    encodeImages: (start, end) => Array.from({ length: scales }, () => normal(end - start, regions, width + 1)),
    encodeCaptions: (indexes) => Array.from({ length: scales }, () => normal(indexes.length, words, embed)),
  };
}

async function time(task: EvaluateCase): Promise<void> {
  const source = stored(task);
  console.log(JSON.stringify({ ready: true }));
  for await (const _ of createInterface({ input: process.stdin })) {
    const [start, used] = [performance.now(), process.cpuUsage()];
    const scores = await scoreAll(source, { ...task.options, threads: task.threads }, silentContext);
    const [ms, { user, system }] = [performance.now() - start, process.cpuUsage(used)];
    writeSafetensors(task.out ?? "", [["scores", { shape: [task.images, task.captions], data: scores }]]);
    console.log(JSON.stringify({ ms, cpu: (user + system) / 1000, peak: 1024 * process.resourceUsage().maxRSS }));
  }
}

/** Encodes all captions and scores the first block of images with them: everything that is ever held at once is then held. */
async function memory(task: EvaluateCase): Promise<void> {
  const base = 1024 * process.resourceUsage().maxRSS;
  const controller = new AbortController();
  const context: Context = { ...silentContext, signal: controller.signal };
  const source = streamed(task);
  let blocks = 0;
  const encodeImages: typeof source.encodeImages = (start, end) => {
    if (++blocks > 2) controller.abort(new Error("enough"));
    return source.encodeImages(start, end);
  };
  await scoreAll({ ...source, encodeImages }, { ...task.options, memory: task.memory ?? 2 ** 31 }, context).catch(
    (error: unknown) => {
      if (!controller.signal.aborted) throw error;
    },
  );
  console.log(JSON.stringify({ engine: base, peak: 1024 * process.resourceUsage().maxRSS }));
}

async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? "") as EvaluateCase;
  await startEngine("native", { threads: task.threads });
  await (task.kind === "time" ? time(task) : memory(task));
  process.exit(0);
}

void main();
