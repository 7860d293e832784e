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

  test("functions and classes can be declared again; old objects keep their type, old closures see the new value", async () => {
    await run(
      "class Cat { constructor(readonly name: string) {} }\nconst tom = new Cat('Tom');\nfunction speak() { return 1 }\nconst later = () => speak();",
      "function speak() { return 2 }\nclass Cat { constructor(readonly lives: number) {} }",
    );
    assert.equal((await run("[tom.name, new Cat(9).lives, later()]")).result, "[ 'Tom', 9, 2 ]");
    assert.match(String((await run("tom.lives")).error?.evalue), /Property 'lives' does not exist/);
    assert.equal((await run("enum Cat { black }", "[tom.name, Cat.black]")).result, "[ 'Tom', 0 ]");
  });

  test("namespaces, types of the same name as values, and imports go from cell to cell", async () => {
    const done = await run(
      "namespace Units { export const km = 1000; export type Length = number }\ntype Pair = [number, number];\nconst Pair = (a: number): Pair => [a, a];\nimport { basename, type ParsedPath } from 'node:path';",
      "const Pair = (a: string): Pair => [a.length, Units.km];",
      "const p: ParsedPath | undefined = undefined; const l: Units.Length = 2;\n[Pair('ab'), basename('/a/b'), l]",
    );
    assert.equal(done.result, "[ [ 2, 1000 ], 'b', 2 ]", plain(done.error?.traceback ?? []));
  });

  test("a name of the session hides a global one, in types and values", async () => {
    const done = await run(
      "interface Request { mine: number }\nconst structuredClone = { deep: 3 };",
      "structuredClone.deep + 1",
    );
    assert.equal(done.result, "4");
    assert.equal((await run("const request: Request = { mine: 1 }; request.mine")).result, "1");
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

  test("files beside the notebook are loaded again when they or what they import was edited", async () => {
    const write = (name: string, text: string): void => {
      writeFileSync(path.join(kernel.folder, name), text);
    };
    write("base.ts", "export const unit = 1;\n");
    write(
      "measure.ts",
      "import { unit } from './base.js';\nimport rows from './rows.json';\nexport const total = rows.n * unit;\n",
    );
    write("rows.json", '{ "n": 2 }');
    const cell = "import { total } from './measure';\ntotal";
    assert.equal((await run(cell)).result, "2");
    write("base.ts", "export const unit = 100;\n");
    assert.equal((await run(cell)).result, "200");
    write("rows.json", '{ "n": 30 }');
    assert.equal((await run("(await import('./measure')).total")).result, "3000");
    write("base.ts", "export const unit: string = 10;\n");
    const wrong = await run(cell);
    assert.match(String(wrong.error?.evalue), /\(TS2322, base\.ts, line 1, column 14\)/);
    assert.match(plain(wrong.error?.traceback ?? []), /> 1 \| export const unit: string = 10;/);
  });

  test("files that import each other are loaded again when one of them was edited", async () => {
    const write = (name: string, text: string): void => {
      writeFileSync(path.join(kernel.folder, name), text);
    };
    write("c1.ts", "import { two } from './c2';\nexport const one = 1;\nexport const sum = () => one + two();\n");
    write("c2.ts", "import { one } from './c1';\nexport const two = () => 2 * one;\n");
    const cells = ["import { two } from './c2';\ntwo()", "import { sum } from './c1';\nsum()"];
    const results = async (): Promise<(string | undefined)[]> => [
      (await run(cells[0]!)).result,
      (await run(cells[1]!)).result,
    ];
    assert.deepEqual(await results(), ["2", "3"]);
    write("c1.ts", "import { two } from './c2';\nexport const one = 100;\nexport const sum = () => one + two();\n");
    assert.deepEqual(await results(), ["200", "300"]);
  });

  test("import.meta.url is a URL in a folder with special characters too", async () => {
    const folder = path.join(kernel.folder, "a b#c%20");
    mkdirSync(folder);
    writeFileSync(path.join(folder, "meta.ts"), "export const { url, filename } = import.meta;\n");
    const done = await run(
      "import { url, filename } from './a b#c%20/meta';\nimport { fileURLToPath } from 'node:url';\n[fileURLToPath(url) === filename, url.endsWith('/a%20b%23c%2520/meta.ts')]",
    );
    assert.equal(done.result, "[ true, true ]", plain(done.error?.traceback ?? []));
  });

  test("a file beside the notebook may await, use import.meta and packages that are ES modules", async () => {
    mkdirSync(path.join(kernel.folder, "node_modules", "waits"), { recursive: true });
    writeFileSync(
      path.join(kernel.folder, "node_modules", "waits", "package.json"),
      '{ "name": "waits", "type": "module", "exports": { "import": "./index.js" } }',
    );
    writeFileSync(
      path.join(kernel.folder, "node_modules", "waits", "index.js"),
      "export const late = await Promise.resolve('late');",
    );
    writeFileSync(
      path.join(kernel.folder, "awaits.mts"),
      "// @ts-ignore\nimport { late } from 'waits';\nexport const value: string = await Promise.resolve(late + 'r');\nexport const { dirname } = import.meta;\nexport const load = async () => (await import('node:os')).EOL;\n",
    );
    const done = await run(
      "import { value, dirname, load } from './awaits.mjs';\n[value, dirname === process.cwd(), await load()]",
    );
    assert.equal(done.result, "[ 'later', true, '\\n' ]", plain(done.error?.traceback ?? []));
  });

  test("an error in an imported file shows its line, and the cell's line that led there", async () => {
    writeFileSync(
      path.join(kernel.folder, "deep.ts"),
      "interface Unused {\n  a: number;\n}\n\nexport function dig(depth: number): never {\n  if (depth > 0) dig(depth - 1);\n  throw new Error('rock bottom');\n}\n",
    );
    const done = await run("import { dig } from './deep';\n\n[1].forEach(() =>\n  dig(2));");
    const text = plain(done.error?.traceback ?? []);
    assert.match(text, /deep\.ts\n[^]*> 7 \| {3}throw new Error\('rock bottom'\)/);
    assert.match(text, /\[cell \d+\]\n[^]*> 4 \| {3}dig\(2\)/);
    assert.match(text, /at dig \(.*deep\.ts:7:9\)\n {4}at dig \(.*deep\.ts:6:18\)/);
  });

  test("a broken JSON file and one that cannot be compiled say their name", async () => {
    writeFileSync(path.join(kernel.folder, "broken.json"), '{ "a": }');
    assert.match(String((await run("require('./broken.json')")).error?.evalue), /broken\.json: .*JSON/);
    writeFileSync(path.join(kernel.folder, "broken.ts"), "export const = 3;\n");
    assert.match(String((await run("import './broken'")).error?.evalue), /broken\.ts, line 1/);
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

  test("display() takes an object of MIME types for a bundle, others for values", async () => {
    const bundle = await run("await display({ 'text/html': '<b>x</b>', 'text/plain': 'x' })");
    assert.deepEqual(data(bundle, "display_data"), { "text/html": "<b>x</b>", "text/plain": "x" });
    const value = await run("await display({ 'text/html': '<b>x</b>', other: 1 })");
    assert.deepEqual(Object.keys(data(value, "display_data")), ["text/plain"]);
  });

  test("an error says its class and its own fields", async () => {
    const done = await run(
      "class E2 extends Error { code = 'E_TWO'; constructor(m: string) { super(m) } }\nthrow new E2('m')",
    );
    assert.equal(done.error?.ename, "E2");
    const text = plain(done.error.traceback);
    assert.match(text, /^E2: m\n/);
    assert.match(text, /\{ code: 'E_TWO' \}$/);
  });

  for (const [where, code] of [
    ["in a cell", "process.exit(3)"],
    ["in a timer of a cell that has ended", "setTimeout(() => process.exit(3), 50)"],
  ] as const)
    test(`process.exit() ${where} says that the kernel ends`, async () => {
      const other = await startKernel();
      try {
        await other.send("shell", "execute_request", { code, allow_stdin: false });
        const line = await other.wait(({ type }) => type === "stream");
        assert.deepEqual(line.content, { name: "stderr", text: "the kernel ends: process.exit(3)\n" });
      } finally {
        await other.stop();
      }
      assert.equal(other.process.exitCode, 3);
    });

  test("process.stdout.write, console and stderr are captured; an empty cell is fine", async () => {
    const done = await run("process.stdout.write('no newline'); console.error('bad'); console.table([{ a: 1 }])");
    assert.match(done.stdout, /^no newline┌/);
    assert.equal(done.stderr, "bad\n");
    assert.equal((await run(" \n")).status, "ok");
  });
});
