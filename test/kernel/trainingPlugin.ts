/** A plugin for tests and bench/interrupt.ts: `%steps` trains a small model with 32 random pairs a step until it is interrupted. */
import { startEngine } from "../../src/engine/index.js";
import { objective } from "../../src/train/objective.js";
import { trainStep } from "../../src/train/step.js";
import * as tf from "@tensorflow/tfjs-core";
import { batchOfNumbers, smallSize, trainingOfNumbers, watchTurns, type Gap } from "../train/numbers.js";

interface PluginContext {
  signal: AbortSignal;
}

/** What `%steps` returns. */
export interface Stepped {
  steps: number;
  /** From the abort of the signal to the end of the training, in milliseconds. */
  ending: number;
  gap: Gap;
}

async function steps(_args: string, { signal }: PluginContext): Promise<Stepped> {
  await startEngine("auto");
  const training = trainingOfNumbers(smallSize);
  const batch = batchOfNumbers(smallSize, 32, 1);
  let aborted = performance.now();
  signal.addEventListener("abort", () => {
    aborted = performance.now();
  });
  await trainStep(training, batch, "run", { signal });
  process.stdout.write("training\n");
  const gap = watchTurns();
  while (!signal.aborted) await trainStep(training, batch, "run", { signal });
  return { steps: training.progression.step, ending: performance.now() - aborted, gap: gap() };
}

/** The loss of a step in one go: the event loop gets no turn at all. */
async function block(): Promise<number> {
  await startEngine("auto");
  const { model, recipe, auxiliary } = trainingOfNumbers(smallSize);
  const batch = batchOfNumbers(smallSize, 32, 1);
  process.stdout.write("training\n");
  await new Promise((resolve) => setTimeout(resolve, 50)); // the line goes out
  const { loss, gradients } = objective({ model, recipe, batch, auxiliary, stepSeed: 1, keepPatches: 1 });
  tf.dispose([...gradients.values()]);
  return loss;
}

const help = (): { "text/plain": string } => ({ "text/plain": "for tests" });

export const plugin = {
  name: "training-for-tests",
  version: "1.0.0",
  magics: [
    { name: "steps", summary: "%steps: trains until it is interrupted", line: steps, help },
    { name: "block", summary: "%block: computes a step's gradients in one go", line: block, help },
  ],
};
