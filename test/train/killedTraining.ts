/** A small training in a process of its own, for tests that kill it: `node killedTraining.js HOME NAME [--resume]`. */
import path from "node:path";
import { silentContext, type Context } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { startEngine } from "../../src/engine/index.js";
import { buildModel } from "../../src/model/build.js";
import { halfDepth } from "../../src/model/config.js";
import { createParameters } from "../../src/model/parameters.js";
import { packageRoot } from "../../src/paths.js";
import { recipeOf } from "../../src/train/recipe.js";
import { train, type Run, type TrainOptions } from "../../src/train/trainer.js";

export const scenesOfTest = { counts: { train: 24, val: 6, test: 2, "test-pairs": 2, "test-style": 2 }, pixels: 48 };

/** Two epochs of 15 steps with dropout and crops, a validation after each, and a checkpoint after every step. */
export async function smallTraining(options: TrainOptions, context: Context): Promise<Run> {
  const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");
  const built = await buildModel({ size: "tiny", recipe: recipeOf("ams-corrected"), vocabulary, seed: 5 });
  const config = halfDepth(halfDepth(built.config));
  const model = { ...built, config, parameters: createParameters(config, 5) };
  const scenes = await openScenes(scenesOfTest, silentContext);
  const given = { epochs: 2, batchSize: 8, learningRate: 1e-3, checkpointSeconds: 0, ...options };
  return train(model, scenes, given, context);
}

async function main(): Promise<void> {
  const [home = "", name = "", resume] = process.argv.slice(2);
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = home;
  const progress: Context["progress"] = ({ done, note }) => process.stdout.write(`${done} ${note ?? ""}\n`);
  process.stdout.write("begins\n");
  await smallTraining({ name, resume: resume === "--resume" }, { ...silentContext, progress });
  process.stdout.write("", () => process.exit(0));
}

if (require.main === module) void main();
