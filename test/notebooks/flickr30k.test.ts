/** The published training and its test: the cells that a user runs on Flickr30K, here on scenes in its layout. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, papermill } from "./papermill.js";

interface Measured {
  rehearsal: boolean;
  settings: Record<string, unknown>;
  run: string;
  steps: number;
  losses: number[];
  validation: number[];
  test: { images: number; captions: number; rsum: number; interval: [number, number] };
  scaleWeights: number[];
  thresholds: { mined: number; safe: number };
  target: { i2t: number[]; t2i: number[]; rsum: number; tolerance: number };
  verdict: string;
}

test("04-flickr30k rehearses: trains on scenes in Flickr30K's layout, tests the best epoch, and gives no verdict", async (t) => {
  const done = await papermill<Measured>(t, "04-flickr30k", { rehearsal: true });
  if (done === undefined) return;
  const { numbers, forget } = done;
  forget(numbers.run);
  assert.deepEqual([numbers.rehearsal, numbers.steps], [true, 20]);
  const { maxViolation, gradClip, margin, lambdaSoftmax, alpha } = numbers.settings;
  assert.deepEqual([maxViolation, gradClip, margin, lambdaSoftmax, alpha], [true, 2, 0.2, 20, 2]);
  assert.ok(numbers.losses[1]! < numbers.losses[0]!, `the loss falls: ${numbers.losses.join(", ")}`);
  assert.deepEqual([numbers.test.images, numbers.test.captions, numbers.validation.length], [20, 100, 2]);
  // By luck 80 text to image and 80 image to text; twenty steps from pretrained encoders reach far more.
  assert.ok(numbers.test.rsum > 250, `rSum ${numbers.test.rsum}`);
  // As the published code tests: the scale weights and the thresholds of its checkpoint are lost.
  assert.deepEqual(numbers.scaleWeights, [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(numbers.thresholds, { mined: 0, safe: 0 });
  const { i2t, t2i, rsum } = numbers.target;
  assert.ok(Math.abs([...i2t, ...t2i].reduce((a, b) => a + b, 0) - rsum) < 1e-9);
  assert.match(numbers.verdict, /^no verdict/);
});

test("04-flickr30k without a rehearsal asks for the images, and says where people get them", async (t) => {
  const said = await failure(t, "04-flickr30k", { rehearsal: false, images: "/nowhere/flickr30k-images" });
  if (said === undefined) return;
  assert.match(said, /the images of flickr30k are not in this folder/);
  assert.match(said, /the images come from the set's authors/);
});
