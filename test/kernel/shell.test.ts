/** What `!command` starts ends with the cell that is interrupted, and with the kernel. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { startKernel, type TestKernel } from "./client.js";

/** Starts a shell that starts another process in the background; returns the numbers of both. */
async function start(kernel: TestKernel): Promise<{ id: string; pids: number[] }> {
  const code = "!nohup sleep 300 > /dev/null 2>&1 & echo started $$ $!; wait";
  const id = await kernel.send("shell", "execute_request", { code });
  const { content } = await kernel.wait(
    ({ type, parent, content: { text } }) =>
      type === "stream" && parent.msg_id === id && /^started \d+ \d+\n/.test(String(text)),
  );
  return { id, pids: String(content["text"]).trim().split(" ").slice(1).map(Number) };
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function allEnd(pids: number[]): Promise<void> {
  for (let i = 0; i < 100 && pids.some(lives); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(pids.filter(lives), []);
}

const skip = process.platform === "win32" ? "no process groups on Windows" : false;
const kernelFor = async (t: TestContext): Promise<TestKernel> => {
  const kernel = await startKernel();
  t.after(() => kernel.stop());
  return kernel;
};

test("an interrupt ends a shell and what it left in the background", { skip }, async (t) => {
  const kernel = await kernelFor(t);
  const { id, pids } = await start(kernel);
  assert.ok(pids.length === 2 && pids.every(lives));
  await kernel.request("control", "interrupt_request", {});
  assert.equal((await kernel.executed(id)).error?.ename, "Interrupted");
  await allEnd(pids);
});

test("a shutdown of the kernel ends them too", { skip }, async (t) => {
  const kernel = await kernelFor(t);
  const { pids } = await start(kernel);
  await kernel.stop();
  await allEnd(pids);
});
