/** Changes to a recipe, as code and YAML give them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { overridesProblem } from "../../src/commands/overrides.js";
import { checkOptions } from "../../src/commands/parse.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { AmsError } from "../../src/errors.js";
import { recipes } from "../../src/train/recipe.js";

describe("changes to a recipe", () => {
  test("may be all that a recipe holds", () => {
    for (const recipe of Object.values(recipes)) assert.equal(overridesProblem(recipe), undefined, recipe.name);
    assert.equal(overridesProblem({}), undefined);
  });

  for (const [overrides, wanted] of [
    [{ fliip: 0 }, /holds "fliip", which no recipe has \(did you mean flip/],
    [{ quene: { size: 64 } }, /holds "quene".*did you mean queue/],
    [{ flip: "no" }, /has a wrong flip: .*number/],
    [{ flip: 2 }, /has a wrong flip/],
    [{ cropScale: 3 }, /has a wrong cropScale/],
    [{ cropScale: [0.9, 0.5] }, /the first number is above the second/],
    [{ sampling: "bananas" }, /has a wrong sampling/],
    [{ schedule: { kind: "steps" } }, /has a wrong schedule/],
    [{ quirks: { padWord: true } }, /has a wrong quirks/],
    [{ batchSize: NaN }, /has a wrong batchSize/],
    ["flip", /has a wrong form/],
  ] as const) {
    test(`${JSON.stringify(overrides)} is refused before anything runs`, () => {
      assert.throws(
        () => checkOptions(trainCommand, { overrides }),
        (error: unknown) => {
          assert.ok(error instanceof AmsError && error.where !== undefined && error.hint !== undefined);
          assert.match(error.message, wanted);
          return true;
        },
      );
    });
  }
});
