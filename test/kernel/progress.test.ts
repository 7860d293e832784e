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

test("work with a picture of its own is drawn once a second at most, more rarely where drawing takes long", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let time = 0;
  t.mock.method(performance, "now", () => time);
  const drawn: number[] = [];
  const run = (seconds: number, drawing: number): number => {
    drawn.length = 0;
    const display = createProgressDisplay(() => drawn.push(time), setTimeout);
    const picture = (): { "text/plain": string } => {
      time += drawing;
      return { "text/plain": "a table" };
    };
    for (const end = time + 1000 * seconds; time < end; time += 10) {
      display.update({ label: "training", done: 1, total: 2, display: picture });
      t.mock.timers.tick(10);
    }
    const count = drawn.length;
    display.finish();
    assert.equal(drawn.length, count + 1, "the last state is drawn in any case");
    return count;
  };
  const count = run(60, 0);
  assert.ok(count >= 59 && count <= 61, `${String(count)} pictures`);
  assert.ok(run(60, 200) <= 6, "a fiftieth of the time, at 200 ms a picture");
});

test("a stage is drawn as it begins; where nothing is counted, its name is all there is", () => {
  const drawn: Record<string, unknown>[] = [];
  const display = createProgressDisplay((bundle) => drawn.push(bundle), setTimeout);
  display.update({ label: "reading", done: 9, total: 9 });
  display.update({ label: "drawing 190 million weights", done: 0, total: 0 });
  assert.deepEqual(
    drawn.map((bundle) => bundle["text/plain"]),
    ["reading: 9/9", "drawing 190 million weights"],
  );
  assert.match(String(drawn[0]?.["text/html"]), /width:100\.0%.*9\/9/);
  assert.doesNotMatch(String(drawn[1]?.["text/html"]), /0\/0|width:0/);
  display.finish();
  assert.equal(drawn.length, 2);
});

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
