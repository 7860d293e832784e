import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { csv, epochsCsv } from "../../src/commands/show/csv.js";
import { formatCount, formatNumber, formatSeconds } from "../../src/commands/show/format.js";
import { shown, tablesBundle } from "../../src/commands/show/shown.js";
import { trainingDisplay } from "../../src/commands/show/training.js";
import { reportOf } from "../../src/commands/verbs/doctor.js";
import { displaySymbol, formatBytes } from "../../src/display.js";
import type { TrainingState } from "../../src/train/records.js";
import { readHtml } from "../plot/dom.js";

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
const evil = `<img src=x onerror="alert(1)">`;
const thumbnail = { uri: "data:image/jpeg;base64,AAAA", width: 112, height: 80 };
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
  stepsPerEpoch: 3,
  totalEpochs: 4,
  status: "training",
  secondsLeft: 65,
};

const bundle = (change: Partial<TrainingState> = {}): { text: string; html: string } => {
  const { "text/plain": text, "text/html": html } = trainingDisplay({ ...state, ...change });
  return { text, html: String(html) };
};

describe("the training display", () => {
  test("says at its end where no threshold was mined, and nothing where one was or none is", () => {
    const said = (change: Partial<TrainingState>): boolean[] => {
      const { text, html } = bundle(change);
      return [text, html].map((shown) => /No threshold was mined, evaluations use 0: /.test(shown));
    };
    assert.deepEqual(said({ status: "finished", threshold: 0 }), [true, true]);
    assert.deepEqual(said({ status: "stopped", threshold: 0 }), [false, false], "it goes on");
    assert.deepEqual(said({ status: "finished", threshold: 0.1 }), [false, false]);
    assert.deepEqual(said({ status: "training", threshold: 0 }), [false, false]);
    assert.deepEqual(said({ status: "finished" }), [false, false], "a recipe that mines none");
  });

  test("has step, loss, speed and time left, and a row for each epoch, in text and HTML", () => {
    const { text, html } = bundle();
    assert.match(text, /^step 3\/12 · loss 2\.000 · lr 2\.0e-5 · 83 images\/s · 1 min 5 s left$/m);
    const slow = bundle({ steps: [{ ...state.steps[0]!, imagesPerSecond: 0.4 }] });
    assert.match(slow.text, / · 2\.5 s an image · /);
    assert.match(text, /loss █▅▁ 4\.000 to 2\.000/);
    assert.match(text, /1 +3 +3\.000 +2 min 5 s +12\.3 +30\.0 +45\.0 +5\.0 +30\.0 +45\.0 +167\.3/);
    assert.match(html, /<table>.*167\.3/);
    const two = bundle({ epochs: [...state.epochs, { ...state.epochs[0]!, epoch: 1, step: 6 }] }).html;
    assert.equal((two.match(/<tbody>.*?<\/tbody>/s)?.[0].match(/<tr>/g) ?? []).length, 2);
  });

  test("has a bar for the epoch and one for the whole run", () => {
    const within = bundle({ step: 4, epochs: [] });
    assert.match(within.text, /^epoch 2\/4: step 1\/3\nwhole run: step 4\/12$/m);
    assert.deepEqual(widths(within.html), ["33.3%", "33.3%"]);
    const last = bundle({ step: 11, totalSteps: 11 });
    assert.match(last.text, /epoch 4\/4: step 2\/2\nwhole run: step 11\/11/, "the last epoch is cut short");
    const validating = bundle({ status: "evaluating", validation: { label: "encoding images", done: 25, total: 100 } });
    assert.match(validating.text, /epoch 1\/4: encoding images 25\/100\nwhole run: step 3\/12/);
    assert.match(validating.text, /1 min 5 s left · evaluating/);
    assert.match(bundle({ status: "saving", secondsLeft: 0 }).text, / images\/s · saving the checkpoint$/m);
    assert.deepEqual(widths(validating.html), ["25.0%", "25.0%"]);
  });

  test("draws the loss, and the recalls once there are two of them", () => {
    const one = bundle();
    assert.deepEqual(curves(one.html), ["loss curve"]);
    const better = { ...evaluation, rsum: 201.2, i2t: { ...direction, r1: 20 } };
    const two = bundle({ epochs: [...state.epochs, { epoch: 1, step: 6, loss: 2, seconds: 100, evaluation: better }] });
    assert.deepEqual(curves(two.html), ["loss curve", "i2t R@1 curve", "t2i R@1 curve", "rSum curve"]);
    assert.match(two.text, /i2t R@1 ▁█ 12\.3 to 20\.0\nt2i R@1 ▄▄ 5\.0 to 5\.0\nrSum ▁█ 167\.3 to 201\.2/);
    assert.match(two.html, /<small>rSum 167\.3 to 201\.2<\/small>/);
  });

  test("shows what validation captions find, right and wrong marked", () => {
    const { text, html } = bundle({
      samples: {
        title: "After epoch 1",
        id: "",
        rows: [
          {
            text: "A cake",
            picture: undefined,
            note: "right answer at rank 2 of 100",
            hits: [false, true].map((right) => ({ text: undefined, picture: thumbnail, score: 1, right, marks: [] })),
          },
        ],
      },
    });
    assert.match(text, /After epoch 1\n {2}✗✓ "A cake" \(right answer at rank 2 of 100\)/);
    const page = readHtml(html);
    assert.deepEqual(
      Array.from(page.querySelectorAll(".mark"), (mark) => mark.textContent),
      ["✗", "✓"],
    );
    assert.equal(page.querySelectorAll('img[src^="data:image/jpeg"][width="56"]').length, 2);
  });

  test("ends as a static table without a bar or a time left", () => {
    for (const status of ["finished", "stopped"] as const) {
      const { text, html } = bundle({ status });
      assert.match(text, new RegExp(`${status} after 2 min 5 s`));
      assert.doesNotMatch(text, /left|whole run/);
      assert.equal(/^to evaluate it: ams eval --checkpoint <first>$/m.test(text), status === "finished");
      assert.deepEqual(widths(html), []);
      assert.deepEqual(curves(html), ["loss curve"]);
      assert.doesNotMatch(html, /<script|<style|<svg|https?:/, "nothing that a notebook without trust or kernel lacks");
    }
  });

  test("begins before the first step, and goes without an evaluation", () => {
    const only = bundle({ status: "evaluating", secondsLeft: 0 });
    assert.doesNotMatch(only.text, / left/, "of the only validation nothing is known yet");
    const empty = bundle({ steps: [], epochs: [], step: 0, secondsLeft: NaN });
    assert.match(empty.text, /^step 0\/12 · \? left\n.*\nepoch 1\/4: step 0\/3\nwhole run: step 0\/12$/);
    assert.doesNotMatch(bundle({ epochs: [{ epoch: 0, step: 3, loss: 3, seconds: 5 }] }).text, /rSum/);
  });

  test("escapes names, captions and remarks in HTML", () => {
    const row = { text: evil, picture: undefined, note: evil, hits: [] };
    const rows = [
      row,
      { ...row, hits: [{ text: evil, picture: thumbnail, score: 1, right: true, marks: [{ text: evil }] }] },
    ];
    const validation = { label: evil, done: 1, total: 2 };
    const changes = { name: evil, recipe: evil, status: "evaluating" as const, validation };
    const { html } = bundle({ ...changes, samples: { title: evil, id: "", rows } });
    assert.doesNotMatch(html, /<img src=x/);
    assert.equal(readHtml(html).querySelectorAll("[onerror]").length, 0);
    assert.equal(html.split("&#60;img src=x").length - 1, 10);
  });
});

/** How full the bars are. */
function widths(html: string): string[] {
  return Array.from(html.matchAll(/height:8px;width:([\d.]+%)/g), ([, width]) => width ?? "");
}

function curves(html: string): string[] {
  const page = readHtml(html);
  const images = Array.from(page.querySelectorAll('img[src^="data:image/svg+xml;base64,"]'));
  return images.map((image) => image.getAttribute("alt") ?? "");
}

describe("numbers for people", () => {
  test("durations", () => {
    assert.deepEqual([3.21, 59.4, 60, 3599, 3661, 47 * 3600, 51 * 3600, 1194.55 * 3600, NaN].map(formatSeconds), [
      "3.2 s",
      "59 s",
      "1 min 0 s",
      "59 min 59 s",
      "1 h 1 min",
      "47 h 0 min",
      "2 days 3 h",
      "50 days",
      "?",
    ]);
  });

  test("counts, bytes, losses", () => {
    assert.equal(formatCount(1234567), "1,234,567");
    assert.deepEqual([212_400, 19_400_000, 2.5e9].map(formatBytes), ["212 kB", "19.4 MB", "2.5 GB"]);
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
