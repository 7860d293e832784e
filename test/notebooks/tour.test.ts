/** The tour, with a shorter training. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { papermill } from "./papermill.js";

interface Row {
  what: string;
  images: number;
  t2i: { r1: number };
  rsum: number;
}

test("00-tour evaluates, searches, trains and sums up", async (t) => {
  const done = await papermill<{ rows: Row[]; run: string }>(
    t,
    "00-tour",
    { trainImages: 64 },
    /train has no option --epoch/,
  );
  if (done === undefined) return;
  done.forget(done.numbers.run);
  const rows = Object.fromEntries(done.numbers.rows.map((row) => [row.what, row]));
  assert.equal(Object.keys(rows).length, 5);
  assert.ok(rows["finished model"]!.rsum > 450 && rows["finished model"]!.images === 200);
  assert.ok(rows["finished model, unseen artist"]!.rsum < rows["finished model"]!.rsum);
  assert.ok(rows["encoders before the live training"]!.rsum < 100);
  const mistakes = done.outputs.filter(({ output_type }) => output_type === "error");
  assert.equal(mistakes.length, 1, "only the mistake that is made on purpose");
});
