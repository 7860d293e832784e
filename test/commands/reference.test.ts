/** docs/commands.md: every verb with its options, out of the table of commands. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import prettier from "prettier";
import { commandHelp } from "../../src/commands/help.js";
import { commands } from "../../src/commands/table.js";
import { packageRoot } from "../../src/paths.js";

test("docs/commands.md says what the table says (AMS_WRITE=1 writes it anew)", async () => {
  const file = path.join(packageRoot(), "docs", "commands.md");
  const links = commands.map(({ name, summary }) => `- [${name}](#${name}): ${summary}`).join("\n");
  const parts = commands.map(
    (command) => `## ${command.name}\n\n\`\`\`text\n${commandHelp(command, "%ams ")["text/plain"]}\n\`\`\`\n`,
  );
  const intro =
    "The help of every verb as a notebook shows it (`%ams train?`). A terminal has the same options: `npx ams train ...`, `npx ams train --help`.";
  const settings = await prettier.resolveConfig(file);
  const text = `# The verbs and their options\n\n${intro}\n\n${links}\n\n${parts.join("\n")}`;
  const wanted = await prettier.format(text, { ...settings, parser: "markdown" });
  if (process.env["AMS_WRITE"] === "1") writeFileSync(file, wanted);
  assert.equal(readFileSync(file, "utf8"), wanted);
});
