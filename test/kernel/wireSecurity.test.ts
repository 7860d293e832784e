/** What keeps a kernel from strangers: signatures, encryption, addresses, silence about keys, and text that stays text. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { curveKeyPair, Dealer, Subscriber } from "zeromq";
import { fixture } from "../fixtures.js";
import { freePorts, mainFile, startKernel, type TestKernel } from "./client.js";

/** `address:port` of every TCP socket on which a process listens. */
function listening(pid: number): string[] {
  const inodes = new Set(
    readdirSync(`/proc/${String(pid)}/fd`).map((fd) => {
      try {
        return /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/${String(pid)}/fd/${fd}`))?.[1];
      } catch {
        return undefined; // closed meanwhile
      }
    }),
  );
  return ["tcp", "tcp6"]
    .filter((name) => existsSync(`/proc/net/${name}`))
    .flatMap((name) => readFileSync(`/proc/net/${name}`, "utf8").trim().split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === "0A" && inodes.has(inode))
    .map(([, local]) => {
      const [address = "", port = ""] = (local ?? "").split(":");
      const parts = Array.from({ length: address.length / 2 }, (_, i) => parseInt(address.slice(2 * i, 2 * i + 2), 16));
      return `${parts.reverse().join(".")}:${String(parseInt(port, 16))}`;
    });
}

describe("strangers", () => {
  test(
    "find open only the five ports of the connection file, on its address",
    { skip: process.platform !== "linux" },
    async (t) => {
      const kernel = await startKernel({ connection: { ip: "127.0.0.2" } });
      t.after(() => kernel.stop());
      await kernel.execute("await ams.engine()");
      const { shell_port, control_port, iopub_port, stdin_port, hb_port } = kernel.connection;
      assert.deepEqual(
        listening(kernel.process.pid!).sort(),
        [shell_port, control_port, iopub_port, stdin_port, hb_port].map((port) => `127.0.0.2:${String(port)}`).sort(),
      );
    },
  );

  test("with a wrong key are dropped, on every channel", async (t) => {
    const kernel = await startKernel();
    t.after(() => kernel.stop());
    const sent = [
      await kernel.send("shell", "execute_request", { code: "globalThis.hacked = 1" }, { key: "guessed" }),
      await kernel.send("control", "shutdown_request", { restart: false }, { key: "" }),
    ];
    await kernel.send("stdin", "input_reply", { value: "x" }, { key: "guessed" });
    assert.equal((await kernel.execute("(globalThis as { hacked?: number }).hacked === undefined")).result, "true");
    assert.ok(!kernel.received.some(({ parent }) => sent.includes(String(parent.msg_id))));
    assert.match(
      kernel.log(),
      /wrong signature on shell[^]*wrong signature on control|wrong signature on control[^]*wrong signature on shell/,
    );
  });
});

describe("encryption (CurveZMQ)", () => {
  test("a client with the keys works as ever, also with buffers and displays", async (t) => {
    const kernel = await startKernel({ curve: true });
    t.after(() => kernel.stop());
    assert.equal(await kernel.heartbeat(), "ping");
    assert.equal((await kernel.execute("console.log('x'); 6 * 7")).result, "42");
    const id = await kernel.send("control", "kernel_info_request", {}, { buffers: [Buffer.alloc(70_000, 1)] });
    await kernel.wait(({ type, parent }) => type === "kernel_info_reply" && parent.msg_id === id);
  });

  test("a client without the keys, or with another server's, hears nothing and is not heard", async (t) => {
    const kernel = await startKernel({ curve: true });
    t.after(() => kernel.stop());
    const other = curveKeyPair();
    const wrong = { curveServerKey: other.publicKey, curvePublicKey: other.publicKey, curveSecretKey: other.secretKey };
    for (const curve of [{}, wrong]) {
      const stranger = new Subscriber({ ...curve, linger: 0, receiveTimeout: 1500 });
      stranger.connect(`tcp://127.0.0.1:${String(kernel.connection.iopub_port)}`);
      stranger.subscribe();
      // Signed rightly, and still not heard.
      const asking = new Dealer({ ...curve, linger: 0, receiveTimeout: 1000 });
      asking.connect(`tcp://127.0.0.1:${String(kernel.connection.shell_port)}`);
      const header = JSON.stringify({ msg_id: "stranger", msg_type: "kernel_info_request", session: "s" });
      const frames = [header, "{}", "{}", "{}"];
      const sending = asking.send(["<IDS|MSG>", kernel.sign(frames), ...frames]).catch(() => undefined);
      t.after(() => {
        stranger.close();
        asking.close();
      });
      const heard = stranger.receive().then(
        () => "something",
        () => "nothing",
      );
      await kernel.execute("console.log('private')");
      assert.equal(await heard, "nothing");
      await assert.rejects(asking.receive());
      assert.ok(!kernel.received.some(({ parent }) => parent.msg_id === "stranger"));
      void sending;
    }
  });

  for (const [what, keys, message] of [
    [
      "half a pair of keys",
      { curve_publickey: "a".repeat(40) },
      /"curve_secretkey" must be there beside curve_publickey/,
    ],
    [
      "a key that is none",
      { curve_publickey: "a".repeat(40), curve_secretkey: "SECRET" },
      /"curve_secretkey" must be a key of 40 Z85/,
    ],
  ] as const)
    test(`${what} ends the kernel instead of leaving it open`, async () => {
      const { status, stderr } = await startWith(keys);
      assert.equal(status, 1);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /SECRET/);
    });
});

/** Runs the kernel with a connection file of these values beside good ones. */
async function startWith(values: object | string): Promise<{ status: number | null; stderr: string }> {
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), "kernel-test-")), "connection.json");
  const [a, b, c, d, e] = await freePorts(5);
  const good = { shell_port: a, control_port: b, iopub_port: c, stdin_port: d, hb_port: e, ip: "127.0.0.1", key: "k" };
  writeFileSync(file, typeof values === "string" ? values : JSON.stringify({ ...good, ...values }));
  return spawnSync(process.execPath, [mainFile, file], { encoding: "utf8" });
}

describe("the keys are never told", () => {
  for (const [what, values] of [
    ["a file that is no JSON", `{"key": "SECRET-KEY", oops}`],
    ["a key of the wrong type", { key: ["SECRET-KEY"] }],
    ["a scheme that is unknown", { key: "SECRET-KEY", signature_scheme: "hmac-nothing" }],
    ["a port that is none", { key: "SECRET-KEY", shell_port: "80" }],
  ] as const)
    test(`by the error about ${what}`, async () => {
      const { status, stderr } = await startWith(values);
      assert.equal(status, 1);
      assert.match(stderr, /is not valid/);
      assert.doesNotMatch(stderr, /SECRET-KEY/);
    });

  test("by a log full of refusals", async (t) => {
    const kernel = await startKernel({ curve: true });
    t.after(() => kernel.stop());
    await kernel.sendRaw("shell", ["<IDS|MSG>", "00", "{}", "{}", "{}", "{}"]);
    await kernel.send("shell", "execute_request", { code: 7 });
    await kernel.send("shell", "strange_request", {});
    await kernel.execute("throw new Error('x')");
    assert.match(kernel.log(), /BadRequest[^]*strange_request/);
    const { key, curve_secretkey: secret = "" } = kernel.connection;
    assert.ok(!kernel.log().includes(key) && !kernel.log().includes(secret));
  });
});

describe("text from data stays text", () => {
  const hostile = `<img src=x onerror="alert(1)"><script>alert(2)</script>`;
  const htmlOf = (kernel: TestKernel): string[] =>
    kernel.received
      .filter(({ type }) => /display_data|execute_result/.test(type))
      .flatMap(({ content }) => Object.entries(content["data"] as Record<string, unknown>))
      .filter(([type]) => /html|svg|javascript/.test(type))
      .map(([, text]) => String(text));

  test("a plain value, an error and a stream are never HTML", async (t) => {
    const kernel = await startKernel();
    t.after(() => kernel.stop());
    await kernel.execute(`const hostile = ${JSON.stringify(hostile)}; console.log(hostile); hostile`);
    await kernel.execute("display(hostile); display({ hostile }); throw new Error(hostile)");
    assert.deepEqual(htmlOf(kernel), []);
    const page = await kernel.execute("hostile?");
    const [payload] = page.reply.content["payload"] as { data: Record<string, string> }[];
    assert.doesNotMatch(payload?.data["text/html"] ?? "", /<img|<script/);
  });

  test("labels and notes of a progress display, and what %who, %lsmagic and help show, are escaped", async (t) => {
    const kernel = await startKernel();
    t.after(() => kernel.stop());
    await kernel.execute(`%load_ext ${fixture("kernel/plugin.js")}`);
    await kernel.execute("%steps 3"); // its label is `stepping <fast>`
    await kernel.execute(`const hostile = ${JSON.stringify(hostile)};`);
    for (const cell of ["%who", "%whos", "%lsmagic", "%ams", "%history"]) await kernel.execute(cell);
    const shown = htmlOf(kernel);
    assert.ok(
      shown.some((html) => html.includes("stepping &#60;fast&#62;")),
      "the label is shown",
    );
    for (const html of shown) assert.doesNotMatch(html, /<fast>|<img|<script|<iframe/i);
  });

  test("the kernel runs nothing by itself: no cell, no output and no JavaScript before a request", async (t) => {
    const kernel = await startKernel();
    t.after(() => kernel.stop());
    await kernel.request("shell", "kernel_info_request", {});
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.deepEqual([...new Set(kernel.received.map(({ type }) => type))].sort(), [
      "iopub_welcome",
      "kernel_info_reply",
      "status",
    ]);
    const { content } = await kernel.request("shell", "history_request", { hist_access_type: "tail", n: 10 });
    assert.deepEqual(content["history"], []);
  });
});
