/** What the two threads of the kernel tell each other: the wire thread owns the sockets, the main thread runs cells. */
import type { Connection } from "./connection.js";
import type {
  CompleteReply,
  CompleteRequest,
  ErrorContent,
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

/** What the main thread is asked to do, one at a time, in the order of arrival. */
export type Task =
  | { type: "execute"; request: RequestNumber; count: number; content: ExecuteRequest }
  | { type: "complete"; request: RequestNumber; content: CompleteRequest }
  | { type: "inspect"; request: RequestNumber; content: InspectRequest }
  | { type: "isComplete"; request: RequestNumber; content: IsCompleteRequest };

export type ToMain =
  | Task
  /** Ask the running cell to stop. */
  | { type: "interrupt" }
  /** The answer to the client is on its way: leave. */
  | { type: "exit" }
  /** The wire is dead: leave and say why. */
  | { type: "failed"; reason: string };

/** How a cell ended. `text` is its result as plain text, for the history. */
export type Executed =
  | { status: "ok"; user_expressions: Record<string, UserExpression>; payload: Payload[]; text: string | null }
  | ({ status: "error" } & ErrorContent);

export type ToWire =
  | { type: "stream"; request: RequestNumber; name: StreamName; text: string }
  | {
      type: "iopub";
      request: RequestNumber;
      message: "display_data" | "update_display_data" | "execute_result" | "clear_output";
      content: object;
      buffers?: Uint8Array[];
    }
  | { type: "done"; request: RequestNumber; task: "execute"; content: Executed }
  | { type: "done"; request: RequestNumber; task: "complete"; content: CompleteReply }
  | { type: "done"; request: RequestNumber; task: "inspect"; content: InspectReply }
  | { type: "done"; request: RequestNumber; task: "isComplete"; content: IsCompleteReply }
  /** Ask the person; the main thread sleeps until the answer is in the mailbox. */
  | { type: "input"; request: RequestNumber; prompt: string; password: boolean }
  /** The main thread saw the interrupt: its event loop turns, no force is needed. */
  | { type: "interruptSeen" }
  /** Ctrl-C or kill -INT reached the process. */
  | { type: "signal" };

/**
 * What the main thread is at. `cell` is the synchronous part of a cell (under vm's breakOnSigint), `awaiting` the rest of
 * it. Force is never used against `compiling`: the compiler would be left in pieces.
 */
export const phases = { idle: 0, compiling: 1, cell: 2, awaiting: 3 } as const;

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
  /** Low 31 bits of Date.now() at the wire thread's own last SIGINT, so that it is not taken for the user's. */
  forcedAt: 4,
} as const;

export interface WireData {
  connection: Connection;
  shared: Int32Array;
  /** Carries the text of an input_reply, so that the sleeping main thread can take it. */
  mailbox: import("node:worker_threads").MessagePort;
  implementation: { version: string; typescript: string };
}
