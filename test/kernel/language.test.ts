/** Completion and inspection from the types of the session, over the wire. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
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

  test("completes the options of AMS: verbs, flags, values, splits, paths; behind an assignment too", async () => {
    mkdirSync(path.join(kernel.folder, "photos"));
    const matches = async (code: string): Promise<string[]> => (await complete(code)).matches;
    assert.deepEqual(await matches("%ams tra"), ["train"]);
    assert.ok((await matches("const run = %ams train --rec")).includes("--recipe"));
    assert.ok((await matches("%ams train --recipe scenes-")).includes("scenes-contrast"));
    assert.ok((await matches("%ams eval --split te")).includes("test"));
    assert.ok((await matches("%ams build --checkpoint scenes-s")).includes("scenes-small"));
    assert.ok((await matches("%ams data flickr30k --root pho")).includes("photos/"));
    assert.match(await inspect("%ams train --recipe x", 8), /--recipe/);
    assert.ok((await matches("ams.")).includes("train"));
    assert.match(await inspect("ams.train("), /train\(options/);
  });

  test("completes the strings among the options of a verb's call as the magic does", async () => {
    assert.deepEqual(await complete('const few = await ams.eval({ images: 3, split: "tes'), {
      matches: ["test", "test-pairs", "test-style"],
      start: 48,
      end: 51,
    });
    const { matches } = await complete('ams.build({checkpoint: ""})', 24);
    assert.ok(matches.includes("scenes-small"), matches.join());
    assert.ok((await complete("ams.train({ dataPath: './pho")).matches.includes("./photos/"));
    assert.deepEqual((await complete('console.log({ split: "te')).matches, []);
    assert.deepEqual((await complete('ams.eval({ split: f("te')).matches, []);
  });

  test("completes behind a magic in the same cell", async () => {
    assert.deepEqual((await complete("const run = %steps 3\nrun.stop")).matches, ["stopped"]);
  });

  test("inspects a name with its type and documentation, also inside a call's brackets", async () => {
    assert.match(await inspect("double"), /function double\(value: number\): number/);
    assert.match(await inspect("double("), /^double\(value: number\): number\n\nDoubles a number/);
    assert.match(await inspect("Math.sqrt"), /sqrt\(x: number\): number[^]*square root/);
  });

  test("matches carry their kind, type and documentation", async () => {
    const { content } = await kernel.request("shell", "complete_request", { code: "dou", cursor_pos: 3 });
    const { _jupyter_types_experimental: types } = content["metadata"] as Record<string, Record<string, unknown>[]>;
    assert.deepEqual(types?.[0], {
      text: "double",
      type: "function",
      signature: "double(value: number): number",
      documentation: "Doubles a number.",
      start: 0,
      end: 3,
    });
  });

  test("completes paths and packages of an import", async () => {
    writeFileSync(path.join(kernel.folder, "neighbour.ts"), "export const near = 1;\n");
    assert.deepEqual(await complete("import { near } from './nei"), { matches: ["neighbour"], start: 24, end: 27 });
    assert.ok((await complete("import fs from 'node:f")).matches.includes("node:fs"));
  });

  test("inside brackets the parameter at the cursor is explained", async () => {
    await kernel.execute(
      "/**\n * Cuts.\n * @param text what is cut\n * @param size its length\n */\nfunction cut(text: string, size = 3) { return text.slice(0, size) }",
    );
    assert.match(
      await inspect("cut('abc', "),
      /^cut\(text: string, size\?: number\): string\n\nCuts\.\n\nsize: its length$/,
    );
  });

  test("a variable is inspected with its value, name?? shows the source", async () => {
    assert.match(await inspect("model"), /const model: \{[^]*value\n\{ weights: \[ 1 \], name: 'm' \}/);
    const page = async (code: string): Promise<string> =>
      JSON.stringify((await kernel.execute(code)).reply.content["payload"]);
    assert.doesNotMatch(await page("double?"), /return 2/);
    assert.match(
      await page("double??"),
      /source\\n\/\*\* Doubles a number\. \*\/\\nfunction double[^"]*return 2 \* value/,
    );
    assert.match(await page("JSON??"), /declared in [^"]*lib\.es5\.d\.ts:\d+/);
    assert.match(await page("nobody??"), /nothing is known of nobody/);
  });

  test("what every cell finds is documented, also after other cells", async () => {
    assert.match(await inspect("display"), /Display\n\nShows a value now/);
    assert.match(await inspect("widgets.slider"), /A number chosen with a handle/);
  });

  test("inspects a magic with its help", async () => {
    assert.equal(await inspect("%steps fast", 3), "help for fast");
  });

  test("is_complete answers over the wire", async () => {
    const { content } = await kernel.request("shell", "is_complete_request", { code: "for (const a of b) {" });
    assert.deepEqual(content, { status: "incomplete", indent: "  " });
  });
});
