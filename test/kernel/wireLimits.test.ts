/** What clients do seldom: floods, several at once, subshells, strange messages, restarts. Each against a real kernel process. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { startKernel, type Executed, type Received, type TestKernel } from "./client.js";

describe("the wire, beyond the ordinary", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
  });
  after(() => kernel.stop());

  const idleAfter = (id: string): Promise<Received> =>
    kernel.wait(({ content, parent }) => content["execution_state"] === "idle" && parent.msg_id === id);
  const statusOf = (done: Executed): string => done.status;

  describe("strange messages", () => {
    test("an unknown type gets busy and idle and no reply", async () => {
      for (const channel of ["shell", "control"] as const) {
        const id = await kernel.send(channel, "no_such_request", {});
        await idleAfter(id);
        const types = kernel.received.filter(({ parent }) => parent.msg_id === id).map(({ type }) => type);
        assert.deepEqual(types, ["status", "status"]);
      }
      assert.match(kernel.log(), /no answer to no_such_request on shell/);
    });

    test("a request that lacks a field is answered with an error that names it", async () => {
      for (const [type, content, evalue] of [
        ["execute_request", { code: 7 }, '"code" of execute_request must be a string, got 7'],
        ["execute_request", [], "the content of execute_request must be an object, got []"],
        ["complete_request", { code: "a" }, '"cursor_pos" of complete_request must be a number from 0, got nothing'],
        ["inspect_request", { code: "a", cursor_pos: -1 }, /"cursor_pos" of inspect_request/],
        ["history_request", { hist_access_type: "all" }, /must be "range", "tail" or "search", got "all"/],
        ["is_complete_request", null, /the content of is_complete_request must be an object, got null/],
      ] as const) {
        const { content: reply } = await kernel.request("shell", type, content);
        assert.deepEqual([reply["status"], reply["ename"]], ["error", "BadRequest"]);
        if (typeof evalue === "string") assert.equal(reply["evalue"], evalue);
        else assert.match(String(reply["evalue"]), evalue);
      }
      assert.equal((await kernel.execute("6 * 7")).result, "42");
    });

    test("malformed frames are dropped and counted, whatever is wrong with them", async () => {
      const header = JSON.stringify({ msg_id: "m", session: "s", msg_type: "kernel_info_request", version: "5.4" });
      const signed = (frames: string[]): string[] => ["<IDS|MSG>", kernel.sign(frames), ...frames];
      const bad: [string, string[]][] = [
        ["without <IDS|MSG>", ["nothing", "of", "sense"]],
        ["with too few frames", ["<IDS|MSG>", "00", header]],
        ["with a wrong signature", ["<IDS|MSG>", "00", header, "{}", "{}", "{}"]],
        ["that is not JSON", signed([header, "{", "{}", "{}"])],
        ["without a type or an id", signed(["{}", "{}", "{}", "{}"])],
        ["without a type or an id", signed(["null", "{}", "{}", "{}"])],
      ];
      for (const [, frames] of bad) await kernel.sendRaw("shell", frames);
      await kernel.request("shell", "kernel_info_request", {});
      for (const [what] of bad)
        assert.match(kernel.log(), new RegExp(`dropped a message ${what.replace("|", "\\|")} on shell`));
      assert.match(kernel.log(), /\(6 dropped so far\)/);
    });

    test("a value that JSON cannot hold is the cell's error", async () => {
      const done = await kernel.execute("display.json({ big: 1n })");
      assert.equal(done.error?.ename, "TypeError");
      assert.match(done.error.evalue, /application\/json cannot be shown: .*BigInt/);
      const circular = await kernel.execute("const ring: unknown[] = []; ring.push(ring); display.json(ring)");
      assert.match(String(circular.error?.evalue), /circular/);
      const functions = await kernel.execute("display.json({ kept: 1, dropped: () => 1 })");
      const shown = functions.messages.find(({ type }) => type === "display_data");
      assert.deepEqual((shown?.content["data"] as Record<string, unknown>)["application/json"], { kept: 1 });
    });

    test("cursors count code points: an astral letter is one", async () => {
      const code = "const 𝒳 = 'x'; const s = '😀😀'; s.toUpp";
      const length = Array.from(code).length;
      const { content } = await kernel.request("shell", "complete_request", { code, cursor_pos: length });
      assert.deepEqual(content["matches"], ["toUpperCase"]);
      assert.deepEqual([content["cursor_start"], content["cursor_end"]], [length - 5, length]);
      const word = "/* 😀 */ parseFloat";
      const at = Array.from(word).length - 3;
      const found = await kernel.request("shell", "inspect_request", { code: word, cursor_pos: at, detail_level: 0 });
      assert.equal(found.content["found"], true);
      const past = await kernel.request("shell", "complete_request", { code: "s.", cursor_pos: 1000 });
      assert.equal(past.content["status"], "ok");
    });
  });

  test("late output of a finished cell, out of a timer, a promise and a library's callback, stays that cell's", async () => {
    const id = await kernel.send("shell", "execute_request", {
      code: [
        "setTimeout(() => console.log('timer'), 150);",
        "void new Promise((r) => setTimeout(r, 200)).then(() => display('promise'));",
        "import { setTimeout as sleep } from 'node:timers/promises';",
        "void (async () => { await sleep(250); console.error('async') })();",
      ].join("\n"),
    });
    await kernel.executed(id);
    const next = await kernel.execute("await new Promise((r) => setTimeout(r, 500)); console.log('mine')");
    assert.deepEqual([next.stdout, next.stderr], ["mine\n", ""]);
    const late = kernel.received.filter(({ type, parent }) => /stream|display/.test(type) && parent.msg_id === id);
    assert.deepEqual(
      late.map(({ content }) => content["text"] ?? (content["data"] as Record<string, unknown>)["text/plain"]),
      ["timer\n", "'promise'", "async\n"],
    );
  });

  test("two clients at once: each gets its own replies and sees all outputs", async () => {
    const other = await kernel.connect();
    const [mine, theirs] = await Promise.all([kernel.execute("'mine'"), other.execute("'theirs'")]);
    assert.deepEqual([mine.result, theirs.result], ["'mine'", "'theirs'"]);
    const idOf = (done: Executed): string => String(done.reply.parent.msg_id);
    const replies = ({ received }: { received: Received[] }, id: string): number =>
      received.filter(({ type, parent }) => type === "execute_reply" && parent.msg_id === id).length;
    assert.deepEqual([replies(kernel, idOf(theirs)), replies(other, idOf(mine))], [0, 0]);
    await other.wait(({ type, parent }) => type === "execute_result" && parent.msg_id === idOf(mine));
    await kernel.wait(({ type, parent }) => type === "execute_result" && parent.msg_id === idOf(theirs));
    // Each is asked on its own stdin.
    const id = await other.send("shell", "execute_request", { code: "prompt('whose?')", allow_stdin: true });
    const ask = await other.wait(({ channel, parent }) => channel === "stdin" && parent.msg_id === id);
    assert.ok(!kernel.received.some(({ channel, parent }) => channel === "stdin" && parent.msg_id === id));
    await other.send("stdin", "input_reply", { value: "theirs" }, { parent: ask.header });
    assert.equal((await other.executed(id)).result, "'theirs'");
  });

  test("store_history and silent: what is not stored is in no history and has no number", async () => {
    await kernel.execute("'stored'");
    const unstored = await kernel.execute("'not stored'", { store_history: false });
    const silent = await kernel.execute("console.log('not shown'); display(1); throw new Error('silent too')", {
      silent: true,
      stop_on_error: true,
    });
    assert.equal(unstored.result, "'not stored'");
    assert.equal(silent.status, "error");
    assert.deepEqual(
      silent.messages.map(({ content }) => content["execution_state"]),
      ["busy", "idle"],
    );
    const { content } = await kernel.request("shell", "history_request", { hist_access_type: "tail", n: 1 });
    assert.equal((content["history"] as unknown[][])[0]?.[2], "'stored'");
  });

  test("user expressions: rich ones, failing ones, and none after an error", async () => {
    const done = await kernel.execute("const five = 5", {
      user_expressions: {
        html: "({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': `<b>${five}</b>` }) })",
        late: "await Promise.resolve(five + 1)",
        bad: "five.nothing",
        thrown: "(() => { throw new RangeError('far') })()",
      },
    });
    const answers = done.reply.content["user_expressions"] as Record<string, Record<string, unknown>>;
    assert.equal((answers["html"]?.["data"] as Record<string, unknown>)["text/html"], "<b>5</b>");
    assert.deepEqual(answers["late"]?.["data"], { "text/plain": "6" });
    assert.deepEqual([answers["bad"]?.["status"], answers["thrown"]?.["ename"]], ["error", "RangeError"]);
    const failed = await kernel.execute("throw 1", { user_expressions: { five: "five" } });
    assert.equal(failed.reply.content["user_expressions"], undefined);
  });

  test("a failing cell aborts all that wait; requests of another kind are answered all the same", async () => {
    const run = (code: string): Promise<string> => kernel.send("shell", "execute_request", { code });
    const ids = await Promise.all([run("await new Promise((r) => setTimeout(r, 200)); throw 1"), run("2"), run("3")]);
    const info = kernel.request("shell", "kernel_info_request", {});
    const statuses = (await Promise.all(ids.map(kernel.executed))).map(statusOf);
    assert.deepEqual(statuses, ["error", "aborted", "aborted"]);
    assert.equal((await info).content["status"], "ok");
    assert.equal((await kernel.execute("'after'")).result, "'after'");
  });

  describe("subshells (protocol 5.5)", () => {
    const create = async (): Promise<string> =>
      String((await kernel.request("control", "create_subshell_request", {})).content["subshell_id"]);
    const inside = (id: string): { header: object } => ({ header: { subshell_id: id } });

    test("are announced, made, listed and removed; the requests of an unknown one are refused", async () => {
      const info = await kernel.request("control", "kernel_info_request", {});
      assert.ok((info.content["supported_features"] as string[]).includes("kernel subshells"));
      const id = await create();
      const list = async (): Promise<unknown> =>
        (await kernel.request("control", "list_subshell_request", {})).content["subshell_id"];
      assert.deepEqual(await list(), [id]);
      assert.equal((await kernel.execute("'here'", {}, inside(id))).result, "'here'");
      const removed = await kernel.request("control", "delete_subshell_request", { subshell_id: id });
      assert.deepEqual(removed.content, { status: "ok" });
      assert.deepEqual(await list(), []);
      const again = await kernel.request("control", "delete_subshell_request", { subshell_id: id });
      assert.equal(again.content["status"], "error");
      const refused = await kernel.execute("'nowhere'", {}, inside(id));
      assert.deepEqual([refused.status, refused.reply.content["ename"]], ["error", "UnknownSubshell"]);
    });

    test("run while a cell of the main shell awaits, share its values, and keep outputs apart", async () => {
      const id = await create();
      const slow = kernel.execute(
        [
          "let steps = 0; const tick = () => new Promise((r) => setTimeout(r, 10));",
          "while (steps < 40) { await tick(); await null; console.log(`main ${steps++}`); }",
          "const fromMain = 'main'; 'main is done'",
        ].join("\n"),
      );
      await kernel.wait(({ content }) => String(content["text"]).includes("main 3\n"));
      const sub = await kernel.execute(
        "let n = 0; while (n < 5) { await new Promise((r) => setTimeout(r, 13)); await null; console.log(`sub ${n++}`); } const fromSub = 'sub'; n",
        {},
        inside(id),
      );
      assert.equal(sub.result, "5");
      assert.equal(sub.stdout, "sub 0\nsub 1\nsub 2\nsub 3\nsub 4\n");
      assert.ok(!kernel.received.some(({ content }) => String(content["text"]).includes("main 39")), "main still runs");
      const main = await slow;
      assert.equal(main.result, "'main is done'");
      assert.equal(main.stdout, Array.from({ length: 40 }, (_, i) => `main ${String(i)}\n`).join(""));
      // What both declared is known afterwards, whichever ended last.
      assert.equal((await kernel.execute("[fromMain, fromSub, steps, n].join()")).result, "'main,sub,40,5'");
      await kernel.request("control", "delete_subshell_request", { subshell_id: id });
    });

    test("an error stops the queue of its own shell only; an interrupt stops all", async () => {
      const id = await create();
      const run = (code: string, extra = {}): Promise<string> =>
        kernel.send("shell", "execute_request", { code }, extra);
      const main = await run("await new Promise((r) => setTimeout(r, 300)); 'main'");
      const next = await run("'next'");
      const subs = await Promise.all([run("throw 1", inside(id)), run("2", inside(id))]);
      assert.deepEqual((await Promise.all(subs.map(kernel.executed))).map(statusOf), ["error", "aborted"]);
      assert.deepEqual((await Promise.all([main, next].map(kernel.executed))).map(statusOf), ["ok", "ok"]);
      const times: number[] = [];
      while (times.length < 3 && !times.some((ms) => ms < 1500)) {
        const both = [
          await run("console.log('one'); await new Promise(() => undefined)"),
          await run("console.log('two'); while (true) await null", inside(id)),
        ];
        const prints = (one: string, text: string) =>
          kernel.wait(({ content, parent }) => parent.msg_id === one && content["text"] === text);
        await prints(both[0]!, "one\n");
        await prints(both[1]!, "two\n");
        const start = performance.now();
        await kernel.request("control", "interrupt_request", {});
        for (const one of both) assert.equal((await kernel.executed(one)).error?.ename, "Interrupted");
        times.push(performance.now() - start);
      }
      assert.ok(Math.min(...times) < 1500, `${times.join(", ")} ms`);
      assert.equal((await kernel.execute("'lives'")).result, "'lives'");
    });
  });

  test("100 MB of stdout in one cell arrive whole and in order", async () => {
    const done = await kernel.execute(
      "const line = 'x'.repeat(1023); for (let i = 0; i < 100 * 1024; i++) console.log(line);",
    );
    assert.equal(done.status, "ok");
    assert.equal(done.stdout.length, 100 * 1024 * 1024);
    const streams = done.messages.filter(({ type }) => type === "stream").length;
    assert.ok(streams < 2000, `${String(streams)} messages`);
    assert.equal((await kernel.execute("'after'")).result, "'after'");
    kernel.received.length = 0;
  });

  test("10,000 displays in one cell arrive all and in order", async () => {
    const done = await kernel.execute("for (let i = 0; i < 10_000; i++) await display(i);");
    const shown = done.messages
      .filter(({ type }) => type === "display_data")
      .map(({ content }) => Number((content["data"] as Record<string, string>)["text/plain"]));
    assert.equal(shown.length, 10_000);
    assert.ok(shown.every((value, i) => value === i));
    assert.equal((await kernel.execute("'after'")).result, "'after'");
    kernel.received.length = 0;
  });
});

test("a restart on the same connection: the old kernel ends with code 0, the new one has its ports and an empty session", async (t) => {
  const first = await startKernel();
  t.after(() => first.stop());
  await first.execute("const before = 1");
  const exited = once(first.process, "exit");
  const { content } = await first.request("control", "shutdown_request", { restart: true });
  assert.deepEqual(content, { status: "ok", restart: true });
  const broadcast = await first.wait(({ channel, type }) => channel === "iopub" && type === "shutdown_reply");
  assert.equal(broadcast.content["restart"], true);
  assert.deepEqual(await exited, [0, null]);
  const second = await startKernel({ connection: first.connection });
  t.after(() => second.stop());
  // The client of the first kernel is still connected and goes on with the second one.
  const info = await first.request("shell", "kernel_info_request", {});
  assert.equal(info.content["status"], "ok");
  const done = await second.execute("before");
  assert.match(String(done.error?.evalue), /Cannot find name 'before'/);
  assert.equal((await second.execute("1")).reply.content["execution_count"], 2);
});
