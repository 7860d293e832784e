/** The notebook about the data, on a small set. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { papermill } from "./papermill.js";

interface Measured {
  images: Record<string, number>;
  meanLength: number;
  padShare: number;
  channels: { name: string; mean: number; deviation: number }[];
  withNew: number;
  common: number;
  namesAlone: [number, number, number];
  luck: { t2i: number[]; i2t: number[]; byFormula: { K: number; t2i: number; i2t: number }[] };
  leftOut: number;
}

test("01-data counts, checks the splits, and measures luck", async (t) => {
  const done = await papermill<Measured>(t, "01-data", { train: 60, val: 10, test: 100 });
  if (done === undefined) return;
  const { images, meanLength, padShare, channels, withNew, common, namesAlone, luck, leftOut } = done.numbers;
  assert.deepEqual(images, { train: 60, val: 10, test: 100, "test-pairs": 100, "test-style": 100 });
  assert.ok(Math.abs(padShare - (1 - meanLength / 30)) < 1e-12);
  assert.ok(padShare > 0.3 && padShare < 0.7);
  assert.deepEqual(channels.map(({ name }) => name), ["red", "green", "blue"]); // prettier-ignore
  assert.ok(channels.every(({ deviation }) => deviation > 0.5 && deviation < 1.5));
  assert.deepEqual([withNew, common], [100, 0]);
  assert.ok(namesAlone[0] < namesAlone[1] && namesAlone[1] <= namesAlone[2] && namesAlone[2] <= 100);
  assert.deepEqual(luck.byFormula.map(({ t2i }) => t2i), [1, 5, 10]); // prettier-ignore
  // 500 captions and 100 images ranked by lot: within five standard errors of the formula.
  luck.byFormula.forEach(({ t2i, i2t }, k) => {
    const near = (value: number, expected: number, queries: number): boolean =>
      Math.abs(value - expected) < 5 * Math.sqrt((expected * (100 - expected)) / queries);
    assert.ok(near(luck.t2i[k]!, t2i, 500) && near(luck.i2t[k]!, i2t, 100), JSON.stringify(luck));
  });
  assert.equal(leftOut, 1);
});
