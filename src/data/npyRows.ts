/** Rows of a large .npy array of float32 [N, ...], read one by one where they lie. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { AmsError } from "../errors.js";
import { readNpyHeader } from "./npyHeader.js";

export interface NpyRows {
  /** [N, ...] */
  shape: number[];
  /** Copies row `row` into `into` from `offset` on. */
  read(row: number, into: Float32Array, offset: number): void;
  close(): void;
}

/** Opens the array. Throws an AmsError for a file that is missing, damaged, or of another type or order. */
export function openNpyRows(file: string): NpyRows {
  const fail = (what: string): never => {
    throw new AmsError(`not a usable .npy file of features: ${what}`, {
      where: file,
      hint: 'save it as float32, rows first: numpy.save(file, numpy.ascontiguousarray(features, "float32"))',
    });
  };
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (cause) {
    throw new AmsError("the features cannot be opened", {
      where: file,
      hint: "check the path and its permissions",
      cause,
    });
  }
  try {
    const { size } = fstatSync(handle);
    const bytesAt = (position: number, length: number): Buffer => {
      const bytes = Buffer.alloc(Math.min(length, size));
      return bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, position));
    };
    const { type, fortranOrder, shape = [], dataAt } = readNpyHeader(bytesAt, fail);
    if (type !== "<f4") fail(`its numbers are ${type}, not <f4 (float32)`);
    if (fortranOrder !== false) fail("its columns come first");
    const width = shape.slice(1).reduce((a, b) => a * b, 1);
    const needed = dataAt + 4 * width * (shape[0] ?? 0);
    if (shape.length === 0 || size < needed) fail(`it ends at byte ${size}, ${needed} are needed`);
    return {
      shape,
      read(row, into, offset) {
        const bytes = new Uint8Array(into.buffer, into.byteOffset + 4 * offset, 4 * width);
        for (let done = 0; done < bytes.length;) {
          const got = readSync(handle, bytes, done, bytes.length - done, dataAt + 4 * width * row + done);
          if (got === 0) fail(`row ${row} is cut short`);
          done += got;
        }
      },
      close: () => {
        closeSync(handle);
      },
    };
  } catch (error) {
    closeSync(handle);
    throw error;
  }
}
