/** What a page that is loaded again is told: the cells that run or wait, with what they have shown. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { UnfinishedCell } from "../../kernel/wire/unfinished.js";
import { startKernel, type TestClient, type TestKernel } from "./client.js";

describe("cells that run on while a page is loaded again", () => {
  let kernel: TestKernel;
  let page: TestClient;
  let opened = 0;
  before(async () => {
    kernel = await startKernel();
    page = await kernel.connect();
  });
  after(() => kernel.stop());

  const unfinished = async (): Promise<UnfinishedCell[]> => {
    const comm = `asked-${String(++opened)}`;
    await page.send("shell", "comm_open", { comm_id: comm, target_name: "kernel.unfinished", data: {} });
    const { content } = await page.wait(({ type, content: { comm_id: id } }) => type === "comm_msg" && id === comm);
    await page.wait(({ type, content: { comm_id: id } }) => type === "comm_close" && id === comm);
    return (content["data"] as { cells: UnfinishedCell[] }).cells;
  };
  const start = (cell: string, code: string, options: object = {}): Promise<string> =>
    kernel.send("shell", "execute_request", { code, allow_stdin: false, ...options }, { metadata: { cellId: cell } });
  /** Waits until a cell has printed a text. */
  const shows = (text: string): Promise<unknown> =>
    page.wait(({ type, content }) => type === "stream" && String(content["text"]).includes(text));
  const done = "await new Promise((resolve) => { (globalThis as any).go = resolve; });";
  const goOn = async (id: string): Promise<void> => {
    // A subshell runs while the cell waits.
    const { content } = await kernel.request("control", "create_subshell_request", {});
    const header = { subshell_id: content["subshell_id"] };
    await kernel.execute("(globalThis as any).go()", {}, { header });
    assert.equal((await kernel.executed(id)).status, "ok");
  };

  test("none are told of while none runs", async () => {
    assert.deepEqual(await unfinished(), []);
  });

  test("streams are joined, displays as they were last updated, and those that wait follow", async () => {
    const code = [
      'console.log("one"); console.log("two"); console.error("three");',
      'display.raw({ "text/plain": "step 1" }, { displayId: "bar" });',
      'display.raw({ "text/plain": "another" });',
      'display.raw({ "text/plain": "step 2" }, { displayId: "bar", update: true });',
      'console.log("shown");',
      done,
    ].join("\n");
    const id = await start("first", code);
    const second = await start("second", "1 + 1");
    await shows("shown");
    const [running, waiting, ...more] = await unfinished();
    assert.deepEqual(more, []);
    assert.equal(running?.cell, "first");
    assert.equal(running.code, code);
    assert.equal(running.request, id);
    assert.ok(running.session.length > 0 && (running.count ?? 0) > 0);
    assert.deepEqual(
      running.outputs.map(({ type, content }) => [type, content["text"] ?? (content["data"] as object)]),
      [
        ["stream", "one\ntwo\n"],
        ["stream", "three\n"],
        ["display_data", { "text/plain": "step 2" }],
        ["display_data", { "text/plain": "another" }],
        ["stream", "shown\n"],
      ],
    );
    assert.deepEqual([waiting?.cell, waiting?.request, waiting?.count, waiting?.outputs], ["second", second, null, []]);
    await goOn(id);
    await kernel.executed(second);
    assert.deepEqual(await unfinished(), []);
  });

  test("what was cleared is gone, at once or with the next output", async () => {
    const id = await start(
      "cleared",
      `console.log("old"); display.clear(true); console.log("middle"); await 0; display.clear(); console.log("newest"); ${done}`,
    );
    await shows("newest");
    const [running] = await unfinished();
    assert.deepEqual(
      running?.outputs.map(({ content }) => content["text"]),
      ["newest\n"],
    );
    await goOn(id);
  });

  test("a cell that spins is told of too, with the latest million characters", async () => {
    const id = await start(
      "spins",
      'for (let i = 0; i < 30; i++) console.log(`${i} `.repeat(40_000)); console.log("all"); for (;;);',
    );
    await shows("all");
    const [running] = await unfinished();
    const text = running?.outputs.map(({ content }) => String(content["text"])).join("") ?? "";
    assert.ok(text.length <= 1_000_000 && text.length > 900_000, `${String(text.length)} characters`);
    assert.ok(text.endsWith("29 \nall\n"));
    await kernel.request("control", "interrupt_request", {});
    assert.equal((await kernel.executed(id)).error?.ename, "Interrupted");
    assert.deepEqual(await unfinished(), []);
  });

  test("requests that are silent or run no cell of a notebook are not", async () => {
    const silent = await start("silent", `1; ${done}`, { silent: true });
    assert.deepEqual(await unfinished(), []);
    await goOn(silent);
    const none = await kernel.send("shell", "execute_request", { code: `console.log("no cell"); ${done}` });
    await shows("no cell");
    assert.deepEqual(await unfinished(), []);
    await goOn(none);
  });

  test("the cells that an error keeps from running are told of no more", async () => {
    const failing = await start("failing", 'throw new Error("no")');
    const after = await start("after", "1");
    await kernel.executed(failing);
    assert.equal((await kernel.executed(after)).status, "aborted");
    assert.deepEqual(await unfinished(), []);
  });
});
