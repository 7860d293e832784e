/** Numbers of 16 bits: every one of them there and back, and what lies between them. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { fromHalves, toHalves } from "../../src/model/halves.js";

const all = Uint16Array.from({ length: 65536 }, (_, h) => h);
const isNaNHalf = (h: number): boolean => (h & 0x7fff) > 0x7c00;

describe("16-bit numbers", () => {
  test("have the values of the standard", () => {
    const values = fromHalves(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x7c00, 0xfc00, 0x3555));
    assert.deepEqual([...values], [1, -2, 65504, 2 ** -14, 2 ** -24, Infinity, -Infinity, 0.333251953125]);
  });

  test("all come back as they were", () => {
    const again = toHalves(fromHalves(all));
    for (const h of all) {
      if (isNaNHalf(h)) assert.equal(again[h], 0x7e00);
      else assert.equal(again[h], h);
    }
  });

  test("between two neighbours the nearer one is taken, in the middle the even one", () => {
    const values = fromHalves(all);
    const lows = [...all].filter((h) => (h & 0x7fff) < 0x7bff); // both signs; the next is finite
    const near = (share: number): Uint16Array =>
      toHalves(Float32Array.from(lows, (h) => values[h]! + share * (values[h + 1]! - values[h]!)));
    const [below, middle, above] = [near(0.499), near(0.5), near(0.501)];
    lows.forEach((h, i) => {
      assert.deepEqual([below[i], middle[i], above[i]], [h, h % 2 === 0 ? h : h + 1, h + 1]);
    });
  });

  test("too large ones become infinite, from the middle to the next power on", () => {
    assert.deepEqual([...toHalves(Float32Array.of(65519.99, 65520, -1e30, NaN, -0))], [0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x8000]); // prettier-ignore
  });
});
