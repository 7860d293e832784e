import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseJson, readJson } from "../../src/data/jsonFile.js";
import { AmsError } from "../../src/errors.js";

function complains(text: string, message: RegExp, where: string): void {
  assert.throws(
    () => parseJson(text, "a.json"),
    (error) => {
      assert.ok(error instanceof AmsError, String(error));
      assert.match(error.message, message);
      assert.equal(error.where, `a.json, ${where}`);
      return true;
    },
  );
}

describe("broken JSON is an error with its line and character", () => {
  const whole = JSON.stringify(
    [{ image: "a.jpg", caption: ['a "dog" \\ \u00e9', ""], n: [-1.5e-3, true, null, {}, []] }],
    null,
    1,
  );

  test("whole files are read", () => {
    assert.equal((parseJson(whole, "a.json") as unknown[]).length, 1);
  });

  test("every cut of a file is told as a truncation at its end", () => {
    for (let end = 0; end < whole.length; end++) {
      const text = whole.slice(0, end);
      const lines = text.split("\n");
      complains(
        text,
        /truncated/,
        `line ${String(lines.length)}, character ${String((lines.at(-1)?.length ?? 0) + 1)}`,
      );
    }
  });

  test("a wrong character is shown where it is", () => {
    complains('[\n {"a": 1,\n  b: 2}\n]', /"b: 2}\\n]" is not expected/, "line 3, character 3");
    complains("[1,\n2,\n]", /"]" is not expected/, "line 3, character 1");
    complains('{"a" 1}', /"1}" is not expected/, "line 1, character 6");
    complains('{"a": [1}', /"}" is not expected/, "line 1, character 9");
    complains("[1 2]", /"2]"/, "line 1, character 4");
    complains('["a\tb"]', /is not expected/, "line 1, character 2");
    complains("[01]", /"01]"/, "line 1, character 2");
    complains("[]\n[]", /"\[]"/, "line 2, character 1");
    complains("[nul, 1]", /"nul, 1]"/, "line 1, character 2");
  });

  test("a missing file is told", async () => {
    await assert.rejects(readJson("/nowhere/b.json"), { name: "AmsError", where: "/nowhere/b.json" });
  });
});
