/** Features of an image as bytes: what the index keeps for the exact score. */
import { fromHalves, toHalves } from "../model/halves.js";

/** How features are kept: in 16 or 32 bits a number, or not at all (images are encoded again when they are scored). */
export const precisions = ["float16", "float32", "none"] as const;

/** How an index keeps features: as 16 or 32 bit floats, or not at all. */
export type Precision = (typeof precisions)[number];

export const bytesOfNumber: Record<Precision, number> = { float16: 2, float32: 4, none: 0 };

export function packFeatures(values: Float32Array, precision: "float16" | "float32"): Uint8Array {
  const packed = precision === "float16" ? toHalves(values) : values.slice();
  return new Uint8Array(packed.buffer);
}

/** The values of `packFeatures`; the bytes may lie anywhere. */
export function unpackFeatures(bytes: Uint8Array, precision: "float16" | "float32"): Float32Array {
  const own = bytes.slice().buffer; // aligned
  return precision === "float32" ? new Float32Array(own) : fromHalves(new Uint16Array(own));
}
