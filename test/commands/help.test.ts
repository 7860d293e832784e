import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { codeExample, commandHelp, overview } from "../../src/commands/help.js";
import { optionInfos } from "../../src/commands/optionInfo.js";
import { commands } from "../../src/commands/table.js";
import { ask, fit, sample } from "./sample.js";

describe("help", () => {
  test("the overview has a line for every verb, in text and HTML", () => {
    const bundle = overview(commands, "%ams ");
    for (const { name, summary } of commands) {
      assert.ok(bundle["text/plain"].includes(`%ams ${name}`), name);
      assert.ok(bundle["text/plain"].includes(summary), name);
      assert.ok(String(bundle["text/html"]).includes(`%ams ${name}`), name);
    }
  });

  test("a verb's page has each option with value, default, choices and other names", () => {
    const text = commandHelp(fit, "ams ")["text/plain"].replace(/\s+/g, " ");
    assert.ok(text.includes("--epochs N passes (default 3)"), text);
    assert.ok(text.includes("one of linear, deep; default linear"), text);
    assert.ok(text.includes("(also --lr)"), text);
    assert.ok(text.includes("--no-shuffle turns it off"), text);
    assert.ok(text.includes("--resume [RUN]"), text);
    assert.ok(text.includes("usage: ams fit [options]"), text);
  });

  test("what only code can give is on the notebook's page alone", () => {
    assert.ok(!commandHelp(fit, "ams ")["text/plain"].includes("a model"));
    assert.ok(commandHelp(fit, "%ams ")["text/plain"].includes("a model"));
  });

  test("a required free word stands in the usage line", () => {
    assert.ok(commandHelp(ask, "ams ")["text/plain"].includes("usage: ams ask TEXT [options]"));
  });

  test("text stays within 100 columns, except for examples", () => {
    for (const command of commands) {
      const [page] = commandHelp(command, "ams ")["text/plain"].split("for example");
      for (const line of page?.split("\n") ?? []) assert.ok(line.length <= 100, line);
    }
  });

  test("texts are escaped in HTML", () => {
    const strange = { ...ask, about: "less < more", examples: ["ask <b>"] };
    const html = String(commandHelp(strange, "ams ")["text/html"]);
    assert.ok(html.includes("less &#60; more") && !html.includes("<b>"));
  });

  test("the example in code is made from the first example", () => {
    assert.equal(codeExample(fit), "await ams.fit({epochs: 5, learningRate: 0.00002})");
    assert.equal(codeExample(ask), 'await ams.ask("two red cars")');
  });

  test("every option of every verb has a help text, and no two flags of a verb are the same", () => {
    for (const command of [...commands, ...sample]) {
      const infos = optionInfos(command);
      for (const info of infos) assert.ok(info.help.length > 3, `${command.name} ${info.flag}`);
      const flags = infos.flatMap((info) => [info.flag, ...info.otherFlags]);
      assert.equal(new Set(flags).size, flags.length, command.name);
    }
  });
});
