/** The time left of a training: steps and validations timed apart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock } from "../../src/train/clock.js";

test("the time left counts the steps and the validations to come", async () => {
  let time = 5000;
  const clock = createClock({ step: 0, totalSteps: 30, totalEpochs: 3 }, () => time);
  assert.ok(Number.isNaN(clock.left(0, 0)), "nothing is known yet");
  time += 1000; // a tenth of a second each
  assert.equal(clock.left(10, 0), 2);
  await clock.validating(() => {
    time += 500;
    assert.equal(clock.left(10, 0), 2 + 2 * 0.5, "two more like the one that runs");
    time += 500;
    return Promise.resolve();
  });
  assert.equal(clock.left(10, 1), 2 + 2 * 1);
  time += 1000;
  assert.equal(clock.left(20, 1), 1 + 2 * 1, "before the second validation");
  await clock.validating(() => {
    time += 250;
    assert.equal(clock.left(20, 1), 1 + 1 + 0.75, "the rest of this one, and another");
    time += 750;
    return Promise.resolve();
  });
  time += 1000;
  await clock.validating(() => {
    time += 1000;
    return Promise.resolve();
  });
  assert.equal(clock.left(30, 3), 0);
});

test("a training that goes on counts its own steps alone, and a failed validation ends", async () => {
  let time = 0;
  const clock = createClock({ step: 20, totalSteps: 30, totalEpochs: 3 }, () => time);
  time += 3000;
  assert.equal(clock.left(25, 2), 3);
  await assert.rejects(clock.validating(() => Promise.reject(new Error("interrupted"))));
  time += 1000;
  assert.equal(clock.left(25, 3), 4);
});
