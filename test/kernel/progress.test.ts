/** The progress of long work as one display: its last picture tells how it ended. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createProgressDisplay } from "../../kernel/magics/progress.js";
import type { Progress } from "../../src/context.js";

function last(progress: Progress, stopped: boolean): string {
  const texts: string[] = [];
  const display = createProgressDisplay((bundle) => texts.push(bundle["text/plain"]), setTimeout);
  display.update(progress);
  display.finish(stopped);
  return texts.at(-1) ?? "";
}

describe("the last picture of a progress display", () => {
  const drawing = { label: "drawing scenes", done: 1200, total: 8500, note: "310 scenes/s" };

  test("says that work was stopped, whose count stays where it is", () => {
    assert.equal(last(drawing, true), "drawing scenes: 1200/8500, 310 scenes/s, stopped");
    assert.equal(last({ label: "encoding", done: 1, total: 2 }, true), "encoding: 1/2, stopped");
  });

  test("is the count of work that is done", () => {
    assert.equal(last(drawing, false), "drawing scenes: 1200/8500, 310 scenes/s");
  });

  test("is the work's own where it has one, which tells by itself how it ended", () => {
    const own = { ...drawing, display: () => ({ "text/plain": "table" }) };
    assert.equal(last(own, true), "table");
  });
});
