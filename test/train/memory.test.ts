/** The forecast of memory against what `ams train` really took, in processes of its own. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { silentContext } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { nativeFolder } from "../../src/engine/native/files.js";
import { sizes, type SizeName } from "../../src/model/config.js";
import { forecastMemory, type Frugality } from "../../src/train/memory.js";
import { recipeOf } from "../../src/train/recipe.js";
import { missing } from "../engine/setup.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-memory-"));
const data = path.join(home, "scenes");
const peakFile = path.join(home, "peak.cjs");

before(async () => {
  if ((await missing("native")) !== undefined) return;
  symlinkSync(path.dirname(nativeFolder()), path.join(home, "engine"));
  const counts = { train: 40, val: 40, test: 2, "test-pairs": 2, "test-style": 2 };
  await openScenes({ folder: data, counts, pixels: 48 }, silentContext);
  // Loaded into the command: what its process had at most, in kilobytes.
  const report = 'process.on("exit", () => process.stderr.write("\\npeak " + process.resourceUsage().maxRSS + "\\n"));';
  writeFileSync(peakFile, `if (require("node:worker_threads").isMainThread) ${report}\n`);
});
after(() => {
  rmSync(home, { recursive: true });
});

/** Peak of resident memory of `ams train` over two steps and what follows them, in bytes. */
async function measuredPeak(words: string[]): Promise<number> {
  const cli = path.resolve(__dirname, "../../src/cli.js");
  const given = ["-r", peakFile, cli, "train", "--data", data, "--recipe", "ams-published", "--steps", "2", ...words];
  const { stderr } = await promisify(execFile)(process.execPath, given, { env: { ...process.env, AMS_HOME: home } });
  const peak = /^peak (\d+)$/m.exec(stderr)?.[1];
  assert.ok(peak !== undefined, stderr);
  return 1024 * Number(peak);
}

const cases: { size: SizeName; batchSize: number; frugality?: Frugality; images?: number }[] = [
  { size: "small", batchSize: 32 },
  { size: "small", batchSize: 32, frugality: { recompute: true } },
  { size: "small", batchSize: 32, frugality: { microBatch: 8 } },
  { size: "small", batchSize: 8, frugality: { recompute: true }, images: 40 },
  { size: "tiny", batchSize: 4, images: 40 },
];

for (const { size, batchSize, frugality = {}, images = 0 } of cases) {
  const { recompute = false, microBatch } = frugality;
  const words = [
    ...["--size", size, "--batch-size", String(batchSize), "--validate", String(images)],
    ...(recompute ? ["--recompute"] : []),
    ...(microBatch === undefined ? [] : ["--micro-batch", String(microBatch)]),
  ];
  test(`the peak of ams train ${words.join(" ")} is forecast within 25 %`, async (t) => {
    const reason = process.platform === "linux" ? await missing("native") : "measured on Linux only";
    if (reason !== undefined) {
      t.skip(reason);
      return;
    }
    const recipe = { ...recipeOf("ams-published"), batchSize, evaluated: 5 * images };
    const { total } = forecastMemory(sizes[size], recipe, frugality);
    const peak = await measuredPeak([...words, "--name", words.join("").replaceAll("-", "")]);
    const told = `forecast ${(total / 1e9).toFixed(3)} GB, measured ${(peak / 1e9).toFixed(3)} GB`;
    t.diagnostic(told);
    assert.ok(Math.abs(total / peak - 1) <= 0.25, told);
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
