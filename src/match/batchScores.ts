/** All scores of a batch, scale after scale, with what is mined on the way. */
import * as tf from "@tensorflow/tfjs-core";
import { finish } from "../parts.js";
import { allScores, type ScoreOptions } from "./attentionScore.js";
import { mineThresholds, type Thresholds } from "./mining.js";

/** Scores of all B images of a batch with all C captions, and what they did to the thresholds. */
export interface BatchScores {
  /** Per scale [B, C], row-major. */
  scales: Float32Array[];
  /** Sum of the scales by their weights s_k, [B, C]. */
  total: Float32Array;
  /** After each scale: the published code's six scales share the two numbers one after the other. */
  thresholds: Thresholds[];
}

/**
 * Scores images (per scale [B, R, E]) with captions (per scale [C, W, E]; wordMask [C, W]) without a gradient. Mining takes
 * caption c to belong to image c; it is left out where there are more captions than images.
 */
export function scoreBatch(...input: Parameters<typeof scoreBatchParts>): BatchScores {
  return finish(scoreBatchParts(...input));
}

/** The same in parts: it yields after every scale. */
export function* scoreBatchParts(
  images: tf.Tensor3D[],
  captions: tf.Tensor3D[],
  wordMask: tf.Tensor2D,
  weights: number[],
  options: ScoreOptions,
  start: Thresholds,
): Generator<void, BatchScores> {
  const [rows, columns] = [images[0]?.shape[0] ?? 0, captions[0]?.shape[0] ?? 0];
  const mask = wordMask.dataSync();
  const total = new Float32Array(rows * columns);
  const scales: Float32Array[] = [];
  const thresholds: Thresholds[] = [];
  for (const [k, image] of images.entries()) {
    const { scores, strongest } = tf.tidy(() => allScores(image, captions[k] as tf.Tensor3D, wordMask, options));
    const values = scores.dataSync() as Float32Array;
    scales.push(values);
    for (let p = 0; p < total.length; p++) total[p]! += weights[k]! * values[p]!;
    const before = thresholds.at(-1) ?? start;
    const input = { scores: values, strongest: strongest.dataSync(), images: rows, captions: columns };
    thresholds.push(
      columns > rows ? before : mineThresholds({ ...input, words: wordMask.shape[1], wordMask: mask }, before),
    );
    tf.dispose([scores, strongest]);
    yield;
  }
  return { scales, total, thresholds };
}
