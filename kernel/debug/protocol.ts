/** The Debug Adapter Protocol as far as JupyterLab speaks it, with Jupyter's own requests. */

export interface DebugRequest {
  seq: number;
  type: "request";
  command: string;
  arguments?: Record<string, unknown>;
}

export interface DebugResponse {
  seq: number;
  type: "response";
  request_seq: number;
  success: boolean;
  command: string;
  /** What went wrong, for people. */
  message?: string;
  body: object;
}

export interface DebugEvent {
  seq: number;
  type: "event";
  event: string;
  body: object;
}

export interface Source {
  name?: string;
  path: string;
}

export interface Breakpoint {
  verified: boolean;
  /** From 1. */
  line: number;
  source: Source;
}

export interface StackFrame {
  id: number;
  name: string;
  source: Source;
  /** From 1, as the column. */
  line: number;
  column: number;
}

export interface Scope {
  name: string;
  variablesReference: number;
  expensive: boolean;
}

export interface Variable {
  name: string;
  value: string;
  /** Left out for JupyterLab, which would show it in place of the value (of all types but Python's). */
  type?: string;
  /** What to give to `variables` for its members; 0: it has none. */
  variablesReference: number;
  evaluateName?: string;
  namedVariables?: number;
  indexedVariables?: number;
}

/** A request that cannot be done: its response says so, the debugger goes on. */
export class DebugError extends Error {}
