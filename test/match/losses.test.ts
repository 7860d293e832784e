/** The losses against their formulas in plain loops, and their gradients against finite differences. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contrast, hardestHinge, type SameImage, type ScoreLoss } from "../../src/match/losses.js";
import { Random } from "../../src/random.js";
import { largestDifference } from "../golden.js";

const batch = 5;
const random = new Random(4);
const S = Array.from({ length: batch * batch }, () => random.normal());
const same: SameImage = (i, j) => (i === 0 && j === 3) || (i === 3 && j === 0);

function numeric(loss: (scores: number[]) => ScoreLoss): number[] {
  return S.map((_, k) => {
    const at = (step: number): number => loss(S.map((value, i) => (i === k ? value + step : value))).loss;
    return (at(1e-6) - at(-1e-6)) / 2e-6;
  });
}

describe("hardest-negative hinge", () => {
  test("is the sum over rows and columns of the hardest violation", () => {
    let expected = 0;
    for (let i = 0; i < batch; i++) {
      const others = [0, 1, 2, 3, 4].filter((j) => j !== i);
      const row = Math.max(...others.map((j) => S[i * batch + j]!));
      const column = Math.max(...others.map((j) => S[j * batch + i]!));
      for (const hardest of [row, column]) expected += Math.max(0, 0.2 + hardest - S[i * batch + i]!);
    }
    assert.ok(Math.abs(hardestHinge(S, batch).loss - expected) < 1e-12);
  });

  test("has its gradient on the diagonal and the hardest negatives alone", () => {
    const { gradient } = hardestHinge(S, batch);
    assert.ok(
      largestDifference(
        gradient,
        numeric((s) => hardestHinge(s, batch)),
      ) < 1e-6,
    );
    assert.ok(gradient.filter((g) => g !== 0).length <= 3 * batch);
  });

  test("captions of one image are no negatives of each other", () => {
    const { gradient } = hardestHinge([...S].fill(9, 3, 4), batch, 0.2, same);
    assert.equal(gradient[3], 0);
  });

  test("equal scores cost 2B times the margin", () => {
    assert.ok(Math.abs(hardestHinge(new Array<number>(25).fill(0.5), batch).loss - 0.4 * batch) < 1e-12);
  });

  test("a score that is not a number makes a loss that is none", () => {
    assert.ok(Number.isNaN(hardestHinge([...S].fill(NaN, 0, 1), batch).loss));
  });
});

describe("InfoNCE", () => {
  test("of equal scores is log B", () => {
    assert.ok(Math.abs(contrast(new Array<number>(25).fill(3), batch, 7).loss - Math.log(batch)) < 1e-12);
  });

  test("has the gradient of finite differences, with excluded pairs", () => {
    const { gradient } = contrast(S, batch, 2, same);
    assert.ok(
      largestDifference(
        gradient,
        numeric((s) => contrast(s, batch, 2, same)),
      ) < 1e-6,
    );
    assert.equal(gradient[3], 0);
  });

  test("has the gradient of the log of its scale", () => {
    const at = (log: number): number => contrast(S, batch, Math.exp(log)).loss;
    const difference = (at(0.5 + 1e-6) - at(0.5 - 1e-6)) / 2e-6;
    assert.ok(Math.abs((contrast(S, batch, Math.exp(0.5)).scaleGradient ?? NaN) - difference) < 1e-6);
  });
});
