/** The checksums of zip archives and of TFRecord files. */
import * as zlib from "node:zlib";

function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? polynomial ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
}

function byTable(table: Uint32Array, bytes: Uint8Array, before: number): number {
  let c = before ^ 0xffffffff;
  for (const byte of bytes) c = (table[(c ^ byte) & 255] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

const ieee = tableOf(0xedb88320);
const castagnoli = tableOf(0x82f63b78);

/** CRC-32 (ISO 3309) byte by byte; for Node before 20.15, whose zlib keeps its own to itself. */
export function slowCrc32(bytes: Uint8Array, before = 0): number {
  return byTable(ieee, bytes, before);
}

/** CRC-32 of bytes as an unsigned number; `before`: that of the bytes in front of them, of which both together have it. */
export const crc32: (bytes: Uint8Array, before?: number) => number =
  (zlib as { crc32?: (bytes: Uint8Array, before?: number) => number }).crc32 ?? slowCrc32;

/** CRC-32C (Castagnoli; RFC 3720, appendix B.4) of bytes as an unsigned number. */
export function crc32c(bytes: Uint8Array): number {
  return byTable(castagnoli, bytes, 0);
}
