/**
 * The cells that run or wait, with what they have shown so far. A page that is loaded again while a cell runs has lost its outputs, and
 * JupyterLab drops those to come, since another page asked for them: the extension asks here, and shows them on.
 */
import type { RequestNumber } from "./link.js";
import type { ExecuteRequest } from "./messages.js";
import type { Request } from "./outgoing.js";
import { isObject } from "./requests.js";

/** A page opens this comm; the answer is one comm_msg with `{ cells: UnfinishedCell[] }`, and the comm is closed. */
export const unfinishedTarget = "kernel.unfinished";

export interface UnfinishedCell {
  /** The cell's id in the notebook, and its code when it was run. */
  cell: string;
  code: string;
  /** `msg_id` and `session` of the request: what comes after the answer names it as its parent. */
  request: string;
  session: string;
  /** null while it waits. */
  count: number | null;
  /** In the order shown, streams joined, displays as they were last updated. */
  outputs: ShownOutput[];
}

export interface ShownOutput {
  type: (typeof kinds)[number];
  content: Record<string, unknown>;
}

export interface Unfinished {
  /** A request that arrived; kept if it says which cell of a notebook it runs, as JupyterLab does. */
  add: (request: Request) => void;
  /** A message on iopub; the request's idle status ends its record. */
  note: (request: RequestNumber, type: string, content: unknown) => void;
  list: () => UnfinishedCell[];
}

const kinds = ["stream", "display_data", "execute_result", "error"] as const;

/** UTF-16 units kept of a cell's outputs, the latest: the Jupyter server cuts off what sends much more at once. */
const largest = 1_000_000;

interface Kept extends UnfinishedCell {
  outputs: (ShownOutput & { size: number })[];
  size: number;
  /** The next output takes the place of all before. */
  clear: boolean;
}

export function createUnfinished(): Unfinished {
  const cells = new Map<RequestNumber, Kept>();
  return {
    add({ number, message: { header, metadata, content } }) {
      const { code, silent } = content as ExecuteRequest;
      const cell = isObject(metadata) ? metadata["cellId"] : undefined;
      if (header.msg_type !== "execute_request" || silent === true || typeof cell !== "string") return;
      const { msg_id: request, session } = header;
      cells.set(number, { cell, code, request, session, count: null, outputs: [], size: 0, clear: false });
    },
    note(request, type, content) {
      const cell = cells.get(request);
      if (cell === undefined || !isObject(content)) return;
      if (type === "status" && content["execution_state"] === "idle") cells.delete(request);
      else if (type === "execute_input") cell.count = content["execution_count"] as number;
      else if (type === "clear_output") {
        cell.clear = content["wait"] === true;
        if (!cell.clear) empty(cell);
      } else if (type === "update_display_data") {
        const id = displayId(content);
        for (const output of cell.outputs) if (displayId(output.content) === id) replace(cell, output, content);
      } else if (isKind(type)) {
        if (cell.clear) empty(cell);
        cell.clear = false;
        append(cell, type, content);
      }
      while (cell.size > largest && cell.outputs.length > 1) cell.size -= cell.outputs.shift()?.size ?? 0;
    },
    list: () =>
      [...cells.values()].map(({ cell, code, request, session, count, outputs }) => ({
        ...{ cell, code, request, session, count },
        outputs: outputs.map(({ type, content }) => ({ type, content })),
      })),
  };
}

function isKind(type: string): type is ShownOutput["type"] {
  return kinds.some((kind) => kind === type);
}

function displayId(content: Record<string, unknown>): unknown {
  const { transient } = content;
  return isObject(transient) ? transient["display_id"] : undefined;
}

function empty(cell: Kept): void {
  cell.outputs = [];
  cell.size = 0;
}

function replace(cell: Kept, output: Kept["outputs"][number], content: Record<string, unknown>): void {
  const size = sizeOf(content);
  cell.size += size - output.size;
  Object.assign(output, { content, size });
}

/** Streams are joined as a front end joins them. */
function append(cell: Kept, type: ShownOutput["type"], content: Record<string, unknown>): void {
  const last = cell.outputs.at(-1);
  if (type === "stream" && last?.type === "stream" && last.content["name"] === content["name"]) {
    const text = String(last.content["text"]) + String(content["text"]);
    replace(cell, last, { ...content, text: text.length > largest ? text.slice(-largest) : text });
  } else {
    const output = { type, content, size: sizeOf(content) };
    cell.outputs.push(output);
    cell.size += output.size;
  }
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 8;
  return Object.values(value).reduce((sum: number, part) => sum + sizeOf(part), 0);
}
