import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { heatColour, heatLevel, heatLevels, seriesColour } from "../../src/plot/palette.js";
import { blockLine, sparkline } from "../../src/plot/sparkline.js";
import { fitText, textWidth, wrapText } from "../../src/plot/textWidth.js";
import { readSvg } from "./dom.js";

describe("a sparkline", () => {
  test("goes from the first to the last value, upwards when they rise", () => {
    const path = /d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"/.exec(sparkline([1, 2], { width: 100, height: 20 }));
    assert.deepEqual(path?.slice(1).map(Number), [2, 17, 96, 3]);
  });

  test("draws nothing, one value, constants and gaps without NaN", () => {
    for (const values of [[], [1], [2, 2, 2], [NaN], [1, NaN, 3, 4], [Infinity, 1]]) {
      const svg = sparkline(values);
      assert.doesNotMatch(svg, /NaN|Infinity/);
      assert.equal(readSvg(svg).tagName, "svg");
    }
    assert.equal((sparkline([1, NaN, 3, 4]).match(/M/g) ?? []).length, 2);
  });

  test("stays small for many values", () => {
    assert.ok(sparkline(Array.from({ length: 100_000 }, (_, i) => Math.sin(i))).length < 4000);
  });

  test("is also a line of block characters", () => {
    assert.equal(blockLine([0, 1, 2, 3, 4, 5, 6, 7]), "▁▂▃▄▅▆▇█");
    assert.equal(blockLine([5, 5]), "▄▄");
    assert.equal(blockLine([1, NaN, 2]), "▁ █");
    assert.equal(blockLine([]), "");
    assert.equal(
      blockLine(
        Array.from({ length: 1000 }, (_, i) => i),
        10,
      ).length,
      10,
    );
  });
});

describe("the heat scale", () => {
  test("starts transparent and gets evenly darker on white", () => {
    const grey = Array.from({ length: heatLevels }, (_, level) => {
      const [r, g, b, a] = heatColour(level);
      const over = (v: number): number => (v * a + 255 * (255 - a)) / 255;
      return 0.2126 * over(r) + 0.7152 * over(g) + 0.0722 * over(b);
    });
    assert.equal(heatColour(0)[3], 0);
    grey.slice(1).forEach((v, i) => assert.ok(v < grey[i]!, `level ${String(i + 1)}`));
    assert.ok(grey.at(-1)! < 90);
  });

  test("has a level for every value", () => {
    assert.deepEqual(
      [0, -1, NaN, 1, 2, 0.5].map((v) => heatLevel(v, 1)),
      [0, 0, 0, heatLevels - 1, heatLevels - 1, 12],
    );
    assert.equal(heatLevel(1, 0), 0);
  });

  test("series colours go round", () => {
    assert.equal(seriesColour(0), seriesColour(6));
    assert.equal(new Set([0, 1, 2, 3, 4, 5].map(seriesColour)).size, 6);
  });
});

describe("text measuring", () => {
  test("knows the widths of the font", () => {
    assert.equal(textWidth("iW", 100), 127);
    assert.ok(textWidth("W", 10, true) > textWidth("W", 10));
    assert.equal(textWidth("犬", 10), 10);
    assert.equal(textWidth("e\u0301", 10), textWidth("e", 10));
  });

  test("cuts and wraps", () => {
    assert.equal(fitText("short", 100, 10), "short");
    const cut = fitText("a very long text that does not fit", 60, 10);
    assert.ok(cut.endsWith("…") && textWidth(cut, 10) <= 60);
    const lines = wrapText("one two three four five six seven", 50, 10, 3);
    assert.equal(lines.length, 3);
    assert.ok(lines.every((line) => textWidth(line, 10) <= 50));
    assert.ok(lines.at(-1)?.endsWith("…"));
    assert.deepEqual(wrapText("", 50, 10, 3), []);
  });
});
