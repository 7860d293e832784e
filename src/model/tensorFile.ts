/** Files of named tensors that are read one at a time, and the number types that they hold. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { AmsError } from "../errors.js";
import { fromHalves } from "./halves.js";

/** A tensor of a file. */
export interface StoredTensor {
  shape: number[];
  /** Values as numbers of JavaScript: F16, BF16 and F64 come as float32, I64 as int32, U8 and BOOL as bytes. */
  data: Float32Array | Int32Array | Uint8Array;
}

/** A tensor in a file: `read` fetches its bytes only then. */
export interface TensorEntry {
  shape: number[];
  /** As safetensors names it: F32, F16, BF16, F64, I64 ... */
  dtype: string;
  read: () => StoredTensor["data"];
}

export interface TensorFile {
  file: string;
  tensors: Map<string, TensorEntry>;
  /** Closes the file; tensors cannot be read afterwards. */
  close: () => void;
}

/** The types that weights may have. */
export const floatTypes = new Set(["F32", "F16", "BF16", "F64"]);

/** Gives the values of weights back. Error: numbers that are NaN or infinite, with the tensor's name and its file. */
export function finite(values: StoredTensor["data"], name: string, file: string): Float32Array {
  let bad = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) bad++;
  if (bad === 0) return values as Float32Array;
  throw new AmsError(`${name} has ${bad} values that are NaN or infinite`, {
    where: file,
    hint: "the training that wrote it has diverged, or the file is damaged: take an earlier checkpoint",
  });
}

/** Bytes of one number of each type that can be read. */
export const bytesPer = new Map([
  ["F32", 4],
  ["I32", 4],
  ["F16", 2],
  ["BF16", 2],
  ["U8", 1],
  ["BOOL", 1],
  ["I8", 1],
  ["I16", 2],
  ["I64", 8],
  ["F64", 8],
]);

export interface Ranges {
  /** Of the file in bytes. */
  size: number;
  /** The bytes at a place; `fail` of the opener is called when the file ends before. */
  read: (position: number, length: number) => Buffer;
  /** Closes the file; tensors cannot be read afterwards. */
  close: () => void;
}

/** Opens a file for reading by ranges. Errors: a file that is missing, no file, or ends within a range. */
export function openRanges(file: string, fail: (what: string) => never): Ranges {
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    const isMissing = code === "ENOENT" || code === "ENOTDIR";
    throw new AmsError(isMissing ? "there is no such file" : `the file cannot be opened (${code})`, {
      where: file,
      hint: isMissing ? "check the path" : "check that you may read it",
      cause,
    });
  }
  const stat = fstatSync(handle);
  if (!stat.isFile()) {
    closeSync(handle);
    fail(stat.isDirectory() ? "it is a folder" : "it is no ordinary file");
  }
  const { size } = stat;
  return {
    size,
    read: (position, length) => {
      const ends = (): never => fail(`it ends within ${length} bytes at ${position}`);
      if (position + length > size) ends(); // before memory is taken
      const buffer = Buffer.from(new ArrayBuffer(length));
      // One call reads at most 2 GiB.
      for (let done = 0; done < length;) {
        const got = readSync(handle, buffer, done, Math.min(length - done, 2 ** 30), position + done);
        if (got === 0) ends();
        done += got;
      }
      return buffer;
    },
    close: () => {
      closeSync(handle);
    },
  };
}

/** Little-endian bytes -> numbers. */
export function decode(bytes: Buffer, dtype: string): StoredTensor["data"] {
  const { buffer, byteOffset, byteLength } = bytes;
  // A buffer of its own, as `openRanges` gives, serves as it is; a part of another is copied to have its alignment.
  const aligned = byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  switch (dtype) {
    case "F32":
      return new Float32Array(aligned);
    case "I32":
      return new Int32Array(aligned);
    case "I8":
      return Int32Array.from(new Int8Array(aligned));
    case "I16":
      return Int32Array.from(new Int16Array(aligned));
    case "U8":
    case "BOOL":
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
      return fromHalves(new Uint16Array(aligned));
  }
}
