/** Comms: named lines between cells and the page. The wire thread passes their messages on while a cell runs. */
import { randomUUID } from "node:crypto";
import { userError } from "../magics/plugins.js";
import { nearest } from "../magics/nearest.js";
import type { RequestNumber } from "../wire/link.js";
import { asBytes, isBytes, separate } from "./buffers.js";
import type { Bytes, Comm, CommMessage, CommOptions, Comms } from "./types.js";

export type CommMessageType = "comm_open" | "comm_msg" | "comm_close";

export interface CommHost {
  /** Sends on iopub, in the name of the request that is current. */
  publish: (
    type: CommMessageType,
    content: object,
    extra: { metadata: Record<string, unknown>; buffers: Uint8Array[] },
  ) => void;
  /** Binds a handler to the cell that registers it now; what it throws is shown there. */
  attribute: <A extends unknown[]>(handler: (...values: A) => unknown) => (...values: A) => void;
  /** Runs what answers a message at once, in that message's name. */
  answer: (request: RequestNumber, work: () => void) => void;
  /** Shows what was wrong with a message that nobody waits for. */
  report: (error: unknown) => void;
}

/** A message of the page, as the wire thread passes it on. */
export interface IncomingComm {
  request: RequestNumber;
  message: CommMessageType;
  content: { comm_id: string; target_name?: string; data?: unknown };
  metadata: Record<string, unknown>;
  buffers: Uint8Array[];
}

export interface CommCenter extends Comms {
  /** Whether somebody has registered the target. */
  listens: (target: string) => boolean;
  receive: (incoming: IncomingComm) => void;
  /** Like `open` and `register` without attribution to a cell, for the kernel's own use. `id`: of the new comm. */
  openOwn: (target: string, data: unknown, options: CommOptions, id: string) => OwnComm;
  registerOwn: (target: string, handler: (comm: OwnComm, opening: CommMessage) => void) => void;
}

/** A comm with handlers that run in the name of each message itself. */
export interface OwnComm extends Comm {
  /** Called before the handlers of cells. */
  receive: (message: CommMessage) => void;
  closed: (message: CommMessage) => void;
}

export function createComms(host: CommHost): CommCenter {
  const open = new Map<string, OwnComm & { message: (message: CommMessage) => void; end: (m: CommMessage) => void }>();
  const targets = new Map<string, (comm: OwnComm, opening: CommMessage) => void>();

  const publish = (type: CommMessageType, content: object, data: unknown, options: CommOptions): void => {
    const { value, buffers, paths } = separate(data, "the data of a comm");
    if (paths.length > 0)
      throw userError(
        "the data of a comm holds bytes",
        "send them as `buffers` beside the data",
        paths.map((path) => path.join(".")).join(", "),
      );
    const more = (options.buffers ?? []).map((bytes: Bytes) => {
      if (!isBytes(bytes)) throw userError("a buffer of a comm is no bytes", "give typed arrays or ArrayBuffers");
      return asBytes(bytes);
    });
    const metadata = separate(options.metadata ?? {}, "the metadata of a comm").value as Record<string, unknown>;
    host.publish(type, { ...content, data: value ?? {} }, { metadata, buffers: [...buffers, ...more] });
  };

  const create = (id: string, target: string): OwnComm => {
    const onMessage = new Set<(message: CommMessage) => void>();
    const onClose = new Set<(message: CommMessage) => void>();
    const isOpen = (): boolean => open.get(id) === comm;
    const add = (
      set: Set<(message: CommMessage) => void>,
      handler: (message: CommMessage) => unknown,
    ): (() => void) => {
      const bound = host.attribute(handler);
      set.add(bound);
      return () => void set.delete(bound);
    };
    const comm = {
      id,
      target,
      get isOpen() {
        return isOpen();
      },
      send(data: unknown, options: CommOptions = {}) {
        if (!isOpen())
          throw userError(`the comm to "${target}" is closed`, "open a new one: comms.open(...)", `comm ${id}`);
        publish("comm_msg", { comm_id: id }, data, options);
      },
      close(data: unknown = {}, options: CommOptions = {}) {
        if (!isOpen()) return;
        publish("comm_close", { comm_id: id }, data, options);
        open.delete(id);
      },
      onMessage: (handler: (message: CommMessage) => unknown) => add(onMessage, handler),
      onClose: (handler: (message: CommMessage) => unknown) => add(onClose, handler),
      receive: (): void => undefined,
      closed: (): void => undefined,
      message(this: OwnComm, message: CommMessage) {
        this.receive(message);
        for (const handler of [...onMessage]) handler(message);
      },
      end(this: OwnComm, message: CommMessage) {
        this.closed(message);
        for (const handler of [...onClose]) handler(message);
      },
    };
    open.set(id, comm);
    return comm;
  };

  const openOwn: CommCenter["openOwn"] = (target, data, options, id) => {
    publish("comm_open", { comm_id: id, target_name: target }, data, options);
    return create(id, target);
  };

  const receiveNow = ({ message: type, content, metadata, buffers }: IncomingComm): void => {
    const { comm_id: id, target_name: name = "", data } = content;
    const message: CommMessage = { data: data ?? {}, metadata, buffers };
    if (type === "comm_open") {
      const handler = targets.get(name);
      if (handler === undefined || open.has(id)) {
        // The protocol asks for a comm_close where a comm cannot be opened.
        if (handler === undefined) host.publish("comm_close", { comm_id: id, data: {} }, { metadata: {}, buffers: [] });
        const near = nearest(name, targets.keys());
        throw handler === undefined
          ? userError(
              `the page opened a comm to "${name}", which nothing here listens to`,
              near.length > 0
                ? `did you mean "${near.join('" or "')}"?`
                : `comms.register(${JSON.stringify(name)}, (comm) => ...) listens`,
            )
          : userError(`the page opened the comm ${id} twice`, undefined, `target "${name}"`);
      }
      handler(create(id, name), message);
      return;
    }
    const comm = open.get(id);
    if (comm === undefined) return; // closed here while the message was on its way
    if (type === "comm_msg") comm.message(message);
    else {
      open.delete(id);
      comm.end(message);
    }
  };

  return {
    open(target, data = {}, options = {}) {
      if (typeof target !== "string" || target === "")
        throw userError("a comm needs the name of a target", 'comms.open("name", data)');
      return openOwn(target, data, options, randomUUID());
    },
    register(target, handler) {
      const bound = host.attribute(handler);
      targets.set(target, bound);
      return () => {
        if (targets.get(target) === bound) targets.delete(target);
      };
    },
    all: () => [...open.values()],
    listens: (target) => targets.has(target),
    receive(incoming) {
      try {
        host.answer(incoming.request, () => {
          receiveNow(incoming);
        });
      } catch (error) {
        host.report(error);
      }
    },
    openOwn,
    registerOwn(target, handler) {
      targets.set(target, handler);
    },
  };
}
