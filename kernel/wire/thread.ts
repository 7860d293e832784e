/**
 * The wire thread: owns the sockets and the order of things. It answers by itself what needs no cell (kernel info,
 * history, comms, interrupts, shutdown), so that control requests get through while a cell spins, and hands the rest to the
 * main thread one task at a time.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Executed, RequestNumber, Task, ToMain, ToWire, WireData } from "./link.js";
import { slots } from "./link.js";
import { createHistory } from "./history.js";
import { createInterrupter } from "./interrupt.js";
import { kernelInfo } from "./kernelInfo.js";
import { log } from "./log.js";
import type {
  CommInfoReply,
  CommOpen,
  ExecuteReply,
  ExecuteRequest,
  HistoryRequest,
  InputReply,
  ShutdownRequest,
} from "./messages.js";
import { createOutgoing, type Request } from "./outgoing.js";
import { watchParent } from "./parent.js";
import { openSockets } from "./sockets.js";

async function serve(): Promise<void> {
  const { connection, shared, mailbox, implementation } = workerData as WireData;
  const port = parentPort;
  if (port === null) throw new Error("the wire thread runs inside the kernel only");
  const tell = (message: ToMain): void => {
    port.postMessage(message);
  };

  // Every request is kept for its header: late output (timers, promises) names the cell that caused it.
  const requests = new Map<RequestNumber, Request>();
  const history = createHistory();
  let lastNumber = 0;
  let executionCount = 0;
  let shuttingDown = false;

  // ---- shell: a queue, one request at a time ----

  const waiting: Request[] = [];
  let current: Request | undefined;
  let finishTask: ((done: ToWire & { type: "done" }) => void) | undefined;

  const sockets = await openSockets(connection, (channel, message) => {
    if (channel === "stdin") {
      if (message.header.msg_type === "input_reply") answerInput((message.content as InputReply).value);
      return;
    }
    const request = { number: ++lastNumber, channel, message };
    requests.set(request.number, request);
    if (channel === "control") answerControl(request);
    else {
      waiting.push(request);
      void runQueue();
    }
  });

  const { publish, reply, status, stream, askInput } = createOutgoing(sockets, (number) => requests.get(number));

  const runQueue = async (): Promise<void> => {
    if (current !== undefined) return;
    while ((current = waiting.shift()) !== undefined) {
      const request = current;
      status("busy", request);
      try {
        await answerShell(request);
      } finally {
        status("idle", request);
      }
    }
  };

  const runTask = (task: Task): Promise<ToWire & { type: "done" }> =>
    new Promise((resolve) => {
      finishTask = resolve;
      tell(task);
    });

  const answerShell = async (request: Request): Promise<void> => {
    const { number, message } = request;
    const content = message.content as never;
    switch (message.header.msg_type) {
      case "execute_request":
        await execute(request);
        break;
      case "complete_request":
        reply(request, (await runTask({ type: "complete", request: number, content })).content);
        break;
      case "inspect_request":
        reply(request, (await runTask({ type: "inspect", request: number, content })).content);
        break;
      case "is_complete_request":
        reply(request, (await runTask({ type: "isComplete", request: number, content })).content);
        break;
      default:
        answerHere(request);
    }
  };

  const execute = async (request: Request): Promise<void> => {
    const content = request.message.content as ExecuteRequest;
    const silent = content.silent === true;
    const stored = !silent && content.store_history !== false;
    if (stored) history.add(++executionCount, content.code);
    const count = executionCount;
    if (!silent) publish("execute_input", { code: content.code, execution_count: count }, request);
    const done = await runTask({ type: "execute", request: request.number, count, content });
    interrupter.ended();
    const result = done.content as Executed;
    if (result.status === "ok") {
      const { user_expressions, payload, text } = result;
      if (stored) history.setOutput(count, text);
      reply(request, { status: "ok", execution_count: count, user_expressions, payload } satisfies ExecuteReply);
      return;
    }
    const { ename, evalue, traceback } = result;
    if (!silent) publish("error", { ename, evalue, traceback }, request);
    reply(request, { status: "error", execution_count: count, ename, evalue, traceback } satisfies ExecuteReply);
    if (content.stop_on_error !== false) abortWaiting();
  };

  /** Execute requests that wait are answered `aborted`; others keep their place. */
  const abortWaiting = (): void => {
    const aborted = waiting.filter(({ message }) => message.header.msg_type === "execute_request");
    for (const request of aborted) {
      waiting.splice(waiting.indexOf(request), 1);
      status("busy", request);
      reply(request, { status: "aborted", execution_count: executionCount } satisfies ExecuteReply);
      status("idle", request);
    }
  };

  // ---- requests that need no cell, on either channel ----

  const answerHere = (request: Request): void => {
    const { header, content } = request.message;
    switch (header.msg_type) {
      case "kernel_info_request":
        reply(request, kernelInfo(implementation));
        break;
      case "history_request":
        reply(request, history.answer(content as HistoryRequest));
        break;
      case "comm_info_request":
        reply(request, { status: "ok", comms: {} } satisfies CommInfoReply);
        break;
      case "comm_open":
        // Nobody here knows the target: the protocol asks for a comm_close in return.
        publish("comm_close", { comm_id: (content as CommOpen).comm_id, data: {} }, request);
        break;
      case "comm_msg":
      case "comm_close":
        break; // for a comm that is not open: nothing to answer
      case "shutdown_request":
        shutDown(request);
        break;
      default:
        log(`no answer to ${header.msg_type} on ${request.channel}`);
    }
  };

  // ---- control ----

  const answerControl = (request: Request): void => {
    status("busy", request);
    if (request.message.header.msg_type === "interrupt_request") {
      interrupt();
      reply(request, { status: "ok" });
    } else answerHere(request);
    status("idle", request);
  };

  const interrupter = createInterrupter(shared, () => {
    tell({ type: "interrupt" });
  });
  const interrupt = (): void => {
    Atomics.store(shared, slots.interruptedUpTo, lastNumber);
    Atomics.store(shared, slots.input, 2);
    Atomics.notify(shared, slots.input);
    abortWaiting();
    interrupter.interrupt();
  };

  const shutDown = (request: Request): void => {
    if (shuttingDown) return;
    shuttingDown = true;
    const content = { status: "ok", restart: (request.message.content as ShutdownRequest).restart === true };
    reply(request, content);
    publish("shutdown_reply", content, request);
    setTimeout(() => {
      void sockets.close().then(exit);
    }, 100);
  };

  // ---- stdin ----

  const answerInput = (value: string): void => {
    mailbox.postMessage(value);
    Atomics.compareExchange(shared, slots.input, 0, 1);
    Atomics.notify(shared, slots.input);
  };

  // ---- from the main thread ----

  port.on("message", (message: ToWire) => {
    switch (message.type) {
      case "stream":
        stream(message.request, message.name, message.text);
        break;
      case "iopub":
        publish(message.message, message.content, requests.get(message.request), message.buffers);
        break;
      case "done": {
        const finish = finishTask;
        finishTask = undefined;
        finish?.(message);
        break;
      }
      case "input":
        askInput(requests.get(message.request), message.prompt, message.password);
        break;
      case "interruptSeen":
        interrupter.seen();
        break;
      case "signal":
        interrupt();
        break;
    }
  });

  const exit = (): void => {
    tell({ type: "exit" });
    // The main thread may spin and never read this.
    setTimeout(() => process.kill(process.pid, "SIGKILL"), 500);
  };
  watchParent(() => {
    void sockets.close().then(exit);
  });
  status("starting");
}

// A failure here must end the process: a kernel whose wire is dead looks alive for a minute. The main thread ends it, while
// this one stays: a worker that is torn down under open sockets aborts inside zeromq.
process.on("uncaughtException", (error) => {
  parentPort?.postMessage({ type: "failed", reason: error.stack ?? error.message } satisfies ToMain);
  // The main thread may load TypeScript for some seconds, or spin and never read this.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), 15_000);
});
serve().catch((error: unknown) => {
  setImmediate(() => {
    throw error as Error;
  });
});
