/** The 27 checks of runtimed/kernel-testbed by their names, in its four tiers, against a real kernel process. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { startKernel, type Executed, type Received, type TestKernel } from "./client.js";

let kernel: TestKernel;
before(async () => {
  kernel = await startKernel();
});
after(() => kernel.stop());

const states = (done: Executed): unknown[] =>
  done.messages.filter(({ type }) => type === "status").map(({ content }) => content["execution_state"]);
const only = (done: Executed, type: string): Received => {
  const found = done.messages.filter((message) => message.type === type);
  assert.equal(found.length, 1, `one ${type}, not ${String(found.length)}`);
  return found[0]!;
};
const info = async (): Promise<Record<string, unknown>> =>
  (await kernel.request("shell", "kernel_info_request", {})).content;

describe("tier 1: basic protocol", () => {
  test("heartbeat_responds", async () => {
    assert.equal(await kernel.heartbeat(), "ping");
  });
  test("kernel_info_reply_valid", async () => {
    const content = await info();
    assert.equal(content["status"], "ok");
    for (const field of ["implementation", "implementation_version", "banner"])
      assert.equal(typeof content[field], "string", field);
    assert.ok(Array.isArray(content["help_links"]) && Array.isArray(content["supported_features"]));
  });
  test("kernel_info_has_protocol_version", async () => {
    assert.match(String((await info())["protocol_version"]), /^5\.\d+$/);
  });
  test("kernel_info_has_language_info", async () => {
    const { version, ...language } = (await info())["language_info"] as Record<string, unknown>;
    assert.match(String(version), /^\d+\.\d+\.\d+$/);
    assert.deepEqual(language, {
      name: "typescript",
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: "typescript",
      nbconvert_exporter: "script",
    });
  });
  test("execute_stdout", async () => {
    assert.equal((await kernel.execute("console.log('to stdout')")).stdout, "to stdout\n");
  });
  test("execute_stderr", async () => {
    const done = await kernel.execute("console.error('to stderr')");
    assert.deepEqual([done.stdout, done.stderr], ["", "to stderr\n"]);
  });
  test("execute_reply_ok", async () => {
    const { content } = (await kernel.execute("1 + 1")).reply;
    assert.equal(content["status"], "ok");
    assert.equal(typeof content["execution_count"], "number");
    assert.deepEqual([content["user_expressions"], content["payload"]], [{}, []]);
  });
  test("status_busy_idle_lifecycle", async () => {
    const done = await kernel.execute("console.log(1); 2");
    assert.deepEqual(states(done), ["busy", "idle"]);
    assert.equal(done.messages[0]?.type, "status", "busy comes first");
    assert.equal(done.messages.at(-1)?.type, "status", "idle comes last");
  });
  test("execute_input_broadcast", async () => {
    for (const code of ["const broadcast = 1", "throw new Error('also when it fails')"]) {
      const done = await kernel.execute(code);
      const input = only(done, "execute_input");
      assert.deepEqual(input.content, { code, execution_count: done.reply.content["execution_count"] });
    }
  });
  test("shutdown_reply", async (t) => {
    const other = await startKernel();
    t.after(() => other.stop());
    const reply = await other.request("control", "shutdown_request", { restart: false });
    assert.equal(reply.type, "shutdown_reply");
    assert.deepEqual(reply.content, { status: "ok", restart: false });
    const [code] = (await once(other.process, "exit")) as [number];
    assert.equal(code, 0, other.log());
  });
  test("iopub_welcome", () => {
    const welcome = kernel.received.find(({ channel }) => channel === "iopub");
    assert.equal(welcome?.type, "iopub_welcome", "comes before everything else");
    assert.deepEqual([welcome.content, welcome.parent], [{ subscription: "" }, {}]);
  });
});

describe("tier 2: interactive features", () => {
  test("complete_request", async () => {
    const code = "'text'.toUpp";
    const { content } = await kernel.request("shell", "complete_request", { code, cursor_pos: code.length });
    assert.deepEqual(content["matches"], ["toUpperCase"]);
    assert.deepEqual([content["status"], content["cursor_start"], content["cursor_end"]], ["ok", 7, 12]);
  });
  test("inspect_request", async () => {
    const { content } = await kernel.request("shell", "inspect_request", {
      code: "parseInt",
      cursor_pos: 3,
      detail_level: 0,
    });
    assert.equal(content["found"], true);
    assert.match(String((content["data"] as Record<string, unknown>)["text/plain"]), /parseInt\(string: string/);
  });
  test("is_complete_complete", async () => {
    const { content } = await kernel.request("shell", "is_complete_request", { code: "const a = 1;" });
    assert.equal(content["status"], "complete");
    const invalid = await kernel.request("shell", "is_complete_request", { code: "let = = 3" });
    assert.equal(invalid.content["status"], "invalid");
  });
  test("is_complete_incomplete", async () => {
    const { content } = await kernel.request("shell", "is_complete_request", { code: "function f() {" });
    assert.deepEqual(content, { status: "incomplete", indent: "  " });
  });
  test("history_request", async () => {
    await kernel.execute("const remembered = 'history'");
    const { content } = await kernel.request("shell", "history_request", {
      hist_access_type: "tail",
      n: 1,
      raw: true,
      output: false,
    });
    assert.equal((content["history"] as unknown[][])[0]?.[2], "const remembered = 'history'");
  });
  test("comm_info_request", async () => {
    const { content } = await kernel.request("shell", "comm_info_request", {});
    assert.deepEqual(content, { status: "ok", comms: {} });
  });
  test("error_handling", async () => {
    const done = await kernel.execute("null!.anything");
    const error = only(done, "error").content;
    const { status, execution_count, ...reply } = done.reply.content;
    assert.deepEqual([status, typeof execution_count], ["error", "number"]);
    assert.deepEqual(reply, error, "the reply and iopub tell the same");
    const typed = await kernel.execute("const n: number = 'text'");
    assert.equal(typed.error?.ename, "TypeScriptError");
    assert.equal((await kernel.execute("'lives on'")).result, "'lives on'");
  });
});

describe("tier 3: rich output", () => {
  test("display_data", async () => {
    const { content } = only(await kernel.execute("display.html('<b>bold</b>')"), "display_data");
    assert.deepEqual(content["data"], { "text/html": "<b>bold</b>", "text/plain": "<b>bold</b>" });
    assert.deepEqual([content["metadata"], content["transient"]], [{}, {}]);
  });
  test("update_display_data", async () => {
    const done = await kernel.execute(
      "await display.markdown('*1*', { displayId: 'one' }); await display.markdown('*2*', { displayId: 'one', update: true });",
    );
    assert.deepEqual(only(done, "display_data").content["transient"], { display_id: "one" });
    const update = only(done, "update_display_data").content;
    assert.deepEqual(update["transient"], { display_id: "one" });
    assert.equal((update["data"] as Record<string, unknown>)["text/markdown"], "*2*");
  });
  test("execute_result", async () => {
    const done = await kernel.execute("[1, 2].map((n) => n * 2)");
    const { content } = only(done, "execute_result");
    assert.deepEqual(content["data"], { "text/plain": "[ 2, 4 ]" });
    assert.equal(content["execution_count"], done.reply.content["execution_count"]);
  });
  test("rich_execute_result", async () => {
    const done = await kernel.execute(
      "({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': '<i>x</i>', 'application/json': { a: [1] } }) })",
    );
    const data = only(done, "execute_result").content["data"] as Record<string, unknown>;
    assert.equal(data["text/html"], "<i>x</i>");
    assert.deepEqual(data["application/json"], { a: [1] });
    assert.equal(typeof data["text/plain"], "string");
  });
});

describe("tier 4: advanced features", () => {
  test("stdin_input_request", async () => {
    const id = await kernel.send("shell", "execute_request", { code: "prompt('name? ')", allow_stdin: true });
    const ask = await kernel.wait(({ channel, parent }) => channel === "stdin" && parent.msg_id === id);
    assert.deepEqual([ask.type, ask.content], ["input_request", { prompt: "name? ", password: false }]);
    await kernel.send("stdin", "input_reply", { value: "Grace 😀" }, { parent: ask.header });
    assert.equal((await kernel.executed(id)).result, "'Grace 😀'");
  });
  test("comms_lifecycle", async () => {
    const send = async (type: string, content: object): Promise<unknown[]> => {
      const id = await kernel.send("shell", type, content);
      await kernel.wait(
        ({ content: { execution_state }, parent }) => execution_state === "idle" && parent.msg_id === id,
      );
      return kernel.received
        .filter(({ channel, parent }) => channel === "iopub" && parent.msg_id === id)
        .map(({ type: name, content: { execution_state, comm_id } }) => execution_state ?? [name, comm_id]);
    };
    const open = { comm_id: "c-1", target_name: "nobody-listens", data: {} };
    // Nobody in the kernel knows this target: the protocol wants it closed at once.
    assert.deepEqual(await send("comm_open", open), ["busy", ["comm_close", "c-1"], "idle"]);
    assert.deepEqual(await send("comm_msg", { comm_id: "c-1", data: { a: 1 } }), ["busy", "idle"]);
    assert.deepEqual(await send("comm_close", { comm_id: "c-1", data: {} }), ["busy", "idle"]);
  });
  test("interrupt_request", async () => {
    const id = await kernel.send("shell", "execute_request", { code: "while (true);" });
    await kernel.wait(({ type, parent }) => type === "execute_input" && parent.msg_id === id);
    const reply = await kernel.request("control", "interrupt_request", {});
    assert.deepEqual([reply.type, reply.content], ["interrupt_reply", { status: "ok" }]);
    assert.equal((await kernel.executed(id)).error?.ename, "Interrupted");
  });
  test("execution_count_increments", async () => {
    const counts: unknown[] = [];
    for (const code of ["1", "throw 2", "3"])
      counts.push((await kernel.execute(code)).reply.content["execution_count"]);
    const [first] = counts as number[];
    assert.deepEqual(counts, [first, first! + 1, first! + 2]);
  });
  test("parent_header_correlation", async () => {
    const done = await kernel.execute("console.log('out'); display(1); 2");
    const { msg_id } = done.reply.parent;
    assert.equal(done.messages.length, 6, done.messages.map(({ type }) => type).join());
    const sessions = new Set([done.reply, ...done.messages].map(({ header }) => header["session"]));
    assert.equal(sessions.size, 1, "one session of the kernel");
    const ids = new Set([done.reply, ...done.messages].map(({ header }) => header["msg_id"]));
    assert.equal(ids.size, 7, "every message has an id of its own");
    for (const { parent } of done.messages) assert.equal(parent.msg_id, msg_id);
  });
});
