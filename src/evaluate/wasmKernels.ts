/** The passes of the attention score over one pair's similarities, fused into SIMD loops: each element is read three times. */
import {
  f32,
  f32x4,
  get,
  i32,
  instantiate,
  loop,
  maximumBytes,
  set,
  sharedMemory,
  type,
  type Code,
  type SharedMemory,
  type WasmFunction,
} from "../engine/wasm/assembler.js";

export { maximumBytes, sharedMemory, type SharedMemory };

const perBit = Math.log2(Math.E);
const sharpness = 20 * perBit; // exp(20 x) = 2^(sharpness x)

/**
 * 2^y of four floats: y = whole + rest with |rest| <= 1/2; the whole part goes into the exponent bits, the rest through
 * the Taylor polynomial of degree 6 (relative error 1.2e-7, about one float32 rounding). Below 2^-126 it stays there.
 */
function exp2(y: Code, scratch: { y: number; shifted: number }): Code {
  const roundingShift = f32x4.const(1.5 * 2 ** 23); // adding it leaves the nearest whole number in the low bits
  const factor = (k: number): number =>
    Math.LN2 ** k / Array.from({ length: k }, (_, i) => i + 1).reduce((a, b) => a * b, 1);
  const rest = get(scratch.y);
  let polynomial = f32x4.const(factor(6));
  for (let k = 5; k >= 0; k--) polynomial = f32x4.add(f32x4.mul(polynomial, rest), f32x4.const(factor(k)));
  return [
    ...set(scratch.y, f32x4.max(y, f32x4.const(-126))),
    ...set(scratch.shifted, f32x4.add(get(scratch.y), roundingShift)),
    ...set(scratch.y, f32x4.sub(get(scratch.y), f32x4.sub(get(scratch.shifted), roundingShift))),
    ...f32x4.addBits(polynomial, f32x4.shiftLeft(get(scratch.shifted), 23)),
  ];
}

const sumLanes = (local: number): Code =>
  f32.add(
    f32.add(f32x4.lane(get(local), 0), f32x4.lane(get(local), 1)),
    f32.add(f32x4.lane(get(local), 2), f32x4.lane(get(local), 3)),
  );

const leaky = (local: number): Code => f32x4.max(get(local), f32x4.mul(get(local), f32x4.const(0.1)));

/**
 * branches(a, aStride, e, eStride, mask, norm, out, words, width, threshold): one caption's similarities A [words, width bytes].
 * Writes for word i the attention weights E_ij = exp(20 (A_ij - max_j A_ij)) [A_ij > t] to `e` and to `out` (16 bytes a word)
 * max_j A_ij, sum_j E_ij A_ij and the relevance score; the fourth float is left for the context norm.
 * `mask` has all bits set for regions, none for the columns that fill up to a multiple of four; `norm` is scratch.
 */
function branches(): WasmFunction {
  const [a, aStride, e, eStride, mask, norm, out, words, width, threshold] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const [row, erow, record, word, x] = [10, 11, 12, 13, 14];
  const [value, best, limit, sum, total, weight, y, shifted, attended, region] = [
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
  ];
  const at = (base: number): Code => i32.add(get(base), get(x));
  const columns = (body: Code[]): Code => loop(x, i32.const(0), get(width), i32.const(16), body);
  const rows = (body: Code[]): Code => [
    ...set(row, get(a)),
    ...set(erow, get(e)),
    ...set(record, get(out)),
    ...loop(word, i32.const(0), get(words), i32.const(1), [
      ...body,
      set(row, i32.add(get(row), get(aStride))),
      set(erow, i32.add(get(erow), get(eStride))),
      set(record, i32.add(get(record), i32.const(16))),
    ]),
  ];
  const lowest = f32x4.const(-3e38);
  return {
    name: "branches",
    parameters: [...Array.from({ length: 9 }, () => type.i32), type.f32],
    locals: [...Array.from({ length: 5 }, () => type.i32), ...Array.from({ length: 10 }, () => type.v128)],
    body: [
      set(limit, f32x4.splat(get(threshold))),
      columns([f32x4.store(at(norm), f32x4.const(0))]),
      rows([
        set(best, lowest),
        columns([
          set(value, f32x4.load(at(row))),
          set(best, f32x4.max(get(best), f32x4.choose(get(value), lowest, f32x4.load(at(mask))))),
          set(value, leaky(value)),
          f32x4.store(at(norm), f32x4.add(f32x4.load(at(norm)), f32x4.mul(get(value), get(value)))),
        ]),
        f32.store(
          get(record),
          f32.max(
            f32.max(f32x4.lane(get(best), 0), f32x4.lane(get(best), 1)),
            f32.max(f32x4.lane(get(best), 2), f32x4.lane(get(best), 3)),
          ),
        ),
      ]),
      columns([
        f32x4.store(
          at(norm),
          f32x4.div(f32x4.const(sharpness), f32x4.add(f32x4.sqrt(f32x4.load(at(norm))), f32x4.const(1e-8))),
        ),
      ]),
      rows([
        set(best, f32x4.loadSplat(get(record))),
        set(attended, f32x4.const(0)),
        set(sum, f32x4.const(0)),
        set(total, f32x4.const(0)),
        columns([
          set(value, f32x4.load(at(row))),
          set(region, f32x4.load(at(mask))),
          set(
            weight,
            f32x4.and(
              exp2(f32x4.mul(f32x4.sub(get(value), get(best)), f32x4.const(sharpness)), { y, shifted }),
              f32x4.and(f32x4.greaterThan(get(value), get(limit)), get(region)),
            ),
          ),
          f32x4.store(at(erow), get(weight)),
          set(attended, f32x4.add(get(attended), f32x4.mul(get(weight), get(value)))),
          set(weight, f32x4.and(exp2(f32x4.mul(leaky(value), f32x4.load(at(norm))), { y, shifted }), get(region))),
          set(total, f32x4.add(get(total), get(weight))),
          set(sum, f32x4.add(get(sum), f32x4.mul(get(weight), get(value)))),
        ]),
        f32.store(get(record), sumLanes(attended), 4),
        f32.store(get(record), f32.div(sumLanes(sum), sumLanes(total)), 8),
      ]),
    ],
  };
}

/** Rows that `contextNorms` works on together. */
export const rowsTogether = 4;

/**
 * contextNorms(e, u, out, rows, width): the squared norm of every word's context, e_i^T U e_i for `rows` rows of weights
 * (a multiple of `rowsTogether`) -> fourth float of `out`. U [width / 4, width bytes] is the upper triangle of the Gram matrix
 * with what is off the diagonal doubled, so that half of the products suffice.
 */
function contextNorms(): WasmFunction {
  const [e, u, out, rows, width] = [0, 1, 2, 3, 4];
  const [row, record, x, k, urow, column] = [5, 6, 7, 8, 9, 10];
  const lines = Array.from({ length: rowsTogether }, (_, line) => {
    const [pointer, product, sum] = [0, 1, 2].map((part) => 11 + part * rowsTogether + line) as [
      number,
      number,
      number,
    ];
    return { line, pointer, product, sum };
  });
  const last = lines[rowsTogether - 1]!;
  return {
    name: "contextNorms",
    parameters: Array.from({ length: 5 }, () => type.i32),
    locals: [
      ...Array.from({ length: 5 }, () => type.i32),
      type.v128,
      ...lines.map(() => type.i32),
      ...lines.map(() => type.v128),
      ...lines.map(() => type.v128),
    ],
    body: [
      set(record, get(out)),
      set(last.pointer, i32.sub(get(e), get(width))),
      loop(row, i32.const(0), get(rows), i32.const(rowsTogether), [
        ...lines.map(({ line, pointer, sum }) => [
          ...set(pointer, i32.add(get((lines[line - 1] ?? last).pointer), get(width))),
          ...set(sum, f32x4.const(0)),
        ]),
        loop(x, i32.const(0), get(width), i32.const(16), [
          ...lines.map(({ product }) => set(product, f32x4.const(0))),
          set(urow, i32.add(get(u), get(x))),
          loop(k, i32.const(0), i32.add(get(x), i32.const(16)), i32.const(4), [
            set(column, f32x4.load(get(urow))),
            ...lines.map(({ pointer, product }) => {
              const weight = f32x4.loadSplat(i32.add(get(pointer), get(k)));
              return set(product, f32x4.add(get(product), f32x4.mul(weight, get(column))));
            }),
            set(urow, i32.add(get(urow), get(width))),
          ]),
          ...lines.map(({ pointer, product, sum }) => {
            const weights = f32x4.load(i32.add(get(pointer), get(x)));
            return set(sum, f32x4.add(get(sum), f32x4.mul(get(product), weights)));
          }),
        ]),
        ...lines.map(({ line, sum }) => f32.store(get(record), sumLanes(sum), 12 + 16 * line)),
        set(record, i32.add(get(record), i32.const(16 * rowsTogether))),
      ]),
    ],
  };
}

/** The kernels as functions; addresses and strides in bytes. */
export interface Kernels {
  branches: (
    a: number,
    aStride: number,
    e: number,
    eStride: number,
    mask: number,
    norm: number,
    out: number,
    words: number,
    width: number,
    threshold: number,
  ) => void;
  contextNorms: (e: number, u: number, out: number, rows: number, width: number) => void;
}

/** The kernels over a memory. */
export function openKernels(memory: SharedMemory): Kernels {
  return instantiate([branches(), contextNorms()], memory) as Kernels;
}
