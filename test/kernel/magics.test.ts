/** Magics in a real kernel: calls, help, typed results, cell magics, shell, progress, plugins. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createBuiltins } from "../../kernel/magics/builtins.js";
import type { Plugins } from "../../kernel/magics/plugins.js";
import { packageRoot } from "../../src/paths.js";
import { fixture } from "../fixtures.js";
import { plain, startKernel, type TestKernel } from "./client.js";

describe("magics", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
    const loaded = await kernel.execute(`%load_ext ${fixture("kernel/plugin.js")}`);
    assert.equal(loaded.stdout, "test-plugin 1.2.3: %steps %drawing\n", plain(loaded.error?.traceback ?? []));
  });
  after(() => kernel.stop());

  const displays = async (code: string): Promise<[string, Record<string, string>, Record<string, string>][]> =>
    (await kernel.execute(code)).messages
      .filter(({ type }) => type.includes("display"))
      .map(({ type, content }) => [
        type,
        content["data"] as Record<string, string>,
        content["transient"] as Record<string, string>,
      ]);

  test("a line magic's value is the cell's result, and typed when assigned", async () => {
    assert.equal((await kernel.execute("%steps 2")).result, "{ steps: 2, stopped: false }");
    assert.equal((await kernel.execute("const run = %steps 3;\nrun.steps + 1")).result, "4");
    const wrong = await kernel.execute("const other = %steps 1\nother.step");
    assert.match(String(wrong.error?.evalue), /Property 'step' does not exist .*line 2, column 7/);
  });

  test("a magic that another statement follows shows its value", async () => {
    const shown = await displays("%steps 1\n'end'");
    assert.equal(shown.at(-1)?.[1]["text/plain"], "{ steps: 1, stopped: false }");
  });

  test("a plugin's global is typed", async () => {
    assert.equal((await kernel.execute("toolbox.answer.toFixed(1)")).result, "'42.0'");
    assert.match(
      String((await kernel.execute("toolbox.question")).error?.evalue),
      /Property 'question' does not exist/,
    );
  });

  test("a result that looks like the live display above it is not shown a second time, but later on", async () => {
    const { messages, result } = await kernel.execute("const curve = %drawing\ncurve");
    assert.deepEqual([messages.filter(({ type }) => type === "display_data").length, result], [1, undefined]);
    assert.equal((await kernel.execute("%drawing")).result, undefined);
    assert.equal((await kernel.execute("curve")).result, "a curve");
  });

  test("progress is one display, updated in place, that ends as the work's own picture", async () => {
    const shown = await displays("const finished = %steps 5000");
    const [first, ...rest] = shown;
    assert.equal(first?.[0], "display_data");
    assert.match(String(first[1]["text/html"]), /stepping &#60;fast&#62;/);
    assert.ok(rest.length >= 1 && rest.every(([type]) => type === "update_display_data"));
    assert.equal(new Set(shown.map(([, , { display_id: id }]) => id)).size, 1);
    assert.deepEqual(rest.at(-1)?.[1], { "text/plain": "table of 5000", "text/html": "<table>5000</table>" });
    assert.ok(shown.length < 60, `${String(shown.length)} pictures`);
  });

  test("an unknown magic names the nearest ones", async () => {
    assert.match(
      String((await kernel.execute("%stepz 1")).error?.evalue),
      /there is no magic %stepz\nwhere: %stepz\nto do: did you mean %steps\?/,
    );
  });

  test("a line magic over a whole cell says what it is", async () => {
    assert.match(
      String((await kernel.execute("%%cd /tmp\n1")).error?.evalue),
      /%cd is no cell magic\nwhere: %%cd.*\nto do: %cd takes one line/,
    );
  });

  test("help shows for %name?, %name args? and name?", async () => {
    assert.equal((await displays("%steps?"))[0]?.[1]["text/plain"], "help for steps");
    assert.equal((await displays("%steps fast?"))[0]?.[1]["text/plain"], "help for fast");
    const page = (await kernel.execute("toolbox?")).reply.content["payload"] as Record<string, never>[];
    assert.equal(page[0]?.["source"], "page");
    assert.match(JSON.stringify(page[0]), /answer: number/);
  });

  test("%lsmagic lists built-in and plugin magics", async () => {
    const list = String((await kernel.execute("%lsmagic")).result);
    for (const name of [
      "%time",
      "%timeit",
      "%who",
      "%cd",
      "%env",
      "%load_ext",
      "%reset",
      "%%writefile",
      "%%html",
      "%%bash",
      "%run",
      "%history",
      "%capture",
      "%npm",
      "%reload_ext",
      "%steps",
    ])
      assert.ok(list.includes(name), name);
  });

  test("docs/kernel.md explains every built-in magic in its own words", () => {
    const docs = readFileSync(path.join(packageRoot(), "docs", "kernel.md"), "utf8").replaceAll("`", "");
    const host = { plugins: { all: () => [] } as unknown as Plugins, variables: () => [], history: [] };
    const nothing = (): void => undefined;
    const builtins = createBuiltins({ ...host, folder: "", packageRoot: "", reset: nothing, forgetPackages: nothing });
    assert.deepEqual(
      builtins.filter(({ summary }) => !docs.includes(`- ${summary}\n`)).map(({ name }) => name),
      [],
    );
  });

  test("a cell magic takes the whole cell as data", async () => {
    assert.equal((await kernel.execute("%%steps a b\nlet = broken\n%x")).result, "{ args: 'a b', lines: 2 }");
    await kernel.execute("%%writefile note.txt\nline 1\nline 2");
    await kernel.execute("%%writefile -a note.txt\nline 3");
    assert.equal(readFileSync(path.join(kernel.folder, "note.txt"), "utf8"), "line 1\nline 2\nline 3\n");
    assert.equal((await displays("%%html\n<b>bold</b>"))[0]?.[1]["text/html"], "<b>bold</b>");
  });

  test("%time and %timeit measure, and keep value and type", async () => {
    const timed = await kernel.execute("const t = %env HOME\n%time t.length * 0 + 2");
    assert.equal(timed.result, "2");
    assert.match(timed.stdout, /CPU: .*wall: /);
    assert.match((await kernel.execute("%timeit -n 10 -r 2 Math.sqrt(2)")).stdout, /per loop .* 2 runs, 10 loops each/);
    const cell = await kernel.execute("%%time\nlet inside = 3;\ninside + 1");
    assert.deepEqual([cell.result, cell.stdout.startsWith("CPU: ")], ["4", true]);
    assert.equal((await kernel.execute("%time const declared = 5;\ndeclared")).result, "5");
  });

  test("!command runs in the shell with live output; its failure is an error", async () => {
    const done = await kernel.execute("!echo out; echo err >&2; exit 3");
    assert.deepEqual([done.stdout, done.stderr], ["out\n", "err\n"]);
    assert.match(String(done.error?.evalue), /exit code 3/);
  });

  test("%%bash runs the cell as one script, whose failure is an error that names its first line", async () => {
    const done = await kernel.execute(
      "%%bash\nname=world\nfor i in 1 2; do echo $i $name; done\n[[ 1 == 1 ]] && exit 4",
    );
    assert.equal(done.stdout, "1 world\n2 world\n");
    assert.match(String(done.error?.evalue), /exit code 4: name=world \.\.\.$/);
    assert.match(String((await kernel.execute("%%bash -x\necho no")).error?.evalue), /takes no arguments: -x/);
    const without = "const path = process.env['PATH'] ?? '';\n%env PATH=/nowhere";
    await kernel.execute(without);
    assert.match(String((await kernel.execute("%%bash\necho no")).error?.evalue), /there is no bash on this machine/);
    await kernel.execute("process.env['PATH'] = path");
  });

  test("%env, %cd and %who work; %reset forgets", async () => {
    await kernel.execute("%env GREETING=hello");
    assert.equal((await kernel.execute("process.env['GREETING']")).result, "'hello'");
    assert.match((await kernel.execute("%cd /")).stdout, /^\/\n$/);
    assert.match(String((await kernel.execute("%cd /nowhere-at-all")).error?.evalue), /there is no folder/);
    await kernel.execute("const visible = [1, 2]");
    assert.match(String((await kernel.execute("%who")).result), /visible +\[ 1, 2 \]/);
    await kernel.execute("%reset");
    assert.match(String((await kernel.execute("visible")).error?.evalue), /Cannot find name 'visible'/);
    assert.equal((await kernel.execute("toolbox.answer")).result, "42");
  });

  const write = (name: string, text: string): void => {
    const file = path.join(kernel.folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  const error = async (code: string): Promise<string> => String((await kernel.execute(code)).error?.evalue);

  test("%run runs a file as if it stood in the cell: names, types, arguments, imports of its own folder", async () => {
    await kernel.execute(`%cd ${kernel.folder}`);
    write("lib/helper.ts", "export const factor = 3;\n");
    write(
      "lib/script.ts",
      "#!/usr/bin/env node\nimport { factor } from './helper';\nconst scaled = (n: number): number => n * factor;\nscaled(Number(process.argv[2]))\n",
    );
    assert.equal((await kernel.execute("%run lib/script.ts 5")).result, "15");
    assert.equal((await kernel.execute("%run lib/script.ts 1\nscaled(7).toFixed(1)")).result, "'21.0'");
    write("plain.js", "const list = []; list.push('x'); list.whatever = 1;\nlist.length\n");
    assert.equal((await kernel.execute("%run plain.js")).result, "1");
    write(
      "book.ipynb",
      JSON.stringify({
        cells: [
          { cell_type: "markdown", source: "# no code" },
          { cell_type: "code", source: ["const inBook = 4;\n", "%env BOOK=yes\n"] },
          { cell_type: "code", source: "inBook * 2" },
        ],
      }),
    );
    assert.equal((await kernel.execute("%run book.ipynb")).result, "8");
    assert.equal((await kernel.execute("[inBook, process.env['BOOK']]")).result, "[ 4, 'yes' ]");
  });

  test("errors of a file that %run runs name the file's own lines", async () => {
    write("wrong.ts", "const a = 1;\n\nconst b: string = a;\n");
    const typed = await kernel.execute("const before = 1;\n%run wrong.ts");
    assert.match(String(typed.error?.evalue), /\(TS2322, wrong\.ts, line 3, column 7\)/);
    assert.match(plain(typed.error?.traceback ?? []), /wrong\.ts\n[^]*> 3 \| const b: string = a;/);
    write("fails.ts", "function inner(): never {\n  throw new Error('inside');\n}\ninner();\n");
    const text = plain((await kernel.execute("// first\n%run fails.ts")).error?.traceback ?? []);
    assert.match(text, /fails\.ts\n[^]*> 2 \| {3}throw new Error\('inside'\)/);
    assert.match(text, /at inner \(.*fails\.ts:2:9\)\n {4}at .*fails\.ts:4:\d/);
  });

  test("%history prints inputs, chosen by range, number and pattern, with results, to a file", async () => {
    const { reply } = await kernel.execute("'needle' + 1");
    const line = String(reply.content["execution_count"]);
    assert.equal((await kernel.execute(`%history ${line}`)).stdout, "'needle' + 1\n");
    const numbered = `${line.padStart(4)}: 'needle' + 1\n      'needle1'\n`;
    assert.equal((await kernel.execute(`%history -n -o ${line}-${line}`)).stdout, numbered);
    assert.equal((await kernel.execute("%history -g nothing*like*it")).stdout, "");
    assert.equal((await kernel.execute("%history -n -o -l 1 -g \"'n??dle' *1\"")).stdout, numbered);
    assert.match((await kernel.execute("%history -g 'needle' -f cells.txt")).stdout, /inputs appended to cells\.txt/);
    assert.match(readFileSync(path.join(kernel.folder, "cells.txt"), "utf8"), /^'needle' \+ 1\n/m);
  });

  test("%%capture keeps what a cell shows in a typed variable", async () => {
    const done = await kernel.execute(
      "%%capture kept\nconsole.log('out'); console.error('err'); display.html('<b>x</b>');\n1 + 1",
    );
    assert.equal(done.status, "ok", plain(done.error?.traceback ?? []));
    assert.deepEqual([done.stdout, done.stderr, done.result], ["", "", undefined]);
    assert.equal(
      (await kernel.execute("[kept.stdout, kept.stderr, kept.outputs.map((one) => one.data['text/plain'])]")).result,
      "[ 'out\\n', 'err\\n', [ '<b>x</b>', '2' ] ]",
    );
    const again = await kernel.execute("kept.show()");
    assert.deepEqual([again.stdout, again.stderr], ["out\n", "err\n"]);
    assert.ok(
      again.messages.some(({ type, content }) => type === "display_data" && "text/html" in (content["data"] as object)),
    );
    const partly = await kernel.execute("%%capture --no-stdout\nconsole.log('seen'); console.error('not')");
    assert.deepEqual([partly.stdout, partly.stderr], ["seen\n", ""]);
    const failed = await kernel.execute("%%capture lost\nconsole.log('hint');\nthrow new Error('bad')");
    assert.deepEqual([failed.stdout, failed.error?.evalue], ["hint\n", "bad"]);
    assert.equal((await kernel.execute("lost.stdout.toUpperCase()")).result, "'HINT\\n'");
  });

  test("%npm install makes a package usable in the running session", async () => {
    write(
      "parcel/package.json",
      '{ "name": "parcel-of-tests", "version": "1.0.0", "main": "main.js", "types": "main.d.ts" }',
    );
    write("parcel/main.js", "exports.weight = 5;");
    write("parcel/main.d.ts", "export declare const weight: number;");
    const cell = "import { weight } from 'parcel-of-tests';\nweight.toFixed(1)";
    assert.match(await error(cell), /Cannot find module 'parcel-of-tests'/);
    assert.match(await error("await import('parcel' + '-of-tests')"), /%npm install parcel-of-tests/);
    const installed = await kernel.execute("%npm install ./parcel --offline");
    assert.equal(installed.status, "ok", installed.stderr + plain(installed.error?.traceback ?? []));
    assert.match(installed.stdout, /added 1 package/);
    assert.ok(existsSync(path.join(kernel.folder, "node_modules", "parcel-of-tests")));
    assert.equal((await kernel.execute(cell)).result, "'5.0'");
    assert.match(
      await error("%npm install nothing-at-all-of-this-name --offline"),
      /the command ended with exit code 1/,
    );
  });

  test("Tab completes what built-in magics take", async () => {
    const complete = async (code: string): Promise<unknown> =>
      (await kernel.request("shell", "complete_request", { code, cursor_pos: code.length })).content["matches"];
    write("sub/one.ts", "");
    assert.deepEqual(await complete("%cd su"), ["sub/"]);
    assert.deepEqual(await complete("%run sub/o"), ["sub/one.ts"]);
    assert.deepEqual(await complete("!su"), ["sub/"]);
    assert.deepEqual(await complete("!cat sub/o"), ["sub/one.ts"]);
    assert.deepEqual(await complete("let a = 1\n!ls sub/"), ["sub/one.ts"]);
    assert.deepEqual(await complete("%env GREET"), ["GREETING"]);
    assert.deepEqual(await complete("%npm ins"), ["install"]);
    assert.deepEqual(await complete("%%capt"), ["%%capture"]);
  });

  test("bad input to a built-in magic is one clear error", async () => {
    for (const [code, message] of [
      ["%run", /%run needs the name of a file\nwhere: %run\nto do: %run FILE/],
      ["%run nowhere.ts", /%run cannot read .*nowhere\.ts: ENOENT/],
      ["%run cells.txt", /%run cannot run cells\.txt: it is no \.ts, \.js or \.ipynb file/],
      ["const v = %run plain.js", /%run has no value/],
      ["%history -x", /%history has no option -x/],
      ["%history -l none", /-l must be a whole number from 1 on, got none/],
      ["%history 3-x", /3-x is no range of cells/],
      ["%%capture two names\n1", /%%capture needs one name of a variable, got two names/],
      ["%%capture --no-stdin\n1", /%%capture has no option --no-stdin[^]*did you mean --no-std/],
      ["%capture", /%capture needs a whole cell/],
      ["%npm", /%npm needs a command/],
      ["%cd -", /there is no folder before|^undefined$/],
      [
        "%env NOT_THERE",
        /the environment has no NOT_THERE\nwhere: %env NOT_THERE\nto do: %env NOT_THERE=VALUE sets it/,
      ],
      ["%who nobody", /there is no variable nobody/],
      ["%reset all", /%reset forgets all variables and takes no name/],
      ["%load_ext", /%load_ext needs the name of a package or a file/],
      ["%load_ext not-there-at-all", /the package not-there-at-all is neither beside the notebook/],
      [
        "%load_ext node:path",
        /node:path is not a kernel plugin: it exports no `plugin` with magics\nwhere: .*\nto do: docs\/plugins\.md/,
      ],
      ["%%writefile\nx", /%%writefile needs the name of one file/],
      ["%%writefile no/such/folder/a\nx", /no\/such\/folder\/a cannot be written: ENOENT/],
      ["%timeit", /%timeit needs code/],
      ["%timeit -n 0 1", /-n must be at least 1/],
    ] as const)
      assert.match(await error(code), message, code);
  });

  test("the plugin of docs/plugins.md does what it says", async () => {
    const page = readFileSync(path.join(packageRoot(), "docs", "plugins.md"), "utf8");
    const [, source = ""] = /```ts\n([^]*?)```/.exec(page) ?? [];
    write("dice.ts", source);
    const loaded = await kernel.execute("%load_ext ./dice.ts");
    assert.equal(loaded.stdout, "dice 1.0.0: %roll\n", plain(loaded.error?.traceback ?? []));
    assert.match(loaded.stderr, /^dice work in /);
    const rolled = await kernel.execute("const r = %roll 3\nr.eyes.length + (r.sum >= 3 ? 10 : 0) + dice.sides");
    assert.equal(rolled.result, "19", plain(rolled.error?.traceback ?? []));
    assert.match(await error("r.color"), /Property 'color' does not exist/);
    const shown = (await kernel.execute("%roll 2")).messages.find(({ type }) => type === "execute_result");
    assert.match(String((shown?.content["data"] as Record<string, string>)["text/html"]), /^<b>\d \d<\/b>$/);
    assert.equal((await kernel.execute("%%roll\n1\n2")).status, "ok");
    assert.match(await error("%roll many"), /many is no number of dice\nwhere: %roll many\nto do: %roll \[DICE\]/);
    const { content } = await kernel.request("shell", "complete_request", { code: "%roll 1", cursor_pos: 7 });
    assert.deepEqual(content["matches"], ["1", "2", "10"]);
    assert.match(JSON.stringify((await displays("%roll?"))[0]), /rolls so many dice/);
    write("dice.ts", source.replace('version: "1.0.0"', 'version: "1.1.0"').replace("sides: 6", "sides: 20"));
    assert.equal((await kernel.execute("%reload_ext ./dice.ts")).stdout, "dice 1.1.0: %roll\n");
    assert.equal((await kernel.execute("dice.sides")).result, "20");
    write("bad.ts", "export const plugin = { magics: [{ name: 'run', line: () => 1, help: () => ({}) }] };\n");
    assert.match(
      await error("%load_ext ./bad.ts"),
      /bad\.ts is not a kernel plugin: the kernel has a magic %run of its own/,
    );
  });

  test("errors keep their line behind magics", async () => {
    const done = await kernel.execute("%env A=1\nconst b = %env A\n\nthrow new Error(b)");
    assert.match(plain(done.error?.traceback ?? []), /> 4 \| throw new Error\(b\)/);
  });
});
