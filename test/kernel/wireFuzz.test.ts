/** 10,000 random and mutated messages on all channels leave a kernel that still answers, with its values. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startKernel } from "./client.js";

/** mulberry32: a failure must be found again. */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** What can stand in any field. */
const odd: unknown[] = [
  null,
  true,
  -1,
  0,
  1e300,
  2 ** 53,
  "",
  "x",
  "\u0000",
  "\ud800",
  "😀".repeat(20),
  "%",
  "%%",
  "!",
  "?",
  "`${",
  "/*",
  "__proto__",
  [],
  [null],
  {},
  { __proto__: null, code: 1 },
  { length: -1 },
  "a".repeat(5000),
  { a: { b: { c: [[[[[]]]]] } } },
];

/** Requests as clients send them. The compiler works on the first four: seldom, so that most of the time goes into messages. */
const requests: [("shell" | "control" | "stdin") | "any", string, Record<string, unknown>][] = [
  [
    "shell",
    "execute_request",
    { code: "1 + 1", silent: false, store_history: true, user_expressions: {}, allow_stdin: false },
  ],
  ["shell", "execute_request", { code: "", silent: true, user_expressions: { a: "1" }, stop_on_error: false }],
  ["shell", "complete_request", { code: "Math.ma", cursor_pos: 7 }],
  ["shell", "inspect_request", { code: "parseInt", cursor_pos: 3, detail_level: 0 }],
  ["any", "is_complete_request", { code: "{" }],
  ["any", "history_request", { hist_access_type: "tail", n: 3, raw: true, output: false }],
  ["any", "history_request", { hist_access_type: "search", pattern: "*[1]*", unique: true }],
  ["any", "kernel_info_request", {}],
  ["any", "comm_info_request", { target_name: "x" }],
  ["any", "comm_open", { comm_id: "c", target_name: "t", data: {} }],
  ["any", "comm_msg", { comm_id: "c", data: {} }],
  ["any", "comm_close", { comm_id: "c", data: {} }],
  // To a widget and a comm that a cell has opened, with bytes: `live` has their ids.
  [
    "any",
    "comm_msg",
    { comm_id: "widget", data: { method: "update", state: { raw: null, n: 1 }, buffer_paths: [["raw"]] } },
  ],
  ["any", "comm_msg", { comm_id: "widget", data: { method: "custom", content: { a: [1] } } }],
  ["any", "comm_msg", { comm_id: "widget", data: { method: "request_state" } }],
  ["any", "comm_msg", { comm_id: "line", data: { n: 1 } }],
  ["any", "comm_open", { comm_id: "line-2", target_name: "fuzzed", data: {} }],
  ["any", "comm_msg", { comm_id: "control", data: { method: "request_states" } }],
  ["control", "interrupt_request", {}],
  ["control", "create_subshell_request", {}],
  ["control", "delete_subshell_request", { subshell_id: "none" }],
  ["control", "list_subshell_request", {}],
  ["control", "debug_request", { type: "request", seq: 1, command: "debugInfo", arguments: {} }],
  ["stdin", "input_reply", { value: "text" }],
];

const quick = requests.slice(4);

test("10,000 random and mutated messages leave a kernel that still answers", async (t) => {
  const kernel = await startKernel();
  t.after(() => kernel.stop());
  assert.equal((await kernel.execute("const kept = 'kept'; kept")).result, "'kept'");
  const opened = await kernel.execute(
    [
      "const widget = ams.widget({ esm: 'export default {}', state: { raw: new Uint8Array([1]), n: 0 } });",
      "let heard = 0; let bytes = 0;",
      "widget.onMessage((content, buffers) => { heard++; for (const one of buffers) bytes += one.length; });",
      "const line = comms.open('probe');",
      "line.onMessage(({ data, buffers }) => { heard++; line.send({ data }, { buffers }); });",
      "comms.register('fuzzed', (comm) => { comm.onMessage(({ data, buffers }) => comm.send(data, { buffers })); });",
      "[widget.id, line.id].join()",
    ].join("\n"),
  );
  const [widget = "", line = ""] = String(opened.result).replaceAll("'", "").split(",");
  assert.match(line, /^[\w-]+$/, JSON.stringify(opened.error));
  await kernel.send("shell", "comm_open", { comm_id: "control", target_name: "jupyter.widget.control", data: {} });
  const live: Record<string, string> = { widget, line };
  const random = generator(Number(process.env["AMS_SEED"] ?? 3407));
  const pick = <T>(values: readonly T[]): T => values[random(values.length)]!;
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)));

  const mutateObject = (object: Record<string, unknown>): unknown => {
    const copy: Record<string, unknown> = { ...object };
    const names = Object.keys(copy);
    const kind = random(4);
    if (kind === 0 || names.length === 0) copy[pick(["extra", "code", "subshell_id", "cursor_pos"])] = pick(odd);
    else if (kind === 1) {
      const gone = pick(names);
      return Object.fromEntries(Object.entries(copy).filter(([name]) => name !== gone));
    } else if (kind === 2) copy[pick(names)] = pick(odd);
    else return pick(odd);
    return copy;
  };
  /** One byte of one frame is another one, or a frame is cut, doubled or gone. */
  const mutateFrames = (frames: (string | Buffer)[]): (string | Buffer)[] => {
    const copy = [...frames];
    const at = random(copy.length);
    const frame = Buffer.from(copy[at]!);
    const kind = random(4);
    if (kind === 0 && frame.length > 0) {
      frame[random(frame.length)] = random(256);
      copy[at] = frame;
    } else if (kind === 1) copy[at] = frame.subarray(0, random(frame.length + 1));
    else if (kind === 2) copy.splice(at, 0, frame);
    else copy.splice(at, 1);
    return copy.length > 0 ? copy : [""];
  };

  let forgotten = 0;
  for (let i = 0; i < 10_000; i++) {
    const [where, type, given] = pick(random(30) === 0 ? requests : quick);
    const id = String(given["comm_id"]);
    let content = id in live ? { ...given, comm_id: live[id] } : given;
    const isComm = type.startsWith("comm_");
    // The data of comms is nobody's to check: the widget has to.
    if (isComm && random(3) === 0)
      content = { ...content, data: mutateObject((content["data"] ?? {}) as typeof given) };
    const channel = where === "any" ? pick(["shell", "control"] as const) : where;
    const kind = random(10);
    if (kind === 0) {
      // Noise.
      await kernel.sendRaw(
        channel,
        Array.from({ length: 1 + random(8) }, () => bytes(random(200))),
      );
      continue;
    }
    const header: unknown = {
      msg_id: `fuzz-${String(i)}`,
      session: "fuzz",
      username: "fuzz",
      date: "",
      msg_type: type,
      version: "5.4",
    };
    const parts: unknown[] = [header, {}, {}, content];
    // Most are signed rightly, so that they get past the signature.
    if (kind < 8) {
      const at = random(kind < 6 ? 5 : 4);
      parts[Math.min(at, 3)] = mutateObject(parts[Math.min(at, 3)] as Record<string, unknown>);
    }
    // A shutdown that a mutation made would be obeyed, and rightly so.
    const texts = parts.map((part) => JSON.stringify(part).replaceAll("shutdown", "shut-down"));
    let frames: (string | Buffer)[] = ["<IDS|MSG>", kernel.sign(texts), ...texts];
    if (random(isComm ? 2 : 5) === 0) for (let n = random(4); n > 0; n--) frames.push(bytes(random(300)));
    if (kind >= 8) frames = mutateFrames(frames);
    await kernel.sendRaw(channel, frames);
    if (i % 500 === 499) {
      // The heart beats and control answers while the flood goes on.
      assert.equal(await kernel.heartbeat(), "ping");
      const info = await kernel.request("control", "kernel_info_request", {});
      assert.equal(info.content["status"], "ok", `after ${String(i)} messages; ${kernel.log().slice(-2000)}`);
      forgotten += kernel.received.length;
      kernel.received.length = 0;
    }
  }
  // Cells that still wait are run first; then this one.
  const id = await kernel.send("shell", "execute_request", { code: "kept" });
  await kernel.wait(({ type, parent }) => type === "execute_reply" && parent.msg_id === id, 120_000);
  assert.equal((await kernel.executed(id)).result, "'kept'");
  // The widget still takes bytes and knows its state.
  const before = await kernel.execute("[heard, bytes].join()");
  const [heard = 0, bytesBefore = 0] = String(before.result).replaceAll("'", "").split(",").map(Number);
  assert.ok(heard > 100 && bytesBefore > 1000, `${String(heard)} messages with ${String(bytesBefore)} bytes`);
  const data = { method: "update", state: { n: 7 }, buffer_paths: [["raw"]] };
  await kernel.send("shell", "comm_msg", { comm_id: widget, data }, { buffers: [Buffer.from([5, 6])] });
  await kernel.send(
    "shell",
    "comm_msg",
    { comm_id: widget, data: { method: "custom" } },
    { buffers: [Buffer.alloc(9)] },
  );
  const after = await kernel.execute("[bytes, widget.isOpen, widget.state.n, [...widget.state.raw]]");
  assert.equal(after.result, `[ ${String(bytesBefore + 9)}, true, 7, [ 5, 6 ] ]`);
  assert.equal(kernel.process.exitCode, null);
  assert.ok(forgotten > 5000, `the kernel answered: ${String(forgotten)} messages`);
  assert.match(kernel.log(), /dropped a message with a wrong signature/);
  assert.match(kernel.log(), /BadRequest/);
  assert.doesNotMatch(kernel.log(), new RegExp(kernel.connection.key), "the key is never logged");
});
