/** The five ZeroMQ sockets: bound once, read for ever, written through one queue each. */
import { Reply, Router, XPublisher } from "zeromq";
import { endpoint, type Connection } from "./connection.js";
import { log } from "./log.js";
import type { Message } from "./messages.js";
import { createHeader, createSigner, decode, encode } from "./signature.js";

export type Channel = "shell" | "control" | "stdin";

export interface Sockets {
  /** Sends through the socket's queue; resolves when ZeroMQ has taken the message. */
  send: (channel: Channel | "iopub", message: Message) => Promise<void>;
  /** How many messages were dropped because they were malformed or wrongly signed. */
  dropped: () => number;
  /**
   * Waits until everything queued so far is sent, then closes the sockets. A process that exits with a pending receive
   * aborts inside zeromq.
   */
  close: () => Promise<void>;
}

/** Binds the sockets and starts reading. `receive` gets each message that was signed rightly. */
export async function openSockets(
  connection: Connection,
  receive: (channel: Channel, message: Message) => void,
): Promise<Sockets> {
  const signer = createSigner(connection.key, connection.signature_scheme);
  // High water marks of 0: a busy cell must neither lose output nor block. Linger is short so that exit is never held up.
  // Encryption: the client knows our public key from the connection file; a socket must have it before it is bound.
  const curve =
    connection.curve === undefined
      ? {}
      : {
          curveServer: true,
          curvePublicKey: connection.curve.publicKey,
          curveSecretKey: connection.curve.secretKey,
        };
  const unlimited = { ...curve, sendHighWaterMark: 0, receiveHighWaterMark: 0, linger: 200 };
  // Handover: a client that reconnects with its old identity gets its replies.
  const routers = {
    shell: new Router({ ...unlimited, handover: true }),
    control: new Router({ ...unlimited, handover: true }),
    stdin: new Router({ ...unlimited, handover: true }),
  };
  const iopub = new XPublisher(unlimited);
  iopub.verbosity = "allSubs";
  const heartbeat = new Reply({ ...curve, linger: 0 });

  await Promise.all([
    routers.shell.bind(endpoint(connection, "shell_port")),
    routers.control.bind(endpoint(connection, "control_port")),
    routers.stdin.bind(endpoint(connection, "stdin_port")),
    iopub.bind(endpoint(connection, "iopub_port")),
    heartbeat.bind(endpoint(connection, "hb_port")),
  ]);

  // zeromq 6 refuses a second send while one is pending (EBUSY), so each socket has a chain of sends.
  const queues = new Map<string, Promise<void>>();
  const enqueue = (name: string, send: () => Promise<void>): Promise<void> => {
    const next = (queues.get(name) ?? Promise.resolve()).then(send).catch((error: unknown) => {
      log(`a message on ${name} could not be sent: ${String(error)}`);
    });
    queues.set(name, next);
    return next;
  };
  const send = (channel: Channel | "iopub", message: Message): Promise<void> => {
    const frames = encode(message, signer).map((frame) => Buffer.from(frame));
    return enqueue(channel, () => (channel === "iopub" ? iopub.send(frames) : routers[channel].send(frames)));
  };

  let dropped = 0;
  const readRouter = async (channel: Channel): Promise<void> => {
    for await (const frames of routers[channel]) {
      let message: Message;
      try {
        message = decode(frames, signer);
      } catch (error) {
        dropped++;
        log(`dropped ${(error as Error).message} on ${channel} (${String(dropped)} dropped so far)`);
        continue;
      }
      receive(channel, message);
    }
  };
  const readSubscriptions = async (): Promise<void> => {
    for await (const [frame] of iopub) {
      if (frame?.[0] !== 1) continue; // 1 + topic: a new subscriber; 0 + topic: one that left
      const topic = frame.subarray(1);
      await send("iopub", {
        identities: [topic],
        header: createHeader("iopub_welcome"),
        parent: {},
        metadata: {},
        content: { subscription: topic.toString() },
        buffers: [],
      });
    }
  };
  const echo = async (): Promise<void> => {
    for await (const frames of heartbeat) await heartbeat.send(frames);
  };
  let closed = false;
  const failed = (error: unknown): void => {
    if (closed) return;
    // Thrown outside the promise, so that it reaches the worker's 'error' event and ends the process with a message.
    setImmediate(() => {
      throw error as Error;
    });
  };
  for (const read of [readRouter("shell"), readRouter("control"), readRouter("stdin"), readSubscriptions(), echo()])
    read.catch(failed);

  return {
    send,
    dropped: () => dropped,
    close: async () => {
      await Promise.all(queues.values());
      closed = true;
      for (const socket of [...Object.values(routers), iopub, heartbeat]) socket.close();
    },
  };
}
