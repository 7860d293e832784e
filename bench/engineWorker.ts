/** Runs one case of bench/engine.ts on one engine: for every line on stdin once, printing { ms, cpu, peak } as a line of JSON. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine, type EngineName } from "../src/engine/index.js";
import { withPrecision, type Precision } from "../src/engine/matrixProduct.js";
import { buildModel } from "../src/model/build.js";
import { regions, sizes, type SizeName } from "../src/model/config.js";
import { parameterSpecs, randomStart } from "../src/model/parameters.js";
import { record, type Gradients } from "../src/model/recorded.js";
import { pixelLayers } from "../src/model/vit.js";
import { packageRoot } from "../src/paths.js";
import { Random } from "../src/random.js";
import type { Frugality } from "../src/train/memory.js";
import { objective } from "../src/train/objective.js";
import { applyAdam, clipGradients, createAdam, globalNorm } from "../src/train/optimiser.js";
import { recipeOf } from "../src/train/recipe.js";

export interface WorkerCase {
  /** One ViT layer forward, the same with its gradient, or a whole training step. */
  kind: "forward" | "both" | "step";
  size: SizeName;
  batch: number;
  engine: EngineName;
  threads: number;
  precision: Precision;
  frugality?: Frugality;
}

/** The scenes' vocabulary for the small size, BERT's for the base size. */
export function vocabularyOf(size: SizeName): string | undefined {
  return size === "base" ? undefined : path.join(packageRoot(), "assets", "scenes-vocab.txt");
}

async function prepare({ kind, size, batch, precision, frugality = {} }: WorkerCase): Promise<() => void> {
  const random = new Random(1);
  const normals = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.normal());
  if (kind !== "step") {
    const { image } = sizes[size];
    // One layer alone, as PyTorch has it: the peak is the layer's, not a whole model's.
    const ofLayer = parameterSpecs(sizes[size]).filter(({ name }) => name.includes(".visual_encoder.encoder.layer.0."));
    const parameters = new Map(
      ofLayer.map((spec) => [spec.name, tf.variable(tf.tensor(randomStart(spec, 1), spec.shape, "float32"))]),
    );
    const shape: [number, number, number] = [batch, regions(sizes[size]), image.width];
    const x = tf.tensor3d(normals(batch * regions(sizes[size]) * image.width), shape);
    const dy = tf.onesLike(x);
    const { layers } = pixelLayers(parameters, image, tf.zeros([1, 3, image.pixels, image.pixels]), 1);
    const layer = (input: tf.Tensor): tf.Tensor =>
      withPrecision(precision, () => (layers[0] as (input: tf.Tensor) => tf.Tensor)(input));
    /** Reads one number of a tensor: it is computed then. */
    const wait = (tensor: tf.Tensor): void => {
      tf.tidy(() => {
        tf.slice(tf.reshape(tensor, [-1]), 0, 1).dataSync();
      });
    };
    if (kind === "forward") {
      return () => {
        tf.tidy(() => {
          wait(layer(x));
        });
      };
    }
    return () => {
      const gradients: Gradients = new Map();
      const recorded = record([x], layer);
      const [dx] = recorded.pullback(dy, gradients);
      wait(dx as tf.Tensor);
      tf.dispose([recorded.value, dx, ...gradients.values()]);
    };
  }
  const vocabulary = vocabularyOf(size);
  const model = await buildModel({ size, ...(vocabulary === undefined ? {} : { vocabulary }) });
  const { image, text, maxLength } = model.config;
  const adam = createAdam();
  const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
  const ids = Int32Array.from({ length: batch * maxLength }, () => 1 + random.int(text.vocabulary - 1));
  const data = {
    pixels: normals(batch * 3 * image.pixels ** 2),
    ids,
    mask: new Int32Array(ids.length).fill(1),
    pairs: Array.from({ length: batch }, (_, item) => ({ item, caption: 0 })),
    crops: [],
    skipped: [],
  };
  const recipe = { ...recipeOf("ams-published"), precision };
  return () => {
    const { gradients } = objective({
      model,
      recipe,
      batch: data,
      auxiliary,
      stepSeed: adam.step,
      keepPatches: 1,
      ...frugality,
    });
    clipGradients(gradients, globalNorm(gradients), recipe.clip);
    const options = { learningRate: 2e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
    applyAdam(adam, model.parameters, gradients, options);
    tf.dispose([...gradients.values()]);
    (model.parameters.get("b1") as tf.Tensor).dataSync();
  };
}

async function main(): Promise<void> {
  const given = JSON.parse(process.argv[2] as string) as WorkerCase;
  await startEngine(given.engine, given.engine === "native" ? { threads: given.threads } : {});
  const run = await prepare(given);
  for await (const _line of createInterface({ input: process.stdin })) {
    const [began, before] = [performance.now(), process.cpuUsage()];
    run();
    const [ms, used] = [performance.now() - began, process.cpuUsage(before)];
    const cpu = (used.user + used.system) / 1000;
    const status = readFileSync("/proc/self/status", "utf8");
    const peak = 1024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]);
    console.log(JSON.stringify({ ms, cpu, peak }));
  }
}

if (require.main === module) void main();
