/** Messages on their way out: with the right parent header, and after the output that was collected before them. */
import type { RequestNumber } from "./link.js";
import type { Message, StreamName } from "./messages.js";
import { createHeader } from "./signature.js";
import type { Channel, Sockets } from "./sockets.js";
import { createStreams } from "./streams.js";

/** A message of a client, numbered as it arrived. */
export interface Request {
  number: RequestNumber;
  channel: Channel;
  message: Message;
}

/** What goes beside the content. */
export interface Extra {
  metadata?: Record<string, unknown> | undefined;
  buffers?: Uint8Array[] | undefined;
}

export interface Outgoing {
  /** On iopub; `cause` is the request that brought it about. */
  publish: (type: string, content: object, cause?: Request, extra?: Extra) => void;
  /** To the client that asked, on the channel where it asked. */
  reply: (request: Request, content: object) => void;
  status: (state: "starting" | "busy" | "idle", cause?: Request) => void;
  /** Output of a cell, collected for a moment. */
  stream: (request: RequestNumber, name: StreamName, text: string) => void;
  /** Sends the output that was collected. */
  flush: () => void;
  /** Asks the client for a line on stdin. */
  askInput: (cause: Request | undefined, prompt: string, password: boolean) => void;
}

export function createOutgoing(
  sockets: Pick<Sockets, "send">,
  requestOf: (number: RequestNumber) => Request | undefined,
  /** Told of every message on iopub that a request brought about, before it is sent. */
  shown: (request: RequestNumber, type: string, content: unknown) => void = () => undefined,
): Outgoing {
  const send = (
    channel: Channel | "iopub",
    type: string,
    content: object,
    identities: Uint8Array[],
    cause: Request | undefined,
    { metadata = {}, buffers = [] }: Extra = {},
  ): void => {
    const header = cause?.message.header;
    if (channel === "iopub" && cause !== undefined) shown(cause.number, type, content);
    void sockets.send(channel, {
      identities,
      header: createHeader(type, header?.username),
      parent: header ?? {},
      metadata,
      content,
      buffers,
    });
  };
  const topic = (type: string): Uint8Array[] => [Buffer.from(`kernel.${type}`)];
  const streams = createStreams((number, name, text) => {
    send("iopub", "stream", { name, text }, topic("stream"), requestOf(number));
  });
  const publish: Outgoing["publish"] = (type, content, cause, extra) => {
    streams.flush();
    send("iopub", type, content, topic(type), cause, extra);
  };
  return {
    publish,
    reply(request, content) {
      streams.flush();
      const { header, identities } = request.message;
      send(request.channel, header.msg_type.replace(/_request$/, "_reply"), content, identities, request);
    },
    status(state, cause) {
      publish("status", { execution_state: state }, cause);
    },
    stream: streams.write,
    flush: streams.flush,
    askInput(cause, prompt, password) {
      streams.flush();
      send("stdin", "input_request", { prompt, password }, cause?.message.identities ?? [], cause);
    },
  };
}
