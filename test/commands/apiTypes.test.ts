import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import prettier from "prettier";
import { commands } from "../../src/commands/table.js";
import { typesText } from "../../src/commands/typesText.js";
import { packageRoot } from "../../src/paths.js";

test("src/commands/apiTypes.ts says what the table says (AMS_WRITE=1 writes it anew)", async () => {
  const file = path.join(packageRoot(), "src", "commands", "apiTypes.ts");
  const settings = await prettier.resolveConfig(file);
  const wanted = await prettier.format(typesText(commands), { ...settings, parser: "typescript" });
  if (process.env["AMS_WRITE"] === "1") writeFileSync(file, wanted);
  assert.equal(readFileSync(file, "utf8"), wanted);
});
