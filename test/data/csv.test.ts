import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCsv } from "../../src/data/csv.js";

const fields = (text: string, separator: "," | "\t" = ",") => parseCsv(text, separator, "t.csv").map((r) => r.fields);

test("quoted fields keep separators, quotes and line breaks", () => {
  assert.deepEqual(fields('a,b\r\n"x, y","he said ""hi"""\r\n"two\nlines",\n'), [
    ["a", "b"],
    ["x, y", 'he said "hi"'],
    ["two\nlines", ""],
  ]);
  assert.deepEqual(fields('a\tb, c\n""\t"d"', "\t"), [
    ["a", "b, c"],
    ["", "d"],
  ]);
});

test("records know their first line, and empty lines are no records", () => {
  const lines = parseCsv('a\n\n"b\nb"\nc\n\n', ",", "t.csv").map((record) => record.line);
  assert.deepEqual(lines, [1, 3, 5]);
  assert.deepEqual(parseCsv("", ",", "t.csv"), []);
});

test("broken quotes are errors with their line", () => {
  assert.throws(() => fields('a,b\nc,"d\ne'), { message: /never closed/, where: "t.csv, line 2" });
  assert.throws(() => fields('a\n"b"c\n'), { message: /text follows the closing quote/, where: "t.csv, line 2" });
});
