/** What the explorer's page computes, against the score itself; and its HTML as saved notebooks and sanitizers meet it. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { attentionMaps } from "../../src/match/maps.js";
import { startEngine } from "../../src/engine/index.js";
import { attentionComparison, attentionFigure } from "../../src/plot/attention.js";
import {
  packValues,
  relevanceNorms,
  specProblem,
  summedMap,
  unpackScale,
  unpackValues,
  wordMap,
  wordMargin,
  type ExplorerSpec,
} from "../../src/plot/explorerMaps.js";
import { Random } from "../../src/random.js";
import { readHtml } from "./dom.js";
import { busScene } from "./scene.js";

const caption = "A flamingo by a cake and a bus.";

function near(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++)
    assert.ok(Math.abs(actual[i]! - expected[i]!) <= tolerance, `${i}: ${actual[i]!} is not ${expected[i]!}`);
}

describe("the maps of the explorer", () => {
  const [words, regions, size] = [5, 7, 16];
  const threshold = 0.05;
  const mask = [1, 1, 1, 1, 0];
  let A: Float32Array;
  let positive: Float32Array;
  let relevance: Float32Array;

  before(async () => {
    await startEngine("plain");
    const random = new Random(11);
    const unit = (rows: number): tf.Tensor2D =>
      tf.tidy(() => {
        const x = tf.tensor2d(
          Float32Array.from({ length: rows * size }, () => random.normal()),
          [rows, size],
        );
        return tf.div(x, tf.norm(x, 2, 1, true));
      });
    const [w, v] = [unit(words), unit(regions)];
    const [map] = attentionMaps([v], [w], mask, { threshold, propagate: true });
    A = map!.relevance;
    positive = map!.weights;
    // The relevance branch once more in tensors, as the published code has it.
    const L = tf.mul(tf.leakyRelu(tf.tensor2d(A, [words, regions]), 0.1), tf.tensor2d(mask, [words, 1]));
    const norms = tf.add(tf.sqrt(tf.sum(tf.square(L), 0, true)), 1e-8);
    relevance = tf.softmax(tf.div(tf.mul(L, 20), norms)).dataSync() as Float32Array;
  });

  const products = (): { products: Float32Array; norms: Float32Array } => ({
    products: A,
    norms: relevanceNorms(A, mask, regions),
  });

  test("of the positive branch are the attention weights of the score", () => {
    for (let w = 0; w < words; w++)
      near(wordMap(products(), w, "match", threshold), positive.slice(w * regions, (w + 1) * regions), 1e-6);
  });

  test("of the relevance branch are its softmax over the regions", () => {
    for (let w = 0; w < words - 1; w++)
      near(wordMap(products(), w, "relevance", threshold), relevance.slice(w * regions, (w + 1) * regions), 1e-5);
  });

  test("of the negative branch tell how far regions lie below the threshold, and the margin whether any does not", () => {
    const row = A.slice(regions, 2 * regions);
    near(
      wordMap(products(), 1, "mismatch", 2),
      row.map((a) => 2 - a),
      1e-6,
    );
    assert.ok(wordMap(products(), 1, "mismatch", -2).every((value) => value === 0));
    assert.ok(Math.abs(wordMargin(products(), 1, 0.25) - (Math.max(...row) - 0.25)) < 1e-6);
    assert.ok(
      wordMap(products(), 1, "match", 2).every((value) => value === 0),
      "no region passes",
    );
  });

  test("are added over scales, each times its weight", () => {
    const map = wordMap(products(), 2, "match", threshold);
    const both = summedMap([products(), products()], 2, "match", threshold);
    near(both, map.map((value) => 2 * value), 1e-6); // prettier-ignore
    const weighted = summedMap([{ ...products(), weight: 0.25 }, { ...products(), weight: 3 }], 2, "match", threshold); // prettier-ignore
    near(weighted, map.map((value) => 3.25 * value), 1e-6); // prettier-ignore
  });

  test("survive being packed, to a 32767th of the largest; what is not a number becomes 0", () => {
    const values = [0.5, -1, 0, 1e-9, NaN, 0.123456];
    const { packed, unit } = packValues(values);
    near(unpackValues(packed, unit), [0.5, -1, 0, 0, 0, 0.123456], unit / 2 + 1e-9);
    assert.deepEqual([...unpackValues(packValues([0, 0]).packed, 1)], [0, 0]);
  });
});

describe("the explorer in its figure", () => {
  test("has the words but the pads, with the products of every scale", async () => {
    const input = await busScene(caption);
    const { explorer } = await attentionFigure({ ...input, threshold: 0.1 });
    const [view] = explorer!.views;
    assert.equal(specProblem(explorer), undefined);
    assert.deepEqual(
      view?.words.map(({ label }) => label),
      ["a", "flamingo", "by", "a", "cake", "and", "a", "bus", ".", "[CLS]", "[SEP]"],
    );
    assert.equal(view.caption.map(({ text }) => text).join(""), caption);
    assert.equal(view.words[view.caption.find(({ text }) => text === "cake")?.word ?? -1]?.label, "cake");
    assert.equal(view.threshold, 0.1);
    const bus = input.tokens.pieces.indexOf("bus");
    view.scales.forEach((scale, k) => {
      const { products } = unpackScale(scale);
      near(
        products.slice(7 * 145, 8 * 145),
        Array.from(input.scales[k]!.relevance).slice(bus * 145, (bus + 1) * 145),
        scale.unit,
      );
    });
  });

  test("shows the same maps as the still", async () => {
    const input = await busScene(caption);
    const { explorer } = await attentionFigure(input);
    const view = explorer!.views[0]!;
    const bus = input.tokens.pieces.indexOf("bus");
    const weights = Array.from(input.scales[5]!.weights).slice(bus * 145, (bus + 1) * 145);
    near(wordMap(unpackScale(view.scales[5]!), 7, "match", 0), weights, 2e-3);
  });

  test("sums the scales with the model's weights, as the still does and the score", async () => {
    const input = await busScene(caption, { scales: 3 });
    const weights = [0.2, 1, 2.5];
    const scales = input.scales.map((scale, k) => ({ ...scale, weight: weights[k]! }));
    const { explorer, json, text, svg, html = "" } = await attentionFigure({ ...input, scales });
    const bus = input.tokens.pieces.indexOf("bus");
    const row = (k: number): number[] => Array.from(scales[k]!.weights).slice(bus * 145, (bus + 1) * 145);
    const expected = row(0).map((value, j) => 0.2 * value + row(1)[j]! + 2.5 * row(2)[j]!);
    const told = json as { weights: number[]; words: { label: string; cells: { values: number[]; cls: number }[] }[] };
    const { values, cls } = told.words.find(({ label }) => label === "bus")!.cells.at(-1)!;
    near([cls, ...values], expected, 1e-3);
    const view = explorer!.views[0]!;
    near(summedMap(view.scales.map(unpackScale), 7, "match", 0), expected, 5e-3);
    assert.deepEqual(told.weights, weights);
    const total = weights.reduce((sum, weight, k) => sum + weight * scales[k]!.score, 0).toFixed(2);
    assert.ok(svg.includes(`S = ${total}`), total);
    for (const form of [text, svg, html]) assert.match(form, /learned weights 0\.20, 1\.00, 2\.50/);
    assert.doesNotMatch((await attentionFigure(input)).text, /weights 1/);
    const { weight, ...other } = view.scales[0]!;
    assert.equal(weight, 0.2);
    // A notebook that was saved before scales had weights: they count once.
    assert.equal(specProblem({ ...explorer!, views: [{ ...view, scales: [other] }] }), undefined);
    assert.match(
      specProblem({ ...explorer!, views: [{ ...view, scales: [{ ...other, weight: "2" }] }] }) ?? "",
      /wrong/,
    );
  });

  test("holds two views to compare, and a still of both", async () => {
    const [one, other] = [await busScene(caption), await busScene("A bus.")];
    const figure = await attentionComparison(
      [
        { ...one, name: "first" },
        { ...other, name: "second" },
      ],
      "Two captions",
    );
    assert.deepEqual(
      figure.explorer?.views.map(({ name }) => name),
      ["first", "second"],
    );
    assert.equal(specProblem(figure.explorer), undefined);
    const still = readHtml(figure.html ?? "").querySelector("[data-still]");
    assert.match(still?.textContent ?? "", /first.*A flamingo.*second.*A bus/s);
    assert.match(figure.text, /^Two captions\n\nfirst: .*\n\nsecond: /s);
    assert.ok((figure.svg.match(/<svg/g) ?? []).length === 3, "both pictures in one");
  });

  test("keeps text of the data out of the markup around its script", async () => {
    const evil = `bus </script><script>alert(1)</script> <!--`;
    const { html = "" } = await attentionFigure(await busScene(evil, { scales: 1 }));
    const page = readHtml(html);
    assert.equal(page.querySelectorAll("script").length, 2, "the data and the program, nothing else");
    const data = JSON.parse(page.querySelector("script")?.textContent ?? "") as ExplorerSpec;
    assert.equal(data.views[0]?.caption.map(({ text }) => text).join(""), evil);
  });

  test("is refused when its data is not whole", async () => {
    const { explorer } = await attentionFigure(await busScene("bus", { scales: 1, grid: 3 }));
    const broken = (change: (spec: ExplorerSpec) => void): string | undefined => {
      const copy = structuredClone(explorer!);
      change(copy);
      return specProblem(copy);
    };
    assert.equal(
      broken(() => undefined),
      undefined,
    );
    for (const [change, problem] of [
      [(s: ExplorerSpec) => (s.version = 2 as 1), /another version/],
      [(s: ExplorerSpec) => (s.views = []), /not complete/],
      [(s: ExplorerSpec) => (s.views[0]!.picture = "https://example.org/x.png"), /picture/],
      [(s: ExplorerSpec) => (s.views[0]!.picture = "data:image/svg+xml;base64,AAAA"), /picture/],
      [(s: ExplorerSpec) => (s.views[0]!.grid = 4), /does not fit/],
      [(s: ExplorerSpec) => (s.views[0]!.scales[0]!.products = "%"), /numbers are wrong/],
      [(s: ExplorerSpec) => (s.views[0]!.threshold = NaN), /sizes/],
      [(s: ExplorerSpec) => (s.views[0] = null as never), /not complete/],
      [(s: ExplorerSpec) => (s.views[0]!.words[0] = null as never), /not complete/],
      [(s: ExplorerSpec) => (s.views[0]!.scales[0] = null as never), /not complete/],
      [(s: ExplorerSpec) => (s.views[0]!.caption[0] = null as never), /not complete/],
      [(s: ExplorerSpec) => (s.views[0]!.caption[0]!.text = 3 as never), /caption/],
      [(s: ExplorerSpec) => (s.views[0]!.words[0]!.boxes = [null as never]), /words/],
    ] as const)
      assert.match(broken((spec) => void change(spec)) ?? "", problem);
    for (const nothing of [null, undefined, 3, "x", []]) assert.notEqual(specProblem(nothing), undefined);
  });
});
