import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { randomResizedCrop } from "../../src/data/crop.js";
import { Random } from "../../src/random.js";
import { imageGoldens } from "./pictures.js";

const { scale, ratio } = imageGoldens.rrc;

function near(found: number, golden: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(found - golden) <= tolerance, `${what}: ${String(found)}, torchvision ${String(golden)}`);
}

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function quantiles(values: number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return [0.05, 0.25, 0.5, 0.75, 0.95].map((q) => sorted[Math.round(q * (sorted.length - 1))] ?? NaN);
}

test("sides half way between two numbers become the even one, as Python's round has it", () => {
  const sideOf = (picture: number): number => {
    const { width, height } = randomResizedCrop(picture, picture, new Random(1), [0.25, 0.25], [1, 1]);
    assert.equal(width, height);
    return width;
  };
  assert.deepEqual([3, 5, 7, 9].map(sideOf), [2, 2, 4, 4]); // 1.5, 2.5, 3.5, 4.5
});

describe("random crops are spread as torchvision's are (20,000 draws)", () => {
  for (const [size, golden] of Object.entries(imageGoldens.rrc_distribution_20000_draws)) {
    test(size, () => {
      const [width = 0, height = 0] = size.split("x").map(Number);
      const random = new Random(1);
      const crops = Array.from({ length: 20_000 }, () => randomResizedCrop(width, height, random, scale, ratio));
      for (const crop of crops) {
        assert.ok(crop.top >= 0 && crop.left >= 0 && crop.width > 0 && crop.height > 0);
        assert.ok(crop.top + crop.height <= height && crop.left + crop.width <= width);
      }
      const areas = crops.map((crop) => (crop.width * crop.height) / (width * height));
      const aspects = crops.map((crop) => crop.width / crop.height);
      near(mean(areas), golden.area_mean, 0.004, "mean area");
      near(mean(aspects), golden.aspect_mean, 0.005, "mean aspect");
      quantiles(areas).forEach((q, i) => near(q, golden.area_quantiles_5_25_50_75_95[i] ?? NaN, 0.008, "area"));
      quantiles(aspects).forEach((q, i) => near(q, golden.aspect_quantiles[i] ?? NaN, 0.012, "aspect"));
    });
  }
});

test("a picture too narrow for any crop gives the largest centred one", () => {
  const [wide, tall] = [new Random(1), new Random(1)];
  assert.deepEqual(randomResizedCrop(1000, 90, wide, [0.9, 1], ratio), { top: 0, left: 440, width: 120, height: 90 });
  assert.deepEqual(randomResizedCrop(90, 1000, tall, [0.9, 1], ratio), { top: 440, left: 0, width: 90, height: 120 });
});

test("the same stream draws the same crop, another one another", () => {
  const draw = (name: string) => randomResizedCrop(500, 375, Random.stream(7, name), scale, ratio);
  assert.deepEqual(draw("augment/0/5"), draw("augment/0/5"));
  assert.notDeepEqual(draw("augment/0/5"), draw("augment/1/5"));
});
