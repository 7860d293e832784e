import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { historyFigure, runningMean, type HistoryEpoch, type HistoryStep } from "../../src/plot/history.js";
import { Random } from "../../src/random.js";
import { assertLooksLike } from "./snapshot.js";

function steps(count: number): HistoryStep[] {
  const random = new Random(5);
  return Array.from({ length: count }, (_, i) => ({
    step: i + 1,
    epoch: 1 + Math.floor((3 * i) / count),
    loss: 8 * Math.exp((-4 * i) / count) + 2 + 0.4 * random.normal(),
    learningRate: i < count / 2 ? 2e-5 : 2e-6,
  }));
}

const epochs: HistoryEpoch[] = [1, 2, 3].map((epoch) => ({
  epoch: epoch - 1,
  step: 40 * epoch,
  loss: 9 / epoch,
  evaluation: {
    t2i: { r1: 10 * epoch, r5: 20 * epoch, r10: 30 * epoch },
    i2t: { r1: 12 * epoch, r5: 24 * epoch, r10: 31 * epoch },
    rsum: 127 * epoch,
    interval: [127 * epoch - 15, 127 * epoch + 10],
  },
}));

type Trace = {
  name: string;
  x: number[];
  y: (number | null)[];
  yaxis?: string;
  error_y?: { array: number[]; arrayminus: number[] };
};

describe("the training history", () => {
  test("looks like the kept picture", async () => {
    const figure = await historyFigure({ name: "scenes-small", steps: steps(120), epochs });
    assertLooksLike(figure.svg, "history");
  });

  test("has loss, mean and learning rate above, recalls and rSum with its interval below", async () => {
    const { plotly, text, svg } = await historyFigure({ name: "run", steps: steps(120), epochs });
    const traces = plotly?.data as unknown as Trace[];
    assert.deepEqual(
      traces.map((t) => t.yaxis ?? "y"),
      ["y", "y", "y2", "y3", "y3", "y3", "y3", "y3", "y3", "y4"],
    );
    assert.deepEqual(traces.at(-1)?.y, [127, 254, 381]);
    assert.deepEqual(traces.at(-1)?.error_y?.array, [10, 10, 10]);
    assert.deepEqual(traces.at(-1)?.error_y?.arrayminus, [15, 15, 15]);
    for (const title of ["loss (no unit)", "learning rate (no unit)", "recall (%)", "rSum (sum of six recalls, %)"])
      assert.ok(svg.includes(`>${title}<`), title);
    assert.match(text, /120 steps/);
    assert.match(text, / 3 +120 +3\.000 +30\.0 +60\.0 +90\.0 +36\.0 +72\.0 +93\.0 +381\.0/);
  });

  test("has one panel while no epoch was evaluated", async () => {
    const { plotly } = await historyFigure({
      name: "run",
      steps: steps(12),
      epochs: [{ epoch: 1, step: 12, loss: 3 }],
    });
    assert.equal(plotly?.data.length, 3);
    assert.equal(plotly.layout["yaxis3"], undefined);
  });

  test("leaves a gap where the loss is not a number, and says at which step", async () => {
    const broken = steps(60).map((s) => (s.step >= 41 ? { ...s, loss: NaN } : s));
    const { plotly, svg, text } = await historyFigure({ name: "run", steps: broken, epochs: [] });
    assert.match(text, /^60 steps, loss [\d.]+ -> [\d.]+; the loss is not a number at step 41$/m);
    const loss = (plotly?.data as unknown as Trace[])[0];
    assert.equal(loss?.y.filter((v) => v === null).length, 20);
    assert.match(svg, /the loss is not a number at step 41/);
    assert.doesNotMatch(svg, /NaN/);
  });

  test("draws a run without steps and a run of one step", async () => {
    assert.match((await historyFigure({ name: "run", steps: [], epochs: [] })).svg, /no steps yet/);
    const one = await historyFigure({ name: "run", steps: steps(1), epochs: [] });
    assert.equal((one.svg.match(/class="point"/g) ?? []).length, 3);
    const three = steps(3).map((step, i) => ({ ...step, loss: 0.0065 * (i + 1) }));
    const { svg } = await historyFigure({ name: "run", steps: three, epochs: [] });
    const ticks = Array.from(svg.matchAll(/class="xtick"><text[^>]*>([^<]*)</g), ([, label]) => label);
    assert.deepEqual(ticks, ["0", "1", "2", "3"], "no half steps");
    // A long number of the axis leaves the axis title its place in the picture.
    const [, x] = /class="ytitle"[^>]* x="([\d.-]+)"/.exec(svg) ?? [];
    assert.ok(Number(x) > 13, `the axis title's foot is at ${String(x)}`);
  });

  test("stays small for a hundred thousand steps", async () => {
    const figure = await historyFigure({ name: "long", steps: steps(100_000), epochs: [] });
    assert.ok(JSON.stringify(figure.plotly).length < 150_000);
    assert.ok(figure.svg.length < 300_000);
    const loss = (figure.plotly?.data as unknown as Trace[])[0];
    assert.deepEqual([loss?.x[0], loss?.x.at(-1)], [1, 100_000]);
  });

  test("the running mean keeps a straight line and skips what is not finite", () => {
    const line = Array.from({ length: 500 }, (_, i) => 3 - i);
    runningMean(line).forEach((v, i) => assert.ok(Math.abs(v - line[i]!) < 1e-9));
    const means = runningMean([1, 1, NaN, ...Array.from({ length: 197 }, () => 1)]);
    assert.ok(Number.isNaN(means[2]));
    assert.equal(means[4], 1);
    assert.deepEqual(runningMean([]), []);
  });

  test("takes the run's name as text", async () => {
    const { svg } = await historyFigure({ name: `<img src=x onerror="alert(1)">`, steps: steps(3), epochs: [] });
    assert.doesNotMatch(svg, /<img/);
  });
});
