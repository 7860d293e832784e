/**
 * Checks of the Jupyter protocol against our kernel and those that npm can install (kernelPeers.ts), in one run.
 *
 *     node build/bench/conformance.js [--only ams,tslab] [--check REGULAR_EXPRESSION]
 *
 * Cells are plain JavaScript that every kernel understands, except where a kernel has its own call for a display or a question
 * (`dialects`). A check that fails says why in the JSON; after one the kernel is started anew if it does not answer any more.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { curveKeyPair } from "zeromq";
import { renderTable } from "../src/display.js";
import { packageRoot } from "../src/paths.js";
import type { Received, TestClient } from "../test/kernel/client.js";
import { findKernels, startPeer, type Kernel, type RunningKernel } from "./kernelPeers.js";

/** How long a check waits for a message that should come (ms). */
const patience = 6000;

interface Dialect {
  html: string;
  update: string;
  rich: string;
  ask: string;
}

const rich = (html: string): string =>
  `({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": ${JSON.stringify(html)} }) })`;
const dialects: Record<string, Dialect> = {
  ams: {
    html: "display.html('<b>x</b>')",
    update: "display.html('1', { displayId: 'u' }); display.html('2', { displayId: 'u', update: true })",
    rich: rich("<b>x</b>"),
    ask: "prompt('name?')",
  },
  tslab: {
    html: "require('tslab').display.html('<b>x</b>')",
    update: "{ const d = require('tslab').newDisplay(); d.html('1'); d.html('2'); }",
    rich: rich("<b>x</b>"),
    ask: "prompt('name?')",
  },
  deno: {
    html: "await Deno.jupyter.display({ 'text/html': '<b>x</b>' }, { raw: true })",
    update:
      "await Deno.jupyter.display({ 'text/html': '1' }, { raw: true, display_id: 'u' }); await Deno.jupyter.display({ 'text/html': '2' }, { raw: true, display_id: 'u', update: true })",
    rich: rich("<b>x</b>"),
    ask: "prompt('name?')",
  },
};
const dialectOf = (kernel: Kernel): Dialect => dialects[kernel.name] ?? dialects["tslab"]!;

interface Subject extends RunningKernel {
  kernel: Kernel;
}

const must = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(what);
};
const code = (text: string): object => ({
  ...{ code: text, silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true },
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a cell brought. */
interface Ran {
  reply: Received;
  messages: Received[];
  of: (type: string) => Received | undefined;
  stream: (name: string) => string;
}

async function ended(client: TestClient, id: string, ms = patience): Promise<Ran> {
  const reply = await client.wait(({ channel, parent }) => channel === "shell" && parent.msg_id === id, ms);
  await client.wait(({ content, parent }) => content["execution_state"] === "idle" && parent.msg_id === id, ms);
  // tslab refuses for 200 ms after an error what a person may well type.
  if (reply.content["status"] !== "ok") await pause(500);
  const messages = client.received.filter(({ channel, parent }) => channel === "iopub" && parent.msg_id === id);
  return {
    reply,
    messages,
    of: (type) => messages.find((message) => message.type === type),
    stream: (name) =>
      messages
        .filter(({ type, content }) => type === "stream" && content["name"] === name)
        .map(({ content }) => String(content["text"]))
        .join(""),
  };
}

async function run(client: TestClient, text: string, more: object = {}, ms = patience): Promise<Ran> {
  return ended(client, await client.send("shell", "execute_request", { ...code(text), ...more }), ms);
}

async function ask(
  client: TestClient,
  channel: "shell" | "control",
  type: string,
  content: object,
  extra = {},
): Promise<Record<string, unknown>> {
  const id = await client.send(channel, type, content, extra);
  return (await client.wait((message) => message.channel === channel && message.parent.msg_id === id, patience))
    .content;
}

const textOf = (message: Received | undefined): string =>
  String((message?.content["data"] as Record<string, unknown> | undefined)?.["text/plain"]).replace(
    /\u001b\[\d+m/g,
    "",
  );
const states = ({ messages }: Ran): unknown[] =>
  messages.filter(({ type }) => type === "status").map(({ content }) => content["execution_state"]);

async function interrupted(subject: Subject, loop: string): Promise<void> {
  const id = await subject.send("shell", "execute_request", code(`console.log('runs');\n${loop}`));
  await subject.wait(({ type, content }) => type === "stream" && String(content["text"]).includes("runs"), patience);
  await pause(100);
  const start = performance.now();
  if (subject.kernel.interrupt === "signal") process.kill(-(subject.process.pid ?? 0), "SIGINT");
  else await ask(subject, "control", "interrupt_request", {});
  const { reply } = await ended(subject, id);
  must(reply.content["status"] === "error", `the cell ended with ${String(reply.content["status"])}`);
  must(performance.now() - start < 3000, "it took more than 3 s");
  must((await run(subject, "6 * 7")).reply.content["status"] === "ok", "the next cell failed");
}

async function fresh(kernel: Kernel, more: Parameters<typeof startPeer>[1] = {}): Promise<Subject> {
  const subject = { ...(await startPeer(kernel, more)), kernel };
  // Asked for again until its output arrives: a subscription takes a moment, and not all kernels greet.
  for (let i = 0; ; i++) {
    const id = await subject.send("shell", "execute_request", code("1 + 1"));
    try {
      await subject.wait(({ channel, parent }) => channel === "shell" && parent.msg_id === id, 30_000);
      await subject.wait(({ content, parent }) => content["execution_state"] === "idle" && parent.msg_id === id, 1000);
      return subject;
    } catch (error) {
      if (i < 5) continue;
      await subject.kill();
      throw error;
    }
  }
}

/** Name -> what must hold; throws otherwise. */
const checks: Record<string, (subject: Subject) => Promise<void>> = {
  async heartbeat_responds(k) {
    must((await Promise.race([k.heartbeat(), pause(patience)])) === "ping", "no answer");
  },
  async kernel_info_reply_valid(k) {
    const info = await ask(k, "shell", "kernel_info_request", {});
    for (const field of ["implementation", "implementation_version", "banner"])
      must(typeof info[field] === "string", `no ${field}`);
    must(info["status"] === "ok", "status is not ok");
  },
  async kernel_info_has_protocol_version(k) {
    const { protocol_version: version } = await ask(k, "shell", "kernel_info_request", {});
    must(/^5\.\d+$/.test(String(version)), String(version));
  },
  async kernel_info_has_language_info(k) {
    const info = (await ask(k, "shell", "kernel_info_request", {}))["language_info"] as Record<string, unknown>;
    for (const field of ["name", "version", "mimetype", "file_extension"])
      must(typeof info[field] === "string" && info[field] !== "", `no ${field}`);
  },
  async execute_stdout(k) {
    must((await run(k, "console.log('to stdout')")).stream("stdout") === "to stdout\n", "not on stdout");
  },
  async execute_stderr(k) {
    must((await run(k, "console.error('to stderr')")).stream("stderr") === "to stderr\n", "not on stderr");
  },
  async execute_reply_ok(k) {
    const { content } = (await run(k, "1 + 1")).reply;
    must(content["status"] === "ok" && typeof content["execution_count"] === "number", JSON.stringify(content));
  },
  async status_busy_idle_lifecycle(k) {
    const done = await run(k, "console.log(1); 2");
    must(states(done).join() === "busy,idle", states(done).join());
    must(done.messages[0]?.type === "status", "busy is not first");
  },
  async execute_input_broadcast(k) {
    must((await run(k, "1")).of("execute_input")?.content["code"] === "1", "no execute_input");
  },
  async iopub_welcome(k) {
    await k.connect().wait(({ type }) => type === "iopub_welcome", 2000);
  },
  async complete_request(k) {
    await run(k, "const listForTab = [1, 2];");
    const text = "listForTab.conca";
    const { matches } = await ask(k, "shell", "complete_request", { code: text, cursor_pos: text.length });
    must(
      (matches as string[]).some((match) => match.endsWith("concat")),
      JSON.stringify(matches),
    );
  },
  async inspect_request(k) {
    const { found, data } = await ask(k, "shell", "inspect_request", {
      code: "parseInt",
      cursor_pos: 3,
      detail_level: 0,
    });
    must(found === true && JSON.stringify(data).includes("parseInt"), JSON.stringify({ found, data }));
  },
  async is_complete_complete(k) {
    const { status } = await ask(k, "shell", "is_complete_request", { code: "const a = 1;" });
    must(status === "complete", String(status));
  },
  async is_complete_incomplete(k) {
    const { status } = await ask(k, "shell", "is_complete_request", { code: "function f() {" });
    must(status === "incomplete", String(status));
  },
  async history_request(k) {
    await run(k, "const remembered = 'history'");
    const { history } = await ask(k, "shell", "history_request", {
      ...{ hist_access_type: "tail", n: 1, raw: true, output: false },
    });
    must(JSON.stringify(history).includes("remembered"), JSON.stringify(history));
  },
  async comm_info_request(k) {
    const { comms } = await ask(k, "shell", "comm_info_request", {});
    must(typeof comms === "object", JSON.stringify(comms));
  },
  async comms_lifecycle(k) {
    const id = await k.send("shell", "comm_open", { comm_id: "c-1", target_name: "nobody-listens", data: {} });
    await k.wait(({ type, parent }) => type === "comm_close" && parent.msg_id === id, 3000);
  },
  async error_handling(k) {
    const done = await run(k, "throw new RangeError('too far')");
    const error = done.of("error")?.content ?? {};
    must(error["ename"] === "RangeError" && error["evalue"] === "too far", `iopub: ${JSON.stringify(error)}`);
    const { ename, traceback } = done.reply.content;
    must(ename === "RangeError" && Array.isArray(traceback), `reply: ${JSON.stringify(done.reply.content)}`);
  },
  async display_data(k) {
    const done = await run(k, dialectOf(k.kernel).html);
    const data = done.of("display_data")?.content["data"] as Record<string, unknown> | undefined;
    must(data?.["text/html"] === "<b>x</b>", JSON.stringify(done.reply.content));
  },
  async update_display_data(k) {
    const done = await run(k, dialectOf(k.kernel).update);
    const data = done.of("update_display_data")?.content["data"] as Record<string, unknown> | undefined;
    must(data?.["text/html"] === "2", JSON.stringify(done.reply.content));
  },
  async execute_result(k) {
    const done = await run(k, "[1, 2].map((n) => n * 2)");
    must(/2, 4/.test(textOf(done.of("execute_result"))), done.messages.map(({ type }) => type).join());
  },
  async rich_execute_result(k) {
    const data = (await run(k, dialectOf(k.kernel).rich)).of("execute_result")?.content["data"];
    must((data as Record<string, unknown> | undefined)?.["text/html"] === "<b>x</b>", JSON.stringify(data));
  },
  async stdin_input_request(k) {
    const id = await k.send("shell", "execute_request", { ...code(dialectOf(k.kernel).ask), allow_stdin: true });
    const request = await k.wait(({ channel, type }) => channel === "stdin" && type === "input_request", 3000);
    await k.send("stdin", "input_reply", { value: "Grace" }, { parent: request.header });
    const done = await ended(k, id);
    must(/Grace/.test(textOf(done.of("execute_result"))), "the answer did not arrive");
  },
  "interrupt_request: a synchronous loop": (k) => interrupted(k, "while (true);"),
  "interrupt_request: a loop behind an await": (k) => interrupted(k, "await null; while (true);"),
  "interrupt_request: a promise that never settles": (k) => interrupted(k, "await new Promise(() => {});"),
  async execution_count_increments(k) {
    const counts: number[] = [];
    for (const text of ["1", "throw new Error('2')", "3"])
      counts.push((await run(k, text)).reply.content["execution_count"] as number);
    must(counts[1] === counts[0]! + 1 && counts[2] === counts[1] + 1, counts.join());
  },
  async parent_header_correlation(k) {
    const { parent } = (await run(k, "console.log('out'); 2")).reply;
    await pause(1000); // some send output after idle
    const mine = k.received.filter((message) => message.channel === "iopub" && message.parent.msg_id === parent.msg_id);
    const types = mine.map(({ type }) => type);
    must(types.includes("stream") && types.filter((type) => type === "status").length === 2, types.join());
  },
  async "control answers while a cell spins"(k) {
    const id = await k.send(
      "shell",
      "execute_request",
      code("{ const e = Date.now() + 3000; while (Date.now() < e); }"),
    );
    await pause(500);
    const start = performance.now();
    await ask(k, "control", "kernel_info_request", {});
    const took = performance.now() - start;
    const { reply } = await ended(k, id);
    must(reply.content["status"] === "ok", "the cell did not run");
    must(took < 1000, `${String(Math.round(took))} ms`);
  },
  async "cursors count code points"(k) {
    const text = "const smile = '😀😀'; smile.toUpp";
    const length = Array.from(text).length;
    const reply = await ask(k, "shell", "complete_request", { code: text, cursor_pos: length });
    must(
      (reply["matches"] as string[]).some((match) => match.includes("toUpperCase")),
      JSON.stringify(reply),
    );
    must(reply["cursor_end"] === length, `cursor_end is ${String(reply["cursor_end"])}, not ${String(length)}`);
  },
  async "messages with buffers"(k) {
    await ask(k, "shell", "kernel_info_request", {}, { buffers: [Buffer.from([1, 2, 3])] });
  },
  async silent(k) {
    const done = await run(k, "console.log('not shown'); 2", { silent: true, store_history: false });
    must(states(done).length === done.messages.length, done.messages.map(({ type }) => type).join());
  },
  async user_expressions(k) {
    const { content } = (await run(k, "1", { user_expressions: { sum: "20 + 1" } })).reply;
    const { user_expressions: values = {} } = content;
    must(JSON.stringify(values).includes("21"), JSON.stringify(values));
  },
  async "stop_on_error: queued cells are answered aborted"(k) {
    const [failing = "", waiting = ""] = await Promise.all(
      ["await null; throw new Error('stop')", "1"].map((text) => k.send("shell", "execute_request", code(text))),
    );
    await ended(k, failing);
    const { status } = (await ended(k, waiting, 3000)).reply.content;
    must(status === "aborted", String(status));
  },
  async "late output belongs to the cell that caused it"(k) {
    const id = await k.send("shell", "execute_request", code("setTimeout(() => console.log('late'), 300); 0"));
    await ended(k, id);
    await run(k, "await new Promise((r) => setTimeout(r, 800));");
    const late = await k.wait(({ content }) => String(content["text"]).includes("late"), 2000);
    must(late.parent.msg_id === id, "it stands under another cell");
  },
  async "a wrong signature is dropped, the kernel lives"(k) {
    const id = await k.send("shell", "kernel_info_request", {}, { key: "wrong" });
    await ask(k, "shell", "kernel_info_request", {});
    must(!k.received.some(({ parent }) => parent.msg_id === id), "it was answered");
  },
  async "malformed frames are dropped, the kernel lives"(k) {
    for (const frames of [
      ["nothing"],
      ["<IDS|MSG>", "00"],
      ["<IDS|MSG>", k.sign(["{", "{}", "{}", "{}"]), "{", "{}", "{}", "{}"],
    ])
      await k.sendRaw("shell", frames);
    await ask(k, "shell", "kernel_info_request", {});
  },
  async "unknown types get busy and idle"(k) {
    const id = await k.send("shell", "no_such_request", {});
    await k.wait(({ content, parent }) => content["execution_state"] === "idle" && parent.msg_id === id, 3000);
  },
  async "a request without its field gets an error"(k) {
    const { status } = await ask(k, "shell", "execute_request", {});
    must(status === "error", String(status));
    await run(k, "1");
  },
  async "two clients at once"(k) {
    const other = k.connect();
    await pause(500);
    const [a, b] = await Promise.all([run(k, "console.log('mine')"), run(other, "console.log('theirs')")]);
    await pause(1000);
    const said = ({ received }: TestClient, { reply }: Ran): string =>
      received
        .filter(({ type, parent }) => type === "stream" && parent.msg_id === reply.parent.msg_id)
        .map(({ content }) => String(content["text"]))
        .join("");
    must(said(k, a) === "mine\n", "the first has no output of its own");
    must(said(other, b) === "theirs\n", "the second has no output of its own");
  },
  async "subshells (protocol 5.5)"(k) {
    const { subshell_id: id } = await ask(k, "control", "create_subshell_request", {});
    must(typeof id === "string", "no subshell was made");
  },
  async "debugger: initialize and attach"(k) {
    for (const command of ["initialize", "attach"]) {
      const request = { type: "request", seq: 1, command, arguments: { clientID: "check" } };
      must((await ask(k, "control", "debug_request", request))["success"] === true, command);
    }
  },
  async "100 MB of stdout"(k) {
    const done = await run(k, "for (let i = 0; i < 1000; i++) console.log('x'.repeat(99999));", {}, 60_000);
    const length = done.stream("stdout").length;
    must(length === 1e8, `${String(length)} characters arrived`);
  },
  async "10,000 displays"(k) {
    const html = dialectOf(k.kernel).html;
    const done = await run(k, `for (let i = 0; i < 10000; i++) { ${html}; }`, {}, 60_000);
    const count = done.messages.filter(({ type }) => type === "display_data").length;
    must(count === 10_000, `${String(count)} arrived`);
  },
  async shutdown_reply(k) {
    const { restart } = await ask(k, "control", "shutdown_request", { restart: false });
    must(restart === false, `restart is ${String(restart)}`);
    const exit = async (): Promise<void> => {
      if (k.process.exitCode === null && k.process.signalCode === null) await once(k.process, "exit");
    };
    await Promise.race([exit(), pause(patience)]);
    must(k.process.exitCode === 0, `it ended with ${String(k.process.exitCode ?? k.process.signalCode)}`);
  },
};

/** Checks that start kernels of their own. */
const starts: Record<string, (kernel: Kernel) => Promise<void>> = {
  async "a parent that dies ends the kernel"(kernel) {
    const parent = spawn("sleep", ["120"]);
    const subject = await fresh(kernel, { env: { JPY_PARENT_PID: String(parent.pid) } });
    const exited = once(subject.process, "exit").then(() => true);
    parent.kill("SIGKILL");
    const gone = await Promise.race([exited, pause(8000)]);
    await subject.kill();
    must(gone === true, "it lives on");
  },
  async "CurveZMQ when the client asks"(kernel) {
    const { publicKey, secretKey } = curveKeyPair();
    const subject = await startPeer(kernel, { connection: { curve_publickey: publicKey, curve_secretkey: secretKey } });
    try {
      const id = await subject.send("shell", "kernel_info_request", {});
      await subject.wait(({ channel, parent }) => channel === "shell" && parent.msg_id === id, 15_000);
    } finally {
      await subject.kill();
    }
  },
};

interface Result {
  passed: boolean;
  why?: string;
}

const reasonOf = (error: unknown): string => (error as Error).message.replace(/; ; log:[^]*$/, "").slice(0, 300);

async function examine(kernel: Kernel, wanted: RegExp, results: Record<string, Result>): Promise<void> {
  let subject = await fresh(kernel);
  for (const [name, check] of Object.entries(checks)) {
    if (!wanted.test(name)) continue;
    try {
      await check(subject);
      results[name] = { passed: true };
    } catch (error) {
      results[name] = { passed: false, why: reasonOf(error) };
    }
    if (results[name].passed && name !== "shutdown_reply") continue;
    const answers = await run(subject, "1", {}, 3000).then(
      () => true,
      () => false,
    );
    if (answers) continue;
    await subject.kill();
    subject = await fresh(kernel);
  }
  await subject.kill();
  for (const [name, check] of Object.entries(starts).filter(([name]) => wanted.test(name)))
    results[name] = await check(kernel).then(
      () => ({ passed: true }),
      (error: unknown) => ({ passed: false, why: reasonOf(error) }),
    );
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: "string" }, check: { type: "string", default: "" } } });
  const kernels = findKernels(values.only);
  const file = path.join(packageRoot(), "bench", "results", "conformance.json");
  // What is not asked this time stays.
  const results = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, Result>>)
    : {};
  for (const kernel of kernels) await examine(kernel, new RegExp(values.check), (results[kernel.name] ??= {}));
  const names = [...Object.keys(checks), ...Object.keys(starts)];
  const table = renderTable({
    columns: ["check", ...kernels.map(({ name }) => name)],
    rows: names.map((name) => [
      name,
      ...kernels.map((kernel) => (results[kernel.name]?.[name]?.passed === true ? "yes" : "no")),
    ]),
  });
  process.stdout.write(`${table.text}\n`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  process.stdout.write(`saved ${file}\n`);
  process.exit(0); // clients of a kernel that hung may still wait
}

void main();
