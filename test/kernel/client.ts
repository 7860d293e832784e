/** A small Jupyter client for tests: starts a real kernel process and speaks the wire with it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { Dealer, Request as Heartbeat, Subscriber } from "zeromq";

export interface Received {
  channel: "shell" | "control" | "iopub" | "stdin";
  type: string;
  header: Record<string, unknown>;
  parent: { msg_id?: string };
  content: Record<string, unknown>;
  buffers: Buffer[];
}

export interface Executed {
  status: string;
  reply: Received;
  /** Everything on iopub that names the request, in order, up to idle. */
  messages: Received[];
  stdout: string;
  stderr: string;
  /** `text/plain` of the result. */
  result: string | undefined;
  error: { ename: string; evalue: string; traceback: string[] } | undefined;
  ms: number;
}

export interface TestKernel {
  process: ChildProcess;
  /** The folder of the notebook. */
  folder: string;
  /** What the process wrote to its own stderr. */
  log: () => string;
  execute: (code: string, options?: Record<string, unknown>) => Promise<Executed>;
  /** Sends and returns the id at once. */
  send: (channel: "shell" | "control" | "stdin", type: string, content: object, extra?: SendExtra) => Promise<string>;
  /** Sends and waits for the reply. */
  request: (channel: "shell" | "control", type: string, content: object) => Promise<Received>;
  /** Waits for a message, among those received so far too. */
  wait: (test: (message: Received) => boolean, ms?: number) => Promise<Received>;
  received: Received[];
  heartbeat: () => Promise<string>;
  stop: () => Promise<number | null>;
}

interface SendExtra {
  parent?: object;
  buffers?: Buffer[];
  key?: string;
}

export const mainFile = path.join(__dirname, "..", "..", "kernel", "main.js");

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** Strips the colours of a traceback. */
export function plain(lines: string[]): string {
  return lines.join("\n").replace(/\u001b\[\d+m/g, "");
}

export async function startKernel({ transport = "tcp" }: { transport?: "tcp" | "ipc" } = {}): Promise<TestKernel> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "kernel-test-"));
  const key = randomUUID();
  const [shell = 0, control = 0, iopub = 0, stdin = 0, hb = 0] =
    transport === "tcp" ? await freePorts(5) : [1, 2, 3, 4, 5];
  const ip = transport === "tcp" ? "127.0.0.1" : path.join(folder, "socket");
  const file = path.join(folder, "connection.json");
  const connection = { shell_port: shell, control_port: control, iopub_port: iopub, stdin_port: stdin, hb_port: hb };
  writeFileSync(file, JSON.stringify({ ...connection, transport, ip, key, signature_scheme: "hmac-sha256" }));
  const child = spawn(process.execPath, ["--no-force-async-hooks-checks", mainFile, file], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, "exit") as Promise<[number | null]>;

  const address = (port: number): string =>
    transport === "tcp" ? `tcp://${ip}:${String(port)}` : `ipc://${ip}-${String(port)}`;
  const routingId = randomUUID();
  const dealers = {
    shell: new Dealer({ routingId, linger: 0 }),
    control: new Dealer({ routingId, linger: 0 }),
    stdin: new Dealer({ routingId, linger: 0 }),
  };
  const subscriber = new Subscriber({ linger: 0 });
  const beat = new Heartbeat({ linger: 0 });
  dealers.shell.connect(address(shell));
  dealers.control.connect(address(control));
  dealers.stdin.connect(address(stdin));
  subscriber.connect(address(iopub));
  subscriber.subscribe();
  beat.connect(address(hb));

  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const sign = (frames: (string | Buffer)[], secret: string): string => {
    const hmac = createHmac("sha256", secret);
    for (const frame of frames) hmac.update(frame);
    return hmac.digest("hex");
  };
  const listen = async (channel: Received["channel"], socket: AsyncIterable<Buffer[]>): Promise<void> => {
    for await (const frames of socket) {
      const split = frames.findIndex((frame) => frame.toString() === "<IDS|MSG>");
      const signed = frames.slice(split + 2, split + 6);
      if (frames[split + 1]?.toString() !== sign(signed, key))
        throw new Error(`${channel}: wrong signature from the kernel`);
      const [header, parent, , content] = signed.map(
        (frame) => JSON.parse(frame.toString()) as Record<string, unknown>,
      );
      received.push({
        channel,
        type: String(header?.["msg_type"]),
        header: header ?? {},
        parent: parent ?? {},
        content: content ?? {},
        buffers: frames.slice(split + 6),
      });
      for (const check of waiting) check();
    }
  };
  for (const [channel, socket] of [...Object.entries(dealers), ["iopub", subscriber] as const])
    listen(channel as Received["channel"], socket as AsyncIterable<Buffer[]>).catch((error: unknown) => {
      if (child.exitCode === null) log += String(error);
    });

  const wait: TestKernel["wait"] = (test, ms = 30_000) =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = received.find(test);
        if (found === undefined) return;
        clearTimeout(timer);
        waiting.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        waiting.delete(check);
        reject(new Error(`no such message within ${String(ms)} ms; log: ${log}`));
      }, ms);
      waiting.add(check);
      check();
    });

  const queues = { shell: Promise.resolve(), control: Promise.resolve(), stdin: Promise.resolve() };
  const send: TestKernel["send"] = async (channel, type, content, extra = {}) => {
    const id = randomUUID();
    const header = {
      msg_id: id,
      session: routingId,
      username: "test",
      date: new Date().toISOString(),
      msg_type: type,
      version: "5.4",
    };
    const frames = [header, extra.parent ?? {}, {}, content].map((part) => JSON.stringify(part));
    const message = ["<IDS|MSG>", sign(frames, extra.key ?? key), ...frames, ...(extra.buffers ?? [])];
    queues[channel] = queues[channel].then(() => dealers[channel].send(message));
    await queues[channel];
    return id;
  };
  const request: TestKernel["request"] = async (channel, type, content) => {
    const id = await send(channel, type, content);
    return wait((message) => message.channel === channel && message.parent.msg_id === id);
  };
  const execute: TestKernel["execute"] = async (code, options = {}) => {
    const start = performance.now();
    const id = await send("shell", "execute_request", { code, allow_stdin: false, ...options });
    const reply = await wait((message) => message.channel === "shell" && message.parent.msg_id === id);
    const ms = performance.now() - start;
    const mine = (message: Received): boolean => message.channel === "iopub" && message.parent.msg_id === id;
    await wait((message) => mine(message) && message.content["execution_state"] === "idle");
    const messages = received.filter(mine);
    const stream = (name: string): string =>
      messages
        .filter(({ type, content }) => type === "stream" && content["name"] === name)
        .map(({ content }) => String(content["text"]))
        .join("");
    const result = messages.find(({ type }) => type === "execute_result");
    const error = messages.find(({ type }) => type === "error");
    return {
      status: String(reply.content["status"]),
      reply,
      messages,
      stdout: stream("stdout"),
      stderr: stream("stderr"),
      result: (result?.content["data"] as Record<string, string> | undefined)?.["text/plain"],
      error: error?.content as unknown as Executed["error"],
      ms,
    };
  };

  const kernel: TestKernel = {
    process: child,
    folder,
    log: () => log,
    execute,
    send,
    request,
    wait,
    received,
    async heartbeat() {
      await beat.send("ping");
      const [answer] = await beat.receive();
      return String(answer);
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        await send("control", "shutdown_request", { restart: false });
        const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
        await exited;
        clearTimeout(timer);
      }
      for (const socket of [...Object.values(dealers), subscriber, beat]) socket.close();
      rmSync(folder, { recursive: true, force: true });
      return child.exitCode;
    },
  };
  // Answered only when the subscription has arrived, so that no output is missed.
  await wait(({ type }) => type === "iopub_welcome");
  return kernel;
}
