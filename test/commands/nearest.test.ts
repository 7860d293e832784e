import assert from "node:assert/strict";
import { test } from "node:test";
import { editDistance, nearest, suggestion } from "../../src/commands/nearest.js";

test("the edit distance counts insertions, deletions, replacements and swaps of neighbours", () => {
  assert.equal(editDistance("train", "train"), 0);
  assert.equal(editDistance("trian", "train"), 1);
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("abc", ""), 3);
});

test("a slip finds its name, a beginning too, nonsense finds nothing", () => {
  const verbs = ["train", "eval", "plot", "export", "engine"];
  assert.deepEqual(nearest("trian", verbs), ["train"]);
  assert.deepEqual(nearest("TRAIN", verbs), ["train"]);
  assert.deepEqual(nearest("exp", verbs), ["export"]);
  assert.deepEqual(nearest("zzzzzz", verbs), []);
});

test("the hint names the nearest, or all when none is near", () => {
  assert.equal(suggestion("pltt", ["plot", "train"]), "did you mean plot?");
  assert.equal(suggestion("xyzzy", ["plot", "train"]), "use one of plot, train");
});
