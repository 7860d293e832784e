/** Cells that remove the process's listeners: interrupts, errors that nobody catches and the exit code work on. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { startKernel, type Executed, type TestKernel } from "./client.js";

describe("after a cell removed the process's listeners", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
  });
  after(() => kernel.stop());

  const signalled = async (code: string): Promise<Executed> => {
    const id = await kernel.send("shell", "execute_request", { code: `console.log('running');\n${code}` });
    await kernel.wait(({ content, parent }) => content["text"] === "running\n" && parent.msg_id === id);
    kernel.process.kill("SIGINT");
    return kernel.executed(id);
  };

  for (const [what, removal] of [
    ["all", "process.removeAllListeners();"],
    [
      "by their names",
      "for (const name of ['SIGINT', 'uncaughtException', 'unhandledRejection', 'exit']) process.removeAllListeners(name);",
    ],
    ["Node's own", "for (const name of ['newListener', 'removeListener']) process.removeAllListeners(name);"],
    ["one by one", "for (const one of process.listeners('SIGINT')) process.off('SIGINT', one);"],
  ] as const)
    for (const [when, pause] of [
      ["at once", ""],
      ["behind an await", "await null;"],
    ] as const)
      test(`(${what}, ${when}) signals interrupt and late errors are shown`, async () => {
        // In the same cell, once the event loop has turned.
        const same = await signalled(
          `${pause} ${removal} setTimeout(() => { throw new Error('soon'); }, 1); await new Promise((r) => setTimeout(r, 50)); await new Promise(() => undefined);`,
        );
        assert.equal(same.error?.ename, "Interrupted");
        await kernel.execute(`${pause} ${removal}`);
        assert.equal((await signalled("while (true);")).error?.ename, "Interrupted");
        await kernel.execute(`${pause} ${removal}`);
        assert.equal((await signalled("await new Promise(() => undefined);")).error?.ename, "Interrupted");
        await kernel.execute(`${pause} ${removal}`);
        const late = await kernel.execute(
          "setTimeout(() => { throw new Error('of a timer'); }, 1); void Promise.reject(new Error('of a promise')); await new Promise((r) => setTimeout(r, 100));",
        );
        assert.match(late.stderr, /of a promise/);
        assert.match(late.stderr, /of a timer/);
        assert.equal((await kernel.execute("6 * 7")).result, "42");
      });

  test("listeners of the user's own come and go as they like", async () => {
    const done = await kernel.execute(
      "let heard = 0; const hear = () => { heard++; }; process.on('SIGUSR2', hear); process.kill(process.pid, 'SIGUSR2'); await new Promise((r) => setTimeout(r, 50)); process.off('SIGUSR2', hear); [heard, process.listenerCount('SIGUSR2')]",
    );
    assert.equal(done.result, "[ 1, 0 ]");
  });

  test("the kernel ends with the code that it is told", async () => {
    await kernel.execute("process.removeAllListeners();");
    await kernel.send("shell", "execute_request", { code: "process.exit(3)" });
    if (kernel.process.exitCode === null) await once(kernel.process, "exit");
    assert.equal(kernel.process.exitCode, 3, kernel.log());
  });
});
