/** The kernel while a model of the small size trains with 32 pairs a step: the heartbeat answers, an interrupt ends it. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { packageRoot } from "../../src/paths.js";
import { startKernel, type TestKernel } from "./client.js";
import type { Stepped } from "./trainingPlugin.js";

describe("while a model trains", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
    const plugin = path.join(packageRoot(), "build", "test", "kernel", "trainingPlugin.js");
    const loaded = await kernel.execute(`%load_ext ${plugin}`);
    assert.equal(loaded.status, "ok", loaded.error?.evalue);
  });
  after(() => kernel.stop());

  const training = async (): Promise<void> => {
    const seen = kernel.received.length;
    await kernel.wait(
      (message) => kernel.received.indexOf(message) >= seen && message.content["text"] === "training\n",
      120_000,
    );
  };

  test("the heartbeat answers though the thread of the cells computes without a pause", async () => {
    const running = kernel.execute("const loss = %block");
    await training();
    const ended = new AbortController();
    void running.then(() => {
      ended.abort();
    });
    const answers: boolean[] = []; // whether the cell was still running at each
    while (!ended.signal.aborted) {
      await kernel.heartbeat();
      answers.push(!ended.signal.aborted);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const beats = answers.filter(Boolean).length;
    assert.equal((await running).status, "ok");
    // It computes for two seconds on an idle machine.
    assert.ok(beats >= 10, `${beats} beats`);
    assert.equal((await kernel.execute("Number.isFinite(loss)")).result, "true");
  });

  test("an interrupt ends it within a step, and the cells live on with what it returned", async () => {
    const running = kernel.execute("const run = %steps");
    await training();
    await kernel.heartbeat();
    await kernel.request("control", "interrupt_request", {});
    const { error } = await running;
    assert.equal(error?.ename, "Interrupted");
    const { stdout } = await kernel.execute("console.log(JSON.stringify(run))");
    const { steps, ending, gap } = JSON.parse(stdout) as Stepped;
    assert.ok(steps >= 1);
    // Generous, for machines that do much else: true figures come from bench/interrupt.ts.
    assert.ok(ending < 5000 && gap.wall < 20_000, JSON.stringify({ ending, gap }));
  });
});
