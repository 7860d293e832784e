import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { complete, type Surroundings } from "../../src/commands/complete.js";
import { commands } from "../../src/commands/table.js";
import { sample } from "./sample.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-complete-"));
mkdirSync(path.join(folder, "photos"));
writeFileSync(path.join(folder, "photo one.jpg"), "");
writeFileSync(path.join(folder, ".hidden"), "");
const around: Surroundings = {
  cwd: folder,
  names: (source) =>
    ({
      run: ["first", "second"],
      split: ["train", "test", "test-style"],
      model: ["scenes-small"],
      encoder: ["bert-base-uncased", "google/vit-base-patch16-384"],
      index: ["photos"],
    })[source],
};

/** What Tab offers at the mark | of a line. */
function offers(line: string, table = sample): string[] {
  const cursor = line.indexOf("|");
  return complete(line.replace("|", ""), cursor, table, around).matches.map((match) => match.text);
}

describe("completion", () => {
  test("verbs, with their summary", () => {
    assert.deepEqual(offers("|"), ["fit", "ask"]);
    assert.deepEqual(offers("f|"), ["fit"]);
    assert.equal(complete("f", 1, sample, around).matches[0]?.help, "fits");
  });

  test("options that are not there yet, and the off switch of what is on", () => {
    assert.deepEqual(offers("fit --e|"), ["--epochs"]);
    assert.deepEqual(offers("fit --epochs 5 --e|"), []);
    assert.deepEqual(offers("fit --no|"), ["--no-shuffle"]);
    assert.deepEqual(offers("fit --tags a --ta|"), ["--tags"]);
    assert.ok(offers("fit |").includes("--learning-rate"));
  });

  test("other names of an option once one is begun", () => {
    assert.ok(!offers("fit --|").includes("--lr"));
    assert.deepEqual(offers("fit --lr|"), ["--lr"]);
  });

  test("options that only code can give are not offered", () => {
    assert.ok(!offers("fit --|").includes("--model"));
  });

  test("choices, after a blank and after an equals sign", () => {
    assert.deepEqual(offers("fit --kind |"), ["linear", "deep"]);
    assert.deepEqual(offers("fit --kind d|"), ["deep"]);
    assert.deepEqual(offers("fit --kind=d|"), ["--kind=deep"]);
  });

  test("splits and runs by what there is", () => {
    assert.deepEqual(offers("fit --split test|"), ["test", "test-style"]);
    assert.deepEqual(offers("fit --resume |"), ["first", "second"]);
  });

  test("paths: folders go on, blanks are quoted, hidden files only when asked for", () => {
    assert.deepEqual(offers("fit --file ph|"), ['"photo one.jpg"', "photos/"]);
    assert.deepEqual(offers("fit --file .h|"), [".hidden"]);
    assert.deepEqual(offers('fit --file "photo o|'), ['"photo one.jpg"']);
    assert.deepEqual(offers("fit --file nowhere/|"), []);
  });

  test("a match replaces the word under the cursor only", () => {
    const { start, end } = complete("fit --kind d --epochs 5", 12, sample, around);
    assert.deepEqual([start, end], [11, 12]);
  });

  test("broken lines and unknown verbs offer nothing and throw nothing", () => {
    assert.deepEqual(offers("nonsense --|"), []);
    assert.deepEqual(offers("fit --nonsense=|"), []);
  });

  test("the real table: figures, data sets, models and folders", () => {
    assert.deepEqual(offers("plot a|", commands), ["attention"]);
    assert.deepEqual(offers("data sc|", commands), ["scenes"]);
    assert.deepEqual(offers("data ph|", commands), ["photos/"]);
    assert.deepEqual(offers("eval --checkpoint sc|", commands), ["scenes-small"]);
    assert.deepEqual(offers("train --recipe ams-c|", commands), ["ams-corrected"]);
    assert.deepEqual(offers("build --vision goo|", commands), ["google/vit-base-patch16-384"]);
    assert.deepEqual(offers("build --text ./ph|", commands), ['"./photo one.jpg"', "./photos/"]);
  });
});
