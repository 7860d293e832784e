/**
 * The wire thread: owns the sockets and the order of things. It answers by itself what needs no cell (kernel info,
 * history, comms, interrupts, shutdown), so that control requests get through while a cell spins, and hands the rest to the
 * main thread one task at a time.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { CommContent, CommType, Executed, RequestNumber, Task, ToMain, ToWire, WireData } from "./link.js";
import { endAtOnce } from "../exit.js";
import { slots } from "./link.js";
import { createAdapter } from "../debug/adapter.js";
import type { DebugRequest } from "../debug/protocol.js";
import { createCommTable } from "./commTable.js";
import { failure, interrupted, unknownSubshell, type Failure } from "./failures.js";
import { createHistory } from "./history.js";
import { createInterrupter } from "./interrupt.js";
import { kernelInfo } from "./kernelInfo.js";
import { log } from "./log.js";
import type {
  CommInfoReply,
  CommInfoRequest,
  ExecuteReply,
  ExecuteRequest,
  HistoryRequest,
  InputReply,
  ShutdownRequest,
} from "./messages.js";
import { createOutgoing, type Request } from "./outgoing.js";
import { watchParent } from "./parent.js";
import { problemOf } from "./requests.js";
import { createShells } from "./shells.js";
import { hearSigint } from "./signals.js";
import { openSockets } from "./sockets.js";
import { createUnfinished, unfinishedTarget } from "./unfinished.js";

type Done = ToWire & { type: "done" };

const isCommMessage = (type: string): type is CommType =>
  type === "comm_open" || type === "comm_msg" || type === "comm_close";

async function serve(): Promise<void> {
  const { connection, shared, mailbox, implementation } = workerData as WireData;
  const port = parentPort;
  if (port === null) throw new Error("the wire thread runs inside the kernel only");
  /** Messages for the main thread that wait until a termination has found its code. */
  let held: ToMain[] | undefined;
  const tell = (message: ToMain): void => {
    if (held === undefined) port.postMessage(message);
    else held.push(message);
  };

  // Cells are kept for their headers: late output (timers, promises) names the cell that caused it.
  const requests = new Map<RequestNumber, Request>();
  const history = createHistory();
  let lastNumber = 0;
  let executionCount = 0;
  let shuttingDown = false;

  // ---- shell: a queue for each subshell and one for the rest, one request at a time in each ----

  const shells = createShells(async (request) => {
    status("busy", request);
    try {
      await answerShell(request);
    } finally {
      status("idle", request);
      forget(request);
    }
  });
  /** What a cell was sent with is not kept, and of other requests nothing. */
  const forget = ({ number, channel, message: { identities, header } }: Request): void => {
    if (header.msg_type !== "execute_request") requests.delete(number);
    else
      requests.set(number, {
        number,
        channel,
        message: { identities, header, parent: {}, metadata: {}, content: {}, buffers: [] },
      });
  };

  const unfinished = createUnfinished();
  const sockets = await openSockets(connection, (channel, message) => {
    const { msg_type: type, subshell_id: subshell } = message.header;
    const problem = problemOf(type, message.content);
    if (channel === "stdin") {
      if (problem !== undefined) log(`dropped: ${problem}`);
      else if (type === "input_reply") answerInput((message.content as InputReply).value);
      return;
    }
    const request = { number: ++lastNumber, channel, message };
    requests.set(request.number, request);
    if (problem === undefined) unfinished.add(request);
    if (problem !== undefined) refuse(request, failure("BadRequest", problem));
    else if (channel === "control") answerControl(request);
    else if (isCommMessage(type)) passOnComm(request, type);
    else if (type === "comm_info_request") answerAtOnce(request);
    else if (!shells.add(subshell ?? null, request)) refuse(request, unknownSubshell(subshell));
  });

  const { publish, reply, status, stream, askInput, flush } = createOutgoing(
    sockets,
    (number) => requests.get(number),
    unfinished.note,
  );

  /** Answers a request that cannot be done, with busy and idle: clients wait for them where there is no reply. */
  const refuse = (request: Request, content: Failure): void => {
    log(`${content.ename}: ${content.evalue}`);
    const { msg_type: type } = request.message.header;
    status("busy", request);
    if (type === "execute_request") reply(request, { ...content, execution_count: executionCount });
    else if (type.endsWith("_request")) reply(request, content);
    status("idle", request);
    forget(request);
  };

  // ---- tasks of the main thread ----

  const finishing = new Map<RequestNumber, (done: Done) => void>();
  /** Cells that are answered already, while the main thread has yet to find out that they must not start. */
  const abandoned = new Set<Promise<Done>>();

  const runTask = (task: Task): Promise<Done> =>
    new Promise((resolve) => {
      finishing.set(task.request, resolve);
      tell(task);
    });

  /** A cell that is interrupted before it starts is answered at once: TypeScript may take seconds over it. */
  const runCell = async (task: Task & { type: "execute" }): Promise<Executed> => {
    while (abandoned.size > 0) await Promise.all(abandoned);
    if (isInterrupted(task.request)) return interrupted;
    const done = runTask(task);
    return Promise.race([
      done.then(({ content }) => content as Executed),
      new Promise<Executed>((resolve) => {
        beforeStart.set(task.request, () => {
          abandoned.add(done);
          void done.then(() => abandoned.delete(done));
          resolve(interrupted);
        });
      }),
    ]).finally(() => beforeStart.delete(task.request));
  };
  const beforeStart = new Map<RequestNumber, () => void>();
  const isInterrupted = (number: RequestNumber): boolean => Atomics.load(shared, slots.interruptedUpTo) >= number;

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

  /** The cells that run. */
  const executing = new Set<Request>();

  const execute = async (request: Request): Promise<void> => {
    const content = request.message.content as ExecuteRequest;
    const silent = content.silent === true;
    const stored = !silent && content.store_history !== false;
    if (stored) history.add(++executionCount, content.code);
    const count = executionCount;
    if (!silent) publish("execute_input", { code: content.code, execution_count: count }, request);
    executing.add(request);
    const result = await runCell({ type: "execute", request: request.number, count, content });
    executing.delete(request);
    if (result.status === "ok") {
      const { user_expressions, payload, text } = result;
      if (stored) history.setOutput(count, text);
      reply(request, { status: "ok", execution_count: count, user_expressions, payload } satisfies ExecuteReply);
      return;
    }
    const { status: _, ...error } = result;
    if (!silent) publish("error", error, request);
    reply(request, { ...result, execution_count: count } satisfies ExecuteReply);
    if (content.stop_on_error !== false) abort(shells.waiting(request.message.header.subshell_id ?? null));
  };

  /** Execute requests that wait are answered `aborted`; others keep their place. */
  const abort = (waiting: Request[]): void => {
    const aborted = waiting.filter(({ message }) => message.header.msg_type === "execute_request");
    for (const request of aborted) {
      waiting.splice(waiting.indexOf(request), 1);
      status("busy", request);
      reply(request, { status: "aborted", execution_count: executionCount } satisfies ExecuteReply);
      status("idle", request);
      forget(request);
    }
  };

  // ---- comms: past the queue, so that widgets work while a cell runs ----

  const comms = createCommTable();

  /** Idle after a request past the queue, and busy again when a cell still runs: front ends show the last state. */
  const idleBesideCell = (request: Request): void => {
    status("idle", request);
    forget(request);
    const cell = [...executing].at(-1);
    if (cell !== undefined) status("busy", cell);
  };
  const passOnComm = (request: Request, message: CommType): void => {
    const { content, metadata, buffers } = request.message;
    status("busy", request);
    if (message === "comm_open" && (content as CommContent).target_name === unfinishedTarget) {
      tellUnfinished(request, (content as CommContent).comm_id);
      return;
    }
    comms.note(message, content);
    tell({ type: "comm", request: request.number, message, content: content as CommContent, metadata, buffers });
  };
  /** Answered here, so that it comes while a cell spins, and between the outputs before and after it. */
  const tellUnfinished = (request: Request, id: string): void => {
    flush();
    publish("comm_msg", { comm_id: id, data: { cells: unfinished.list() } }, request);
    publish("comm_close", { comm_id: id, data: {} }, request);
    idleBesideCell(request);
  };
  const answerAtOnce = (request: Request): void => {
    status("busy", request);
    answerHere(request);
    idleBesideCell(request);
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
        reply(request, {
          status: "ok",
          comms: comms.list((content as CommInfoRequest).target_name),
        } satisfies CommInfoReply);
        break;
      case "shutdown_request":
        shutDown(request);
        break;
      default:
        log(`no answer to ${header.msg_type} on ${request.channel}`);
    }
  };

  // ---- control ----

  const answerControl = (request: Request): void => {
    if (request.message.header.msg_type === "debug_request") {
      answerDebug(request);
      return;
    }
    status("busy", request);
    if (request.message.header.msg_type === "interrupt_request") {
      interrupt();
      reply(request, { status: "ok" });
    } else if (!answerSubshell(request)) answerHere(request);
    idleBesideCell(request);
  };

  /** Subshells are made and removed on control (protocol 5.5): code of theirs runs while another cell awaits. */
  const answerSubshell = (request: Request): boolean => {
    const { header, content } = request.message;
    switch (header.msg_type) {
      case "create_subshell_request":
        reply(request, { status: "ok", subshell_id: shells.create() });
        return true;
      case "delete_subshell_request": {
        const { subshell_id: id } = content as { subshell_id: string };
        const waiting = shells.remove(id);
        if (waiting === undefined) reply(request, unknownSubshell(id));
        else {
          abort(waiting);
          reply(request, { status: "ok" });
        }
        return true;
      }
      case "list_subshell_request":
        reply(request, { status: "ok", subshell_id: shells.ids() });
        return true;
      default:
        return false;
    }
  };

  // ---- the debugger ----

  const debug = createAdapter({
    emit: (event) => {
      publish("debug_event", event);
    },
    attached: (attached) => {
      Atomics.store(shared, slots.debugging, attached ? 1 : 0);
      if (attached) tell({ type: "debugAttached" });
    },
  });
  /** One after the other, each with its own busy and idle, while other requests on control get through. */
  let debugging = Promise.resolve();
  const answerDebug = (request: Request): void => {
    debugging = debugging.then(async () => {
      status("busy", request);
      reply(request, await debug.handle(request.message.content as DebugRequest));
      idleBesideCell(request);
    });
  };

  const interrupter = createInterrupter(shared, {
    ask(number) {
      tell({ type: "interrupt", number });
    },
    hold() {
      held = [];
    },
    release() {
      const waiting = held ?? [];
      held = undefined;
      tell({ type: "nothing" });
      waiting.forEach(tell);
    },
  });
  const interrupt = (): void => {
    Atomics.store(shared, slots.interruptedUpTo, lastNumber);
    Atomics.store(shared, slots.input, 2);
    Atomics.notify(shared, slots.input);
    for (const id of [null, ...shells.ids()]) abort(shells.waiting(id));
    for (const giveUp of beforeStart.values()) giveUp();
    debug.interrupt();
    interrupter.interrupt();
  };

  if (hearSigint(interrupt)) Atomics.store(shared, slots.hears, 1);

  const shutDown = (request: Request): void => {
    if (shuttingDown) return;
    shuttingDown = true;
    const content = { status: "ok", restart: (request.message.content as ShutdownRequest).restart === true };
    reply(request, content);
    publish("shutdown_reply", content, request);
    setTimeout(() => {
      void closeSockets().then(exit);
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
        comms.note(message.message, message.content);
        publish(message.message, message.content, requests.get(message.request), message);
        break;
      case "script":
        void debug
          .addScript(message.script)
          .catch((error: unknown) => {
            log(`breakpoints could not be set: ${String(error)}`);
          })
          .then(() => {
            tell({ type: "scriptReady", name: message.script.name });
          });
        break;
      case "commDone": {
        const request = requests.get(message.request);
        if (request !== undefined) idleBesideCell(request);
        break;
      }
      case "done": {
        if (message.task === "execute") interrupter.ended();
        finishing.get(message.request)?.(message);
        finishing.delete(message.request);
        break;
      }
      case "input":
        askInput(requests.get(message.request), message.prompt, message.password);
        break;
      case "started":
        beforeStart.delete(message.request);
        break;
      case "interruptSeen":
        interrupter.seen();
        break;
      case "signal":
        interrupt();
        break;
      case "leaving":
        flush();
        closeSockets().catch(() => undefined);
        break;
    }
  });

  /** After what was sent has left; the main thread may wait for it to end. */
  const closeSockets = async (): Promise<void> => {
    await sockets.close();
    Atomics.store(shared, slots.sent, 1);
    Atomics.notify(shared, slots.sent);
  };
  const exit = (): void => {
    debug.close();
    tell({ type: "exit" });
    // The main thread may spin, or load TypeScript, and not read this in time.
    setTimeout(() => {
      endAtOnce(0);
      process.kill(process.pid, "SIGKILL");
    }, 500);
  };
  watchParent(() => {
    void closeSockets().then(exit);
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
