/** Values -> mime bundles, and the globals `display` and `prompt` of cells. */
import util from "node:util";
import type { RequestNumber } from "../wire/link.js";
import { currentRequest } from "./parents.js";
import type { DisplayRule } from "../plugin.js";

export type MimeBundle = Record<string, unknown>;

/** A value with a method under this key shows itself. */
const displayKey = Symbol.for("Jupyter.display");

export interface DisplayOptions {
  /** Names the display, so that a later call with `update` replaces it. */
  displayId?: string;
  update?: boolean;
  metadata?: Record<string, unknown>;
}

/** The global `display`: shows a value now; its members show a text or picture as a given type. */
export interface Display {
  (value: unknown, options?: DisplayOptions): Promise<void>;
  html: (html: string, options?: DisplayOptions) => Promise<void>;
  markdown: (markdown: string, options?: DisplayOptions) => Promise<void>;
  latex: (latex: string, options?: DisplayOptions) => Promise<void>;
  json: (value: unknown, options?: DisplayOptions) => Promise<void>;
  svg: (svg: string, options?: DisplayOptions) => Promise<void>;
  png: (bytes: Uint8Array, options?: DisplayOptions) => Promise<void>;
  jpeg: (bytes: Uint8Array, options?: DisplayOptions) => Promise<void>;
  /** A mime bundle as it is, e.g. `{ "text/html": "<b>x</b>", "text/plain": "x" }`. */
  raw: (bundle: Record<string, unknown>, options?: DisplayOptions) => Promise<void>;
  /** Empties the cell's output; with `wait`, when the next output comes. */
  clear: (wait?: boolean) => void;
}

/** The global `prompt`: asks the person and returns the text. Throws where the front end cannot ask. */
export type Prompt = (text?: string, options?: { password?: boolean }) => string;

const rules: DisplayRule[] = [];

/** A later rule comes before the earlier ones. */
export function addDisplayRule(rule: DisplayRule): void {
  rules.unshift(rule);
}

/** What a value looks like: its own bundle, a plugin's, a picture for the bytes of one, else text. */
export async function toBundle(value: unknown): Promise<MimeBundle> {
  const own = (value as Record<symbol, unknown> | null | undefined)?.[displayKey];
  if (typeof own === "function") return complete(await (own as () => unknown).call(value), value);
  const rule = rules.find((one) => one.test(value));
  if (rule !== undefined) return complete(await rule.show(value), value);
  if (value instanceof Uint8Array) {
    const picture = pictureType(value);
    if (picture !== undefined)
      return { [picture]: base64(value), "text/plain": `${picture}, ${String(value.length)} bytes` };
  }
  return { "text/plain": inspect(value) };
}

/** A plain object whose names are all MIME types. */
function isBundle(value: unknown): value is MimeBundle {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  if (displayKey in value) return false;
  const names = Object.keys(value);
  return names.length > 0 && names.every((name) => /^(application|audio|image|text|video)\/[\w.+-]+$/.test(name));
}

export function inspect(value: unknown): string {
  return util.inspect(value, { depth: 4, maxArrayLength: 100, maxStringLength: 10_000, breakLength: 100 });
}

/** Bytes become base64, other data plain JSON, and every bundle has a text. */
function complete(bundle: unknown, value: unknown): MimeBundle {
  if (typeof bundle !== "object" || bundle === null) return { "text/plain": inspect(value) };
  const entries = Object.entries(bundle)
    .map(([type, data]: [string, unknown]): [string, unknown] => [type, asJson(type, data)])
    .filter(([, data]) => data !== undefined);
  const result = Object.fromEntries<unknown>(entries);
  if (!("text/plain" in result)) result["text/plain"] = Object.keys(result).join(", ");
  return result;
}

/** Found out here, where the cell can be told: on the wire a value that JSON cannot hold would end the kernel. */
function asJson(type: string, data: unknown): unknown {
  if (typeof data === "string") return data;
  if (data instanceof Uint8Array) return base64(data);
  try {
    const text = JSON.stringify(data) as string | undefined;
    return text === undefined ? undefined : JSON.parse(text);
  } catch (cause) {
    throw new TypeError(`${type} cannot be shown: ${(cause as Error).message}`, { cause });
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function pictureType(bytes: Uint8Array): string | undefined {
  const starts = (...expected: number[]): boolean => expected.every((byte, i) => bytes[i] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "image/png";
  if (starts(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (starts(0x47, 0x49, 0x46, 0x38)) return "image/gif";
  return undefined;
}

export interface DisplayHost {
  display: Display;
  /** Whether a value is what a display call returned: nothing to show as a cell's result. */
  isOwn: (value: unknown) => boolean;
  /** Waits for the displays of a cell that are still being made, so that they stand in the cell that asked for them. */
  settled: (request: RequestNumber) => Promise<void>;
}

/** @param send takes a finished bundle */
export function createDisplay(
  send: (bundle: MimeBundle, options: DisplayOptions) => void,
  clear: (wait: boolean) => void,
): DisplayHost {
  // By cell: what a terminated cell was about to show is never ready, and no other cell may wait for it.
  const pending = new Map<Promise<void>, RequestNumber>();
  const own = new WeakSet<Promise<void>>();
  const track = (work: Promise<void>): Promise<void> => {
    own.add(work);
    pending.set(work, currentRequest());
    const done = (): void => {
      pending.delete(work);
    };
    work.then(done, done);
    return work;
  };
  const show = (value: unknown, options: DisplayOptions = {}): Promise<void> =>
    track(
      (isBundle(value) ? Promise.resolve(complete(value, value)) : toBundle(value)).then((bundle) => {
        send(bundle, options);
      }),
    );
  const typed =
    (type: string) =>
    (data: unknown, options: DisplayOptions = {}): Promise<void> => {
      send(complete({ [type]: data, "text/plain": typeof data === "string" ? data : type }, data), options);
      return track(Promise.resolve());
    };
  const display = Object.assign(show, {
    html: typed("text/html"),
    markdown: typed("text/markdown"),
    latex: typed("text/latex"),
    json: typed("application/json"),
    svg: typed("image/svg+xml"),
    png: typed("image/png"),
    jpeg: typed("image/jpeg"),
    raw: (bundle: Record<string, unknown>, options: DisplayOptions = {}): Promise<void> => {
      send(complete(bundle, bundle), options);
      return track(Promise.resolve());
    },
    clear: (wait = false) => {
      clear(wait);
    },
  });
  return {
    display,
    isOwn: (value) => value instanceof Promise && own.has(value as Promise<void>),
    settled: async (request) => {
      const own = [...pending].filter(([, cell]) => cell === request).map(([work]) => work);
      await Promise.allSettled(own);
    },
  };
}
