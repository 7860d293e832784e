import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { curveIntervals } from "../../src/evaluate/bootstrap.js";
import { recallFigure, type RecallCurve } from "../../src/plot/recall.js";
import { Random } from "../../src/random.js";
import { readSvg } from "./dom.js";
import { assertLooksLike } from "./snapshot.js";

const published: RecallCurve = {
  name: "published",
  i2t: { r1: 81.2, r5: 96.9, r10: 98.9 },
  t2i: { r1: 67.8, r5: 91.1, r10: 95.3 },
};

/** Ranks 0, 1, 2, ... with gaps: rank(i) = floor(i * i / n * spread). */
function curve(split: string, spread: number): RecallCurve {
  const ranks = (n: number): Int32Array =>
    Int32Array.from({ length: n }, (_, i) => Math.floor(((i * i) / n / n) * spread));
  return {
    split,
    images: 100,
    i2t: { r1: 0, r5: 0, r10: 0 },
    t2i: { r1: 0, r5: 0, r10: 0 },
    ranks: { i2t: ranks(100), t2i: ranks(500) },
  };
}

interface Trace {
  name: string;
  mode: string;
  x: number[];
  y: (number | null)[];
}

describe("the recall figure", () => {
  test("looks like the kept picture", async () => {
    const owner = Int32Array.from({ length: 500 }, (_, caption) => Math.floor(caption / 5));
    const banded = { ...curve("test", 90), owner };
    const figure = await recallFigure([banded, curve("test-style", 300), published], {
      title: "Recall at K on 100 images",
    });
    assert.equal(
      (figure.svg.match(/class="js-fill"/g) ?? []).length,
      2,
      "the bands of the curves whose owners are known",
    );
    assertLooksLike(figure.svg, "recall");
  });

  test("draws recall over K from ranks, both ways", async () => {
    const { plotly, text } = await recallFigure({
      ...published,
      images: 4,
      ranks: { i2t: [0, 0, 3, -1], t2i: [0, 1, 2, 60] },
    });
    const traces = (plotly?.data ?? []) as unknown as Trace[];
    const line = (name: string): Trace => traces.find((t) => t.mode === "lines" && t.name.includes(name))!;
    assert.deepEqual(line("text → image").y.slice(0, 4), [25, 50, 75, 75]);
    assert.equal(line("text → image").y.at(-1), 75, "a rank beyond the axis is never found");
    assert.deepEqual(
      line("image → text").y.slice(0, 4),
      [66.67, 66.67, 66.67, 100],
      "an image without captions asks nothing",
    );
    assert.deepEqual(line("random order of 4 images").y, [25, 50, 75, 100]);
    assert.match(text, /published +text → image +25\.0 +75\.0 +75\.0/);
  });

  test("ranks scores itself, ties against the right answer", async () => {
    const { plotly } = await recallFigure({
      ...published,
      images: 2,
      scores: Float32Array.from([1, 1, 0, 1]),
      owner: Int32Array.from([0, 1]),
    });
    const lines = (plotly?.data as unknown as Trace[]).filter((t) => t.mode === "lines");
    assert.deepEqual(
      lines.map((t) => t.y.slice(0, 2)),
      [
        [50, 100],
        [50, 100],
        [50, 100],
      ],
    );
  });

  test("has a band a direction with the intervals, which the text tells too, where the owners are known", async () => {
    const random = new Random(4);
    const owner = Int32Array.from({ length: 60 }, (_, c) => Math.floor(c / 2));
    const ranks = {
      i2t: Int32Array.from({ length: 30 }, () => random.int(12)),
      t2i: Int32Array.from({ length: 60 }, () => random.int(25)),
    };
    const evaluation = { ...published, images: 30, ranks, owner };
    const { plotly, text } = await recallFigure(evaluation, { most: 20 });
    const data = plotly?.data as unknown as (Trace & { fill?: string; legendgroup: string })[];
    const bands = data.filter(({ fill }) => fill === "toself");
    const intervals = curveIntervals({ ranks, owner }, 20);
    assert.equal(bands.length, 2);
    for (const [band, way] of [
      [bands[0]!, "t2i"],
      [bands[1]!, "i2t"],
    ] as const) {
      // prettier-ignore
      const line = data.find(({ mode, legendgroup }) => mode === "lines" && legendgroup === band.legendgroup)!;
      const [above, below] = [band.y.slice(0, 20), band.y.slice(20).reverse()];
      line.y.forEach((value, k) => {
        const [low, high] = intervals[way][k]!;
        assert.ok(Math.abs(above[k]! - high) < 0.01 && Math.abs(below[k]! - low) < 0.01, `K = ${k + 1}`);
        assert.ok(below[k]! <= value! && value! <= above[k]!);
      });
    }
    assert.match(text, /text → image +[\d.]+ \([\d.]+-[\d.]+\) +[\d.]+ \([\d.]+-[\d.]+\)/);
  });

  test("draws many rows beside each other, each with a mark and one name, and says what to know of them", async () => {
    const rows = ["one", "two", "three"].map((name) => ({ ...published, name }));
    const half = { ...published, name: "half", i2t: { r1: NaN, r5: NaN, r10: NaN } };
    const remark = "measured among 1,000 images";
    const { plotly, svg, text } = await recallFigure([curve("test", 90), ...rows, half], { remark });
    const data = plotly?.data as unknown as (Trace & { showlegend: boolean; marker: { symbol: string } })[];
    const points = data
      .filter(({ mode, showlegend }) => mode === "markers" && typeof showlegend === "boolean")
      .slice(2);
    assert.deepEqual(
      points.map(({ name, showlegend }) => [name, showlegend]),
      [["one", true], ["one", false], ["two", true], ["two", false], ["three", true], ["three", false], ["half", true]], // prettier-ignore
    );
    const places = points.map(({ x }) => x[0]);
    assert.equal(new Set(places).size, 4);
    assert.equal(new Set(points.map(({ marker }) => marker.symbol)).size, 7);
    assert.ok(points.every(({ x }) => Math.abs(Math.log(x[2]! / 10)) < 0.06));
    assert.ok(svg.includes(`>${remark}</`) && text.endsWith(remark));
  });

  test("shows published rows as points at 1, 5 and 10", async () => {
    const { plotly, svg } = await recallFigure(published);
    const traces = plotly?.data as unknown as Trace[];
    assert.deepEqual(
      traces.map((t) => [t.mode, t.x, t.y]),
      [
        ["markers", [1, 5, 10], [67.8, 91.1, 95.3]],
        ["markers", [1, 5, 10], [81.2, 96.9, 98.9]],
      ],
    );
    assert.equal((svg.match(/class="point\b/g) ?? []).length, 6);
  });

  test("has a logarithmic axis whose labels do not touch", async () => {
    const { svg, plotly } = await recallFigure(curve("test", 90));
    assert.equal((plotly?.layout["xaxis"] as { type: string }).type, "log");
    const at = Array.from(
      svg.matchAll(/<text[^>]*translate\(([\d.]+),0\)[^>]*>(\d+)</g),
      ([, x, label]) => [Number(x), label] as const,
    );
    assert.deepEqual(
      at.map(([, label]) => label),
      ["1", "2", "3", "5", "10", "20", "30", "50"],
    );
    at.slice(1).forEach(([x], i) => assert.ok(x - at[i]![0] > 20));
    assert.match(svg, />K \(answers looked at\)</);
    assert.match(svg, />R@K \(% of queries\)</);
  });

  test("takes names as text, not as markup", async () => {
    const evil = `<a href="javascript:alert(1)">x</a><script>`;
    const { svg, plotly } = await recallFigure({ ...published, name: evil }, { title: evil });
    assert.equal(readSvg(svg).querySelectorAll("a, script, [href]").length, 0);
    assert.equal(readSvg(svg).querySelector(".gtitle")?.textContent, evil);
    assert.doesNotMatch(JSON.stringify(plotly), /<a |<script/);
  });

  test("draws an empty list, an evaluation without queries and recalls that are not numbers", async () => {
    const empty = await recallFigure([]);
    assert.match(empty.svg, /no evaluations/);
    const nothing = await recallFigure({ ...published, ranks: { i2t: [], t2i: [] } });
    const broken = await recallFigure({ ...published, i2t: { r1: NaN, r5: NaN, r10: NaN } });
    for (const figure of [empty, nothing, broken])
      assert.doesNotMatch(figure.svg + JSON.stringify(figure.plotly), /NaN/);
  });
});
