/** The kernels that stand beside ours in measurements: from npm, started as Jupyter starts them. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createClient, freePorts, mainFile, type Connection, type TestClient } from "../test/kernel/client.js";

export interface Kernel {
  name: string;
  /** What a cell goes through before it runs. */
  checks: string;
  command: (connectionFile: string) => string[];
  /** How its specification wants it interrupted. */
  interrupt: "message" | "signal";
}

export interface RunningKernel extends TestClient {
  process: ChildProcess;
  folder: string;
  connection: Connection;
  log: () => string;
  /** A second client. */
  connect: () => TestClient;
  /** Kills it and what it started. */
  kill: () => Promise<void>;
}

/**
 * Ours, and those that npm can install: tslab, Deno and IJavascript, into the folder that AMS_BENCH_PEERS names, else a temporary one
 * (160 MB). One that cannot be installed is left out, with its reason on stdout.
 */
export function findKernels(only: string | undefined): Kernel[] {
  const wanted = (name: string): boolean => only?.split(",").includes(name) !== false;
  const root = process.env["AMS_BENCH_PEERS"] ?? mkdtempSync(path.join(os.tmpdir(), "kernel-peers-"));
  const peer = (
    kernel: Omit<Kernel, "command">,
    packages: string[],
    command: (bin: string, file: string) => string[],
  ) => {
    const { name } = kernel;
    if (!wanted(name)) return [];
    const folder = path.join(root, name);
    const bin = path.join(folder, "node_modules", ".bin");
    if (!existsSync(bin)) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(path.join(folder, "package.json"), '{ "private": true }');
      const npm = spawnSync("npm", ["install", "--no-audit", "--no-fund", ...packages], { cwd: folder });
      if (npm.status !== 0) {
        const reason = /^npm error (?!code|path|command)(.*)$/m.exec(npm.stderr.toString())?.[1] ?? "";
        process.stdout.write(`${name} is left out: npm cannot install it here (${reason})\n`);
        return [];
      }
    }
    return [{ ...kernel, command: (file: string) => command(bin, file) }];
  };
  const own: Kernel = {
    name: "ams",
    checks: "types",
    interrupt: "message",
    command: (file) => [process.execPath, "--no-force-async-hooks-checks", mainFile, file],
  };
  return [
    ...(wanted("ams") ? [own] : []),
    // Nested as in a global installation: tslab looks for the types of Node in its own folder.
    ...peer(
      { name: "tslab", checks: "types", interrupt: "signal" },
      ["tslab@1.0.22", "--install-strategy=nested"],
      (bin, file) => [path.join(bin, "tslab"), "kernel", `--config-path=${file}`],
    ),
    ...peer({ name: "deno", checks: "no types", interrupt: "message" }, ["deno@2"], (bin, file) => [
      ...[path.join(bin, "deno"), "jupyter", "--kernel", "--conn", file],
    ]),
    // Builds ZeroMQ from sources that it fetches from GitHub.
    ...peer(
      { name: "ijavascript", checks: "no TypeScript", interrupt: "signal" },
      ["ijavascript@5.2.1"],
      (bin, file) => [...[path.join(bin, "ijskernel"), "--hide-undefined", file, "--protocol=5.1"]],
    ),
  ];
}

/** Starts a kernel in a folder of its own; it may take seconds until it answers. */
export async function startPeer(
  kernel: Kernel,
  more: { connection?: Partial<Connection>; env?: NodeJS.ProcessEnv } = {},
): Promise<RunningKernel> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "kernel-bench-"));
  const [shell_port = 0, control_port = 0, iopub_port = 0, stdin_port = 0, hb_port = 0] = await freePorts(5);
  const connection: Connection = {
    ...{ shell_port, control_port, iopub_port, stdin_port, hb_port },
    ...{ transport: "tcp", ip: "127.0.0.1", key: "bench-key", signature_scheme: "hmac-sha256" },
    ...more.connection,
  };
  const file = path.join(folder, "connection.json");
  writeFileSync(file, JSON.stringify(connection));
  const [command = "", ...args] = kernel.command(file);
  const child = spawn(command, args, {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
    env: { ...process.env, ...more.env },
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const clients: TestClient[] = [];
  const connect = (): TestClient => {
    const client = createClient(connection, () => log);
    clients.push(client);
    return client;
  };
  const kill = async (): Promise<void> => {
    for (const client of clients) client.close();
    const lives = (): boolean => child.exitCode === null && child.signalCode === null;
    if (child.pid !== undefined && lives()) {
      const exited = once(child, "exit");
      process.kill(-child.pid, "SIGKILL");
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...connect(), process: child, folder, connection, log: () => log, connect, kill };
}
