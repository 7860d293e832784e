/** What the two threads of the kernel tell each other: the wire thread owns the sockets, the main thread runs cells. */
import type { Script } from "../debug/adapter.js";
import type { Connection } from "./connection.js";
import type { Failure } from "./failures.js";
import type {
  CompleteReply,
  CompleteRequest,
  ExecuteRequest,
  InspectReply,
  InspectRequest,
  IsCompleteReply,
  IsCompleteRequest,
  Payload,
  StreamName,
  UserExpression,
} from "./messages.js";

/** Requests are numbered from 1 as they arrive; every output names the request that caused it. */
export type RequestNumber = number;

/** What the main thread is asked to do, in each shell one at a time, in the order of arrival. */
export type Task =
  | { type: "execute"; request: RequestNumber; count: number; content: ExecuteRequest }
  | { type: "complete"; request: RequestNumber; content: CompleteRequest }
  | { type: "inspect"; request: RequestNumber; content: InspectRequest }
  | { type: "isComplete"; request: RequestNumber; content: IsCompleteRequest };

export type ToMain =
  | Task
  /** A comm message of the page: passed on at once, also while a cell runs. */
  | {
      type: "comm";
      request: RequestNumber;
      message: CommType;
      content: CommContent;
      metadata: Record<string, unknown>;
      buffers: Uint8Array[];
    }
  /** The debugger was attached. */
  | { type: "debugAttached" }
  /** The breakpoints in that script are set. */
  | { type: "scriptReady"; name: string }
  /** Ask the running cell to stop; the same number may come twice. */
  | { type: "interrupt"; number: number }
  /** Nothing: code that a termination may stop in place of other. */
  | { type: "nothing" }
  /** The answer to the client is on its way: leave. */
  | { type: "exit" }
  /** The wire is dead: leave and say why. */
  | { type: "failed"; reason: string };

export interface CommContent {
  comm_id: string;
  target_name?: string;
  data?: unknown;
}

export type CommType = "comm_open" | "comm_msg" | "comm_close";

/** How a cell ended. `text` is its result as plain text, for the history. */
export type Executed =
  { status: "ok"; user_expressions: Record<string, UserExpression>; payload: Payload[]; text: string | null } | Failure;

export type ToWire =
  | { type: "stream"; request: RequestNumber; name: StreamName; text: string }
  | {
      type: "iopub";
      request: RequestNumber;
      message: "display_data" | "update_display_data" | "execute_result" | "clear_output" | CommType;
      content: object;
      metadata?: Record<string, unknown>;
      buffers?: Uint8Array[];
    }
  /** Code that will run, for the debugger. */
  | { type: "script"; script: Script }
  /** The comm message is dealt with. */
  | { type: "commDone"; request: RequestNumber }
  | { type: "done"; request: RequestNumber; task: "execute"; content: Executed }
  | { type: "done"; request: RequestNumber; task: "complete"; content: CompleteReply }
  | { type: "done"; request: RequestNumber; task: "inspect"; content: InspectReply }
  | { type: "done"; request: RequestNumber; task: "isComplete"; content: IsCompleteReply }
  /** Ask the person; the main thread sleeps until the answer is in the mailbox. */
  | { type: "input"; request: RequestNumber; prompt: string; password: boolean }
  /** The code of a cell starts: what the wire thread is told of it from now on is its own. */
  | { type: "started"; request: RequestNumber }
  /** The main thread saw the interrupt: its event loop turns, no force is needed. */
  | { type: "interruptSeen" }
  /** The process ends as soon as all output is sent. */
  | { type: "leaving" }
  /** Ctrl-C or kill -INT reached the process, and the wire thread does not hear it by itself. */
  | { type: "signal" };

/**
 * What the main thread is at. `running`: code of cells, or what they left behind.
 * Force is used against this alone: `compiling` stands for all work of the kernel's own, which would be left in pieces.
 */
export const phases = { idle: 0, compiling: 1, running: 2 } as const;

/** Slots of the shared Int32Array. */
export const slots = {
  /** One of `phases`. */
  phase: 0,
  /** Requests up to this number must not start any more. */
  interruptedUpTo: 1,
  /** 0: no answer yet, 1: the answer is in the mailbox, 2: interrupted. */
  input: 2,
  /** How many magics are at work that check their signal: they are given more time. */
  cooperative: 3,
  /** 1 while the debugger is attached. */
  debugging: 4,
  /** 1 once the wire thread has sent all that it had: the process may end. */
  sent: 5,
  /** 1 from the polite message of an interrupt until the main thread has read it: then its event loop turns. */
  unseen: 6,
  /** 1 once the wire thread hears SIGINT by itself. */
  hears: 7,
} as const;

export interface WireData {
  connection: Connection;
  shared: Int32Array;
  /** Carries the text of an input_reply, so that the sleeping main thread can take it. */
  mailbox: import("node:worker_threads").MessagePort;
  implementation: { version: string; typescript: string };
}
