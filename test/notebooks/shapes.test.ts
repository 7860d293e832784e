/** The check of saved outputs notices what the library shows otherwise, and nothing that only a number of epochs or pictures changes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { differences, type Cell, type Output } from "./shapes.js";

const code = (source: string, ...outputs: Output[]): Cell => ({ cell_type: "code", source: [source], outputs });
const shown = (data: Record<string, unknown>): Output => ({ output_type: "execute_result", data });
const table = (...columns: string[]): Output =>
  shown({
    "text/html": [
      "<table><thead><tr>",
      ...columns.map((name) => `<th style="a">${name}</th>`),
      "</tr></thead></table>",
    ],
    "text/plain": "table",
  });
const figure = (changes: { title?: string; axis?: string; trace?: string } = {}): Output =>
  shown({
    "application/vnd.plotly.v1+json": {
      data: [{ name: changes.trace ?? "random order of 200 images" }],
      layout: { title: { text: changes.title ?? "Recall at K" }, xaxis: { title: { text: changes.axis ?? "K" } } },
    },
    "image/png": "",
  });
const stream = (name: string): Output => ({ output_type: "stream", name });

describe("saved outputs", () => {
  test("with other numbers, names of runs, repetitions and bars of progress are the same", () => {
    const epoch = (title: string, trace: string, size: string): Cell[] => [
      { cell_type: "markdown", source: "text" },
      code("a", figure({ title, trace }), table("5 to 9 pieces", size)),
    ];
    const saved = epoch("Training history: vse-1-17…66", "all scales: 546.9", "1,000 images");
    const now = epoch("Training history: scenes-contrast-2026-11-29-162140", "all scales: 50", "20 images");
    const bar = '<div style="a"><span>images</span><span style="b"><span style="display:block;width:100.0%;c"></span>';
    now[1]!.outputs!.push(now[1]!.outputs![0]!, { output_type: "display_data", data: { "text/html": [bar] } });
    now.splice(1, 0, { ...code("let a = 1;"), metadata: { tags: ["injected-parameters"] } });
    assert.deepEqual(differences(saved, now), []);
  });

  const changed: [string, Output, Output][] = [
    ["a figure's title", figure(), figure({ title: "Recalls at K" })],
    ["an axis title", figure(), figure({ axis: "K (answers)" })],
    ["a trace's name", figure(), figure({ trace: "chance" })],
    ["a table's columns", table("epoch", "loss"), table("epoch", "steps", "loss")],
    ["the kinds of an output", figure(), shown({ "image/png": "" })],
    ["the stream", stream("stdout"), stream("stderr")],
    ["the error", { output_type: "error", ename: "AmsError" }, { output_type: "error", ename: "TypeError" }],
  ];
  for (const [what, saved, now] of changed)
    test(`differ by ${what}`, () => {
      const found = differences([code("1"), code("%ams plot\nrecall", saved)], [code("1"), code("x", now)]);
      assert.equal(found.length, 1);
      assert.match(found[0]!, /^code cell 2, %ams plot: saved .*; now /);
    });

  test("that came or went are told", () => {
    assert.match(differences([code("a")], [code("a", stream("stdout"))])[0]!, /code cell 1, a: now text on stdout/);
    assert.match(differences([code("a", stream("stdout"))], [code("a")])[0]!, /code cell 1, a: saved text on stdout/);
    assert.deepEqual(differences([code("a")], []), ["1 code cells are saved, 0 were executed"]);
  });
});
