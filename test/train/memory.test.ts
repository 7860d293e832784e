/** The forecast of memory against what a process really took: whole training steps of the small size in processes of their own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openTokenizer } from "../../src/data/tokens.js";
import { startEngine } from "../../src/engine/index.js";
import { sizes } from "../../src/model/config.js";
import { packageRoot } from "../../src/paths.js";
import { forecastMemory, type Frugality } from "../../src/train/memory.js";
import { recipeOf } from "../../src/train/recipe.js";
import { vocabularyOf, type WorkerCase } from "../../bench/engineWorker.js";

/** Peak of resident memory of two training steps, in bytes. */
async function measuredPeak(given: WorkerCase): Promise<number> {
  const worker = path.join(packageRoot(), "build", "bench", "engineWorker.js");
  const child = spawn(process.execPath, [worker, JSON.stringify(given)]);
  child.stdin.end("go\ngo\n");
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  await new Promise((resolve) => child.on("close", resolve));
  const last = output.trim().split("\n").at(-1);
  assert.ok(last, errors);
  return (JSON.parse(last) as { peak: number }).peak;
}

const ways: [string, Frugality][] = [
  ["as it is", {}],
  ["with recomputation", { recompute: true }],
  ["with micro-batches of 8", { microBatch: 8 }],
];

for (const [how, frugality] of ways) {
  test(`the peak of a small model's step of 32 pairs, ${how}, is forecast within 25 %`, async (t) => {
    if ((await startEngine("auto")).name !== "native") {
      t.skip("the forecast is for TensorFlow on the CPU");
      return;
    }
    if (!existsSync("/proc/self/status")) {
      t.skip("this system does not tell a process's peak of memory");
      return;
    }
    const vocabulary = (await openTokenizer(vocabularyOf("small"))).vocabularySize;
    const config = { ...sizes.small, text: { ...sizes.small.text, vocabulary } };
    const { total } = forecastMemory(config, { ...recipeOf("ams-published"), batchSize: 32 }, frugality);
    const peak = await measuredPeak({
      kind: "step",
      size: "small",
      batch: 32,
      engine: "native",
      threads: 1,
      precision: "float32",
      frugality,
    });
    const off = total / peak - 1;
    assert.ok(Math.abs(off) <= 0.25, `forecast ${(total / 1e9).toFixed(2)} GB, measured ${(peak / 1e9).toFixed(2)} GB`);
  });
}

test("each encoder counts to its own deepest scale", () => {
  const recipe = { ...recipeOf("ams-published"), batchSize: 8 };
  const { small } = sizes;
  const scales = [1, 2, 3, 4, 5, 6];
  const shallowImage = { ...small, image: { ...small.image, layers: 6 }, scales, textScales: small.scales };
  const shallowText = { ...small, text: { ...small.text, layers: 6 }, textScales: scales };
  for (const frugality of [{}, { recompute: true }]) {
    const of = (config: typeof shallowText | typeof shallowImage | typeof small): number =>
      forecastMemory(config, recipe, frugality).activations;
    // Five layers fewer of 65 regions save more than five fewer of 30 words, and both save something.
    const [both, image, text] = [small, shallowImage, shallowText].map(of) as [number, number, number];
    assert.ok(both > text && text > image, `${both}, ${text}, ${image}`);
    const { width, hidden } = small.text;
    const layer = frugality.recompute === true ? 30 * width : 30 * (9 * width + 2 * hidden);
    assert.equal(both - text, 4 * 8 * 5 * layer); // float32, eight pairs, layers 11 to 7
  }
});
