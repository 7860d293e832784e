import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { heatColour, heatLevel, heatLevels, series, seriesColour } from "../../src/plot/palette.js";
import { blockLine, sparkline } from "../../src/plot/sparkline.js";
import { fitMiddle, fitText, textWidth, wrapText } from "../../src/plot/textWidth.js";
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

  test("series colours stay apart in every colour vision", () => {
    // G. M. Machado and others, "A physiologically-based model for simulation of color vision deficiency" (2009), severity 1.
    const visions = {
      all: [1, 0, 0, 0, 1, 0, 0, 0, 1],
      protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
      deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
      tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
    };
    const linear = (hex: string): number[] =>
      [1, 3, 5].map((at) => {
        const v = parseInt(hex.slice(at, at + 2), 16) / 255;
        return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
      });
    const lab = (rgb: number[]): number[] => {
      const [x, y, z] = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] // prettier-ignore
        .map((row, i) => Math.cbrt(row.reduce((sum, w, k) => sum + w * rgb[k]!, 0) / [0.9505, 1, 1.089][i]!));
      return [116 * y! - 16, 500 * (x! - y!), 200 * (y! - z!)];
    };
    for (const [vision, matrix] of Object.entries(visions)) {
      const seen = series.map((hex) => {
        const rgb = linear(hex);
        return lab(
          [0, 3, 6].map((at) =>
            Math.max(
              0,
              rgb.reduce((sum, v, k) => sum + matrix[at + k]! * v, 0),
            ),
          ),
        );
      });
      seen.forEach((a, i) => {
        for (const [j, b] of seen.entries()) {
          if (j <= i) continue;
          const distance = Math.hypot(...a.map((v, k) => v - b[k]!));
          assert.ok(distance > 12, `${series[i]} and ${series[j]} in ${vision}: ${distance.toFixed(1)}`);
        }
      });
    }
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
    const middle = fitMiddle("a-very-long-name-of-a-run-101112", 120, 12);
    assert.match(middle, /^a-very.*….*101112$/);
    assert.ok(textWidth(middle, 12) <= 120 && textWidth(middle, 12) > 100);
    assert.equal(fitMiddle("short", 100, 10), "short");
    const lines = wrapText("one two three four five six seven", 50, 10, 3);
    assert.equal(lines.length, 3);
    assert.ok(lines.every((line) => textWidth(line, 10) <= 50));
    assert.ok(lines.at(-1)?.endsWith("…"));
    assert.deepEqual(wrapText("", 50, 10, 3), []);
  });
});
