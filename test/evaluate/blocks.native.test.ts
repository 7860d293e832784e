/** What blocks change in the scores of a whole model on native TensorFlow, whose products round by the shape of a batch. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, describe, test } from "node:test";
import { silentContext } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/imagePool.js";
import { startEngine } from "../../src/engine/index.js";
import { refusal } from "../../src/engine/refusals.js";
import { evaluate } from "../../src/evaluate/index.js";
import { buildModel } from "../../src/model/build.js";
import { packageRoot } from "../../src/paths.js";
import { nativeHere } from "../engine/setup.js";
import { largestDifference } from "../golden.js";
import { makeSample } from "./sample.js";

/** Of scores of up to 6: what docs/evaluation.md promises. */
const tolerance = 2e-5;

const skip = refusal("native") === undefined ? false : "no native engine for this platform";
describe("an evaluation on native TensorFlow", { skip }, () => {
  after(closeImageWorkers);

  test("gives the same scores to float32 rounding whatever the blocks and the memory are", async () => {
    await nativeHere();
    await startEngine("native");
    const sample = await makeSample();
    const { dataset } = sample;
    const model = await buildModel({ checkpoint: path.join(packageRoot(), "models", "scenes-small") });
    const { scores: whole } = await evaluate(model, dataset, {}, silentContext);
    for (const blocks of [
      { imageBlock: 1 },
      { imageBlock: 5, captionBlock: 7 },
      { captionBlock: 3, memory: 1 },
      { memory: 1 },
    ]) {
      const { scores } = await evaluate(model, dataset, blocks, silentContext);
      const worst = largestDifference(scores, whole);
      assert.ok(worst <= tolerance, `${JSON.stringify(blocks)}: ${worst}`);
    }
    sample.remove();
  });
});
