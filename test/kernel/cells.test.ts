/** Cells: types and values from cell to cell, errors on the cell's own lines, imports, displays. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { plain, startKernel, type Executed, type TestKernel } from "./client.js";

describe("cells", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
  });
  after(() => kernel.stop());

  /** Runs cells one after the other and returns the last. */
  const run = async (...cells: string[]): Promise<Executed> => {
    let done: Executed | undefined;
    for (const cell of cells) done = await kernel.execute(cell);
    assert.ok(done !== undefined);
    return done;
  };
  const data = (done: Executed, type = "execute_result"): Record<string, unknown> => {
    const message = done.messages.find((one) => one.type === type);
    assert.ok(message !== undefined, `no ${type}: ${plain(done.error?.traceback ?? [])}`);
    return message.content["data"] as Record<string, unknown>;
  };

  test("values, types, functions and classes are there in later cells", async () => {
    const done = await run(
      "let x = 1; const double = (n: number): number => 2 * n;\ninterface Point { a: number }\nclass Box { constructor(readonly p: Point) {} }\nenum Side { left, right }",
      "const { p: { a }, ...rest } = { p: { a: 3 }, q: 4, r: 5 };",
      "[double(x), new Box({ a }).p, rest, Side.right, ({ x })]",
    );
    assert.equal(done.result, "[ 2, { a: 3 }, { q: 4, r: 5 }, 1, { x: 1 } ]");
  });

  test("a closure sees what a later cell assigns", async () => {
    assert.equal((await run("let shared = 1; const read = () => shared;", "shared = 5", "read()")).result, "5");
  });

  test("functions keep their names and are called without a this", async () => {
    const done = await run(
      "const named = () => 1; function self(this: unknown) { return this }",
      "[named.name, self()]",
    );
    assert.equal(done.result, "[ 'named', undefined ]");
  });

  test("a name can be declared again with another type", async () => {
    assert.equal((await run("const again = 1", "const again = 'text'", "again.length")).result, "4");
  });

  test("await, for await and destructuring work at the top level", async () => {
    const done = await run(
      "const [first] = await Promise.all([1, 2]); let sum = first;\nfor await (const n of [10, 20]) sum += n;\nfor (var i = 0; i < 3; i++) sum += i;\n[sum, i]",
    );
    assert.equal(done.result, "[ 34, 3 ]");
  });

  test("exported declarations of pasted code work", async () => {
    assert.equal(
      (await run("export const pasted = 7;\nexport function half(n: number) { return n / 2 }", "half(pasted)")).result,
      "3.5",
    );
  });

  test("a type error is an error of the cell with its line and column; nothing runs", async () => {
    const done = await run("console.log('ran');\n\nconst wrong: string =\n  12;");
    assert.equal(done.status, "error");
    assert.equal(done.stdout, "");
    assert.equal(done.error?.ename, "TypeScriptError");
    assert.match(done.error.evalue, /Type 'number' is not assignable to type 'string'\. \(TS2322, line 3, column 7\)/);
    assert.match(plain(done.error.traceback), /> 3 \| const wrong: string =\n {4}\| {7}\^{5}/);
  });

  test("types that could not be published are no errors", async () => {
    const done = await run(
      "const { z } = await import('zod'); const schema = z.object({ a: z.string() });\nconst hidden = class { private secret = 1; open = 2 };",
      "[schema.parse({ a: 'q' }).a.length, new hidden().open]",
    );
    assert.equal(done.result, "[ 1, 2 ]", plain(done.error?.traceback ?? []));
  });

  test("a syntax error is named so", async () => {
    assert.equal((await run("let = = 3")).error?.ename, "SyntaxError");
  });

  test("a runtime error shows the cell's own lines, also through a function of an earlier cell", async () => {
    const done = await run(
      "interface Unused { a: number }\n\n\nfunction fail(): never {\n\n  throw new RangeError('too far');\n}",
      "const before = 3;\n\nfail();",
    );
    assert.equal(done.error?.ename, "RangeError");
    assert.equal(done.error.evalue, "too far");
    const text = plain(done.error.traceback);
    assert.match(text, /> 6 \| {3}throw new RangeError/);
    assert.match(text, /at fail \(\[cell \d+\]:6:9\)\n {4}at \[cell \d+\]:3:\d/);
    assert.doesNotMatch(text, /node:|run\.js/);
  });

  test("what was assigned before a failure stays, with its type; what was not is unknown", async () => {
    await run("const kept = 'yes';\nthrow new Error('half-way');\nconst lost = 1;");
    assert.equal((await run("kept.length")).result, "3");
    assert.match(String((await run("lost")).error?.evalue), /Cannot find name 'lost'/);
  });

  test("errors for people show their lines and no stack", async () => {
    const done = await run(
      "throw Object.assign(new Error('no data'), { name: 'AmsError', lines: () => ['no data', 'where: here', 'to do: that'] })",
    );
    assert.equal(done.error?.evalue, "no data\nwhere: here\nto do: that");
    assert.equal(plain(done.error.traceback), "no data\nwhere: here\nto do: that");
  });

  test("an unhandled rejection is shown and the kernel lives on", async () => {
    const done = await run(
      "void Promise.reject(new Error('nobody cares')); await new Promise((r) => setTimeout(r, 50)); 1",
    );
    assert.equal(done.result, "1");
    assert.match(done.stderr, /nobody cares/);
  });

  test("CommonJS, ES-only, JSON and TypeScript files are imported; the notebook's packages come first", async () => {
    const packages = path.join(kernel.folder, "node_modules");
    const addPackage = (name: string, manifest: object, files: Record<string, string>): void => {
      mkdirSync(path.join(packages, name), { recursive: true });
      writeFileSync(path.join(packages, name, "package.json"), JSON.stringify({ name, version: "1.0.0", ...manifest }));
      for (const [file, text] of Object.entries(files)) writeFileSync(path.join(packages, name, file), text);
    };
    addPackage(
      "only-es",
      { type: "module", exports: { import: "./index.js" } },
      {
        "index.js": "await null; export const kind = 'es'; export default 1;",
      },
    );
    addPackage("zod", {}, { "index.js": "exports.mine = true;", "index.d.ts": "export const mine: boolean;" });
    writeFileSync(path.join(kernel.folder, "table.json"), '{"rows": 3}');
    writeFileSync(path.join(kernel.folder, "beside.ts"), "export const twice = (n: number): number => 2 * n;\n");
    const done = await run(
      [
        "import { join } from 'node:path';",
        "import one, { kind } from 'only-es';",
        "import { mine } from 'zod';",
        "import table from './table.json';",
        "import { twice } from './beside';",
        "import ts, { version } from 'typescript';",
        "[join('a', 'b'), one, kind, mine, table.rows, twice(4), ts.version === version, (await import('node:os')).EOL].join()",
      ].join("\n"),
    );
    assert.equal(done.result, "'a/b,1,es,true,3,8,true,\\n'", plain(done.error?.traceback ?? []));
  });

  test("a missing package says where it was looked for", async () => {
    const done = await run("// @ts-ignore\nimport nothing from 'not-there-at-all';");
    assert.match(String(done.error?.evalue), /the package not-there-at-all is neither beside the notebook/);
  });

  test("a value shows itself by its own bundle, with a text and base64 pictures", async () => {
    const done = await run(
      "({ [Symbol.for('Jupyter.display')]: async () => ({ 'text/html': '<i>x</i>', 'image/png': new Uint8Array([1, 2]) }) })",
    );
    assert.deepEqual(data(done), {
      "text/html": "<i>x</i>",
      "image/png": "AQI=",
      "text/plain": "text/html, image/png",
    });
  });

  test("the bytes of a picture are a picture", async () => {
    const done = await run("Buffer.from('iVBORw0KGgo=', 'base64')");
    assert.equal(data(done)["image/png"], "iVBORw0KGgo=");
  });

  test("display() shows now, and again in place with a display id", async () => {
    const done = await run(
      "await display('a', { displayId: 'd1' }); await display('b', { displayId: 'd1', update: true });",
    );
    assert.deepEqual(
      done.messages
        .filter(({ type }) => type.includes("display"))
        .map(({ type, content }) => [type, content["transient"]]),
      [
        ["display_data", { display_id: "d1" }],
        ["update_display_data", { display_id: "d1" }],
      ],
    );
    const html = await run("display.html('<b>x</b>')");
    assert.deepEqual([html.result, html.status], [undefined, "ok"]);
    assert.equal(data(html, "display_data")["text/html"], "<b>x</b>");
  });

  test("process.stdout.write, console and stderr are captured; an empty cell is fine", async () => {
    const done = await run("process.stdout.write('no newline'); console.error('bad'); console.table([{ a: 1 }])");
    assert.match(done.stdout, /^no newline┌/);
    assert.equal(done.stderr, "bad\n");
    assert.equal((await run(" \n")).status, "ok");
  });
});
