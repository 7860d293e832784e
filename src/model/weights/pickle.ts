/** Reading Python's pickles without Python: only data comes out, and nothing that is named in one is ever run. */

/** The attributes of an argparse.Namespace. */
export class Namespace {
  attributes = new Map<unknown, unknown>();
}

/** Called with what is wrong; `name`: of what a pickle asks for and may not have. */
export type Fail = (what: string, name?: string) => never;

/**
 * What a name such as `collections.OrderedDict` stands for: a function of plain data to plain data, which checks its arguments.
 * It never turns a list into text: one of 40 lists, each of which holds the one before twice, would be 2^40 pieces long.
 */
export type Maker = (args: unknown[], fail: Fail) => unknown;

export interface PickleOptions {
  /** The makers of the names that may occur; every other name is refused. */
  makers: ReadonlyMap<string, Maker>;
  /** Values kept outside of the pickle (the numbers of tensors). */
  persistent: (id: unknown) => unknown;
  fail: Fail;
  /** Called when the bytes end within the pickle; default: `fail`. */
  ends?: (what: string) => never;
}

/** Containers and Namespace. Dictionaries become Maps, lists and tuples arrays, sets Sets, bytes Buffers. */
export const plainMakers: [string, Maker][] = [
  [
    "collections.OrderedDict",
    ([pairs], fail) => new Map(isPairs(pairs) ? pairs : fail("a dictionary is made of no pairs")),
  ],
  ["argparse.Namespace", () => new Namespace()],
  ["builtins.set", setOf],
  ["builtins.frozenset", setOf],
  [
    "_codecs.encode",
    ([text], fail) => Buffer.from(typeof text === "string" ? text : fail("bytes are made of no text"), "latin1"),
  ],
];

function isPairs(list: unknown = []): list is [unknown, unknown][] {
  return Array.isArray(list) && list.every((pair) => Array.isArray(pair) && pair.length === 2);
}

function setOf([values = []]: unknown[], fail: Fail): Set<unknown> {
  return new Set(Array.isArray(values) ? (values as unknown[]) : fail("a set is made of no list"));
}

/** Values that one pickle may make: far more than the names and sizes of any model. */
const mostValues = 10_000_000;
/** Bytes of one integer. */
const longest = 1024;
/** The operations that name or make what is no data. */
const forbidden = new Map([
  ["i", "INST"],
  ["o", "OBJ"],
  ["\x82", "EXT1"],
  ["\x83", "EXT2"],
  ["\x84", "EXT4"],
]);

const mark = Symbol("mark");

/** A class or function by name, before it is used: the type of a storage stays such a name. */
export class Named {
  constructor(
    readonly name: string,
    readonly make: Maker,
  ) {}
}

/**
 * Reads one pickle (protocols 0 to 5) from `start` -> its value and where it ends. Dictionary keys and strings stay data;
 * integers beyond 2^53 are bigints. The value may hold one thing many times, and itself. Errors go to `fail`: a name that is
 * not among the makers, an operation for code, an end that comes too early, more than 10 million values.
 */
export function readPickle(
  bytes: Buffer,
  start: number,
  { makers, persistent, fail, ends = fail }: PickleOptions,
): { value: unknown; end: number } {
  let at = start;
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();

  const take = (length: number): Buffer => {
    if (length < 0 || at + length > bytes.length) ends(`the pickle ends within ${length} bytes at ${at}`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) ends(`the pickle ends within a line at ${at}`);
    const text = bytes.toString("utf8", at, end);
    at = end + 1;
    return text;
  };
  const uint8 = (): number => take(1).readUInt8();
  const uint16 = (): number => take(2).readUInt16LE();
  const uint32 = (): number => take(4).readUInt32LE();
  const uint64 = (): number => Number(take(8).readBigUInt64LE());
  let values = 0;
  const count = (n: number): void => {
    values += n;
    if (values > mostValues) fail(`the pickle makes more than ${mostValues} values`);
  };
  const push = (value: unknown): void => {
    count(1);
    stack.push(value);
  };
  const keep = (n: number): void => {
    count(1);
    memo.set(n, top());
  };
  const integer = (text: string): number | bigint => {
    if (!/^[+-]?\d+$/.test(text) || text.length > 2 * longest) fail(`the pickle has a number that is none at ${at}`);
    return safe(BigInt(text.replace("+", "")));
  };
  const long = (length: number): number | bigint => {
    if (length > longest) fail(`the pickle has an integer of ${length} bytes`);
    return fromTwosComplement(take(length));
  };
  const pop = (): unknown => {
    if (stack.length === 0) fail("the pickle takes a value that it has not made");
    const value = stack.pop();
    return value === mark ? fail("the pickle takes a mark for a value") : value;
  };
  const top = (): unknown => {
    if (stack.length === 0) fail("the pickle uses a value that it has not made");
    return stack.at(-1);
  };
  const popToMark = (): unknown[] => {
    const from = stack.lastIndexOf(mark);
    if (from < 0) fail("the pickle uses a mark that it has not made");
    const values = stack.splice(from);
    values.shift();
    return values;
  };
  const recall = (n: number): void => {
    if (!memo.has(n)) fail(`the pickle recalls value ${n}, which it has not kept`);
    push(memo.get(n));
  };
  const named = (module: unknown, name: unknown): void => {
    if (typeof module !== "string" || typeof name !== "string") fail("the pickle asks for something without a name");
    const full = `${String(module) === "__builtin__" ? "builtins" : String(module)}.${String(name)}`;
    const make = makers.get(full);
    push(new Named(full, make ?? fail(`it asks for ${full}`, full)));
  };
  const made = (callee: unknown, args: unknown): unknown => {
    if (!(callee instanceof Named) || !Array.isArray(args)) return fail("the pickle calls something that has no name");
    // A maker copies what it is given: a list that is kept once may be copied often.
    for (const given of args as unknown[]) if (Array.isArray(given) || typeof given === "string") count(given.length);
    return callee.make(args as unknown[], fail);
  };
  const append = (list: unknown, values: unknown[]): void => {
    if (Array.isArray(list)) for (const value of values) (list as unknown[]).push(value);
    else if (list instanceof Set) for (const value of values) list.add(value);
    else fail("the pickle appends to what is no list");
  };
  const setItems = (dictionary: unknown, items: unknown[]): void => {
    if (!(dictionary instanceof Map) || items.length % 2 !== 0) return fail("the pickle sets items of no dictionary");
    for (let i = 0; i < items.length; i += 2) dictionary.set(items[i], items[i + 1]);
  };
  /** Attributes: kept for a Namespace; of a dictionary (PyTorch's _metadata of a state) not needed. */
  const build = (object: unknown, state: unknown): void => {
    const [attributes] = Array.isArray(state) ? (state as unknown[]) : [state];
    if (object instanceof Namespace && attributes instanceof Map) {
      for (const [name, value] of attributes) object.attributes.set(name, value);
    } else if (!(object instanceof Map)) fail("the pickle sets attributes of what has none");
  };

  for (;;) {
    const operation = String.fromCharCode(uint8());
    switch (operation) {
      case "\x80": // PROTO
        if (uint8() > 5) fail("the pickle is of a later protocol than 5");
        break;
      case "\x95": // FRAME
        uint64();
        break;
      case ".": {
        const value = pop();
        return { value, end: at };
      }
      case "(":
        push(mark);
        break;
      case "0":
        if (stack.pop() === undefined && stack.length === 0) fail("the pickle drops a value that it has not made");
        break;
      case "1":
        popToMark();
        break;
      case "2":
        push(top());
        break;
      case "N":
        push(null);
        break;
      case "\x88":
        push(true);
        break;
      case "\x89":
        push(false);
        break;
      case "I": {
        const text = line();
        push(text === "01" ? true : text === "00" ? false : integer(text));
        break;
      }
      case "L":
        push(integer(line().replace(/L$/, "")));
        break;
      case "J":
        push(take(4).readInt32LE());
        break;
      case "K":
        push(uint8());
        break;
      case "M":
        push(uint16());
        break;
      case "\x8a":
        push(long(uint8()));
        break;
      case "\x8b":
        push(long(uint32()));
        break;
      case "F":
        push(float(line()) ?? fail(`the pickle has a number that is none at ${at}`));
        break;
      case "G":
        push(take(8).readDoubleBE());
        break;
      case "S":
        push(line().slice(1, -1));
        break;
      case "T":
        push(take(uint32()).toString("utf8"));
        break;
      case "U":
        push(take(uint8()).toString("utf8"));
        break;
      case "V":
        push(line().replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))));
        break;
      case "X":
        push(take(uint32()).toString("utf8"));
        break;
      case "\x8c":
        push(take(uint8()).toString("utf8"));
        break;
      case "\x8d":
        push(take(uint64()).toString("utf8"));
        break;
      case "B":
        push(take(uint32()));
        break;
      case "C":
        push(take(uint8()));
        break;
      case "\x8e":
        push(take(uint64()));
        break;
      case "]":
        push([]);
        break;
      case "l":
      case "t":
        push(popToMark());
        break;
      case ")":
        push([]);
        break;
      case "\x85":
        push([pop()]);
        break;
      case "\x86": {
        const second = pop();
        push([pop(), second]);
        break;
      }
      case "\x87": {
        const third = pop();
        const second = pop();
        push([pop(), second, third]);
        break;
      }
      case "}":
        push(new Map());
        break;
      case "d": {
        const items = popToMark();
        push(new Map());
        setItems(top(), items);
        break;
      }
      case "\x8f":
        push(new Set());
        break;
      case "\x91":
        push(new Set(popToMark()));
        break;
      case "a": {
        const value = pop();
        append(top(), [value]);
        break;
      }
      case "e":
      case "\x90": {
        const values = popToMark();
        append(top(), values);
        break;
      }
      case "s": {
        const value = pop();
        const key = pop();
        setItems(top(), [key, value]);
        break;
      }
      case "u": {
        const items = popToMark();
        setItems(top(), items);
        break;
      }
      case "p":
        keep(Number(integer(line())));
        break;
      case "q":
        keep(uint8());
        break;
      case "r":
        keep(uint32());
        break;
      case "\x94":
        keep(memo.size);
        break;
      case "g":
        recall(Number(integer(line())));
        break;
      case "h":
        recall(uint8());
        break;
      case "j":
        recall(uint32());
        break;
      case "c": {
        const module = line();
        named(module, line());
        break;
      }
      case "\x93": {
        const name = pop();
        named(pop(), name);
        break;
      }
      case "R":
      case "\x81": {
        const args = pop();
        push(made(pop(), args));
        break;
      }
      case "\x92": {
        pop(); // keyword arguments: none of the makers has any
        const args = pop();
        push(made(pop(), args));
        break;
      }
      case "b": {
        const state = pop();
        build(top(), state);
        break;
      }
      case "P":
        push(persistent(line()));
        break;
      case "Q":
        push(persistent(pop()));
        break;
      default: {
        const name = forbidden.get(operation);
        if (name !== undefined) fail(`it has the operation ${name}, which names or makes what is no data`, name);
        fail(`the pickle has the operation ${JSON.stringify(operation)} at ${at - 1}, which is none of data`);
      }
    }
  }
}

/** Two's complement, little-endian. */
function fromTwosComplement(bytes: Buffer): number | bigint {
  const value = BigInt(`0x0${Buffer.from(bytes).reverse().toString("hex")}`);
  return safe(BigInt.asIntN(8 * bytes.length, value));
}

/** As Python's repr writes a float; undefined: it is none. */
function float(text: string): number | undefined {
  const special = new Map([["inf", Infinity], ["-inf", -Infinity], ["nan", NaN]]).get(text); // prettier-ignore
  return special ?? (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined);
}

function safe(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
