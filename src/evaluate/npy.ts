/** NumPy's .npy files: one array with its type and shape in a header. Format: numpy.lib.format, versions 1 to 3. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import path from "node:path";
import { npyMagic, readNpyHeader } from "../data/npyHeader.js";
import { AmsError } from "../errors.js";
import { fromHalves } from "../model/halves.js";
import { writeWhole } from "../writing.js";

/** Types that scores and owners may have, little-endian as every machine of today writes them. */
const readers: Record<string, { bytes: number; of: (buffer: ArrayBuffer) => ArrayLike<number> }> = {
  "<f8": { bytes: 8, of: (buffer) => new Float64Array(buffer) },
  "<f4": { bytes: 4, of: (buffer) => new Float32Array(buffer) },
  "<f2": { bytes: 2, of: (buffer) => fromHalves(new Uint16Array(buffer)) },
  "<i8": { bytes: 8, of: (buffer) => Float64Array.from(new BigInt64Array(buffer), Number) },
  "<u8": { bytes: 8, of: (buffer) => Float64Array.from(new BigUint64Array(buffer), Number) },
  "<i4": { bytes: 4, of: (buffer) => new Int32Array(buffer) },
  "<u4": { bytes: 4, of: (buffer) => new Uint32Array(buffer) },
  "<i2": { bytes: 2, of: (buffer) => new Int16Array(buffer) },
  "<u2": { bytes: 2, of: (buffer) => new Uint16Array(buffer) },
  "|i1": { bytes: 1, of: (buffer) => new Int8Array(buffer) },
  "|u1": { bytes: 1, of: (buffer) => new Uint8Array(buffer) },
};

/**
 * Reads an array, every number in full. Columns first (`fortran_order`, a transposed matrix of NumPy) is turned to rows first. Throws AmsError for
 * a file that is missing, damaged, or of another type; its hint says how `content` is saved.
 */
export function readNpy(file: string, content: "scores" | "owner" = "scores"): { shape: number[]; data: Float64Array } {
  const fail = (what: string): never => {
    throw new AmsError(`not a complete .npy file of numbers: ${what}`, {
      where: file,
      hint: `save it again: numpy.save("${path.basename(file)}", ${content}.astype("${content === "owner" ? "int32" : "float32"}"))`,
    });
  };
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (cause) {
    throw new AmsError(`the ${content} cannot be opened`, {
      where: file,
      hint: "check the path and its permissions",
      cause,
    });
  }
  try {
    const size = fstatSync(handle).size;
    const read = (position: number, length: number): Buffer => {
      if (position + length > size) fail(`it ends at byte ${size}, ${position + length} are needed`);
      const buffer = Buffer.from(new ArrayBuffer(length));
      for (let done = 0; done < length;) {
        done += readSync(handle, buffer, done, Math.min(length - done, 2 ** 30), position + done);
      }
      return buffer;
    };
    const { type, fortranOrder, shape: stated, dataAt } = readNpyHeader(read, fail);
    const reader = readers[type] ?? fail(`its numbers are ${type}, not one of ${Object.keys(readers).join(", ")}`);
    const shape = stated ?? fail("its header has no shape");
    const count = shape.reduce((a, b) => a * b, 1);
    const values = reader.of(read(dataAt, count * reader.bytes).buffer as ArrayBuffer);
    const columnsFirst = fortranOrder === true && shape.length === 2;
    return { shape, data: columnsFirst ? transposed(values, shape as [number, number]) : Float64Array.from(values) };
  } finally {
    closeSync(handle);
  }
}

function transposed(values: ArrayLike<number>, [rows, columns]: [number, number]): Float64Array {
  const data = new Float64Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[r * columns + c] = values[c * rows + r]!;
  return data;
}

/** Writes an array, rows first, whole or not at all. */
export function writeNpy(file: string, shape: number[], data: Float32Array | Float64Array | Int32Array): void {
  const descr = data instanceof Float32Array ? "<f4" : data instanceof Float64Array ? "<f8" : "<i4";
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  let header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  header += `${" ".repeat((64 - ((10 + header.length + 1) % 64)) % 64)}\n`; // the data begin at a multiple of 64
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  writeWhole(file, [
    Buffer.from(`${npyMagic}\x01\x00`, "latin1"),
    length,
    Buffer.from(header, "latin1"),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}
