/** Files of torch.save: what they hold as plain data, with tensors that are read by range when they are wanted. */
import { AmsError } from "../../errors.js";
import { bytesPer, decode, openRanges, type Ranges, type StoredTensor, type TensorEntry } from "../tensorFile.js";
import { crc32 } from "./crc32.js";
import { Named, plainMakers, readPickle, type Fail, type Maker, type PickleOptions } from "./pickle.js";
import { isZip, readZip, type ZipRecord } from "./zip.js";

export interface TorchFile {
  file: string;
  /** Maps, arrays, strings, numbers, Namespaces, and `TorchTensor`s. */
  value: unknown;
  /** Files of PyTorch before 1.6 have another form. */
  format: "zip" | "legacy";
  close: () => void;
}

/** A tensor of a torch file: its numbers stay in the file until `read`. */
export class TorchTensor implements TensorEntry {
  constructor(
    readonly shape: number[],
    readonly dtype: string,
    readonly read: () => StoredTensor["data"],
  ) {}
}

/** Numbers that one or more tensors are views of. */
interface Storage {
  dtype: string;
  length: number;
  /** First number of a legacy view within its storage. */
  offset: number;
  key: string;
}

const storages = new Map([
  ["torch.FloatStorage", "F32"],
  ["torch.DoubleStorage", "F64"],
  ["torch.HalfStorage", "F16"],
  ["torch.BFloat16Storage", "BF16"],
  ["torch.LongStorage", "I64"],
  ["torch.IntStorage", "I32"],
  ["torch.ShortStorage", "I16"],
  ["torch.CharStorage", "I8"],
  ["torch.ByteStorage", "U8"],
  ["torch.BoolStorage", "BOOL"],
]);

const legacyMagic = 0x1950a86a20f9469cfc6cn;
/** In bytes; the pickle of 1,000 tensors has about 100 KB. */
const largestPickle = 64 * 2 ** 20;
/** Bytes of a record that are read at once for its checksum alone. */
const block = 2 ** 22;

/**
 * Opens a file of torch.save, of today's form (a zip) or of PyTorch before 1.6. Nothing that the file names is run: it may
 * hold tensors, containers, numbers, strings and argparse.Namespace, and all else is refused by its name. Other errors: a
 * file that is cut short, damaged (its checksums tell) or no torch file, big-endian numbers, a tensor beyond its storage, a
 * pickle of more than 64 MiB or 10 million values.
 */
export function openTorch(file: string): TorchFile {
  const fail = (what: string, name?: string): never => {
    throw new AmsError(
      name === undefined ? `not a complete torch file: ${what}` : `the torch file is refused: ${what}`,
      {
        where: file,
        hint:
          name === undefined
            ? "copy or download the file again, or save it anew with torch.save"
            : "only tensors, containers, numbers, text and argparse.Namespace are read, and nothing is ever run; save the states alone: torch.save(model.state_dict(), FILE)",
      },
    );
  };
  const ranges = openRanges(file, fail);
  try {
    const opened = isZip(ranges) ? openArchive(ranges, fail) : openLegacy(ranges, fail);
    return { file, ...opened, close: ranges.close };
  } catch (cause) {
    ranges.close();
    if (cause instanceof AmsError) throw cause;
    const what = "not a complete torch file: what it holds makes no sense";
    throw new AmsError(what, {
      where: file,
      hint: "copy or download the file again, or save it anew with torch.save",
      cause,
    });
  }
}

type Opened = Pick<TorchFile, "value" | "format">;

function openArchive(ranges: Ranges, fail: Fail): Opened {
  const records = readZip(ranges, fail);
  const pickle = [...records.keys()].find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickle === undefined) return fail("the archive holds no data.pkl");
  const root = pickle.slice(0, -"data.pkl".length);
  const order = records.get(`${root}byteorder`);
  if (order !== undefined && ranges.read(order.position, order.size).toString() !== "little")
    fail("its numbers are big-endian");
  const pickled = records.get(pickle) as ZipRecord;
  if (pickled.size > largestPickle) fail(`its data.pkl has ${pickled.size} bytes, more than ${largestPickle}`);
  // PyTorch can be told to write no checksums: 0.
  const check = ({ crc }: ZipRecord, name: string, found: number): void => {
    if (crc !== 0 && crc !== found) fail(`its record ${name} does not have its checksum`);
  };
  const checked = new Set<string>();
  /** For tensors that take a part of a record: it is read once more, block by block. */
  const checkWhole = (record: ZipRecord, name: string): void => {
    if (checked.has(name) || record.crc === 0) return;
    let found = 0;
    for (let at = 0; at < record.size; at += block) {
      found = crc32(ranges.read(record.position + at, Math.min(block, record.size - at)), found);
    }
    check(record, name, found);
    checked.add(name);
  };
  const bytesOf = ({ key, dtype, length }: Storage, from: number, count: number): Buffer => {
    const name = `${root}data/${key}`;
    const record = records.get(name) ?? fail(`the record ${name} is missing`);
    const width = bytesPer.get(dtype) as number;
    if (record.size < length * width) fail(`the record ${name} has ${record.size} bytes and needs ${length * width}`);
    const bytes = ranges.read(record.position + from * width, count * width);
    if (bytes.length === record.size) check(record, name, crc32(bytes));
    else checkWhole(record, name);
    return bytes;
  };
  const bytes = ranges.read(pickled.position, pickled.size);
  check(pickled, pickle, crc32(bytes));
  const { value } = readPickle(bytes, 0, {
    makers: makers(bytesOf, fail),
    persistent: (id) => storageOf(id, fail),
    fail,
  });
  return { value, format: "zip" };
}

/** Five pickles (magic number, protocol, system, object, keys), then every storage: its length as int64, its numbers. */
function openLegacy(ranges: Ranges, fail: Fail): Opened {
  const places = new Map<string, { position: number; length: number }>();
  const bytesOf = ({ key, dtype, offset }: Storage, from: number, count: number): Buffer => {
    const { position, length } = places.get(key) ?? fail(`the numbers of storage ${key} are missing`);
    if (offset + from + count > length) fail(`storage ${key} has ${length} numbers and needs ${offset + from + count}`);
    const width = bytesPer.get(dtype) as number;
    return ranges.read(position + (offset + from) * width, count * width);
  };
  const types = new Map<string, string>();
  const [object, keys] = legacyPickles(ranges, {
    makers: makers(bytesOf, fail),
    persistent: (id: unknown) => {
      const storage = storageOf(id, fail);
      types.set(storage.key, storage.dtype);
      return storage;
    },
    fail,
  });
  if (!Array.isArray(keys.value)) return fail("the list of its storages is missing");
  let at = keys.end;
  for (const given of keys.value as unknown[]) {
    const key = keyOf(given, fail);
    const length = Number(ranges.read(at, 8).readBigInt64LE());
    const width = bytesPer.get(types.get(key) ?? fail(`no tensor uses storage ${key}`)) as number;
    if (length < 0 || at + 8 + length * width > ranges.size) {
      fail(`its numbers end at ${at + 8 + length * width}, the file at ${ranges.size}`);
    }
    places.set(key, { position: at + 8, length });
    at += 8 + length * width;
  }
  return { value: object.value, format: "legacy" };
}

/** The pickles at the beginning. How long they are is not written: more is read until they are whole. */
function legacyPickles(ranges: Ranges, options: PickleOptions): [Pickled, Pickled] {
  for (let length = 2 ** 22; ; length *= 8) {
    const bytes = ranges.read(0, Math.min(length, ranges.size, largestPickle));
    const whole = bytes.length === Math.min(ranges.size, largestPickle);
    try {
      return readLegacyPickles(bytes, whole ? options : { ...options, ends: tooShort });
    } catch (error) {
      if (error !== short) throw error;
    }
  }
}

const short = new Error("more of the file is needed");
function tooShort(): never {
  throw short;
}

type Pickled = ReturnType<typeof readPickle>;

function readLegacyPickles(bytes: Buffer, options: PickleOptions): [Pickled, Pickled] {
  const { fail } = options;
  if (bytes[0] !== 0x80) fail("it begins neither as a zip archive nor as a pickle");
  const magic = readPickle(bytes, 0, options);
  if (magic.value !== legacyMagic) fail("it is a pickle, but not one of torch.save");
  const protocol = readPickle(bytes, magic.end, options);
  const system = readPickle(bytes, protocol.end, options);
  if (!(system.value instanceof Map) || system.value.get("little_endian") !== true) fail("its numbers are big-endian");
  const object = readPickle(bytes, system.end, options);
  return [object, readPickle(bytes, object.end, options)];
}

/** ("storage", class, key, place, length[, view]) */
function storageOf(id: unknown, fail: Fail): Storage {
  if (!Array.isArray(id) || id[0] !== "storage" || !(id[1] instanceof Named)) {
    return fail("the pickle refers to something outside of it that is no storage");
  }
  const [, { name }, key, , length, view] = id as [string, Named, unknown, unknown, unknown, unknown];
  const dtype = storages.get(name) ?? fail(`numbers of the type ${name} cannot be read`, name);
  const [, offset, used] = Array.isArray(view) ? (view as unknown[]) : [undefined, 0, length];
  if (!isCount(length) || !isCount(offset) || !isCount(used)) return fail("a storage has no usable length");
  return { dtype, key: keyOf(key, fail), length: used, offset };
}

/** Text, or a number in old files. */
function keyOf(key: unknown, fail: Fail): string {
  return typeof key === "string" ? key : isCount(key) ? String(key) : fail("a storage has a key that is no text");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Reads `count` numbers of a storage from number `from` on. */
type BytesOf = (storage: Storage, from: number, count: number) => Buffer;

function makers(bytesOf: BytesOf, fail: Fail): Map<string, Maker> {
  // 64 axes are the most that PyTorch has.
  const counts = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length <= 64 && value.every(isCount);
  const tensor: Maker = ([storage, offset, shape, strides]) => {
    if (
      !isStorage(storage) ||
      !isCount(offset) ||
      !counts(shape) ||
      !counts(strides) ||
      shape.length !== strides.length
    )
      return fail("a tensor is described in a way that is not PyTorch's");
    return tensorOf(storage, offset, shape, strides, bytesOf, fail);
  };
  const noClass =
    (name: string): Maker =>
    () =>
      fail(`it calls ${name}`, name);
  const known: [string, Maker][] = [
    ...plainMakers,
    ["torch._utils._rebuild_tensor_v2", tensor],
    ["torch._utils._rebuild_tensor", tensor],
    [
      "torch._utils._rebuild_parameter",
      ([data]) => (data instanceof TorchTensor ? data : fail("a parameter is no tensor")),
    ],
    ["torch.Size", ([sizes]) => (counts(sizes) ? sizes : fail("a size is no list of counts"))],
    ["torch.device", (args) => (args.every(isNameOrCount) ? args.join(":") : fail("a device is no name and number"))],
  ];
  for (const [name] of storages) known.push([name, noClass(name)]);
  return new Map(known);
}

function isNameOrCount(value: unknown): value is string | number {
  return typeof value === "string" || isCount(value);
}

function isStorage(value: unknown): value is Storage {
  return typeof value === "object" && value !== null && "key" in value && "dtype" in value;
}

function tensorOf(
  storage: Storage,
  offset: number,
  shape: number[],
  strides: number[],
  bytesOf: BytesOf,
  fail: Fail,
): TorchTensor {
  const { dtype, length } = storage;
  const count = shape.reduce((a, b) => a * b, 1);
  const span = count === 0 ? 0 : 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] as number), 0);
  if (!Number.isSafeInteger(count)) fail("a tensor has more numbers than can be counted");
  if (offset + span > length) fail(`a tensor [${shape.join(", ")}] reaches beyond its storage of ${length} numbers`);
  if (count > length) fail(`a tensor [${shape.join(", ")}] repeats the ${length} numbers of its storage`);
  return new TorchTensor(shape, dtype, () => {
    const values = decode(bytesOf(storage, offset, span), dtype);
    return span === count && isRowMajor(shape, strides) ? values : gather(values, shape, strides, count);
  });
}

function isRowMajor(shape: number[], strides: number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Copies a transposed or cut-out view into row-major order. */
function gather(values: StoredTensor["data"], shape: number[], strides: number[], count: number): StoredTensor["data"] {
  const out = new (values.constructor as Float32ArrayConstructor)(count);
  const index = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < count; i++) {
    out[i] = values[at] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] as number;
      at += stride;
      index[axis] = (index[axis] as number) + 1;
      if (index[axis] !== shape[axis]) break;
      at -= stride * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}
