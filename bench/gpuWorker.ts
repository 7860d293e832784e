/** The process of one engine for `gpu.ts`: builds the model, takes training steps, prints one JSON object. Argument: a `GpuTask` as JSON. */
import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../src/data/batches.js";
import type { Tokenizer } from "../src/data/tokens.js";
import { measureMatmul, startEngine, type EngineName } from "../src/engine/index.js";
import { createParameters } from "../src/model/parameters.js";
import { sizes, type ModelConfig, type SizeName } from "../src/model/config.js";
import { quirks } from "../src/model/quirks.js";
import { writeSafetensors } from "../src/model/safetensors.js";
import { Random } from "../src/random.js";
import { objective } from "../src/train/objective.js";
import { applyAdam, clipGradients, createAdam, globalNorm } from "../src/train/optimiser.js";
import { recipeOf } from "../src/train/recipe.js";

export interface GpuTask {
  engine: EngineName;
  tf32: boolean;
  size: SizeName;
  batch: number;
  recompute: boolean;
  /** Steps to time after the first. */
  steps: number;
  dropout: number;
  /** Where the gradients of the first step go, as safetensors. */
  gradients?: string;
}

export interface GpuResult {
  device: string;
  detail: string;
  remark?: string;
  gflops: number;
  losses: number[];
  /** Of every step; the first also compiles kernels and allocates. */
  seconds: number[];
  /** Largest resident size of the process in bytes. */
  resident: number;
}

/** The captions come as ids. */
const tokenizer: Tokenizer = {
  vocabularySize: 0,
  words: [],
  encode: () => {
    throw new Error("no caption is encoded here");
  },
};

async function main(task: GpuTask): Promise<GpuResult> {
  const info = await startEngine(task.engine, task.engine === "gpu" ? { tf32: task.tf32 } : {});
  const gflops = await measureMatmul();
  const config: ModelConfig = sizes[task.size];
  const recipe = { ...recipeOf("ams-published"), batchSize: task.batch, dropout: task.dropout };
  const model = {
    config,
    parameters: createParameters(config, 3407),
    thresholds: { mined: 0, safe: 0 },
    quirks: quirks.published,
    recipe: recipe.name,
    tokenizer,
  };
  const [adam, batch] = [createAdam(), noise(config, task.batch)];
  const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
  const [losses, seconds]: number[][] = [[], []];
  for (let step = 0; step <= task.steps; step++) {
    const started = performance.now();
    const input = { model, recipe, batch, auxiliary, stepSeed: step, keepPatches: 1, recompute: task.recompute };
    const { loss, gradients } = objective(input);
    if (step === 0 && task.gradients !== undefined) {
      const stored = [...gradients].map(
        ([name, tensor]) => [name, { shape: tensor.shape, data: tensor.dataSync() as Float32Array }] as const,
      );
      writeSafetensors(task.gradients, new Map(stored));
    }
    clipGradients(gradients, globalNorm(gradients), recipe.clip); // reads the norm: the GPU is done by then
    const options = { learningRate: 2e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
    applyAdam(adam, model.parameters, gradients, options);
    tf.dispose([...gradients.values()]);
    // The update is queued: one number of it must have come.
    model.parameters.get("b1")!.dataSync();
    losses!.push(loss);
    seconds!.push((performance.now() - started) / 1000);
  }
  return {
    device: info.device,
    detail: info.detail,
    ...(info.remark !== undefined && { remark: info.remark }),
    gflops,
    losses: losses!,
    seconds: seconds!,
    resident: process.resourceUsage().maxRSS * 1024,
  };
}

/** Pixels and captions by chance: a step costs the same whatever they show. */
function noise({ image, text, maxLength }: ModelConfig, size: number): Batch {
  const random = new Random(1);
  const lengths = Array.from({ length: size }, () => 8 + Math.floor(random.uniform(0, maxLength - 8)));
  const filled = (value: () => number): Int32Array =>
    Int32Array.from({ length: size * maxLength }, (_, p) =>
      p % maxLength < lengths[Math.floor(p / maxLength)]! ? value() : 0,
    );
  return {
    pixels: Float32Array.from({ length: size * 3 * image.pixels ** 2 }, () => random.uniform(-2, 2)),
    ids: filled(() => 1 + Math.floor(random.uniform(0, text.vocabulary - 1))),
    mask: filled(() => 1),
    pairs: Array.from({ length: size }, (_, item) => ({ item, caption: 0 })),
    crops: [],
    skipped: [],
  };
}

void main(JSON.parse(process.argv[2] ?? "{}") as GpuTask).then(
  (result) => process.stdout.write(JSON.stringify(result) + "\n", () => process.exit(0)),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
