/** Threads of the fused scorer that come late, or never: the others do their share, and no score is another. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import { openFusedScorer } from "../../src/evaluate/fusedScorer.js";
import { packageRoot } from "../../src/paths.js";

const shape = { images: 5, captions: 6, words: 4, regions: 10 };
const width = 8;

/** Scores of tiles of changing sizes, one tile after the other through one scorer. */
function tiles(norms: "engine" | "threads", threads: number, script?: string): number[][] {
  const scorer = openFusedScorer(shape, { threads, norms, ...(script === undefined ? {} : { script }) });
  try {
    return Array.from({ length: 120 }, (_, t) => {
      const [count, captions] = [1 + (t % shape.images), 1 + (t % shape.captions)];
      const images = scorer.images(tf.randomNormal([count, shape.regions, width], 0, 0.5, "float32", t + 1));
      const words = scorer.captions(tf.randomNormal([captions, shape.words, width], 0, 0.5, "float32", t + 1000), {
        propagate: true,
        lengths: undefined,
        fold: undefined,
      });
      const scores = new Float32Array(count * captions);
      scorer.enter(images);
      void scorer.score(images, words, 0.1, scores, (b, c) => b * captions + c);
      scorer.releaseImages(images);
      scorer.releaseCaptions(words);
      return Array.from(scores);
    });
  } finally {
    scorer.close();
  }
}

describe("the fused scorer's threads", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-threads-"));
  const script = (name: string, text: string): string => {
    const file = path.join(folder, `${name}.js`);
    writeFileSync(file, text);
    return file;
  };
  before(() => startEngine("plain"));
  after(() => {
    rmSync(folder, { recursive: true });
  });
  const own = JSON.stringify(path.join(packageRoot(), "build", "src", "evaluate", "fusedWorker.js"));
  const late = `const { wait } = Atomics, own = new Int32Array(new SharedArrayBuffer(4));
    Atomics.wait = (...given) => { const answer = wait(...given); wait(own, 0, 0, 2 * Math.random()); return answer; };
    require(${own});`;

  for (const norms of ["engine", "threads"] as const) {
    test(`norms by ${norms}: the scores are those of one thread`, { timeout: 60_000 }, () => {
      const alone = tiles(norms, 1);
      assert.ok(alone.flat().every(Number.isFinite));
      assert.deepEqual(tiles(norms, 3), alone);
      assert.deepEqual(tiles(norms, 4, script("late", late)), alone, "threads that are late");
      assert.deepEqual(
        tiles(norms, 3, script("broken", "throw new Error('no thread')")),
        alone,
        "threads that never begin",
      );
    });
  }
});
