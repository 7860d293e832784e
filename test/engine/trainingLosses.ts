/** Training steps with dropout -> their losses; as a program: prints them (arguments: size, engine, steps). */
import * as tf from "@tensorflow/tfjs-core";
import { startEngine, type EngineName } from "../../src/engine/index.js";
import { objective } from "../../src/train/objective.js";
import { applyAdam, clipGradients, createAdam, globalNorm } from "../../src/train/optimiser.js";
import { recipeOf } from "../../src/train/recipe.js";
import { trainStep } from "../../src/train/step.js";
import { goldenBatch, tinyModel } from "../golden.js";
import { batchOfNumbers, smallSize, trainingOfNumbers } from "../train/numbers.js";

export type TrainedSize = "tiny" | "small";

export function trainingLosses(size: TrainedSize, engine: EngineName, steps: number): Promise<number[]> {
  return size === "tiny" ? tinyLosses(engine, steps) : smallLosses(engine, steps);
}

/** On one batch of the golden numbers. */
async function tinyLosses(engine: EngineName, steps: number): Promise<number[]> {
  await startEngine(engine);
  const recipe = { ...recipeOf("ams-published"), dropout: 0.1 };
  const [model, adam, batch] = [tinyModel(), createAdam(), goldenBatch()];
  const auxiliary = { logScale: tf.variable(tf.scalar(0)) };
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { loss, gradients } = objective({ model, recipe, batch, auxiliary, stepSeed: step, keepPatches: 1 });
    losses.push(loss);
    clipGradients(gradients, globalNorm(gradients), recipe.clip);
    const options = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
    applyAdam(adam, model.parameters, gradients, options);
    tf.dispose([...gradients.values()]);
  }
  const moments = [...adam.moments.values()].flatMap(({ first, second }) => [first, second]);
  tf.dispose([...model.parameters.values(), auxiliary.logScale, ...moments]);
  return losses;
}

/** Whole training steps of 8 pairs on two threads: arrays so large that the threads share them and that formulas are compiled. */
async function smallLosses(engine: EngineName, steps: number): Promise<number[]> {
  await startEngine(engine, { threads: 2 });
  const state = trainingOfNumbers(smallSize);
  const { signal } = new AbortController();
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const record = await trainStep(state, batchOfNumbers(smallSize, 8, step), "run", { signal });
    losses.push(record?.loss ?? NaN);
  }
  return losses;
}

if (require.main === module) {
  void trainingLosses(process.argv[2] as TrainedSize, process.argv[3] as EngineName, Number(process.argv[4])).then(
    (losses) => process.stdout.write(JSON.stringify(losses)),
  );
}
