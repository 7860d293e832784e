/** The safetensors file format: a JSON header with names, types, shapes and offsets, then the bytes. */
import { closeSync, fsyncSync, openSync, readSync, fstatSync, writeSync } from "node:fs";
import { z } from "zod";
import { AmsError } from "../errors.js";

export interface StoredTensor {
  shape: number[];
  /** Values as numbers of JavaScript: F16, BF16 and F64 come as float32, I64 as int32, U8 as bytes. */
  data: Float32Array | Int32Array | Uint8Array;
}

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

const bytesPer: Record<string, number> = { F32: 4, I32: 4, F16: 2, BF16: 2, U8: 1, I64: 8, F64: 8 };

/** Reads a whole file. Errors name the file and, for a damaged one, what does not fit. */
export function readSafetensors(file: string): SafetensorsFile {
  const fail = (what: string): never => {
    throw new AmsError(`not a complete safetensors file: ${what}`, {
      where: file,
      hint: "copy or download the file again; a training keeps its previous checkpoint beside the last one",
    });
  };
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (cause) {
    throw new AmsError("the weights file cannot be opened", {
      where: file,
      hint: "check the path and its permissions",
      cause,
    });
  }
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) fail(stat.isDirectory() ? "it is a folder" : "it is no ordinary file");
    const size = stat.size;
    const read = (length: number, position: number): Buffer => {
      const buffer = Buffer.alloc(length);
      if (readSync(handle, buffer, 0, length, position) !== length)
        fail(`it ends within ${length} bytes at ${position}`);
      return buffer;
    };
    if (size < 8) fail(`${size} bytes`);
    const headerLength = Number(read(8, 0).readBigUInt64LE());
    if (headerLength > size - 8 || headerLength > 100e6) fail(`a header of ${headerLength} bytes in ${size}`);
    const { metadata, entries } = parseHeader(read(headerLength, 8).toString("utf8"), fail);
    const tensors = new Map<string, StoredTensor>();
    for (const [name, { dtype, shape, data_offsets }] of entries) {
      const width = Object.hasOwn(bytesPer, dtype) ? bytesPer[dtype]! : fail(`${name} has type ${dtype}`);
      const [begin, end] = data_offsets;
      const count = shape.reduce((a, b) => a * b, 1);
      if (end - begin !== count * width) fail(`${name} needs ${count * width} bytes and has ${end - begin}`);
      if (8 + headerLength + end > size) fail(`${name} ends at ${8 + headerLength + end}, the file at ${size}`);
      tensors.set(name, { shape, data: decode(read(end - begin, 8 + headerLength + begin), dtype) });
    }
    return { tensors, metadata };
  } finally {
    closeSync(handle);
  }
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

function decode(bytes: Buffer, dtype: string): StoredTensor["data"] {
  const { buffer, byteOffset, byteLength } = bytes;
  const aligned = buffer.slice(byteOffset, byteOffset + byteLength);
  switch (dtype) {
    case "F32":
      return new Float32Array(aligned);
    case "I32":
      return new Int32Array(aligned);
    case "U8":
      return new Uint8Array(aligned);
    case "F64":
      return Float32Array.from(new Float64Array(aligned));
    case "I64":
      return Int32Array.from(new BigInt64Array(aligned), Number);
    case "BF16": {
      const halves = new Uint16Array(aligned);
      const bits = new Uint32Array(halves.length);
      for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
      return new Float32Array(bits.buffer);
    }
    default:
      return Float32Array.from(new Uint16Array(aligned), halfToFloat);
  }
}

function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Nearest half-precision number, ties to even, as its 16 bits. */
function floatToHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -25)));
  const step = 2 ** (exponent - 10);
  const units = size / step;
  const low = Math.floor(units);
  const rest = units - low;
  const rounded = rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
  // A mantissa of 2,048 units carries into the exponent by plain addition.
  return sign | (exponent === -14 ? rounded : ((exponent + 14) << 10) + rounded);
}

/**
 * Writes tensors in the order given and syncs the file to disk. `half` stores floats as F16 (half the size, 3 digits).
 */
export function writeSafetensors(
  file: string,
  tensors: Iterable<[string, StoredTensor]>,
  { metadata = {}, half = false }: { metadata?: Record<string, string>; half?: boolean } = {},
): void {
  const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const floats = data instanceof Float32Array;
    const stored = floats && half ? Uint16Array.from(data, floatToHalf) : data;
    const dtype = floats ? (half ? "F16" : "F32") : data instanceof Int32Array ? "I32" : "U8";
    parts.push(Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength));
    header[name] = { dtype, shape, data_offsets: [offset, offset + stored.byteLength] };
    offset += stored.byteLength;
  }
  let text = JSON.stringify(header);
  text += " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const handle = openSync(file, "w");
  try {
    for (const part of [length, Buffer.from(text), ...parts]) {
      for (let at = 0; at < part.length;) at += writeSync(handle, part, at, part.length - at);
    }
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
