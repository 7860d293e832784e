/** A few WebAssembly instructions as functions on byte arrays: enough to write SIMD loops over shared memory by hand. */

/** Code that leaves one value on the stack, or none (a statement). */
export type Code = number[];

const leb = (value: number): Code => {
  const bytes: Code = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
};

const signedLeb = (value: number): Code => {
  const bytes: Code = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const byte = rest & 0x7f;
    if ((rest >> 7 === 0 && (byte & 0x40) === 0) || (rest >> 7 === -1 && (byte & 0x40) !== 0)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
};

const floatBytes = (value: number): Code => Array.from(new Uint8Array(Float32Array.of(value).buffer));

export const type = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;
export type ValueType = (typeof type)[keyof typeof type];

export const get = (local: number): Code => [0x20, ...leb(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...leb(local)];
export const tee = (local: number, value: Code): Code => [...value, 0x22, ...leb(local)];

const binary =
  (...opcode: Code) =>
  (a: Code, b: Code): Code => [...a, ...b, ...opcode];
const unary =
  (...opcode: Code) =>
  (a: Code): Code => [...a, ...opcode];
const simd = (opcode: number): Code => [0xfd, ...leb(opcode)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signedLeb(value)],
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  load: (address: Code, offset = 0): Code => [...address, 0x28, 2, ...leb(offset)],
  /** Any address will do. */
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x36, 0, ...leb(offset)],
};

/** Four whole numbers side by side. */
export const i32x4 = {
  splat: unary(...simd(0x11)),
  lane: (value: Code, lane: number): Code => [...value, ...simd(0x1b), lane],
  add: binary(...simd(0xae)),
  mul: binary(...simd(0xb5)),
  /** Shifted to the right by a constant, the sign kept. */
  shiftRight: (value: Code, bits: number): Code => [...value, ...i32.const(bits), ...simd(0xac)],
  /** One number from memory in all four places. */
  loadSplat: (address: Code, offset = 0): Code => [...address, ...simd(0x09), 2, ...leb(offset)],
  /** The lower or upper four of eight 16-bit numbers without a sign. */
  widenLow: unary(...simd(0xa9)),
  widenHigh: unary(...simd(0xaa)),
};

/** Eight 16-bit numbers side by side. */
export const i16x8 = {
  /** The lower or upper eight of sixteen bytes. */
  widenLow: unary(...simd(0x89)),
  widenHigh: unary(...simd(0x8a)),
  /** Two fours of 32-bit numbers, cut to what fits. */
  narrow: binary(...simd(0x86)),
};

/** Sixteen bytes side by side. */
export const bytes = {
  load: (address: Code, offset = 0): Code => [...address, ...simd(0x00), 0, ...leb(offset)],
  /** Four bytes from memory, the others zero. */
  loadFour: (address: Code, offset = 0): Code => [...address, ...simd(0x5c), 0, ...leb(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, ...simd(0x0b), 0, ...leb(offset)],
  /** Two eights of 16-bit numbers, cut to 0 .. 255. */
  narrow: binary(...simd(0x66)),
};

export const f32 = {
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x38, 2, ...leb(offset)],
  add: binary(0x92),
  div: binary(0x95),
  max: binary(0x97),
};

/** Four floats side by side. */
export const f32x4 = {
  const: (value: number): Code => [...simd(0x0c), ...Array.from({ length: 4 }, () => floatBytes(value)).flat()],
  load: (address: Code, offset = 0): Code => [...address, ...simd(0x00), 4, ...leb(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, ...simd(0x0b), 4, ...leb(offset)],
  /** One float from memory in all four places. */
  loadSplat: (address: Code, offset = 0): Code => [...address, ...simd(0x09), 2, ...leb(offset)],
  splat: unary(...simd(0x13)),
  lane: (value: Code, lane: number): Code => [...value, ...simd(0x1f), lane],
  greaterThan: binary(...simd(0x44)),
  and: binary(...simd(0x4e)),
  /** `a` where the mask's bits are set, else `b`. */
  choose: (a: Code, b: Code, mask: Code): Code => [...a, ...b, ...mask, ...simd(0x52)],
  add: binary(...simd(0xe4)),
  sub: binary(...simd(0xe5)),
  mul: binary(...simd(0xe6)),
  div: binary(...simd(0xe7)),
  sqrt: unary(...simd(0xe3)),
  /** The larger one, without the rules for NaN and -0 (one machine instruction). */
  max: binary(...simd(0xeb)),
  /** Adds the bits as whole numbers. */
  addBits: binary(...simd(0xae)),
  shiftLeft: (value: Code, bits: number): Code => [...value, ...i32.const(bits), ...simd(0xab)],
};

/** Runs `body` for counter = start, start + step, ... while it is below the limit; at least once. */
export function loop(counter: number, start: Code, limit: Code, step: Code, body: Code[]): Code {
  const again = [...tee(counter, i32.add(get(counter), step)), ...limit, 0x48, 0x0d, 0];
  return [...set(counter, start), 0x03, 0x40, ...body.flat(), ...again, 0x0b];
}

export interface WasmFunction {
  name: string;
  parameters: ValueType[];
  locals: ValueType[];
  body: Code[];
}

/** A module of exported functions without results over the imported shared memory `env.memory`. */
function assemble(functions: WasmFunction[]): Uint8Array {
  const text = (value: string): Code => [...leb(value.length), ...Buffer.from(value, "latin1")];
  const vector = (items: Code[]): Code => [...leb(items.length), ...items.flat()];
  const section = (id: number, content: Code): Code => [id, ...leb(content.length), ...content];
  const code = functions.map(({ locals, body }) => {
    const content = [...vector(locals.map((local) => [1, local])), ...body.flat(), 0x0b];
    return [...leb(content.length), ...content];
  });
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(functions.map(({ parameters }) => [0x60, ...vector(parameters.map((p) => [p])), 0]))),
    ...section(2, vector([[...text("env"), ...text("memory"), 2, 3, 1, ...leb(maximumPages)]])),
    ...section(3, vector(functions.map((_, index) => leb(index)))),
    ...section(7, vector(functions.map(({ name }, index) => [...text(name), 0, ...leb(index)]))),
    ...section(10, vector(code)),
  ]);
}

export const pageBytes = 65536;
/** At most 1 GiB. */
const maximumPages = 16384;
export const maximumBytes = maximumPages * pageBytes;

export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  /** Makes it larger by so many pages; `buffer` is another object then. Throws a RangeError beyond `maximumBytes`. */
  grow(pages: number): number;
}

/** WebAssembly, as far as it is used: TypeScript declares it for browsers alone. */
interface WebAssemblyApi {
  Memory: new (options: { initial: number; maximum: number; shared: true }) => SharedMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: SharedMemory } }) => { exports: unknown };
}

const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

/** Memory for at least so many bytes that threads can share. */
export function sharedMemory(bytesNeeded: number): SharedMemory {
  return new api.Memory({ initial: Math.ceil(bytesNeeded / pageBytes), maximum: maximumPages, shared: true });
}

/** The functions by their names, over a memory. */
export function instantiate(functions: WasmFunction[], memory: SharedMemory): unknown {
  return new api.Instance(new api.Module(assemble(functions)), { env: { memory } }).exports;
}
