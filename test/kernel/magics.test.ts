/** Magics in a real kernel: calls, help, typed results, cell magics, shell, progress, plugins. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fixture } from "../fixtures.js";
import { plain, startKernel, type TestKernel } from "./client.js";

describe("magics", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
    const loaded = await kernel.execute(`%load_ext ${fixture("kernel/plugin.js")}`);
    assert.equal(loaded.stdout, "test-plugin 1.2.3: %steps\n", plain(loaded.error?.traceback ?? []));
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
      "%steps",
    ])
      assert.ok(list.includes(name), name);
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

  test("errors keep their line behind magics", async () => {
    const done = await kernel.execute("%env A=1\nconst b = %env A\n\nthrow new Error(b)");
    assert.match(plain(done.error?.traceback ?? []), /> 4 \| throw new Error\(b\)/);
  });
});
