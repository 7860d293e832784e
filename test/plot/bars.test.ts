/** Scale ablation, phrases, sizes and compared runs: what stands in the figures is what was given. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { wilson } from "../../src/evaluate/bootstrap.js";
import type { MeasureDifference } from "../../src/evaluate/compare.js";
import type { PhraseRecall } from "../../src/evaluate/phraseRecall.js";
import type { PointingScore } from "../../src/evaluate/pointing.js";
import { scaleRecalls } from "../../src/evaluate/scales.js";
import type { Figure } from "../../src/plot/figure.js";
import { comparisonFigure } from "../../src/plot/comparison.js";
import { phraseRecallFigure, phrasesFigure } from "../../src/plot/phrases.js";
import { runsFigure } from "../../src/plot/runs.js";
import { scalesFigure } from "../../src/plot/scales.js";
import { sizesFigure } from "../../src/plot/sizes.js";
import { Random } from "../../src/random.js";
import { readSvg } from "./dom.js";

interface Trace {
  name: string;
  x: (string | number)[];
  y: (number | null)[];
  error_y?: { array: number[]; arrayminus: number[] };
}

interface Axis {
  title: { text: string };
}

/** Every figure has a title, names and units of its axes, SVG, PNG and text; nothing of it is NaN. */
function traces(figure: Figure, title: string): Trace[] {
  const { data, layout } = figure.plotly as unknown as { data: Trace[]; layout: Record<string, unknown> };
  assert.equal(figure.title, title);
  for (const [name, axis] of Object.entries(layout))
    if (/^[xy]axis/.test(name)) assert.notEqual((axis as Axis).title.text, "", name);
  assert.equal(readSvg(figure.svg).tagName, "svg");
  assert.match(figure.svg, new RegExp(title));
  assert.ok(figure.png.length > 3000);
  assert.match(figure.text, new RegExp(`^${title}`));
  assert.doesNotMatch(figure.svg + figure.text, /NaN|\bundefined\b|Infinity/);
  return data;
}

describe("the scale ablation", () => {
  const random = new Random(2);
  const [images, scales] = [20, 3];
  const owner = Int32Array.from({ length: 2 * images }, (_, c) => Math.floor(c / 2));
  const planes = Array.from({ length: scales }, (_, k) =>
    Float32Array.from({ length: images * owner.length }, (_, p) =>
      owner[p % owner.length] === Math.floor(p / owner.length) ? k + random.normal() : random.normal(),
    ),
  );
  const total = planes[0]!.map((_, p) => planes.reduce((sum, plane) => sum + plane[p]!, 0));
  const found = scaleRecalls((k) => planes[k]!, [1, 1, 1], total, images, owner);

  test("has a bar for every scale alone and left out, with intervals around them, and a line at the whole", async () => {
    const figure = await scalesFigure(found, 431.25, "What scales do");
    const [alone, without, whole] = traces(figure, "What scales do");
    assert.deepEqual(alone?.x, ["scale 1", "scale 2", "scale 3"]);
    found.forEach((scale, i) => {
      assert.ok(Math.abs(alone.y[i]! - scale.alone.rsum) < 0.06);
      assert.ok(Math.abs(without!.y[i]! - scale.without!.rsum) < 0.06);
      const [low, high] = scale.alone.intervals[6];
      assert.ok(Math.abs(alone.y[i]! + alone.error_y!.array[i]! - high) < 0.2);
      assert.ok(Math.abs(alone.y[i]! - alone.error_y!.arrayminus[i]! - low) < 0.2);
    });
    assert.deepEqual(whole?.y, [431.3, 431.3, 431.3]);
  });

  test("does with a single scale, which cannot be left out", async () => {
    const [only] = found;
    const alone = { scale: "1", weight: 1, alone: only!.alone };
    assert.deepEqual(traces(await scalesFigure([alone], 100, "One"), "One")[1]?.y, [null]);
  });
});

describe("pointing by kind of phrase", () => {
  const score = (type: string, phrases: number, hits: number[]): PointingScore & { type: string } => ({
    type,
    phrases,
    chance: 10,
    scales: hits.map((n, k) => ({
      scale: k === hits.length - 1 ? "sum" : String(k + 1),
      hits: n,
      accuracy: (100 * n) / phrases,
    })),
  });

  test("shows the scales added beside the best one, and chance", async () => {
    const types = [score("animals", 40, [10, 30, 20]), score("<b>things", 10, [1, 2, 9])];
    const data = traces(await phrasesFigure(types, "Pointing"), "Pointing");
    assert.deepEqual(
      data.map(({ y }) => y),
      [
        [50, 90],
        [75, 20],
        [10, 10],
      ],
    );
    assert.deepEqual(data[0]?.x, ["animals (40)", "&lt;b&gt;things (10)"]);
  });

  test("has Wilson's intervals", () => {
    const [low, high] = wilson(9, 10);
    assert.ok(Math.abs(low - 59.58) < 0.01 && Math.abs(high - 98.21) < 0.01, `${low} to ${high}`);
    assert.deepEqual(wilson(0, 0), [0, 100]);
  });
});

describe("recall by kind of phrase", () => {
  const row = (type: string, captions: number, ...values: [number, number, number]): PhraseRecall => ({
    type,
    captions,
    images: captions,
    recalls: ([1, 5, 10] as const).map((k, i) => ({
      k,
      recall: values[i]!,
      interval: [values[i]! - 4, values[i]! + 3],
    })),
  });

  test("has three bars a kind with their intervals, and the whole as lines across", async () => {
    const rows = [row("all captions", 60, 30, 60, 80), row("<b>people", 40, 20, 50, 70)];
    const figure = await phraseRecallFigure(rows, "Recall by kind");
    const data = traces(figure, "Recall by kind");
    assert.deepEqual(data.map(({ name, y }) => [name, y]), [["R@1", [30, 20]], ["R@5", [60, 50]], ["R@10", [80, 70]]]); // prettier-ignore
    assert.deepEqual(data[0]?.x, ["all captions (60)", "&lt;b&gt;people (40)"]);
    assert.deepEqual([data[1]?.error_y?.array, data[1]?.error_y?.arrayminus], [[3, 3], [4, 4]]); // prettier-ignore
    const shapes = figure.plotly?.layout["shapes"] as { y0: number; y1: number }[];
    assert.deepEqual(shapes.map(({ y0, y1 }) => [y0, y1]), [[30, 30], [60, 60], [80, 80]]); // prettier-ignore
    assert.match(figure.text, /^<b>people +40 +40 +20\.0 +16\.0-23\.0 +50\.0 +46\.0-53\.0 +70\.0 +66\.0-73\.0$/m);
  });
});

describe("two evaluations", () => {
  test("show every difference with its interval: filled where it is real, open within chance", async () => {
    const of = (measure: string, difference: number, real: boolean): MeasureDifference => ({
      ...{ measure: measure as "rSum", a: 40, b: 40 + difference, difference, real, p: real ? 0.01 : 0.4 },
      interval: [difference - 2, difference + 1],
    });
    const names = ["i2t R@1", "i2t R@5", "i2t R@10", "t2i R@1", "t2i R@5", "t2i R@10"];
    const measures = [...names.map((name, i) => of(name, i - 1, i > 3)), of("rSum", 9, true)];
    const figure = await comparisonFigure({ a: "one", b: "<i>two", dataset: "scenes", split: "test", measures });
    const title = "<i>two against one (scenes test)";
    assert.equal(figure.title, title);
    assert.equal(readSvg(figure.svg).querySelector(".gtitle")?.textContent, title);
    const [single, whole] = figure.plotly?.data as unknown as {
      x: number[];
      y: string[];
      marker: { symbol: string[] };
      error_x: { array: number[]; arrayminus: number[] };
    }[];
    assert.deepEqual(single?.y, names.slice().reverse());
    assert.deepEqual(single.x, [4, 3, 2, 1, 0, -1]);
    assert.deepEqual(
      single.marker.symbol.map((symbol) => symbol === "circle"),
      [true, true, false, false, false, false],
    );
    assert.deepEqual([whole?.x, whole?.error_x.array, whole?.error_x.arrayminus], [[9], [1], [2]]);
    const { xaxis, xaxis2 } = figure.plotly?.layout as Record<string, Axis & { range: number[] }>;
    assert.ok(xaxis!.range[0]! < -3 && xaxis!.range[1]! > 5 && xaxis2!.range[1]! > 10);
    assert.match(figure.text, /^i2t R@1 +-1\.0 +-3\.0 to \+0\.0 +within chance$/m);
    assert.match(figure.text, /^rSum +\+9\.0 +\+7\.0 to \+10\.0 +real$/m);
  });
});

describe("lengths and sizes", () => {
  test("are shares of each split, with the captions that are cut counted", async () => {
    const splits = [
      { split: "train", lengths: [0, 3, 1], cut: 1, images: [{ width: 500, height: 333 }, { width: 333, height: 500 }] }, // prettier-ignore
      { split: "test", lengths: [0, 0, 0], cut: 0, images: [] },
    ];
    const figure = await sizesFigure(splits, "Sizes");
    const [train, test, longer, shorter] = traces(figure, "Sizes");
    assert.deepEqual(train?.y, [0, 75, 25]);
    assert.deepEqual(test?.y, [0, 0, 0]);
    assert.deepEqual([longer?.x, longer?.y, shorter?.x], [[500], [100], [330]]);
    assert.match(figure.text, /^train +4 +2\.3 +1 +2 +500 +333$/m);
  });
});

describe("compared runs", () => {
  const steps = (slope: number): { step: number; epoch: number; loss: number; learningRate: number }[] =>
    Array.from({ length: 50 }, (_, i) => ({ step: i + 1, epoch: 0, loss: 5 - slope * i, learningRate: 1e-4 }));
  const recalls = { r1: 1, r5: 2, r10: 3 };
  const epochs = [
    { epoch: 0, step: 50, loss: 1, evaluation: { i2t: recalls, t2i: recalls, rsum: 321, interval: [300, 340] as [number, number] } }, // prettier-ignore
  ];

  test("have a loss curve each, and a panel of recalls where any was evaluated", async () => {
    const figure = await runsFigure(
      [
        { name: "one", steps: steps(0.05), epochs },
        { name: "two", steps: steps(0.02), epochs: [] },
      ],
      "Runs",
    );
    const [one, two, sum, ...rest] = traces(figure, "Runs");
    assert.deepEqual([one?.name, two?.name, rest.length], ["one", "two", 0]);
    assert.deepEqual([one?.x.length, one?.y[0], two?.y.at(-1)], [50, 5, 4.02]);
    assert.deepEqual([sum?.y, sum?.error_y?.array, sum?.error_y?.arrayminus], [[321], [19], [21]]);
    assert.match(figure.text, /^two +50 +4\.020 +0$/m);
  });

  test("tell long names apart by their ends", async () => {
    const names = ["1", "2"].map((last) => `scenes-contrast-with-a-long-remark-2026-11-29-10111${last}`);
    const figure = await runsFigure(names.map((name) => ({ name, steps: steps(0.01), epochs })), "Long"); // prettier-ignore
    const [one, two] = traces(figure, "Long");
    assert.match(one?.name ?? "", /^scenes-contrast.*….*101111$/);
    assert.notEqual(one?.name, two?.name);
    for (const name of names) assert.ok(figure.text.includes(name));
  });

  test("are drawn before their first step too", async () => {
    assert.equal(traces(await runsFigure([{ name: "new", steps: [], epochs: [] }], "None"), "None").length, 1);
  });
});
