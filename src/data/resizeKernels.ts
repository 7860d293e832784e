/** The two passes of the resize as SIMD loops in WebAssembly: whole numbers only, so that every machine gives the same bytes. */
import {
  bytes,
  get,
  i16x8,
  i32,
  i32x4,
  instantiate,
  loop,
  pageBytes,
  set,
  sharedMemory,
  type,
  type Code,
  type SharedMemory,
  type WasmFunction,
} from "../engine/wasm/assembler.js";
import type { Crop } from "./crop.js";
import type { RgbImage } from "./decode.js";

/** Weights are rounded to 22 bits after the point, sums start at one half: Pillow's 8-bit path (Resample.c). */
export const weightBits = 22;
const half = 1 << (weightBits - 1);

/** How the samples of one output axis are made: sample `o` is the sum of `taps` weighted inputs from `first[o]` on. */
export interface Taps {
  first: Int32Array;
  /** [outputs, taps]; zero where a sample needs fewer. */
  weights: Int32Array;
  /** A multiple of three: the loops do three at a time. */
  taps: number;
}

const int = (count: number): (typeof type.i32)[] => Array.from({ length: count }, () => type.i32);

/** Four sums to four bytes in the lowest places, cut to 0 .. 255. */
function toBytes(...sums: Code[]): Code {
  const [a, b, c, d] = sums.map((sum) => i32x4.shiftRight(sum, weightBits));
  const low = i16x8.narrow(a!, b ?? a!);
  return bytes.narrow(low, c === undefined ? low : i16x8.narrow(c, d!));
}

/**
 * alongRows(source, stride, rows, target, width, first, weights, taps): each of `rows` rows of pixels to `width` pixels.
 * A pixel's three channels lie in one register, with the next pixel's red, which is overwritten when its turn comes.
 */
function alongRows(): WasmFunction {
  const [source, stride, rows, target, width, first, weights, taps] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [row, x, k, from, weight, limit, sum] = [8, 9, 10, 11, 12, 13, 14];
  const tap = (number: number): Code =>
    i32x4.mul(
      i32x4.widenLow(i16x8.widenLow(bytes.loadFour(get(from), 3 * number))),
      i32x4.loadSplat(get(weight), 4 * number),
    );
  return {
    name: "alongRows",
    parameters: int(8),
    locals: [...int(6), type.v128],
    body: [
      set(limit, i32.mul(get(width), i32.const(4))),
      loop(row, i32.const(0), get(rows), i32.const(1), [
        set(weight, get(weights)),
        loop(x, i32.const(0), get(limit), i32.const(4), [
          set(from, i32.add(get(source), i32.mul(i32.load(i32.add(get(first), get(x))), i32.const(3)))),
          set(sum, i32x4.splat(i32.const(half))),
          loop(k, i32.const(0), get(taps), i32.const(3), [
            set(sum, i32x4.add(i32x4.add(i32x4.add(get(sum), tap(0)), tap(1)), tap(2))),
            set(from, i32.add(get(from), i32.const(9))),
            set(weight, i32.add(get(weight), i32.const(12))),
          ]),
          i32.store(get(target), i32x4.lane(toBytes(get(sum)), 0)),
          set(target, i32.add(get(target), i32.const(3))),
        ]),
        set(source, i32.add(get(source), get(stride))),
      ]),
    ],
  };
}

/**
 * alongColumns(source, length, target, height, first, weights, taps): rows of `length` bytes to `height` rows, sixteen
 * bytes at a time (what runs over the end of a row is overwritten by the next).
 */
function alongColumns(): WasmFunction {
  const [source, length, target, height, first, weights, taps] = [0, 1, 2, 3, 4, 5, 6];
  const [y, x, k, from, top, weight, limit] = [7, 8, 9, 10, 11, 12, 13];
  const [sixteen, eight, factor] = [14, 15, 16];
  const sums = [17, 18, 19, 20];
  const add = (sum: number, part: Code): Code => set(sum, i32x4.add(get(sum), i32x4.mul(part, get(factor))));
  return {
    name: "alongColumns",
    parameters: int(7),
    locals: [...int(7), ...Array.from({ length: 7 }, () => type.v128)],
    body: [
      set(limit, i32.mul(get(height), i32.const(4))),
      loop(y, i32.const(0), get(limit), i32.const(4), [
        set(top, i32.add(get(source), i32.mul(i32.load(i32.add(get(first), get(y))), get(length)))),
        loop(x, i32.const(0), get(length), i32.const(16), [
          set(from, i32.add(get(top), get(x))),
          set(weight, get(weights)),
          ...sums.map((sum) => set(sum, i32x4.splat(i32.const(half)))),
          loop(k, i32.const(0), get(taps), i32.const(1), [
            set(factor, i32x4.loadSplat(get(weight))),
            set(sixteen, bytes.load(get(from))),
            set(eight, i16x8.widenLow(get(sixteen))),
            add(sums[0]!, i32x4.widenLow(get(eight))),
            add(sums[1]!, i32x4.widenHigh(get(eight))),
            set(eight, i16x8.widenHigh(get(sixteen))),
            add(sums[2]!, i32x4.widenLow(get(eight))),
            add(sums[3]!, i32x4.widenHigh(get(eight))),
            set(from, i32.add(get(from), get(length))),
            set(weight, i32.add(get(weight), i32.const(4))),
          ]),
          bytes.store(i32.add(get(target), get(x)), toBytes(...sums.map(get))),
        ]),
        set(target, i32.add(get(target), get(length))),
        set(weights, i32.add(get(weights), i32.mul(get(taps), i32.const(4)))),
      ]),
    ],
  };
}

interface Kernels {
  alongRows(...parameters: number[]): void;
  alongColumns(...parameters: number[]): void;
}

/** Source rows go through memory in parts of about this size, so that a huge picture needs no huge memory. */
const partBytes = 4_000_000;
/** Reads and writes may run over an end by less than this. */
const slack = 64;

let started: { memory: SharedMemory; kernels: Kernels } | undefined;

function start(): { memory: SharedMemory; kernels: Kernels } {
  if (started !== undefined) return started;
  const memory = sharedMemory(pageBytes);
  return (started = { memory, kernels: instantiate([alongRows(), alongColumns()], memory) as Kernels });
}

/** The part of an image, [part.height, part.width, 3] -> [height, width, 3]; an axis without taps keeps its size. */
export function resizeBytes(
  image: RgbImage,
  part: Crop,
  width: number,
  height: number,
  rows: Taps | undefined,
  columns: Taps | undefined,
): Uint8Array {
  const { memory, kernels } = start();
  const inStride = image.width * 3;
  const length = width * 3;
  const band = Math.max(1, Math.min(part.height, Math.floor(partBytes / inStride)));
  // Where everything lies, one after the other.
  let end = 0;
  const place = (size: number): number => {
    const at = end;
    end += (size + slack + 15) & ~15;
    return at;
  };
  const source = place(band * inStride);
  const between = place(part.height * length);
  const target = place(columns === undefined ? 0 : height * length);
  const tables = [rows, columns].map(
    (taps) => [place((taps?.first.length ?? 0) * 4), place((taps?.weights.length ?? 0) * 4)] as const,
  );
  const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes);
  if (missing > 0) memory.grow(missing);
  const data = new Uint8Array(memory.buffer);
  [rows, columns].forEach((taps, axis) => {
    if (taps === undefined) return;
    const [first, weights] = tables[axis]!;
    new Int32Array(memory.buffer, first, taps.first.length).set(taps.first);
    new Int32Array(memory.buffer, weights, taps.weights.length).set(taps.weights);
  });

  for (let y = 0; y < part.height; y += band) {
    const count = Math.min(band, part.height - y);
    const from = (part.top + y) * inStride;
    if (rows === undefined) {
      for (let i = 0; i < count; i++) {
        const row = from + i * inStride + part.left * 3;
        data.set(image.data.subarray(row, row + length), between + (y + i) * length);
      }
      continue;
    }
    data.set(image.data.subarray(from, from + count * inStride), source);
    const [first, weights] = tables[0]!;
    kernels.alongRows(source + part.left * 3, inStride, count, between + y * length, width, first, weights, rows.taps);
  }
  if (columns === undefined) return data.slice(between, between + part.height * length);
  const [first, weights] = tables[1]!;
  kernels.alongColumns(between, length, target, height, first, weights, columns.taps);
  return data.slice(target, target + height * length);
}
