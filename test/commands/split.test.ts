import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { quoteWord, splitWords } from "../../src/commands/split.js";
import { AmsError } from "../../src/errors.js";

const texts = (line: string): string[] => splitWords(line).map((word) => word.text);

describe("splitting an argument line", () => {
  test("blanks separate, quotes and backslashes keep together", () => {
    assert.deepEqual(texts("  train  --epochs 5\t--name x "), ["train", "--epochs", "5", "--name", "x"]);
    assert.deepEqual(texts(`search "two red cars" 'it"s'`), ["search", "two red cars", 'it"s']);
    assert.deepEqual(texts(`a"b c"d a\\ b`), ["ab cd", "a b"]);
    assert.deepEqual(texts(`""`), [""]);
  });

  test('double quotes know \\" and \\\\, single quotes know nothing', () => {
    assert.deepEqual(texts(String.raw`"say \"hi\" \\ \n"`), [String.raw`say "hi" \ \n`]);
    assert.deepEqual(texts(String.raw`'a\b'`), [String.raw`a\b`]);
  });

  test("a backslash before a letter stays, so that Windows paths survive", () => {
    assert.deepEqual(texts(String.raw`--root C:\Users\me`), ["--root", String.raw`C:\Users\me`]);
  });

  test("nothing is expanded", () => {
    assert.deepEqual(texts("$HOME ~/x *.png `ls`"), ["$HOME", "~/x", "*.png", "`ls`"]);
  });

  test("each word knows its place in the line, quotes included", () => {
    assert.deepEqual(splitWords(`a "b c"`)[1], { text: "b c", start: 2, end: 7 });
  });

  test("an unclosed quote is an error that shows where it opens, unless the line is still being written", () => {
    assert.throws(
      () => splitWords(`search "two cars`),
      (error: unknown) => error instanceof AmsError && error.message.includes('"two cars') && error.hint !== undefined,
    );
    assert.deepEqual(splitWords(`search "two ca`, { open: true })[1]?.text, "two ca");
  });

  test("a quoted word reads back as itself", () => {
    for (const text of ["plain", "two words", `with "quotes"`, "back\\slash \\\\", "", "ümläut", "a'b", "#x", "(y)"]) {
      assert.deepEqual(texts(quoteWord(text)), [text]);
    }
  });
});
