/**
 * The kernel's process: `node --no-force-async-hooks-checks build/kernel/main.js CONNECTION_FILE`.
 *
 * The wire thread starts first and answers what needs no cell; this thread loads TypeScript, compiles and runs the cells.
 * Between the two go the messages of wire/link.ts.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { beforeExit, endAtOnce, exit } from "./exit.js";
import { product } from "./product.js";
import { readConnection, type Connection } from "./wire/connection.js";
import { phases, slots, type ToMain, type ToWire, type WireData } from "./wire/link.js";
import { log } from "./wire/log.js";
import { signalOptions } from "./wire/signals.js";
import type { Session } from "./cells/session.js";

// From the first line on: an interrupt that comes while TypeScript loads must not end the process.
let onSignal = (): void => undefined;
process.on("SIGINT", () => {
  onSignal();
});

process.on("exit", endAtOnce);

/** How long the process waits for its last output to be sent (ms). */
const lastOutput = 500;

function main(): void {
  const [file] = process.argv.slice(2);
  if (file === undefined) fail("usage: node build/kernel/main.js CONNECTION_FILE");
  let connection: Connection;
  try {
    connection = readConnection(file);
  } catch (error) {
    fail((error as Error).message);
  }
  const packageRoot = findPackageRoot();
  const shared = new Int32Array(new SharedArrayBuffer(4 * Object.keys(slots).length));
  Atomics.store(shared, slots.phase, phases.compiling); // until the session has started
  const mailbox = new MessageChannel();
  const workerData: WireData = {
    connection,
    shared,
    mailbox: mailbox.port1,
    implementation: {
      version: versionOf(path.join(packageRoot, "package.json")),
      typescript: versionOf(require.resolve("typescript/package.json")),
    },
  };
  const wire = new Worker(path.join(__dirname, "wire", "thread.js"), {
    workerData,
    execArgv: signalOptions,
    transferList: [mailbox.port1],
  });
  // What a cell printed last is still collected in the wire thread, e.g. before its own process.exit().
  let wireLives = true;
  beforeExit(() => {
    if (!wireLives || Atomics.load(shared, slots.sent) === 1) return;
    wire.postMessage({ type: "leaving" } satisfies ToWire);
    Atomics.wait(shared, slots.sent, 0, lastOutput);
  });
  // A kernel without its wire looks alive to the front end for a minute: leave at once and say why.
  wire.on("error", (error) => {
    wireLives = false;
    fail(`the wire thread failed: ${error.stack ?? error.message}`);
  });
  wire.on("exit", (code) => {
    wireLives = false;
    fail(`the wire thread ended with code ${String(code)}`);
  });
  const tell = (message: ToWire): void => {
    wire.postMessage(message);
  };
  onSignal = () => {
    if (Atomics.load(shared, slots.hears) === 0) tell({ type: "signal" });
  };

  const session = startSession({ packageRoot, shared, mailbox: mailbox.port2, plugins: product.plugins, tell });
  session.catch((error: unknown) => {
    fail(`the session could not start: ${(error as Error).stack ?? String(error)}`);
  });
  let started: Session | undefined;
  void session.then((ready) => (started = ready));
  let heeded = 0;
  wire.on("message", (message: ToMain) => {
    switch (message.type) {
      case "nothing":
        break;
      case "exit":
        exit(0);
        break;
      case "failed":
        wireLives = false;
        fail(`the wire thread failed: ${message.reason}`);
        break;
      case "interrupt":
        // Before the session has started nothing runs that could be stopped. A termination may come at any line here.
        if (message.number > heeded) started?.interrupt();
        heeded = message.number;
        Atomics.store(shared, slots.unseen, 0);
        tell({ type: "interruptSeen" });
        break;
      case "debugAttached":
      case "scriptReady":
        void session.then((ready) => {
          ready.debug(message);
        });
        break;
      case "comm":
        void session.then((ready) => {
          ready.comm(message);
        });
        break;
      default:
        void session.then((ready) => ready.run(message));
    }
  });
}

/** Loads what is slow (TypeScript, the libraries) after the wire thread is on its way. */
async function startSession(
  options: Parameters<typeof import("./cells/session.js").createSession>[0],
): Promise<Session> {
  const { createSession } = await import("./cells/session.js");
  return createSession(options);
}

/** The nearest folder above with a package.json: the kernel runs from build/ as well as from another output folder. */
function findPackageRoot(): string {
  for (let folder = __dirname; folder !== path.dirname(folder); folder = path.dirname(folder))
    if (existsSync(path.join(folder, "package.json"))) return folder;
  fail(`no package.json above ${__dirname}`);
}

function versionOf(file: string): string {
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function fail(message: string): never {
  log(message);
  return exit(1);
}

main();
