import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { csv, epochsCsv } from "../../src/commands/show/csv.js";
import { formatBytes, formatCount, formatNumber, formatSeconds } from "../../src/commands/show/format.js";
import { shown, tablesBundle } from "../../src/commands/show/shown.js";
import { trainingDisplay } from "../../src/commands/show/training.js";
import { reportOf } from "../../src/commands/verbs/doctor.js";
import { displaySymbol } from "../../src/display.js";
import type { TrainingState } from "../../src/train/records.js";

const direction = { r1: 12.34, r5: 30, r10: 45, medr: 7, meanr: 9.5 };
const evaluation = {
  split: "val",
  images: 100,
  captions: 500,
  i2t: direction,
  t2i: { ...direction, r1: 5 },
  rsum: 167.3,
  ties: 0,
  interval: [150, 180] as [number, number],
};
const state: TrainingState = {
  name: "<first>",
  recipe: "ams-corrected",
  steps: [1, 2, 3].map((step) => ({
    step,
    epoch: 0,
    loss: 5 - step,
    learningRate: 2e-5,
    gradientNorm: 1,
    imagesPerSecond: 83.2,
  })),
  epochs: [{ epoch: 0, step: 3, loss: 3, seconds: 125, evaluation }],
  step: 3,
  totalSteps: 12,
  totalEpochs: 4,
  status: "training",
  secondsLeft: 65,
};

describe("the training display", () => {
  test("has step, loss, speed and time left, and a row for each epoch, in text and HTML", () => {
    const { "text/plain": text, "text/html": html } = trainingDisplay(state);
    assert.match(text, /step 3\/12 · loss 2\.000 · lr 2\.0e-5 · 83 images\/s · 1 min 5 s left/);
    assert.match(text, /loss █▅▁ 4\.000 to 2\.000/);
    assert.match(text, /1 +3 +3\.000 +2 min 5 s +12\.3 +30\.0 +45\.0 +5\.0 +30\.0 +45\.0 +167\.3/);
    assert.match(String(html), /<table>.*167\.3/);
    assert.match(String(html), /width:25\.0%/);
    assert.match(String(html), /data:image\/svg\+xml;base64,/);
  });

  test("ends as a static table without a bar or a time left", () => {
    const { "text/plain": text, "text/html": html } = trainingDisplay({ ...state, status: "stopped" });
    assert.match(text, /stopped after 2 min 5 s/);
    assert.doesNotMatch(text, /left/);
    assert.doesNotMatch(String(html), /width:25/);
  });

  test("begins before the first step, and goes without an evaluation", () => {
    const empty = trainingDisplay({ ...state, steps: [], epochs: [], step: 0 });
    assert.equal(empty["text/plain"].split("\n").length, 2);
    const plain = trainingDisplay({ ...state, epochs: [{ epoch: 0, step: 3, loss: 3, seconds: 5 }] });
    assert.doesNotMatch(plain["text/plain"], /rSum/);
  });

  test("escapes the run's name in HTML", () => {
    assert.ok(String(trainingDisplay(state)["text/html"]).includes("&#60;first&#62;"));
  });
});

describe("numbers for people", () => {
  test("durations", () => {
    assert.deepEqual([3.21, 59.4, 60, 3599, 3661, NaN].map(formatSeconds), [
      "3.2 s",
      "59 s",
      "1 min 0 s",
      "59 min 59 s",
      "1 h 1 min",
      "?",
    ]);
  });

  test("counts, bytes, losses", () => {
    assert.equal(formatCount(1234567), "1,234,567");
    assert.deepEqual([19_400_000, 2.5e9].map(formatBytes), ["19.4 MB", "2.5 GB"]);
    assert.deepEqual([4.2134, 0.01234, 2e-5, 123.45, 0, NaN].map(formatNumber), [
      "4.213",
      "0.0123",
      "2.0e-5",
      "123.5",
      "0.0000",
      "NaN",
    ]);
  });
});

describe("tables", () => {
  test("CSV quotes commas, quotes and line breaks", () => {
    assert.equal(
      csv(
        ["a", "b"],
        [
          ['x,"y"', null],
          ["two\nlines", 3],
        ],
      ),
      'a,b\r\n"x,""y""",\r\n"two\nlines",3\r\n',
    );
  });

  test("epochs have as many cells with an evaluation as without", () => {
    const rows = epochsCsv([...state.epochs, { epoch: 1, step: 6, loss: 2, seconds: 4 }])
      .trimEnd()
      .split("\r\n");
    assert.deepEqual(new Set(rows.map((row) => row.split(",").length)), new Set([17]));
    assert.ok(rows[1]?.startsWith("1,3,3,125,val,100,12.34,"));
  });

  test("a shown value stays the same object with the same keys", () => {
    const value = { a: 1 };
    const result = shown(value, () => tablesBundle({ columns: ["a"], rows: [[1]] }));
    assert.equal(result, value);
    assert.deepEqual(Object.keys(result), ["a"]);
    assert.equal(typeof result[displaySymbol], "function");
  });

  test("the doctor marks what is missing and says how to get it", async () => {
    const report = reportOf([
      { name: "Node", ok: true, found: "v20", hint: "never shown" },
      { name: "data", ok: false, found: "not drawn", hint: "run: ams data scenes" },
      { name: "GPU engine", ok: true, optional: true, found: "no driver; not needed" },
    ]);
    const { "text/plain": text } = await report[displaySymbol]();
    assert.equal(report.ok, false);
    assert.match(text, /✓ Node/);
    assert.match(text, /✗ data +not drawn\n +to do: run: ams data scenes/);
    assert.match(text, /– GPU engine/);
    assert.match(text, /1 of 3 missing/);
    assert.doesNotMatch(text, /never shown/);
  });
});
