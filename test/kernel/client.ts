/** A small Jupyter client for tests: starts a real kernel process and speaks the wire with it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { curveKeyPair, Dealer, Request as Heartbeat, Subscriber } from "zeromq";

export interface Received {
  channel: "shell" | "control" | "iopub" | "stdin";
  type: string;
  header: Record<string, unknown>;
  parent: { msg_id?: string };
  metadata: Record<string, unknown>;
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

/** One client of a kernel: its own sockets and its own session. */
export interface TestClient {
  execute: (code: string, options?: Record<string, unknown>, extra?: SendExtra) => Promise<Executed>;
  /** Waits for the reply and the idle status of an execute_request that was sent. */
  executed: (id: string) => Promise<Executed>;
  /** Sends and returns the id at once. */
  send: (channel: SendChannel, type: string, content: unknown, extra?: SendExtra) => Promise<string>;
  /** Sends frames as they are. */
  sendRaw: (channel: SendChannel, frames: (string | Buffer)[]) => Promise<void>;
  /** Sends and waits for the reply. */
  request: (channel: "shell" | "control", type: string, content: unknown, extra?: SendExtra) => Promise<Received>;
  /** Waits for a message, among those received so far too. */
  wait: (test: (message: Received) => boolean, ms?: number) => Promise<Received>;
  received: Received[];
  heartbeat: () => Promise<string>;
  sign: (frames: (string | Buffer)[]) => string;
  close: () => void;
}

export interface TestKernel extends TestClient {
  process: ChildProcess;
  /** The folder of the notebook. */
  folder: string;
  /** What the process wrote to its own stderr. */
  log: () => string;
  connection: Connection;
  /** A second client of the same kernel. */
  connect: () => Promise<TestClient>;
  stop: () => Promise<number | null>;
}

export interface StartOptions {
  transport?: "tcp" | "ipc";
  /** Encrypted sockets. */
  curve?: boolean;
  env?: NodeJS.ProcessEnv;
  /** Added to, or put in place of, what the connection file holds. */
  connection?: Partial<Connection>;
  folder?: string;
  /** The script to start, where it is not this build's. */
  main?: string;
}

type SendChannel = "shell" | "control" | "stdin";

interface SendExtra {
  parent?: object;
  metadata?: object;
  buffers?: Buffer[];
  key?: string;
  /** Fields of the header beyond the usual ones. */
  header?: object;
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

export async function startKernel(options: StartOptions = {}): Promise<TestKernel> {
  const { transport = "tcp", env = process.env, main = mainFile } = options;
  const folder = options.folder ?? mkdtempSync(path.join(os.tmpdir(), "kernel-test-"));
  const ports = transport === "tcp" ? await freePorts(5) : [1, 2, 3, 4, 5];
  const [shell_port = 0, control_port = 0, iopub_port = 0, stdin_port = 0, hb_port = 0] = ports;
  const { publicKey, secretKey } = curveKeyPair();
  const connection: Connection = {
    ...{ shell_port, control_port, iopub_port, stdin_port, hb_port },
    transport,
    ip: transport === "tcp" ? "127.0.0.1" : path.join(folder, "socket"),
    key: randomUUID(),
    signature_scheme: "hmac-sha256",
    ...(options.curve === true ? { curve_publickey: publicKey, curve_secretkey: secretKey } : {}),
    ...options.connection,
  };
  const file = path.join(folder, "connection.json");
  writeFileSync(file, JSON.stringify(connection));
  const child = spawn(process.execPath, ["--no-force-async-hooks-checks", main, file], {
    cwd: folder,
    // A kernel of a test that was killed leaves by itself.
    env: { JPY_PARENT_PID: String(process.pid), ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, "exit") as Promise<[number | null]>;
  const clients: TestClient[] = [];
  const connect = async (): Promise<TestClient> => {
    const client = createClient(connection, () => log);
    clients.push(client);
    // Answered only when the subscription has arrived, so that no output is missed. A loaded machine takes its time to start.
    await client.wait(({ type }) => type === "iopub_welcome", 90_000);
    return client;
  };
  const client = await connect().catch((error: unknown) => {
    child.kill("SIGKILL");
    for (const one of clients) one.close();
    throw error;
  });
  return {
    ...client,
    process: child,
    folder,
    connection,
    log: () => log,
    connect,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        await client.send("control", "shutdown_request", { restart: false });
        const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
        await exited;
        clearTimeout(timer);
      }
      for (const one of clients) one.close();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
      return child.exitCode;
    },
  };
}

/** What a connection file holds. */
export interface Connection {
  shell_port: number;
  control_port: number;
  iopub_port: number;
  stdin_port: number;
  hb_port: number;
  transport: "tcp" | "ipc";
  ip: string;
  key: string;
  signature_scheme: string;
  curve_publickey?: string;
  curve_secretkey?: string;
}

/** Connects to a kernel as jupyter_client does, with the encryption that its connection file asks for. */
export function createClient(connection: Connection, log: () => string): TestClient {
  const { transport, ip, key } = connection;
  const address = (port: number): string =>
    transport === "tcp" ? `tcp://${ip}:${String(port)}` : `ipc://${ip}-${String(port)}`;
  const routingId = randomUUID();
  const { curve_publickey: publicKey, curve_secretkey: secretKey } = connection;
  const curve =
    publicKey === undefined || secretKey === undefined
      ? {}
      : { curveServerKey: publicKey, curvePublicKey: publicKey, curveSecretKey: secretKey };
  const unlimited = { ...curve, linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 };
  const dealers = {
    shell: new Dealer({ ...unlimited, routingId }),
    control: new Dealer({ ...unlimited, routingId }),
    stdin: new Dealer({ ...unlimited, routingId }),
  };
  const subscriber = new Subscriber({ ...curve, linger: 0, receiveHighWaterMark: 0 });
  const beat = new Heartbeat({ ...curve, linger: 0 });
  dealers.shell.connect(address(connection.shell_port));
  dealers.control.connect(address(connection.control_port));
  dealers.stdin.connect(address(connection.stdin_port));
  subscriber.connect(address(connection.iopub_port));
  subscriber.subscribe();
  beat.connect(address(connection.hb_port));

  const received: Received[] = [];
  const waiting = new Set<() => void>();
  let failure = "";
  const sign = (frames: (string | Buffer)[], secret = key): string => {
    const hmac = createHmac("sha256", secret);
    for (const frame of frames) hmac.update(frame);
    return hmac.digest("hex");
  };
  const listen = async (channel: Received["channel"], socket: AsyncIterable<Buffer[]>): Promise<void> => {
    for await (const frames of socket) {
      const split = frames.findIndex((frame) => frame.toString() === "<IDS|MSG>");
      const signed = frames.slice(split + 2, split + 6);
      if (frames[split + 1]?.toString() !== sign(signed))
        throw new Error(`${channel}: wrong signature from the kernel`);
      const [header, parent, metadata, content] = signed.map(
        (frame) => JSON.parse(frame.toString()) as Record<string, unknown>,
      );
      received.push({
        channel,
        type: String(header?.["msg_type"]),
        header: header ?? {},
        parent: parent ?? {},
        metadata: metadata ?? {},
        content: content ?? {},
        buffers: frames.slice(split + 6),
      });
      for (const check of waiting) check();
    }
  };
  for (const [channel, socket] of [...Object.entries(dealers), ["iopub", subscriber] as const])
    listen(channel as Received["channel"], socket as AsyncIterable<Buffer[]>).catch((error: unknown) => {
      if (!closed) failure += String(error);
    });
  let closed = false;

  const wait: TestClient["wait"] = (test, ms = 30_000) =>
    new Promise((resolve, reject) => {
      let from = 0; // what was looked at is not looked at again: tests with 10,000 messages wait here
      const check = (): void => {
        const found = received.slice(from).find(test);
        from = received.length;
        if (found === undefined) return;
        clearTimeout(timer);
        waiting.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        waiting.delete(check);
        reject(new Error(`no such message within ${String(ms)} ms; ${failure}; log: ${log()}`));
      }, ms);
      timer.unref(); // a test that has ended waits for nothing
      waiting.add(check);
      check();
    });

  const queues = { shell: Promise.resolve(), control: Promise.resolve(), stdin: Promise.resolve() };
  const sendRaw: TestClient["sendRaw"] = (channel, frames) => {
    queues[channel] = queues[channel].then(() => dealers[channel].send(frames));
    return queues[channel];
  };
  const send: TestClient["send"] = async (channel, type, content, extra = {}) => {
    const id = randomUUID();
    const header = {
      msg_id: id,
      session: routingId,
      username: "test",
      date: new Date().toISOString(),
      msg_type: type,
      version: "5.4",
      ...extra.header,
    };
    const frames = [header, extra.parent ?? {}, extra.metadata ?? {}, content].map((part) => JSON.stringify(part));
    await sendRaw(channel, ["<IDS|MSG>", sign(frames, extra.key ?? key), ...frames, ...(extra.buffers ?? [])]);
    return id;
  };
  const request: TestClient["request"] = async (channel, type, content, extra) => {
    const id = await send(channel, type, content, extra);
    return wait((message) => message.channel === channel && message.parent.msg_id === id);
  };
  const executed: TestClient["executed"] = async (id) => {
    const start = performance.now();
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

  return {
    execute: async (code, options = {}, extra = {}) =>
      executed(await send("shell", "execute_request", { code, allow_stdin: false, ...options }, extra)),
    executed,
    send,
    sendRaw,
    sign,
    request,
    wait,
    received,
    async heartbeat() {
      await beat.send("ping");
      const [answer] = await beat.receive();
      return String(answer);
    },
    close() {
      closed = true;
      for (const socket of [...Object.values(dealers), subscriber, beat]) socket.close();
    },
  };
}
