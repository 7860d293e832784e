import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { recallFigure, type RecallCurve } from "../../src/plot/recall.js";
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
    const figure = await recallFigure([curve("test", 90), curve("test-style", 300), published], {
      title: "Recall at K on 100 images",
    });
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
    assert.equal((svg.match(/class="point"/g) ?? []).length, 6);
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
