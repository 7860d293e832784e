/** The connection file: where the five sockets bind and what key signs the messages. */
import { readFileSync } from "node:fs";

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
}

const ports = ["shell_port", "control_port", "iopub_port", "stdin_port", "hb_port"] as const;

/** Reads and checks a connection file. Throws an error that says what is wrong with which file. */
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
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new Error("not a JSON object");
    values = parsed as Record<string, unknown>;
  } catch (error) {
    throw new Error(`the connection file ${file} is not valid: ${(error as Error).message}`, { cause: error });
  }
  const wrong = (name: string, expected: string): Error =>
    new Error(
      `the connection file ${file} is not valid: "${name}" must be ${expected}, got ${name in values ? JSON.stringify(values[name]) : "nothing"}`,
    );
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
  if (typeof scheme !== "string" || !/^hmac-[a-z0-9-]+$/i.test(scheme))
    throw wrong("signature_scheme", 'of the form "hmac-sha256"');
  return { ...(values as unknown as Connection), transport, key, signature_scheme: scheme };
}

/** The ZeroMQ address of one socket: `tcp://127.0.0.1:5000`, or `ipc://path-5000` for local sockets. */
export function endpoint(connection: Connection, port: (typeof ports)[number]): string {
  const number = String(connection[port]);
  return connection.transport === "tcp" ? `tcp://${connection.ip}:${number}` : `ipc://${connection.ip}-${number}`;
}
