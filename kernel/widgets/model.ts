/**
 * One widget model: its state on both sides of a comm, by the widget messaging protocol 2.1 (ipywidgets' messages.md).
 *
 *     page -> kernel   update {state}        the kernel answers echo_update {state}, then tells its own handlers
 *     page -> kernel   request_state         the kernel answers update {state}, all of it
 *     both ways        custom {content}
 *     kernel -> page   update {state}        when a cell assigns
 */
import util from "node:util";
import { userError } from "../magics/plugins.js";
import { nearest } from "../magics/nearest.js";
import { asBytes, inFormOf, isBytes, join, separate } from "./buffers.js";
import type { CommCenter, OwnComm } from "./comms.js";
import type { CommMessage, Model } from "./types.js";
import { createWaiters, type Waiters } from "./waiters.js";

export const widgetTarget = "jupyter.widget";
export const protocolVersion = "2.1.0";
const viewMime = "application/vnd.jupyter.widget-view+json";

export interface ModelHost {
  comms: CommCenter;
  /** Binds a handler to the cell that registers it now. */
  attribute: <A extends unknown[]>(handler: (...values: A) => unknown) => (...values: A) => void;
  /** The signal of the running cell, if the caller belongs to it. */
  cellSignal: () => AbortSignal | undefined;
  report: (error: unknown) => void;
}

export interface ModelSpec {
  id: string;
  /** All that the page is told: ipywidgets' `_model_name` and so on, and the values. */
  state: Record<string, unknown>;
  /** The names of the values that cells see. */
  names: string[];
  /** How the widget is called in texts, e.g. `slider`. */
  kind: string;
  /** Asked for every value from the page or a cell. */
  check?: Check | undefined;
  /** The text where widgets cannot be shown; without it all names and values. */
  text?: (state: Record<string, unknown>) => string;
  /** A comm that the page has opened; without it one is opened. */
  comm?: OwnComm;
  closed: () => void;
}

/** Says what is wrong with a value in the state as it would be; undefined when nothing is. */
export type Check = (name: string, value: unknown, state: Record<string, unknown>) => string | undefined;

export type AnyModel = Model<Record<string, unknown>>;

/** The state as it goes over the wire. */
export interface LiveModel {
  model: AnyModel;
  /** The state with bytes in it. */
  full: () => Record<string, unknown>;
}

export function createModel(spec: ModelSpec, host: ModelHost): LiveModel {
  const { id, names, kind } = spec;
  const values: Record<string, unknown> = { ...spec.state };
  const handlers = new Map<string, Set<(value: unknown, previous: unknown) => void>>();
  const changes = new Map<string, Waiters<unknown>>();
  const onMessage = new Set<(content: unknown, buffers: Uint8Array[]) => void>();
  const messages = createWaiters<{ content: unknown; buffers: Uint8Array[] }>(host.cellSignal);

  const start = separate(spec.state, `the state of a ${kind}`);
  const comm =
    spec.comm ??
    host.comms.openOwn(
      widgetTarget,
      { state: start.value, buffer_paths: start.paths },
      { metadata: { version: protocolVersion }, buffers: start.buffers },
      id,
    );

  const closedError = (): Error => userError(`the ${kind} is closed`, "make a new one", `widget ${id}`);
  const sendState = (method: "update" | "echo_update", state: Record<string, unknown>): void => {
    const { value, paths, buffers } = separate(state, `the state of a ${kind}`);
    comm.send({ method, state: value, buffer_paths: paths }, { buffers });
  };

  /** Takes new values and tells who listens. Bytes are compared by reference: a new array is a change. */
  const assign = (next: Record<string, unknown>): void => {
    const changed: [string, unknown, unknown][] = [];
    for (const [name, value] of Object.entries(next)) {
      const previous = values[name];
      if (isBytes(value) ? value === previous : util.isDeepStrictEqual(value, previous)) continue;
      values[name] = value;
      changed.push([name, value, previous]);
    }
    for (const [name, value, previous] of changed) {
      changes.get(name)?.settle(value);
      for (const handler of [...(handlers.get(name) ?? [])]) handler(value, previous);
    }
  };

  const checkNames = (given: Record<string, unknown>): void => {
    for (const [name, value] of Object.entries(given)) {
      if (!names.includes(name)) {
        const near = nearest(name, names);
        const all = names.length > 0 ? `its state has ${names.join(", ")}` : "its state has no names";
        throw userError(
          `the ${kind} has no "${name}"`,
          near.length > 0 ? `did you mean "${near.join('" or "')}"? ${all}` : all,
        );
      }
      const wrong = spec.check?.(name, value, { ...values, ...given });
      if (wrong !== undefined) throw userError(`the ${kind}'s ${name} ${wrong}`, undefined, `widget ${id}`);
    }
  };

  const set = (given: Record<string, unknown>): void => {
    if (!comm.isOpen) throw closedError();
    checkNames(given);
    const next = Object.fromEntries(Object.entries(given).filter(([name, value]) => value !== values[name]));
    if (Object.keys(next).length === 0) return;
    sendState("update", next);
    assign(next);
  };

  const receiveState = (data: Record<string, unknown>, buffers: Uint8Array[]): void => {
    const { state, buffer_paths: paths } = data;
    if (typeof state !== "object" || state === null || Array.isArray(state))
      throw userError(`the page sent a state of a ${kind} that is no object`, undefined, `widget ${id}`);
    const given = state as Record<string, unknown>;
    join(given, paths, buffers);
    const known: Record<string, unknown> = {};
    let refused: Error | undefined;
    for (const [name, value] of Object.entries(given)) {
      if (!Object.hasOwn(values, name)) continue; // of a newer version of the widget's JavaScript
      const wrong = spec.check?.(name, value, { ...values, ...given });
      if (wrong === undefined) known[name] = inFormOf(values[name], value);
      else refused = userError(`the page sent a ${kind} whose ${name} ${wrong}`, undefined, `widget ${id}`);
    }
    // The page waits for the echo before it takes this name from the kernel again.
    const echo = Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(values, name)));
    sendState("echo_update", echo);
    assign(known);
    if (refused === undefined) return;
    // The page shows again what the kernel holds.
    sendState("update", Object.fromEntries(Object.keys(echo).map((name) => [name, values[name]])));
    throw refused;
  };

  comm.receive = ({ data, buffers }: CommMessage): void => {
    const content = (data ?? {}) as Record<string, unknown>;
    switch (content["method"]) {
      case "update":
        receiveState(content, buffers);
        break;
      case "request_state":
        sendState("update", values);
        break;
      case "custom":
        messages.settle({ content: content["content"], buffers });
        for (const handler of [...onMessage]) handler(content["content"], buffers);
        break;
      default:
        throw userError(
          `the page sent a ${kind} a message of the unknown method ${JSON.stringify(content["method"] ?? null)}`,
          undefined,
          `widget ${id}`,
        );
    }
  };
  const ended = (): void => {
    for (const waiters of [...changes.values(), messages]) waiters.fail(closedError());
    spec.closed();
  };
  comm.closed = ended;

  const change = async (name: string): Promise<unknown> => {
    if (!comm.isOpen) throw closedError();
    checkNames({ [name]: values[name] });
    const waiters = changes.get(name) ?? createWaiters<unknown>(host.cellSignal);
    changes.set(name, waiters);
    return waiters.next();
  };

  const state: Record<string, unknown> = {};
  for (const name of names)
    Object.defineProperty(state, name, {
      enumerable: true,
      get: () => values[name],
      set: (value: unknown) => {
        set({ [name]: value });
      },
    });
  // Shown as its values; the accessors themselves say nothing.
  Object.defineProperty(state, util.inspect.custom, {
    value: () => Object.fromEntries(names.map((name) => [name, values[name]])),
  });
  Object.preventExtensions(state);

  const text = (): string => {
    const own = Object.fromEntries(names.map((name) => [name, brief(values[name])]));
    const shown =
      spec.text?.(values) ??
      util.inspect(own, { breakLength: Infinity, depth: 1, maxStringLength: 60, maxArrayLength: 5 });
    return `${kind}${comm.isOpen ? "" : " (closed)"} ${shown}`.trimEnd();
  };
  const model: AnyModel & Record<symbol, unknown> = {
    id,
    get isOpen() {
      return comm.isOpen;
    },
    state,
    set,
    on(name, handler) {
      checkNames({ [name]: values[name] });
      const bound = host.attribute(handler);
      const list = handlers.get(name) ?? new Set();
      handlers.set(name, list.add(bound));
      return () => void list.delete(bound);
    },
    change,
    send(content, buffers = []) {
      if (!comm.isOpen) throw closedError();
      comm.send({ method: "custom", content }, { buffers });
    },
    onMessage(handler) {
      const bound = host.attribute(handler);
      onMessage.add(bound);
      return () => void onMessage.delete(bound);
    },
    nextMessage: async () => {
      if (!comm.isOpen) throw closedError();
      return messages.next();
    },
    close() {
      if (!comm.isOpen) return;
      comm.close();
      ended();
    },
    [Symbol.for("Jupyter.display")]: () => viewBundle(id, typeof values["_view_name"] === "string", text()),
    [util.inspect.custom]: text,
  };
  return { model, full: () => values };
}

/** What shows a widget: the id of its model for a page that knows widgets, a text for everything else. */
export function viewBundle(id: string, visible: boolean, text: string): Record<string, unknown> {
  const view = { [viewMime]: { version_major: 2, version_minor: 0, model_id: id } };
  return { ...(visible ? view : {}), "text/plain": text };
}

/** Bytes are told by their number, not shown. */
function brief(value: unknown): unknown {
  return isBytes(value) ? { bytes: asBytes(value).length } : value;
}
