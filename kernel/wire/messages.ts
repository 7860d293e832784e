/** The messages of the Jupyter protocol 5.5 that this kernel receives and sends, as documented interfaces. */

export const protocolVersion = "5.5";

export interface Header {
  msg_id: string;
  session: string;
  username: string;
  /** ISO 8601. */
  date: string;
  msg_type: string;
  version: string;
  /** The subshell that a request on shell is for; without it, the main shell. */
  subshell_id?: string | null;
}

/** One message as it stands on a socket, without its signature. */
export interface Message {
  /** Routing frames before the delimiter: who asked, or the topic on iopub. */
  identities: Uint8Array[];
  header: Header;
  /** The header of the request that caused this message; empty for messages that nothing caused. */
  parent: Header | Record<string, never>;
  metadata: Record<string, unknown>;
  content: unknown;
  /** Binary frames after the content, passed through untouched. */
  buffers: Uint8Array[];
}

export type StreamName = "stdout" | "stderr";

/** What a failed request tells: in `error` on iopub and in the reply. */
export interface ErrorContent {
  ename: string;
  evalue: string;
  traceback: string[];
}

// ---- shell: requests and their replies ----

export interface ExecuteRequest {
  code: string;
  /** No history, nothing on iopub but the status. */
  silent?: boolean;
  store_history?: boolean;
  /** Name -> expression, evaluated after the cell succeeded. */
  user_expressions?: Record<string, string>;
  allow_stdin?: boolean;
  /** An error aborts the execute requests that wait behind this one. */
  stop_on_error?: boolean;
}

export type UserExpression =
  | { status: "ok"; data: Record<string, unknown>; metadata: Record<string, unknown> }
  | ({ status: "error" } & ErrorContent);

export type ExecuteReply =
  | { status: "ok"; execution_count: number; user_expressions: Record<string, UserExpression>; payload: Payload[] }
  | ({ status: "error"; execution_count: number } & ErrorContent)
  | { status: "aborted"; execution_count: number };

/** Something the front end does after the cell: `page` shows help beside the notebook, `ask_exit` ends a console. */
export type Payload =
  { source: "page"; data: Record<string, unknown>; start: number } | { source: "ask_exit"; keepkernel: boolean };

export interface CompleteRequest {
  code: string;
  /** In code points, as every cursor of the protocol. */
  cursor_pos: number;
}

export interface CompleteReply {
  status: "ok";
  matches: string[];
  cursor_start: number;
  cursor_end: number;
  /** `_jupyter_types_experimental`: what JupyterLab shows beside each match. */
  metadata: {
    _jupyter_types_experimental?: {
      text: string;
      type?: string;
      start: number;
      end: number;
      signature?: string;
      documentation?: string;
    }[];
  };
}

export interface InspectRequest {
  code: string;
  cursor_pos: number;
  /** 0: Shift-Tab and `name?`; 1: `name??`. */
  detail_level?: 0 | 1;
}

export interface InspectReply {
  status: "ok";
  found: boolean;
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

export interface IsCompleteRequest {
  code: string;
}

export type IsCompleteReply =
  | { status: "complete" | "invalid" | "unknown" }
  | {
      status: "incomplete";
      /** What the next line starts with. */
      indent: string;
    };

export interface HistoryRequest {
  /** Pairs [input, output] in place of inputs. */
  output?: boolean;
  /** Inputs as typed; this kernel keeps no other form. */
  raw?: boolean;
  hist_access_type: "range" | "tail" | "search";
  /** For `range`: 0 is this session. */
  session?: number;
  start?: number;
  stop?: number | null;
  n?: number | null;
  /** For `search`: a glob with `*` and `?`. */
  pattern?: string;
  unique?: boolean;
}

export interface HistoryReply {
  status: "ok";
  /** [session, line, input] or [session, line, [input, output]]. */
  history: [number, number, string | [string, string | null]][];
}

export interface CommInfoRequest {
  target_name?: string;
}

export interface CommInfoReply {
  status: "ok";
  comms: Record<string, { target_name: string }>;
}

export interface KernelInfoReply {
  status: "ok";
  protocol_version: string;
  implementation: string;
  implementation_version: string;
  language_info: {
    name: string;
    version: string;
    mimetype: string;
    file_extension: string;
    pygments_lexer: string;
    codemirror_mode: string | Record<string, unknown>;
    nbconvert_exporter: string;
  };
  banner: string;
  help_links: { text: string; url: string }[];
  supported_features: string[];
  /** What `supported_features` says too, for clients of older protocols. */
  debugger: boolean;
}

export interface ShutdownRequest {
  restart?: boolean;
}

// ---- iopub ----

export interface StreamContent {
  name: StreamName;
  text: string;
}

/** `transient` must always be there: nbclient fails without it. */
export interface DisplayDataContent {
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
  transient: { display_id?: string };
}

export interface ExecuteResultContent {
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
  execution_count: number;
}

// ---- stdin ----

export interface InputRequest {
  prompt: string;
  password: boolean;
}

export interface InputReply {
  value: string;
}
