/** Completion and inspection from the types of the session, over the wire. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fixture } from "../fixtures.js";
import { startKernel, type TestKernel } from "./client.js";

describe("the language service", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
    await kernel.execute(
      "/** Doubles a number. */\nfunction double(value: number): number { return 2 * value }\nconst model = { weights: [1], 'name': 'm' };",
    );
    await kernel.execute(`%load_ext ${fixture("kernel/plugin.js")}`);
  });
  after(() => kernel.stop());

  const complete = async (
    code: string,
    cursor = Array.from(code).length,
  ): Promise<{ matches: string[]; start: unknown; end: unknown }> => {
    const { content } = await kernel.request("shell", "complete_request", { code, cursor_pos: cursor });
    return { matches: content["matches"] as string[], start: content["cursor_start"], end: content["cursor_end"] };
  };
  const inspect = async (code: string, cursor = code.length): Promise<string> => {
    const { content } = await kernel.request("shell", "inspect_request", { code, cursor_pos: cursor, detail_level: 0 });
    return String((content["data"] as Record<string, string>)["text/plain"]);
  };

  test("completes members from types of earlier cells", async () => {
    assert.deepEqual(await complete("model.we"), { matches: ["weights"], start: 6, end: 8 });
    assert.ok((await complete("model.weights.")).matches.includes("map"));
  });

  test("completes names of the session and hides the kernel's own", async () => {
    const { matches } = await complete("dou");
    assert.equal(matches[0], "double");
    assert.deepEqual(
      (await complete("__ma")).matches.filter((name) => name.startsWith("__magic")),
      [],
    );
  });

  test("counts cursors in code points", async () => {
    assert.deepEqual(await complete("const s = '😀😀'; model.na"), { matches: ["name"], start: 22, end: 24 });
  });

  test("completes magics and asks a magic for its arguments", async () => {
    assert.deepEqual(await complete("%ste"), { matches: ["%steps"], start: 0, end: 4 });
    assert.deepEqual(await complete("let a = 1\n%steps 1"), { matches: ["100"], start: 17, end: 18 });
  });

  test("completes behind a magic in the same cell", async () => {
    assert.deepEqual((await complete("const run = %steps 3\nrun.stop")).matches, ["stopped"]);
  });

  test("inspects a name with its type and documentation, also inside a call's brackets", async () => {
    assert.match(await inspect("double"), /function double\(value: number\): number/);
    assert.match(await inspect("double("), /function double\(value: number\): number/);
    assert.match(await inspect("Math.sqrt"), /sqrt\(x: number\): number[^]*square root/);
  });

  test("inspects a magic with its help", async () => {
    assert.equal(await inspect("%steps fast", 3), "help for fast");
  });

  test("is_complete answers over the wire", async () => {
    const { content } = await kernel.request("shell", "is_complete_request", { code: "for (const a of b) {" });
    assert.deepEqual(content, { status: "incomplete", indent: "  " });
  });
});
