/** Interrupts: every kind of running code stops, values stay, the next cell runs. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { fixture } from "../fixtures.js";
import { bestOfThree } from "./bestOfThree.js";
import { plain, startKernel, type Executed, type TestKernel } from "./client.js";

describe("an interrupt", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
    await kernel.execute("let turns = 0; const kept = 'kept';");
    await kernel.execute(`%load_ext ${fixture("kernel/plugin.js")}`);
    await kernel.execute(
      "await ams.engine(); const tf = await import('@tensorflow/tfjs-core'); const a = tf.randomNormal([200, 200]);",
    );
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
  const soon = async (code: string, check: (done: Executed) => void): Promise<void> =>
    bestOfThree(1000, async () => {
      const done = await interrupted(code);
      assert.equal(done.status, "error");
      assert.equal(done.error?.ename, "Interrupted");
      check(done);
      return done.took;
    });
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
    [
      "a loop in the second immediate of a turn",
      "for (const spins of [false, true, false]) setImmediate(() => { while (spins) turns++; }); await new Promise(() => undefined);",
    ],
    ["a shell command", "!sleep 30"],
    ["a result that never shows itself", "({ [Symbol.for('Jupyter.display')]: () => { while (true) turns++; } })"],
    ["a result that waits to show itself", "({ [Symbol.for('Jupyter.display')]: () => new Promise(() => undefined) })"],
    [
      "a generator's loop behind an await",
      "function* all() { while (true) yield turns++; } await null; for (const _ of all());",
    ],
    ["a chain of promises", "const again = (): Promise<void> => Promise.resolve().then(again); await again();"],
    [
      "a chain of promises that the cell does not await",
      "function spin(): void { void Promise.resolve().then(spin); } spin(); 7",
    ],
    [
      "an interval that spins",
      "setInterval(() => { const end = Date.now() + 50; while (Date.now() < end); }, 1); await new Promise(() => undefined);",
    ],
    ["a wait on shared memory", "while (true) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);"],
    ["native products", "while (true) tf.tidy(() => tf.matMul(a, a).dataSync());"],
  ] as const)
    test(`stops ${what}`, async () => {
      await soon(code, ({ stdout }) => assert.doesNotMatch(stdout, /caught/));
      await livesOn();
    });

  test("by SIGINT stops a synchronous loop and an endless wait", async () => {
    assert.equal((await interrupted("while (true) turns++;", "signal")).error?.ename, "Interrupted");
    assert.equal((await interrupted("await new Promise(() => undefined);", "signal")).error?.ename, "Interrupted");
    await livesOn();
  });

  test("by SIGINT, many of them while cells begin and end, never ends the process", async () => {
    for (let i = 0; i < 25; i++) {
      const id = await kernel.send("shell", "execute_request", { code: "1", stop_on_error: false });
      for (let k = 0; k < 8; k++) {
        kernel.process.kill("SIGINT");
        await new Promise((resolve) => setTimeout(resolve, i % 5));
      }
      const { status, error } = await kernel.executed(id);
      assert.ok(
        status === "ok" || status === "aborted" || error?.ename === "Interrupted",
        plain(error?.traceback ?? []),
      );
    }
    assert.deepEqual([kernel.process.exitCode, kernel.process.signalCode], [null, null]);
    await new Promise((resolve) => setTimeout(resolve, 300)); // a signal may still be on its way, and would stop the next cell
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
    await bestOfThree(1500, async () => {
      const done = await interrupted(
        "const run = %steps 100000\nconsole.log('not reached' + String(run.steps < 0));\n%steps 1",
      );
      assert.equal(done.error?.ename, "Interrupted");
      return done.took;
    });
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

  test("answers a cell that is still being compiled at once; it never runs", async () => {
    const slow = Array.from(
      { length: 3000 },
      (_, i) => `const v${String(i)} = [1, 2].map((n) => ({ n, s: String(n) }));`,
    );
    await bestOfThree(1000, async () => {
      const id = await kernel.send("shell", "execute_request", { code: `console.log('ran');\n${slow.join("\n")}` });
      await kernel.wait(({ type, parent }) => type === "execute_input" && parent.msg_id === id);
      const start = performance.now();
      await kernel.request("control", "interrupt_request", {});
      const done = await kernel.executed(id);
      const took = performance.now() - start;
      assert.equal(done.error?.ename, "Interrupted");
      assert.equal(done.stdout, "");
      await livesOn();
      assert.match(String((await kernel.execute("v0")).error?.evalue), /Cannot find name 'v0'/);
      assert.ok(!kernel.received.some(({ type, parent }) => type === "stream" && parent.msg_id === id));
      return took;
    });
  });

  test("in the first second of a kernel is answered before TypeScript is loaded", async (t) => {
    await bestOfThree(1000, async () => {
      const fresh = await startKernel();
      t.after(() => fresh.stop());
      const id = await fresh.send("shell", "execute_request", { code: "console.log('ran')" });
      await fresh.wait(({ type, parent }) => type === "execute_input" && parent.msg_id === id);
      const start = performance.now();
      await fresh.request("control", "interrupt_request", {});
      assert.equal((await fresh.executed(id)).error?.ename, "Interrupted");
      const took = performance.now() - start;
      assert.equal((await fresh.execute("1 + 1")).result, "2");
      return took;
    });
  });

  test("stops a training at a step and keeps its run", async () => {
    const photos = path.join(kernel.folder, "photos");
    mkdirSync(photos);
    const rows = ["image,caption,split"];
    for (const name of ["1.png", "2.png", "3.png", "4.png"]) {
      const picture = sharp({ create: { width: 40, height: 40, channels: 3, background: `#${name.slice(0, 1)}0c` } });
      await picture.png().toFile(path.join(photos, name));
      rows.push(`${name},a b ${name.slice(0, 1)},train`);
    }
    writeFileSync(path.join(photos, "captions.csv"), `${rows.join("\n")}\n`);
    const vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...Array.from("abcdefghijklmnopqrstuvwxyz")];
    writeFileSync(path.join(kernel.folder, "vocab.txt"), vocabulary.join("\n"));
    const built = await kernel.execute("const small = await ams.build({ size: 'tiny', vocabulary: 'vocab.txt' })");
    assert.equal(built.status, "ok", plain(built.error?.traceback ?? []));
    await bestOfThree(1500, async () => {
      const id = await kernel.send("shell", "execute_request", {
        code: "const trained = await ams.train({ data: 'photos', model: small, batchSize: 2, epochs: 100_000, validate: 0 })",
      });
      await kernel.wait(({ type, content, parent }) => {
        const text = (content["data"] as Record<string, unknown> | undefined)?.["text/plain"];
        return type.endsWith("display_data") && parent.msg_id === id && /step [1-9]/.test(String(text));
      });
      const start = performance.now();
      await kernel.request("control", "interrupt_request", {});
      const done = await kernel.executed(id);
      assert.equal(done.error?.ename, "Interrupted", plain(done.error?.traceback ?? []));
      const took = performance.now() - start;
      assert.equal((await kernel.execute("trained.steps.length > 0")).result, "true");
      return took;
    });
  });

  test("with nothing running does nothing", async () => {
    await kernel.request("control", "interrupt_request", {});
    await livesOn();
  });
});

/**
 * Interrupts at random moments, at cells of every kind: after each the kernel must answer, with its values.
 * AMS_INTERRUPTS chooses how many (500 take some minutes).
 */
const many = Number(process.env["AMS_INTERRUPTS"] ?? 40);

test(`${String(many)} interrupts at random moments leave a kernel that answers with its values`, async (t) => {
  const kernel = await startKernel();
  t.after(() => kernel.stop());
  // A generator of our own: a failure must be found again.
  let seed = Number(process.env["AMS_SEED"] ?? 3407);
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % n;
  };
  await kernel.execute(
    "let turns = 0; const kept = { value: 'kept' }; const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));",
  );
  const cells = [
    "while (true) turns++;",
    "await null; while (true) turns++;",
    "while (true) { await sleep(1); turns++; }",
    "while (true) { await null; turns++; }",
    "await new Promise(() => undefined);",
    "setTimeout(() => { while (true) turns++; }, 5); await sleep(1e6);",
    "for (let i = 0; ; i++) { if (i % 1e6 === 0) console.log(i); turns++; }",
    "for (let i = 0; i < 300; i++) { turns++; await display.html(`<b>${i}</b>`); }",
    "try { while (true) turns++; } finally { turns = -1; }",
    "[3, 1, 2].sort((a, b) => { while (turns++ >= 0); return a - b; });",
    "const big = Array.from({ length: 1e5 }, (_, i) => i); JSON.parse(JSON.stringify(big)); while (true) big.reverse();",
    "prompt('?')",
  ];
  const outcomes: Record<string, number> = {};
  /** One cell, interrupted; how it ended. */
  const attempt = async (code: string, note: (what: string) => void): Promise<string> => {
    const id = await kernel.send("shell", "execute_request", { code, allow_stdin: true });
    const behind = random(3) === 0 ? await kernel.send("shell", "execute_request", { code: "turns" }) : undefined;
    // From before the cell is compiled to well into its run.
    const delay = random(2) === 0 ? random(60) : random(250);
    note(`${behind === undefined ? "alone" : "with one behind"}, after ${String(delay)} ms`);
    await new Promise((resolve) => setTimeout(resolve, delay));
    for (let times = 1 + (random(4) === 0 ? random(3) : 0); times > 0; times--) {
      const signal = random(3) === 0;
      note(signal ? "SIGINT" : "message");
      if (signal) kernel.process.kill("SIGINT");
      else await kernel.request("control", "interrupt_request", {});
    }
    // A signal may come before the cell has arrived: then the cell is interrupted once more.
    note("waiting for the cell");
    const first = await Promise.race([
      kernel.executed(id),
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 5000)),
    ]);
    if (first === undefined) {
      note("message once more");
      await kernel.request("control", "interrupt_request", {});
    }
    const done = first ?? (await kernel.executed(id));
    assert.ok(done.status === "ok" || done.error?.ename === "Interrupted", plain(done.error?.traceback ?? []));
    if (behind !== undefined) {
      note("waiting for the one behind");
      await kernel.executed(behind);
    }
    note("asking for a value");
    const next = await kernel.execute("kept.value");
    // An interrupt that was sent twice may reach this cell too: once more, then it must run.
    const answer = next.status === "ok" ? next : await kernel.execute("kept.value");
    assert.equal(answer.result, "'kept'");
    return done.status;
  };
  for (let i = 0; i < many; i++) {
    const code = cells[random(cells.length)]!;
    const notes: string[] = [];
    try {
      const status = await attempt(code, (what) => notes.push(what));
      outcomes[status] = (outcomes[status] ?? 0) + 1;
    } catch (cause) {
      const { exitCode, signalCode, pid } = kernel.process;
      const state = exitCode ?? signalCode ?? `runs as ${String(pid)}`;
      throw new Error(
        `interrupt ${String(i)}, cell: ${code}; ${notes.join(", ")}; the kernel's process: ${state}; ${(cause as Error).message}`,
        { cause },
      );
    }
    if (i % 20 === 0) kernel.received.length = 0;
  }
  assert.ok((outcomes["error"] ?? 0) > many / 2, JSON.stringify(outcomes));
  assert.equal(kernel.process.exitCode, null);
});
