/** Numbers of 16 bits (IEEE 754 binary16): half the size of float32, three digits, up to 65,504. */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The nearest 16-bit numbers as their bits, ties to even; beyond the largest one infinity. */
export function toHalves(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    float[0] = values[i]!;
    const sign = (bits[0]! >>> 16) & 0x8000;
    const size = bits[0]! & 0x7fffffff;
    let half: number;
    if (size > 0x7f800000)
      half = 0x7e00; // NaN
    else if (size >= 0x477ff000)
      half = 0x7c00; // from 65,520 on
    else if (size < 0x38800000)
      half = roundEven(Math.abs(values[i]!) * 2 ** 24); // below 2^-14: whole numbers of 2^-24
    else half = (size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13; // a mantissa that overflows carries into the exponent
    halves[i] = half === 0x7e00 ? half : sign | half;
  }
  return halves;
}

function roundEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

let table: Float32Array | undefined;

/** The values of 16-bit numbers. */
export function fromHalves(halves: Uint16Array): Float32Array {
  const known = (table ??= Float32Array.from({ length: 65536 }, (_, half) => halfToFloat(half)));
  const values = new Float32Array(halves.length);
  for (let i = 0; i < values.length; i++) values[i] = known[halves[i]!]!;
  return values;
}

function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
