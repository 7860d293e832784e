/**
 * The streaming scorer against the published code's evaluation scores and against the formulas in plain loops: one suite for every
 * engine.
 */
import { before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext, type Context, type Progress } from "../../src/context.js";
import { startEngine } from "../../src/engine/index.js";
import type { EngineName } from "../../src/engine/types.js";
import { scoreAll, type ScoreAllOptions, type ScoreSource } from "../../src/evaluate/scorer.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import { Random } from "../../src/random.js";
import { fixture } from "../fixtures.js";

/** Features in plain arrays: images [scale][image][region][e], captions [scale][caption][word][e]. */
interface Features {
  images: number[][][][];
  captions: number[][][][];
}

function source({ images, captions }: Features, rest: Partial<ScoreSource> = {}): ScoreSource {
  return {
    images: images[0]!.length,
    captions: captions[0]!.length,
    regions: images[0]![0]!.length,
    words: captions[0]![0]!.length,
    scaleWeights: images.map(() => 1),
    encodeImages: (start, end) => images.map((scale) => tf.tensor3d(scale.slice(start, end))),
    encodeCaptions: (indexes) => captions.map((scale) => tf.tensor3d(Array.from(indexes, (c) => scale[c]!))),
    ...rest,
  };
}

function golden(): Features {
  const { tensors } = readSafetensors(fixture("golden/tiny/activations.safetensors"));
  const nested = (name: string): number[][][] => {
    const { shape, data } = tensors.get(name)!;
    const [a, b, c] = shape as [number, number, number];
    const row = (i: number, j: number): number[] => Array.from(data.subarray((i * b + j) * c, (i * b + j + 1) * c));
    return Array.from({ length: a }, (_, i) => Array.from({ length: b }, (_, j) => row(i, j)));
  };
  const scales = [1, 2, 3, 4, 5, 6];
  return {
    images: scales.map((k) => nested(`img.feat.${String(k)}`)),
    captions: scales.map((k) => nested(`txt.feat.${String(k)}`)),
  };
}

function random(
  seed: number,
  counts: { images: number; captions: number; regions: number; words: number; width: number; scales: number },
): Features {
  const stream = new Random(seed);
  const { images, captions, regions, words, width, scales } = counts;
  const spread = Math.sqrt(0.35 / Math.sqrt(width)); // similarities of a trained model's size
  const block = (a: number, b: number): number[][][] =>
    Array.from({ length: a }, () =>
      Array.from({ length: b }, () => Array.from({ length: width }, () => Math.fround(spread * stream.normal()))),
    );
  return {
    images: Array.from({ length: scales }, () => block(images, regions)),
    captions: Array.from({ length: scales }, () => block(captions, words)),
  };
}

/** Section 3 of the specification word for word, in float64: one scale, one image, one caption of `length` counted words. */
function definition(V: number[][], all: number[][], length: number, t: number, propagate: boolean): number {
  const W = all.slice(0, length);
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, k) => sum + x * b[k]!, 0);
  const norm = (a: number[]): number => Math.sqrt(dot(a, a));
  const softmax = (a: number[]): number[] => {
    const e = a.map((x) => Math.exp(x - Math.max(...a)));
    return e.map((x) => x / e.reduce((p, q) => p + q));
  };
  const A = W.map((w) => V.map((v) => dot(w, v)));
  const L = A.map((row) => row.map((a) => (a > 0 ? a : 0.1 * a)));
  const nu = V.map((_, j) => norm(L.map((row) => row[j]!)));
  const r = A.map((row) => Math.max(...row) - t);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const decisive = propagate ? dot(softmax(W.map((w) => 5 * dot(W[i]!, w))), r) : r[i]!;
    if (decisive < 0) sum += r[i]!;
    const e = A[i]!.map((a) => (a - t > 0 ? Math.exp(20 * (a - t)) : 0));
    const total = e.reduce((p, q) => p + q) + 1e-8;
    const context = V[0]!.map((_, d) => V.reduce((s, v, j) => s + (e[j]! / total) * v[d]!, 0));
    sum += dot(W[i]!, context) / Math.max(norm(context), 1e-8);
    sum += dot(softmax(L[i]!.map((l, j) => (20 * l) / (nu[j]! + 1e-8))), A[i]!);
  }
  return sum / length;
}

function expected(
  { images, captions }: Features,
  t: number,
  propagate: boolean,
  lengths?: Int32Array,
  weights?: number[],
): number[] {
  const [count, words] = [captions[0]!.length, captions[0]![0]!.length];
  return images[0]!.flatMap((_, b) =>
    Array.from({ length: count }, (_, c) =>
      images.reduce((sum, _, k) => {
        const score = definition(images[k]![b]!, captions[k]![c]!, lengths?.[c] ?? words, t, propagate);
        return sum + (weights?.[k] ?? 1) * score;
      }, 0),
    ),
  );
}

function assertClose(found: Float32Array, wanted: number[], tolerance: number): void {
  assert.equal(found.length, wanted.length);
  const worst = wanted.reduce((most, value, k) => Math.max(most, Math.abs(value - found[k]!)), 0);
  assert.ok(worst <= tolerance, `differs by ${String(worst)}`);
}

const ways = [
  { name: "fused", how: { way: "fused", norms: "threads" } },
  { name: "fused, norms by the engine", how: { way: "fused", norms: "engine" } },
  { name: "tensors", how: { way: "tensors" } },
] as const;

/** Runs the suite on an engine; `skip` names why it cannot be, `prepare` installs what the engine needs. */
export function scorerSuite(
  engine: EngineName,
  { skip = false, prepare }: { skip?: false | string; prepare?: () => Promise<unknown> } = {},
): void {
  before(async () => {
    if (skip !== false) return;
    await prepare?.();
    await startEngine(engine);
  });

  for (const { name, how } of ways) {
    describe(`the scorer on ${engine} (${name})`, { skip }, () => {
      const score = (from: ScoreSource, options: ScoreAllOptions = {}): Promise<Float32Array> =>
        scoreAll(from, { ...how, ...options }, silentContext);

      test("gives the same scores from features before their projection, folded into the captions", async () => {
        const features = random(11, { images: 5, captions: 9, regions: 9, words: 6, width: 16, scales: 2 });
        const stream = new Random(12);
        const normals = (n: number, spread: number): Float32Array =>
          Float32Array.from({ length: n }, () => spread * stream.normal());
        const P = [0, 1].map(() => tf.tensor2d(normals(16 * 7, 0.3), [16, 7]));
        const H = [0, 1].map((k) => tf.tensor3d(normals(5 * 9 * 7, 0.4 + 0.1 * k), [5, 9, 7]));
        features.images = H.map((h, k) => {
          const V = tf.matMul(tf.reshape(h, [45, 7]), P[k]!, false, true);
          return tf.reshape(V, [5, 9, 16]).arraySync() as number[][][];
        });
        const lengths = Int32Array.of(6, 1, 2, 3, 4, 5, 6, 6, 2);
        const folded = source(features, {
          lengths,
          fold: (k) => tf.clone(P[k]!),
          encodeImages: (start, end) => H.map((h) => tf.slice3d(h, [start, 0, 0], [end - start, 9, 7])),
        });
        const tensors = tf.memory().numTensors;
        const found = await score(folded, { threshold: 0.05, imageBlock: 2, captionBlock: 4 });
        assert.equal(tf.memory().numTensors, tensors);
        assertClose(found, expected(features, 0.05, true, lengths), 5e-6);
      });

      test("equals the published evaluation for both thresholds", async () => {
        const data = JSON.parse(readFileSync(fixture("golden/tiny/scores.json"), "utf8")) as {
          test: Record<"f32" | "f64", Record<string, { total: number[][] }>>;
        };
        for (const threshold of [0, 0.05]) {
          const found = await score(source(golden()), { threshold });
          for (const run of ["f32", "f64"] as const) {
            const wanted = data.test[run][`thres_safe=${threshold === 0 ? "0.0" : "0.05"}`]!;
            assertClose(found, wanted.total.flat(), 5e-6);
          }
        }
      });

      test("gives the same scores whatever the blocks and the memory are", async () => {
        const features = random(5, { images: 7, captions: 11, regions: 13, words: 9, width: 16, scales: 2 });
        const lengths = Int32Array.from({ length: 11 }, (_, c) => 2 + ((c * 5) % 8));
        const whole = await score(source(features, { lengths }), { imageBlock: 7, captionBlock: 11 });
        for (const blocks of [
          { imageBlock: 1, captionBlock: 1 },
          { imageBlock: 3, captionBlock: 4 },
          { captionBlock: 5, memory: 1 },
        ]) {
          assertClose(await score(source(features, { lengths }), blocks), Array.from(whole), 1e-6);
        }
      });

      test("follows the definition with pads masked, a threshold, weights, and either negative branch", async () => {
        const features = random(6, { images: 3, captions: 5, regions: 6, words: 7, width: 4, scales: 2 });
        const lengths = Int32Array.of(7, 1, 4, 3, 6);
        const scaleWeights = [0.5, 2];
        for (const propagate of [true, false]) {
          const found = await score(source(features, { lengths, scaleWeights }), { threshold: 0.1, propagate });
          assertClose(found, expected(features, 0.1, propagate, lengths, scaleWeights), 5e-6);
          const unmasked = await score(source(features), { threshold: 0.1, propagate });
          assertClose(unmasked, expected(features, 0.1, propagate), 5e-6);
          assert.ok(Math.abs(unmasked[3]! - found[3]!) > 1e-3); // the mask does something
        }
      });

      test("stands similarities that overflow the published code, and words that match nothing", async () => {
        const features = random(7, { images: 2, captions: 2, regions: 5, words: 3, width: 4, scales: 1 });
        features.images[0]![0] = features.images[0]![0]!.map((v) => v.map((x) => 3 * Math.abs(x)));
        features.captions[0]![0] = features.captions[0]![0]!.map((w) => w.map((x) => 3 * Math.abs(x)));
        features.captions[0]![1] = features.captions[0]![1]!.map((w) => w.map((x) => -Math.abs(x)));
        const found = await score(source(features));
        assertClose(found, expected(features, 0, true), 2e-5);
        assert.ok(found.every(Number.isFinite));
      });

      test("keeps no tensors", async () => {
        const features = random(8, { images: 3, captions: 4, regions: 5, words: 3, width: 8, scales: 2 });
        const before = tf.memory().numTensors;
        await score(source(features, { lengths: Int32Array.of(1, 2, 3, 3) }), { imageBlock: 2, captionBlock: 3 });
        assert.equal(tf.memory().numTensors, before);
      });

      test("reports within a block of many tiles, in whole pairs that only grow", async () => {
        const features = random(10, { images: 3, captions: 70, regions: 5, words: 3, width: 8, scales: 3 });
        const done: number[] = [];
        const context: Context = {
          ...silentContext,
          progress: (p) => p.label === "scoring pairs" && done.push(p.done),
        };
        await scoreAll(source(features), { ...how, imageBlock: 3, captionBlock: 1 }, context);
        assert.deepEqual(done, [64, 128, 192, 210]); // 3 images x 1 caption x 1 scale of 3 in a tile
      });

      test("reports every pair and stops when aborted", async () => {
        const features = random(9, { images: 40, captions: 20, regions: 30, words: 10, width: 16, scales: 6 });
        const seen: Progress[] = [];
        const note = (progress: Progress): number => seen.push(progress);
        await scoreAll(source(features), { ...how, imageBlock: 8 }, { ...silentContext, progress: note });
        const last = seen.at(-1);
        assert.deepEqual([last?.done, last?.total], [800, 800]);
        assert.match(last?.note ?? "", /pairs\/s, 0 s left/);

        const controller = new AbortController();
        const context: Context = {
          ...silentContext,
          signal: controller.signal,
          progress: ({ label }) => {
            if (label === "scoring pairs") controller.abort(new Error("stopped by the user"));
          },
        };
        const tensors = tf.memory().numTensors;
        await assert.rejects(scoreAll(source(features), { ...how, imageBlock: 8 }, context), /stopped by the user/);
        assert.equal(tf.memory().numTensors, tensors);
      });
    });
  }
}
