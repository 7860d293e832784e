/** Interrupts: every kind of running code stops, values stay, the next cell runs. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fixture } from "../fixtures.js";
import { startKernel, type Executed, type TestKernel } from "./client.js";

describe("an interrupt", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
    await kernel.execute("let turns = 0; const kept = 'kept';");
    await kernel.execute(`%load_ext ${fixture("kernel/plugin.js")}`);
  });
  after(() => kernel.stop());

  /** Starts a cell, interrupts it once it runs, and returns how it ended and how long that took. */
  const interrupted = async (
    code: string,
    how: "message" | "signal" = "message",
  ): Promise<Executed & { took: number }> => {
    const running = kernel.execute(`console.log('running');\n${code}`);
    const seen = kernel.received.length;
    await kernel.wait((message) => kernel.received.indexOf(message) >= seen && message.content["text"] === "running\n");
    const start = performance.now();
    if (how === "signal") kernel.process.kill("SIGINT");
    else await kernel.request("control", "interrupt_request", {});
    const done = await running;
    return { ...done, took: performance.now() - start };
  };
  const livesOn = async (): Promise<void> => {
    assert.equal((await kernel.execute("kept")).result, "'kept'");
  };

  for (const [what, code] of [
    ["a synchronous loop", "while (true) turns++;"],
    ["a loop inside a callback", "[1].forEach(() => { while (true) turns++; });"],
    ["a loop that catches errors", "try { while (true) turns++; } catch { console.log('caught'); }"],
    ["a loop after an await", "await null; while (true) turns++;"],
    ["a loop of awaits that never lets the event loop turn", "while (true) { await null; turns++; }"],
    ["a loop that waits for timers", "while (true) { await new Promise((r) => setTimeout(r, 20)); turns++; }"],
    ["a promise that never settles", "await new Promise(() => undefined);"],
    ["a loop in a timer", "setTimeout(() => { while (true) turns++; }, 0); await new Promise(() => undefined);"],
    ["a shell command", "!sleep 30"],
  ] as const)
    test(`stops ${what}`, async () => {
      const done = await interrupted(code);
      assert.equal(done.status, "error");
      assert.equal(done.error?.ename, "Interrupted");
      assert.ok(done.took < 2500, `${String(done.took)} ms`);
      assert.doesNotMatch(done.stdout, /caught/);
      await livesOn();
    });

  test("by SIGINT stops a synchronous loop and an endless wait", async () => {
    assert.equal((await interrupted("while (true) turns++;", "signal")).error?.ename, "Interrupted");
    assert.equal((await interrupted("await new Promise(() => undefined);", "signal")).error?.ename, "Interrupted");
    await livesOn();
  });

  test("ends the timers of the cell, so that nothing goes on behind the next one", async () => {
    await interrupted("while (true) { await new Promise((r) => setTimeout(r, 20)); turns++; }");
    const before = (await kernel.execute("turns")).result;
    await kernel.execute("await new Promise((r) => setTimeout(r, 200))");
    assert.equal((await kernel.execute("turns")).result, before);
  });

  test("keeps what the cell had assigned", async () => {
    await interrupted("const reached = 12; while (true) turns++;");
    assert.equal((await kernel.execute("reached")).result, "12");
  });

  test("aborts the cells that wait", async () => {
    const running = interrupted("while (true) turns++;");
    const waiting = kernel.execute("console.log('never')");
    assert.equal((await running).status, "error");
    const { status, stdout } = await waiting;
    assert.deepEqual([status, stdout], ["aborted", ""]);
  });

  test("lets a training loop stop at a step and keeps the run that it returns", async () => {
    const done = await interrupted(
      "const run = %steps 100000\nconsole.log('not reached' + String(run.steps < 0));\n%steps 1",
    );
    assert.equal(done.error?.ename, "Interrupted");
    assert.ok(done.took < 1500, `${String(done.took)} ms`);
    const kept = await kernel.execute("[run.stopped, run.steps > 0]");
    assert.equal(kept.result, "[ true, true ]");
  });

  test("wakes a cell that asks for input", async () => {
    const id = await kernel.send("shell", "execute_request", { code: "prompt('?')", allow_stdin: true });
    await kernel.wait(({ channel, parent }) => channel === "stdin" && parent.msg_id === id);
    await kernel.request("control", "interrupt_request", {});
    const error = await kernel.wait(({ type, parent }) => type === "error" && parent.msg_id === id);
    assert.equal(error.content["ename"], "Interrupted");
    await livesOn();
  });

  test("with nothing running does nothing", async () => {
    await kernel.request("control", "interrupt_request", {});
    await livesOn();
  });
});
