/** The connection file: where the five sockets bind and what key signs the messages. */
import { getHashes } from "node:crypto";
import { readFileSync } from "node:fs";
import { isObject } from "./requests.js";

export interface Connection {
  transport: "tcp" | "ipc";
  ip: string;
  shell_port: number;
  control_port: number;
  iopub_port: number;
  stdin_port: number;
  hb_port: number;
  /** Shared secret of the signatures; empty: messages are not signed. */
  key: string;
  signature_scheme: string;
  /** Z85 keys of CurveZMQ: there when the client wants the sockets encrypted (jupyter_client's `transport_encryption`). */
  curve?: { publicKey: string; secretKey: string };
}

/** Never shown, not even when they are wrong: a log is read by more people than a connection file. */
const secrets = new Set(["key", "curve_secretkey"]);

const ports = ["shell_port", "control_port", "iopub_port", "stdin_port", "hb_port"] as const;

/** Reads and checks a connection file. Throws an error that says what is wrong with which file, and never tells its keys. */
export function readConnection(file: string): Connection {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`cannot read the connection file ${file}: ${(error as Error).message}`, { cause: error });
  }
  let values: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(text);
    if (!isObject(parsed)) throw new Error("not an object");
    values = parsed;
  } catch {
    // What JSON.parse says quotes the text, and with it the key.
    throw new Error(`the connection file ${file} is not valid: it does not hold one JSON object`);
  }
  const wrong = (name: string, expected: string): Error => {
    const got = !(name in values) ? "nothing" : secrets.has(name) ? "something else" : JSON.stringify(values[name]);
    return new Error(`the connection file ${file} is not valid: "${name}" must be ${expected}, got ${got}`);
  };
  for (const name of ports) {
    const port = values[name];
    if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65535)
      throw wrong(name, "a port number");
  }
  const transport = values["transport"] ?? "tcp";
  if (transport !== "tcp" && transport !== "ipc") throw wrong("transport", '"tcp" or "ipc"');
  if (typeof values["ip"] !== "string" || values["ip"] === "") throw wrong("ip", "an address");
  const key = values["key"] ?? "";
  if (typeof key !== "string") throw wrong("key", "a string");
  const scheme = values["signature_scheme"] ?? "hmac-sha256";
  if (typeof scheme !== "string" || !getHashes().includes(scheme.replace(/^hmac-/i, "")))
    throw wrong("signature_scheme", '"hmac-" and a hash that OpenSSL knows, e.g. "hmac-sha256"');
  const curve = readCurve(values, wrong);
  return {
    ...(values as unknown as Connection),
    transport,
    key,
    signature_scheme: scheme,
    ...(curve === undefined ? {} : { curve }),
  };
}

/** `curve_publickey` and `curve_secretkey`, 40 characters of Z85 each: both or none. */
function readCurve(
  values: Record<string, unknown>,
  wrong: (name: string, expected: string) => Error,
): Connection["curve"] {
  const [publicKey, secretKey] = ["curve_publickey", "curve_secretkey"].map((name) => {
    const value = values[name] ?? undefined;
    if (value !== undefined && !(typeof value === "string" && /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/.test(value)))
      throw wrong(name, "a key of 40 Z85 characters");
    return value;
  });
  // Half a pair must not end in sockets that are open to everybody.
  if (publicKey === undefined && secretKey === undefined) return undefined;
  if (publicKey === undefined) throw wrong("curve_publickey", "there beside curve_secretkey");
  if (secretKey === undefined) throw wrong("curve_secretkey", "there beside curve_publickey");
  return { publicKey, secretKey };
}

/** The ZeroMQ address of one socket: `tcp://127.0.0.1:5000`, or `ipc://path-5000` for local sockets. */
export function endpoint(connection: Connection, port: (typeof ports)[number]): string {
  const number = String(connection[port]);
  return connection.transport === "tcp" ? `tcp://${connection.ip}:${number}` : `ipc://${connection.ip}-${number}`;
}
