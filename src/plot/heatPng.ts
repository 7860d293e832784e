/** A heat map as a tiny PNG with one pixel a patch: written by hand, so that 200 of them take milliseconds and few bytes. */
import { deflateSync } from "node:zlib";
import { heatColour, heatLevel, heatLevels } from "./palette.js";

const colours = Array.from({ length: heatLevels }, (_, level) => heatColour(level));
const palette = chunk("PLTE", Buffer.from(colours.flatMap(([r, g, b]) => [r, g, b])));
const transparency = chunk("tRNS", Buffer.from(colours.map(([, , , alpha]) => alpha)));

/**
 * The heat map of [side * side] patch values (row by row from the top) as a PNG data URI; undefined when every patch is at level 0.
 * `max` is the value of the strongest colour.
 */
export function heatPng(values: ArrayLike<number>, side: number, max: number): string | undefined {
  const rows = Buffer.alloc(side * (side + 1)); // each row starts with its filter, 0
  let any = false;
  for (let i = 0; i < side * side; i++) {
    const level = heatLevel(values[i]!, max);
    any ||= level > 0;
    rows[Math.floor(i / side) * (side + 1) + 1 + (i % side)] = level;
  }
  if (!any) return undefined;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 3, 0, 0, 0], 8); // 8 bits, indexed colour
  const png = Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", header),
    palette,
    transparency,
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
  return `data:image/png;base64,${png.toString("base64")}`;
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** The checksum of PNG chunks (zlib's own `crc32` is not in every Node 20). */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
