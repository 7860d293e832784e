/** Bytes inside JSON: the widget protocol sends them beside it, with the paths where they belong. */
import { userError } from "../magics/plugins.js";
import type { Bytes } from "./types.js";

export type Path = (string | number)[];

/** A plain JSON value, and the bytes that were taken out of it. */
export interface Separated {
  value: unknown;
  paths: Path[];
  buffers: Uint8Array[];
}

/**
 * Takes bytes out of a value: in a list null is left in their place, in an object nothing. The rest becomes what JSON can
 * hold. Throws an error that names the place of what JSON cannot hold: a function, a bigint, a cycle.
 */
export function separate(value: unknown, what: string): Separated {
  const paths: Path[] = [];
  const buffers: Uint8Array[] = [];
  const above = new Set<object>();
  const refuse = (path: Path, found: string): Error =>
    userError(
      `${what} is no JSON: it holds ${found}`,
      "give numbers, texts, lists, objects and bytes",
      path.join(".") || what,
    );
  const walk = (current: unknown, path: Path): unknown => {
    switch (typeof current) {
      case "function":
      case "symbol":
      case "bigint":
        throw refuse(path, `a ${typeof current}`);
      case "object":
        break;
      default:
        return current;
    }
    if (current === null) return null;
    if (isBytes(current)) {
      paths.push(path);
      buffers.push(asBytes(current));
      return undefined;
    }
    if (above.has(current)) throw refuse(path, "itself");
    above.add(current);
    const { toJSON } = current as { toJSON?: unknown };
    let result: unknown;
    if (typeof toJSON === "function") result = walk((toJSON as () => unknown).call(current), path);
    else if (Array.isArray(current)) result = current.map((item, i) => walk(item, [...path, i]) ?? null);
    else
      result = Object.fromEntries(
        Object.entries(current)
          .map(([key, item]): [string, unknown] => [key, walk(item, [...path, key])])
          .filter(([, item]) => item !== undefined),
      );
    above.delete(current);
    return result;
  };
  return { value: walk(value, []), paths, buffers };
}

/** Puts bytes back where they belong, in place. Throws for paths that do not fit. */
export function join(value: Record<string, unknown>, paths: unknown, buffers: Uint8Array[]): void {
  if (paths === undefined) return;
  if (!Array.isArray(paths) || paths.length > buffers.length)
    throw userError("a widget's message has more buffer_paths than buffers");
  paths.forEach((path: unknown, i) => {
    const keys: unknown[] = Array.isArray(path) ? path : [];
    const last = keys.at(-1);
    const parent = keys.slice(0, -1).reduce<unknown>((at, key) => own(at, key), value);
    if (typeof parent !== "object" || parent === null || (typeof last !== "string" && typeof last !== "number"))
      throw userError(`a widget's message has a buffer for ${JSON.stringify(path)}, which is no place in its state`);
    Object.defineProperty(parent, last, { value: buffers[i], enumerable: true, configurable: true, writable: true });
  });
}

function own(at: unknown, key: unknown): unknown {
  if (typeof at !== "object" || at === null || !Object.hasOwn(at, key as PropertyKey)) return undefined;
  return (at as Record<PropertyKey, unknown>)[key as PropertyKey];
}

export function isBytes(value: unknown): value is Bytes {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

/** The bytes of a typed array, a DataView or an ArrayBuffer, not copied. */
export function asBytes(bytes: Bytes): Uint8Array {
  return bytes instanceof ArrayBuffer
    ? new Uint8Array(bytes)
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Received bytes in the form of the value that they replace: a Float32Array stays one. */
export function inFormOf(previous: unknown, received: unknown): unknown {
  if (!(received instanceof Uint8Array) || !isBytes(previous) || previous instanceof Uint8Array) return received;
  const copy = received.slice().buffer;
  if (previous instanceof ArrayBuffer) return copy;
  const Form = previous.constructor as new (buffer: ArrayBuffer) => unknown;
  const size = (previous as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
  return copy.byteLength % size === 0 ? new Form(copy) : received;
}
