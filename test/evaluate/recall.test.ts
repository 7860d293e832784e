/** Recalls against the published code's metrics, and against ranks by sorting. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { AmsError } from "../../src/errors.js";
import { rsumInterval } from "../../src/evaluate/bootstrap.js";
import { recalls, type Direction } from "../../src/evaluate/recall.js";
import { Random } from "../../src/random.js";
import { fixture } from "../fixtures.js";

interface GoldenEval {
  shape: [number, number];
  i2t: { metrics: Direction; ranks: number[] };
  t2i: { metrics: Direction; ranks: number[] };
  rsum: number;
  ranks_optimistic: { i2t: number[]; t2i: number[] };
  ranks_pessimistic: { i2t: number[]; t2i: number[] };
  sims: number[][];
}

function golden(name: string): GoldenEval & { scores: Float64Array; owner: Int32Array } {
  const data = JSON.parse(readFileSync(fixture(`golden/eval/${name}.json`), "utf8")) as GoldenEval;
  const owner = Int32Array.from({ length: data.shape[1] }, (_, c) => Math.floor(c / 5));
  return { ...data, scores: Float64Array.from(data.sims.flat()), owner };
}

describe("recalls", () => {
  test("equal the published metrics and ranks exactly where no scores tie", () => {
    const { scores, owner, shape, ...expected } = golden("random40x200");
    const found = recalls(scores, shape[0], owner);
    assert.deepEqual(found.i2t, expected.i2t.metrics);
    assert.deepEqual(found.t2i, expected.t2i.metrics);
    assert.equal(found.rsum, expected.rsum);
    assert.deepEqual(Array.from(found.ranks.i2t), expected.i2t.ranks);
    assert.deepEqual(Array.from(found.ranks.t2i), expected.t2i.ranks);
    assert.equal(found.ties, 0);
  });

  for (const name of ["ties40x200", "constant12x60", "tiny3x15"]) {
    test(`lie between the optimistic and the pessimistic ranks on ${name}`, () => {
      const { scores, owner, shape, ...expected } = golden(name);
      const found = recalls(scores, shape[0], owner);
      for (const way of ["i2t", "t2i"] as const) {
        found.ranks[way].forEach((rank, k) => {
          assert.ok(rank >= expected.ranks_optimistic[way][k]!, `${way} ${String(k)}: ${String(rank)}`);
          assert.ok(rank <= expected.ranks_pessimistic[way][k]!, `${way} ${String(k)}: ${String(rank)}`);
        });
      }
      // Of captions they are the pessimistic ones. Of images too, but for tied captions of their own, which are no wrong answers.
      assert.deepEqual(Array.from(found.ranks.t2i), expected.ranks_pessimistic.t2i);
      const withoutOwn = expected.ranks_pessimistic.i2t.map((rank, i) => {
        const row = Array.from(scores.subarray(i * owner.length, (i + 1) * owner.length));
        const own = row.filter((_, c) => owner[c] === i);
        return rank - own.filter((score) => score === Math.max(...own)).length + 1;
      });
      assert.deepEqual(Array.from(found.ranks.i2t), withoutOwn);
    });
  }

  test("give constant scores the worst ranks and call every query tied", () => {
    const { scores, owner, shape } = golden("constant12x60");
    const found = recalls(scores, shape[0], owner);
    assert.ok(found.ranks.i2t.every((rank) => rank === 55)); // 60 captions, 5 own
    assert.ok(found.ranks.t2i.every((rank) => rank === 11));
    assert.equal(found.rsum, 0);
    assert.equal(found.ties, 72);
  });

  test("agree with ranks by sorting for uneven numbers of captions, and let an image without captions only compete", () => {
    const random = new Random(3);
    const owner = Int32Array.from([4, 0, 0, 0, 1, 3, 3, 4, 4, 4, 0]); // image 2 has none; captions in any order
    const scores = Float32Array.from({ length: 5 * owner.length }, () => random.next());
    const found = recalls(scores, 5, owner);
    for (let c = 0; c < owner.length; c++) {
      const column = Array.from({ length: 5 }, (_, i) => i).sort(
        (a, b) => scores[b * owner.length + c]! - scores[a * owner.length + c]!,
      );
      assert.equal(found.ranks.t2i[c], column.indexOf(owner[c]!));
    }
    for (const i of [0, 1, 3, 4]) {
      const row = Array.from(owner.keys()).sort(
        (a, b) => scores[i * owner.length + b]! - scores[i * owner.length + a]!,
      );
      assert.equal(
        found.ranks.i2t[i],
        row.findIndex((c) => owner[c] === i),
      );
    }
    assert.equal(found.ranks.i2t[2], -1);
    assert.ok(Number.isFinite(found.i2t.meanr));
  });

  test("refuse NaN and Infinity with the pair that has it, wrong sizes and wrong owners", () => {
    const scores = new Float32Array(6);
    for (const [value, message] of [
      [NaN, "a score is not a number"],
      [Infinity, "a score is infinite"],
      [-Infinity, "a score is infinite"],
    ] as const) {
      scores[4] = value;
      assert.throws(() => recalls(scores, 2, Int32Array.of(0, 0, 1)), { name: "AmsError", message, where: "image 1, caption 1" }); // prettier-ignore
    }
    assert.throws(() => recalls(new Float32Array(5), 2, Int32Array.of(0, 0, 1)), AmsError);
    assert.throws(() => recalls(new Float32Array(6), 2, Int32Array.of(0, 2, 1)), AmsError);
  });
});

describe("the bootstrap interval", () => {
  test("holds rSum, is the same for the same seed and moves with another", () => {
    const { scores, owner, shape } = golden("random40x200");
    const { ranks, rsum } = recalls(scores, shape[0], owner);
    const [low, high] = rsumInterval(ranks, owner);
    assert.ok(low < rsum && rsum < high, `${String(low)} ${String(rsum)} ${String(high)}`);
    assert.deepEqual(rsumInterval(ranks, owner), [low, high]);
    assert.notDeepEqual(rsumInterval(ranks, owner, { seed: 2 }), [low, high]);
  });

  test("has the width that the variance of a recall predicts", () => {
    // One caption an image and t2i hits equal to i2t's at every k: rSum = 600 p, standard error 600 sqrt(p (1 - p) / n).
    const n = 2000;
    const ranks = Int32Array.from({ length: n }, (_, i) => (i % 4 === 0 ? 0 : 50));
    const owner = Int32Array.from({ length: n }, (_, i) => i);
    const [low, high] = rsumInterval({ i2t: ranks, t2i: ranks }, owner);
    const expected = 2 * 1.96 * 600 * Math.sqrt((0.25 * 0.75) / n);
    assert.ok(Math.abs(high - low - expected) < 0.1 * expected, `${String(high - low)} ${String(expected)}`);
  });

  test("is a point when every query hits", () => {
    const ranks = new Int32Array(9);
    const owner = Int32Array.from({ length: 9 }, (_, i) => i);
    assert.deepEqual(rsumInterval({ i2t: ranks, t2i: ranks }, owner), [600, 600]);
  });
});
