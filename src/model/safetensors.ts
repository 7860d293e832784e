/** The safetensors file format: a JSON header with names, types, shapes and offsets, then the bytes. */
import { z } from "zod";
import { AmsError } from "../errors.js";
import { writeWhole } from "../writing.js";
import { toHalves } from "./halves.js";
import { bytesPer, decode, openRanges, type StoredTensor, type TensorEntry, type TensorFile } from "./tensorFile.js";

export type { StoredTensor } from "./tensorFile.js";

/** A safetensors file that was read whole. */
export interface SafetensorsFile {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

const offset = z.number().int().min(0);
const entry = z.object({
  dtype: z.string(),
  shape: z.array(offset),
  data_offsets: z.tuple([offset, offset]),
});
type Entry = z.infer<typeof entry>;

/** Reads a whole file. Errors name the file and, for a damaged one, what does not fit. */
export function readSafetensors(file: string): SafetensorsFile {
  const opened = openSafetensors(file);
  try {
    const tensors = new Map([...opened.tensors].map(([name, { shape, read }]) => [name, { shape, data: read() }]));
    return { tensors, metadata: opened.metadata };
  } finally {
    opened.close();
  }
}

/** The same with every number in full: scores from elsewhere may come as F64, and float32 would make ties of them. */
export function readDoubles(file: string): Map<string, { shape: number[]; data: Float64Array }> {
  const opened = openSafetensors(file);
  try {
    return new Map(
      [...opened.tensors].map(([name, { shape, dtype, bytes, read }]) => [
        name,
        { shape, data: dtype === "F64" ? new Float64Array(bytes().buffer as ArrayBuffer) : Float64Array.from(read()) },
      ]),
    );
  } finally {
    opened.close();
  }
}

interface OpenTensor extends TensorEntry {
  /** Read from the file at every call. */
  bytes: () => Buffer;
}

/** A safetensors file that is open: headers are in memory, bytes are read when asked for. */
export interface OpenSafetensors extends TensorFile {
  tensors: Map<string, OpenTensor>;
  metadata: Record<string, string>;
}

/** Opens a file and checks its header against its size; tensors are read one at a time, and `close` ends that. */
export function openSafetensors(file: string): OpenSafetensors {
  const fail = (what: string): never => {
    throw new AmsError(`not a complete safetensors file: ${what}`, {
      where: file,
      hint: "copy or download the file again; a training keeps its previous checkpoint beside the last one",
    });
  };
  const opened = openRanges(file, fail);
  const { size, read } = opened;
  try {
    if (size < 8) fail(`${size} bytes`);
    const headerLength = Number(read(0, 8).readBigUInt64LE());
    if (headerLength > size - 8 || headerLength > 100e6) {
      if (size > 8 && read(8, 1).toString() !== "{") throw anotherFormat(file, read(0, Math.min(size, 16)));
      fail(`a header of ${headerLength} bytes in ${size}`);
    }
    const { metadata, entries } = parseHeader(read(8, headerLength).toString("utf8"), fail);
    const tensors: OpenSafetensors["tensors"] = new Map();
    for (const [name, { dtype, shape, data_offsets }] of entries) {
      const width = bytesPer.get(dtype) ?? fail(`${name} has type ${dtype}`);
      const [begin, end] = data_offsets;
      const count = shape.reduce((a, b) => a * b, 1);
      if (end - begin !== count * width) fail(`${name} needs ${count * width} bytes and has ${end - begin}`);
      const start = 8 + headerLength + begin;
      if (start + count * width > size) fail(`${name} ends at ${start + count * width}, the file at ${size}`);
      const bytes = (): Buffer => read(start, count * width);
      tensors.set(name, { shape, dtype, bytes, read: () => decode(bytes(), dtype) });
    }
    return { file, tensors, metadata, close: opened.close };
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Neither a length nor the JSON that follows it. */
function anotherFormat(file: string, start: Buffer): AmsError {
  return new AmsError("this is no safetensors file", {
    where: `${file} (it begins with ${JSON.stringify(start.toString("latin1"))})`,
    hint: "give a file of tensors: .safetensors, or for weights also a torch file (.bin, .pt, .pth, .pth.tar)",
  });
}

function parseHeader(
  text: string,
  fail: (what: string) => never,
): { metadata: Record<string, string>; entries: [string, Entry][] } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    return fail("its header is not JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) return fail("its header is no object");
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, unknown>;
  const strings = z.record(z.string(), z.string()).safeParse(metadata);
  const entries = Object.entries(rest).map(([name, value]): [string, Entry] => {
    const checked = entry.safeParse(value);
    if (checked.success) return [name, checked.data];
    const fields = [...new Set(checked.error.issues.map(({ path }) => path[0] ?? "fields"))].join(", ");
    return fail(`in the header the entry ${name} has no usable ${fields}`);
  });
  return { metadata: strings.success ? strings.data : fail("its __metadata__ are no strings"), entries };
}

/**
 * Writes tensors in the order given and syncs the file to disk. `half` stores floats as F16 (half the size, 3 digits).
 */
export function writeSafetensors(
  file: string,
  tensors: Iterable<[string, Omit<StoredTensor, "data"> & { data: StoredTensor["data"] | Float64Array }]>,
  { metadata = {}, half = false }: { metadata?: Record<string, string>; half?: boolean } = {},
): void {
  const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const floats = data instanceof Float32Array;
    const stored = floats && half ? toHalves(data) : data;
    const whole = data instanceof Int32Array ? "I32" : data instanceof Float64Array ? "F64" : "U8";
    const dtype = floats ? (half ? "F16" : "F32") : whole;
    parts.push(Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength));
    header[name] = { dtype, shape, data_offsets: [offset, offset + stored.byteLength] };
    offset += stored.byteLength;
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  writeWhole(file, [length, text, ...parts]);
}
