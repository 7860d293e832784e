/** The protocol, spoken with a real kernel process. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { freePorts, mainFile, startKernel, type TestKernel } from "./client.js";

describe("the wire", () => {
  let kernel: TestKernel;
  before(async () => {
    kernel = await startKernel();
  });
  after(() => kernel.stop());

  const states = (id: string): unknown[] =>
    kernel.received
      .filter(({ channel, type, parent }) => channel === "iopub" && type === "status" && parent.msg_id === id)
      .map(({ content }) => content["execution_state"]);

  test("kernel_info is answered before TypeScript is loaded", async () => {
    const start = performance.now();
    const reply = await kernel.request("shell", "kernel_info_request", {});
    assert.ok(performance.now() - start < 2000);
    assert.equal(reply.type, "kernel_info_reply");
    assert.equal(reply.content["protocol_version"], "5.5");
    const language = reply.content["language_info"] as Record<string, unknown>;
    assert.equal(language["name"], "typescript");
    assert.equal(language["file_extension"], ".ts");
  });

  test("the heartbeat echoes", async () => {
    assert.equal(await kernel.heartbeat(), "ping");
  });

  test("a new subscriber is welcomed with its subscription", () => {
    const welcome = kernel.received.find(({ type }) => type === "iopub_welcome");
    assert.deepEqual(welcome?.content, { subscription: "" });
    assert.deepEqual(welcome.parent, {});
  });

  test("a cell goes busy, execute_input, output, result, idle, all with the request as parent", async () => {
    const done = await kernel.execute("console.log('out'); 6 * 7");
    assert.equal(done.status, "ok");
    assert.deepEqual(
      done.messages.map(({ type, content }) => content["execution_state"] ?? type),
      ["busy", "execute_input", "stream", "execute_result", "idle"],
    );
    assert.equal(done.result, "42");
    assert.equal(done.stdout, "out\n");
    assert.deepEqual(done.reply.content["user_expressions"], {});
  });

  test("a message with a wrong signature is dropped and counted", async () => {
    const id = await kernel.send("shell", "kernel_info_request", {}, { key: "wrong" });
    const next = await kernel.request("shell", "kernel_info_request", {});
    assert.equal(next.type, "kernel_info_reply");
    assert.ok(!kernel.received.some(({ parent }) => parent.msg_id === id));
    const logged = /dropped a message with a wrong signature on shell \(1 dropped so far\)/;
    for (let i = 0; i < 100 && !logged.test(kernel.log()); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.match(kernel.log(), logged);
  });

  test("a message with buffers is understood", async () => {
    const id = await kernel.send("shell", "kernel_info_request", {}, { buffers: [Buffer.from([1, 2, 3])] });
    await kernel.wait(({ type, parent }) => type === "kernel_info_reply" && parent.msg_id === id);
  });

  test("execution counts rise by one, and neither silent cells nor cells without history count", async () => {
    const first = await kernel.execute("1");
    const silent = await kernel.execute("console.log('not shown'); 2", { silent: true });
    const unstored = await kernel.execute("3", { store_history: false });
    const second = await kernel.execute("4");
    const count = first.reply.content["execution_count"] as number;
    assert.equal(second.reply.content["execution_count"], count + 1);
    assert.deepEqual(
      silent.messages.map(({ content }) => content["execution_state"]),
      ["busy", "idle"],
    );
    assert.equal(unstored.result, "3");
  });

  test("user expressions are evaluated after the cell", async () => {
    const done = await kernel.execute("let u = 20", { user_expressions: { good: "u + 1", bad: "nothing" } });
    const { good, bad } = done.reply.content["user_expressions"] as Record<string, Record<string, unknown>>;
    assert.deepEqual(good, { status: "ok", data: { "text/plain": "21" }, metadata: {} });
    assert.equal(bad?.["status"], "error");
    assert.equal(bad["ename"], "TypeScriptError");
  });

  test("cells that wait behind a failing one are aborted, unless stop_on_error is false", async () => {
    const run = (code: string, options = {}): Promise<string> =>
      kernel.send("shell", "execute_request", { code, allow_stdin: false, ...options });
    const status = async (id: string): Promise<unknown> =>
      (await kernel.wait(({ type, parent }) => type === "execute_reply" && parent.msg_id === id)).content["status"];
    const [failing, waiting] = await Promise.all([run("throw new Error('stop')"), run("1")]);
    assert.deepEqual([await status(failing), await status(waiting)], ["error", "aborted"]);
    const [going, next] = await Promise.all([run("throw new Error('go on')", { stop_on_error: false }), run("1")]);
    assert.deepEqual([await status(going), await status(next)], ["error", "ok"]);
  });

  test("history answers range, tail and search", async () => {
    await kernel.execute("100 + 1");
    await kernel.execute("100 + 1");
    const ask = async (content: object): Promise<unknown[][]> =>
      (await kernel.request("shell", "history_request", { raw: true, output: false, ...content })).content[
        "history"
      ] as unknown[][];
    const tail = await ask({ hist_access_type: "tail", n: 1 });
    assert.deepEqual(
      tail.map((entry) => entry[2]),
      ["100 + 1"],
    );
    const [[session, line] = []] = tail;
    assert.deepEqual(
      await ask({ hist_access_type: "range", session, start: line, stop: Number(line) + 1, output: true }),
      [[session, line, ["100 + 1", "101"]]],
    );
    assert.equal((await ask({ hist_access_type: "search", pattern: "100*", n: 2 })).length, 2);
    assert.equal((await ask({ hist_access_type: "search", pattern: "100 ? 1", unique: true })).length, 1);
    assert.equal((await ask({ hist_access_type: "search", pattern: "100" })).length, 0);
  });

  test("control requests are answered while a cell spins, with busy and idle", async () => {
    const id = await kernel.send("shell", "execute_request", {
      code: "{ const end = Date.now() + 700; while (Date.now() < end); }",
    });
    await kernel.wait(({ type, parent }) => type === "execute_input" && parent.msg_id === id);
    const reply = await kernel.request("control", "kernel_info_request", {});
    assert.ok(!kernel.received.some(({ type, parent }) => type === "execute_reply" && parent.msg_id === id));
    const asked = reply.parent.msg_id;
    await kernel.wait(({ content, parent }) => content["execution_state"] === "idle" && parent.msg_id === asked);
    assert.deepEqual(states(String(asked)), ["busy", "idle"]);
    await kernel.wait(({ type, parent }) => type === "execute_reply" && parent.msg_id === id);
  });

  test("output of a loop arrives while the loop runs, in few messages", async () => {
    const id = await kernel.send("shell", "execute_request", {
      code: "for (let i = 0; i < 500; i++) console.log(i); { const end = Date.now() + 500; while (Date.now() < end); }",
    });
    await kernel.wait(({ type, parent }) => type === "stream" && parent.msg_id === id);
    assert.ok(!kernel.received.some(({ type, parent }) => type === "execute_reply" && parent.msg_id === id));
    await kernel.wait(({ type, parent }) => type === "execute_reply" && parent.msg_id === id);
    const streams = kernel.received.filter(({ type, parent }) => type === "stream" && parent.msg_id === id);
    assert.ok(streams.length < 50, `${String(streams.length)} messages`);
    assert.equal(
      streams
        .map(({ content }) => content["text"])
        .join("")
        .split("\n").length,
      501,
    );
  });

  test("prompt() asks the front end and returns the answer; without a front end that can ask it throws", async () => {
    const id = await kernel.send("shell", "execute_request", {
      code: "prompt('name? ', { password: true }) + '!'",
      allow_stdin: true,
    });
    const ask = await kernel.wait(({ channel, parent }) => channel === "stdin" && parent.msg_id === id);
    assert.deepEqual([ask.type, ask.content], ["input_request", { prompt: "name? ", password: true }]);
    await kernel.send("stdin", "input_reply", { value: "Ada" }, { parent: ask.header });
    const result = await kernel.wait(({ type, parent }) => type === "execute_result" && parent.msg_id === id);
    assert.equal((result.content["data"] as Record<string, string>)["text/plain"], "'Ada!'");
    const refused = await kernel.execute("prompt('name?')");
    assert.match(String(refused.error?.evalue), /needs a front end that can ask/);
  });

  test("a comm for an unknown target is closed", async () => {
    await kernel.send("shell", "comm_open", { comm_id: "c1", target_name: "nobody", data: {} });
    const close = await kernel.wait(({ type }) => type === "comm_close");
    assert.equal(close.content["comm_id"], "c1");
    const info = await kernel.request("shell", "comm_info_request", {});
    assert.deepEqual(info.content["comms"], {});
  });

  test("late output names the cell that caused it", async () => {
    const id = await kernel.send("shell", "execute_request", {
      code: "void setTimeout(() => console.log('late'), 400)",
    });
    await kernel.execute("await new Promise((resolve) => setTimeout(resolve, 800)); console.log('mine')");
    const late = await kernel.wait(({ content }) => content["text"] === "late\n");
    assert.equal(late.parent.msg_id, id);
    const mine = await kernel.wait(({ content }) => content["text"] === "mine\n");
    assert.notEqual(mine.parent.msg_id, id);
  });

  test("shutdown is answered, then the process ends with code 0", async () => {
    const reply = await kernel.request("control", "shutdown_request", { restart: true });
    assert.deepEqual(reply.content, { status: "ok", restart: true });
    await new Promise((resolve) => kernel.process.once("exit", resolve));
    assert.equal(kernel.process.exitCode, 0, kernel.log());
  });
});

test("the kernel speaks over local sockets too", async () => {
  const kernel = await startKernel({ transport: "ipc" });
  assert.equal(await kernel.heartbeat(), "ping");
  assert.equal((await kernel.request("control", "kernel_info_request", {})).type, "kernel_info_reply");
  await kernel.stop();
});

test("a kernel whose port is taken ends with code 1 and says so", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), "kernel-test-")), "connection.json");
  const [a, b, c, d] = await freePorts(4);
  const ports = { shell_port: port, control_port: a, iopub_port: b, stdin_port: c, hb_port: d };
  writeFileSync(file, JSON.stringify({ ...ports, ip: "127.0.0.1", key: "k" }));
  const child = spawn(process.execPath, [mainFile, file], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  await once(child, "close");
  server.close();
  assert.equal(child.exitCode, 1);
  assert.match(log, /the wire thread failed: .*in use/i);
});

test("process.exit in a cell ends the kernel with that code", async () => {
  const kernel = await startKernel();
  await kernel.send("shell", "execute_request", { code: "console.log('why'); process.exit(3)" });
  if (kernel.process.exitCode === null) await once(kernel.process, "exit");
  assert.equal(kernel.process.exitCode, 3, kernel.log());
  await kernel.wait(({ type, content }) => type === "stream" && content["text"] === "why\n", 2000);
  await kernel.stop();
});

test("a kernel leaves when the process in JPY_PARENT_PID is gone", async () => {
  const parent = spawn("sleep", ["60"]);
  process.env["JPY_PARENT_PID"] = String(parent.pid);
  const kernel = await startKernel();
  delete process.env["JPY_PARENT_PID"];
  parent.kill("SIGKILL");
  await once(kernel.process, "exit");
  await kernel.stop();
});

describe("a bad connection file ends the kernel with code 1 and a clear message", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "kernel-test-"));
  const run = (content: string | undefined): { status: number | null; stderr: string } => {
    const file = path.join(folder, "connection.json");
    if (content !== undefined) writeFileSync(file, content);
    const name = content === undefined ? path.join(folder, "none.json") : file;
    return spawnSync(process.execPath, [mainFile, name], { encoding: "utf8" });
  };
  for (const [what, content, message] of [
    ["missing", undefined, /cannot read the connection file .*none\.json: ENOENT/],
    ["no JSON", "{", /connection\.json is not valid/],
    ["a missing port", `{"ip":"127.0.0.1","key":"k"}`, /"shell_port" must be a port number, got nothing/],
  ] as const)
    test(what, () => {
      const { status, stderr } = run(content);
      assert.equal(status, 1);
      assert.match(stderr, message);
    });
});
