/** Frames <-> messages: the signature is computed over the bytes as received, never over re-encoded JSON. */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { protocolVersion, type Header, type Message } from "./messages.js";
import { isObject } from "./requests.js";

const delimiter = Buffer.from("<IDS|MSG>");

export interface Signer {
  /** The hex signature of the four JSON frames; empty when the connection has no key. */
  sign: (frames: Uint8Array[]) => string;
  /** Whether `signature` belongs to the frames, compared in constant time. */
  verify: (signature: Uint8Array, frames: Uint8Array[]) => boolean;
}

export function createSigner(key: string, scheme: string): Signer {
  const algorithm = scheme.replace(/^hmac-/i, "");
  const sign = (frames: Uint8Array[]): string => {
    if (key === "") return "";
    const hmac = createHmac(algorithm, key);
    for (const frame of frames) hmac.update(frame);
    return hmac.digest("hex");
  };
  return {
    sign,
    verify(signature, frames) {
      if (key === "") return true;
      const expected = Buffer.from(sign(frames));
      return signature.length === expected.length && timingSafeEqual(signature, expected);
    },
  };
}

/** Reads one message. Throws for a missing delimiter or type, a wrong signature, or JSON that is none. */
export function decode(frames: Uint8Array[], signer: Signer): Message {
  const split = frames.findIndex((frame) => delimiter.equals(frame));
  if (split < 0) throw new Error("a message without <IDS|MSG>");
  const signature = frames[split + 1];
  const signed = frames.slice(split + 2, split + 6);
  if (signature === undefined || signed.length < 4) throw new Error("a message with too few frames");
  if (!signer.verify(signature, signed)) throw new Error("a message with a wrong signature");
  const [header, parent, metadata, content] = signed.map(parse);
  if (!isObject(header) || typeof header["msg_type"] !== "string" || typeof header["msg_id"] !== "string")
    throw new Error("a message without a type or an id");
  return {
    identities: frames.slice(0, split),
    header: header as unknown as Header,
    parent: isObject(parent) ? (parent as unknown as Header) : {},
    metadata: isObject(metadata) ? metadata : {},
    content,
    buffers: frames.slice(split + 6),
  };
}

function parse(frame: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(frame).toString("utf8"));
  } catch (cause) {
    throw new Error("a message that is not JSON", { cause });
  }
}

export function encode(message: Message, signer: Signer): Uint8Array[] {
  const signed = [message.header, message.parent, message.metadata, message.content].map((part) =>
    Buffer.from(JSON.stringify(part)),
  );
  return [...message.identities, delimiter, Buffer.from(signer.sign(signed)), ...signed, ...message.buffers];
}

const session = randomUUID();

/** A fresh header of this kernel's session. */
export function createHeader(type: string, username?: unknown): Header {
  return {
    msg_id: randomUUID(),
    session,
    username: typeof username === "string" ? username : "kernel",
    date: new Date().toISOString(),
    msg_type: type,
    version: protocolVersion,
  };
}
