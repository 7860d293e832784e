/** Writing files that torch.load reads, also with weights_only=True: a pickle of plain data and records of numbers in a zip. */
import { gigabytes } from "../../engine/machineMemory.js";
import { AmsError } from "../../errors.js";
import { writeWhole, writing } from "../../writing.js";
import { crc32 } from "./crc32.js";
import { Namespace } from "./pickle.js";

/** A number that Python shall have as a float, though it is whole. */
export class Float {
  constructor(readonly value: number) {}
}

/** A float32 tensor; its values are asked for when they are written, one tensor at a time. */
export class FloatTensor {
  constructor(
    readonly shape: number[],
    readonly values: () => Float32Array,
  ) {}
}

/** A dictionary that Python shall have as an OrderedDict, as the states of modules are. */
export class OrderedDict extends Map<string, unknown> {}

/** What can be written: null, booleans, numbers, strings, arrays (lists), Maps (dictionaries) and the classes above. */
export type Writable = unknown;

const root = "archive";
const largest = 0xffffffff;

/**
 * Writes `value` as torch.save does, whole or not at all. Memory: the largest tensor. Throws an AmsError where the file cannot
 * be written, and when it would have 4 GiB or more.
 */
export function writeTorch(file: string, value: Writable): void {
  const tensors: FloatTensor[] = [];
  const pickle = pickled(value, tensors);
  const bytes = tensors.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), pickle.length);
  if (bytes + 200 * tensors.length + 2 ** 20 > largest) {
    throw new AmsError(`a torch file of ${gigabytes(bytes)} cannot be written, the most are ${gigabytes(largest)}`, {
      where: file,
      hint: "export the weights as safetensors: ams export weights",
    });
  }
  writing(file, () => {
    writeWhole(file, archive(recordsOf(pickle, tensors)));
  });
}

function* recordsOf(pickle: Buffer, tensors: FloatTensor[]): Generator<[string, Buffer]> {
  yield ["data.pkl", pickle];
  yield ["byteorder", Buffer.from("little")];
  for (const [key, { values }] of tensors.entries()) {
    const { buffer, byteOffset, byteLength } = values();
    yield [`data/${key}`, Buffer.from(buffer, byteOffset, byteLength)];
  }
  yield ["version", Buffer.from("3\n")];
}

/** Protocol 2, the one of torch.save, with the operations that weights_only=True allows. Tensors are listed on the way. */
function pickled(value: Writable, tensors: FloatTensor[]): Buffer {
  const parts: Buffer[] = [Buffer.from([0x80, 2])];
  const code = (text: string): void => void parts.push(Buffer.from(text, "latin1"));
  const number = (operation: string, size: number, write: (buffer: Buffer) => void): void => {
    const buffer = Buffer.alloc(size);
    write(buffer);
    code(operation);
    parts.push(buffer);
  };
  const float = (x: number): void => {
    number("G", 8, (b) => b.writeDoubleBE(x));
  };
  const text = (x: string): void => {
    const bytes = Buffer.from(x, "utf8");
    number("X", 4, (b) => b.writeUInt32LE(bytes.length));
    parts.push(bytes);
  };
  const integer = (x: number): void => {
    if (x >= -(2 ** 31) && x < 2 ** 31) number("J", 4, (b) => b.writeInt32LE(x));
    else number("\x8a\x08", 8, (b) => b.writeBigInt64LE(BigInt(x)));
  };
  const long = (x: bigint): void => {
    const bytes: number[] = [];
    let rest = x;
    do {
      bytes.push(Number(BigInt.asUintN(8, rest)));
      rest >>= 8n;
    } while (BigInt.asIntN(8 * bytes.length, x) !== x);
    number("\x8b", 4, (b) => b.writeUInt32LE(bytes.length));
    parts.push(Buffer.from(bytes));
  };
  const dictionary = (items: Iterable<[unknown, unknown]>): void => {
    code("(");
    for (const [key, item] of items) {
      put(key);
      put(item);
    }
    code("u");
  };
  const tuple = (items: unknown[]): void => {
    code("(");
    items.forEach(put);
    code("t");
  };
  const tensor = (x: FloatTensor): void => {
    const { shape } = x;
    const count = shape.reduce((a, b) => a * b, 1);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    code("ctorch._utils\n_rebuild_tensor_v2\n((");
    text("storage");
    code("ctorch\nFloatStorage\n");
    text(String(tensors.push(x) - 1));
    text("cpu");
    integer(count);
    code("tQ");
    integer(0);
    tuple(shape);
    tuple(strides);
    code("\x89ccollections\nOrderedDict\n)RtR");
  };
  function put(x: Writable): void {
    if (x === null) code("N");
    else if (typeof x === "boolean") code(x ? "\x88" : "\x89");
    else if (typeof x === "number" && Number.isSafeInteger(x)) integer(x);
    else if (typeof x === "number") float(x);
    else if (typeof x === "bigint") long(x);
    else if (typeof x === "string") text(x);
    else if (x instanceof Float) float(x.value);
    else if (x instanceof FloatTensor) tensor(x);
    else if (Array.isArray(x)) {
      code("](");
      x.forEach(put);
      code("e");
    } else if (x instanceof Namespace) {
      code("cargparse\nNamespace\n)\x81}");
      dictionary(x.attributes);
      code("b");
    } else if (x instanceof Map) {
      code(x instanceof OrderedDict ? "ccollections\nOrderedDict\n)R" : "}");
      dictionary(x as Map<unknown, unknown>);
    } else throw new Error(`no pickle of a ${typeof x}`);
  }
  put(value);
  code(".");
  return Buffer.concat(parts);
}

/** Uncompressed records, each one's bytes at a multiple of 64 as PyTorch aligns them, and the directory at the end. */
function* archive(records: Iterable<[string, Buffer]>): Generator<Buffer> {
  let at = 0;
  const directory: Buffer[] = [];
  for (const [part, bytes] of records) {
    const name = Buffer.from(`${root}/${part}`);
    const padding = (64 - ((at + 30 + name.length + 4) % 64)) % 64;
    // version 0, flag 0x800 (names are UTF-8), method 0, no time; checksum and both sizes
    const common = Buffer.alloc(26);
    common.writeUInt16LE(0x800, 2);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const header = Buffer.concat([Buffer.from([0x50, 0x4b, 3, 4]), common, name, Buffer.alloc(4 + padding, "Z")]);
    header.writeUInt16LE(4 + padding, 28);
    header.write("FB", 30 + name.length);
    header.writeUInt16LE(padding, 30 + name.length + 2);
    yield header;
    yield bytes;
    const entry = Buffer.concat([Buffer.from([0x50, 0x4b, 1, 2, 0, 0]), common, Buffer.alloc(14), name]);
    entry.writeUInt32LE(at, 42);
    directory.push(entry);
    at += header.length + bytes.length;
  }
  const entries = Buffer.concat(directory);
  yield entries;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(at, 16);
  yield end;
}
