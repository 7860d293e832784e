/** Zip archives as torch.save writes them: uncompressed records, found by the directory at the end, read by range. */
import type { Ranges } from "../tensorFile.js";

export interface ZipRecord {
  /** Of its bytes within the file. */
  position: number;
  size: number;
  crc: number;
}

const signature = { record: 0x04034b50, entry: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 };
const endSize = 22;

/** A zip archive begins with its first record. */
export function isZip({ size, read }: Ranges): boolean {
  return size >= 4 && read(0, 4).readUInt32LE() === signature.record;
}

/**
 * The records of an archive by name, also of a large one (zip64). `fail` is called with what is wrong: no directory (a file
 * cut short), a compressed record, a record outside of the file.
 */
export function readZip({ size, read }: Ranges, fail: (what: string) => never): Map<string, ZipRecord> {
  const directory = findDirectory({ size, read }, fail);
  const entries = read(directory.position, directory.size);
  const records = new Map<string, ZipRecord>();
  let at = 0;
  for (let n = 0; n < directory.count; n++) {
    if (at + 46 > entries.length || entries.readUInt32LE(at) !== signature.entry) fail("its directory is damaged");
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => entries.readUInt16LE(at + o)) as [
      number,
      number,
      number,
    ];
    const name = entries.toString("utf8", at + 46, at + 46 + nameLength);
    const extra = entries.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const [packed, unpacked, offset] = wide(
      [20, 24, 42].map((o) => entries.readUInt32LE(at + o)),
      extra,
    ) as [number, number, number];
    if (entries.readUInt16LE(at + 10) !== 0 || packed !== unpacked) fail(`its record ${name} is compressed`);
    records.set(name, { position: dataPosition(offset, name), size: unpacked, crc: entries.readUInt32LE(at + 16) });
    at += 46 + nameLength + extraLength + commentLength;
  }
  for (const [name, { position, size: length }] of records) {
    if (position + length > size) fail(`its record ${name} ends at ${position + length}, the file at ${size}`);
  }
  return records;

  /** Behind the record's own header, whose padding aligns the bytes. */
  function dataPosition(offset: number, name: string): number {
    if (offset + 30 > size) fail(`its record ${name} begins at ${offset}, the file ends at ${size}`);
    const header = read(offset, 30);
    if (header.readUInt32LE() !== signature.record) fail(`its record ${name} is not where the directory says`);
    return offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  }
}

function findDirectory(
  { size, read }: Pick<Ranges, "size" | "read">,
  fail: (what: string) => never,
): { position: number; size: number; count: number } {
  const tail = read(Math.max(0, size - 65536 - endSize), Math.min(size, 65536 + endSize));
  let at = tail.length - endSize;
  while (at >= 0 && tail.readUInt32LE(at) !== signature.end) at--;
  if (at < 0) fail("its directory, which stands at the end, is missing: the file is cut short");
  let [count, length, position] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
  const locator = size - tail.length + at - 20;
  if (locator >= 0 && read(locator, 20).readUInt32LE() === signature.locator64) {
    const end64 = Number(read(locator, 20).readBigUInt64LE(8));
    if (end64 + 56 > size) fail("its directory lies outside of the file");
    const record = read(end64, 56);
    if (record.readUInt32LE() !== signature.end64) fail("its directory is damaged");
    [count, length, position] = [32, 40, 48].map((o) => Number(record.readBigUInt64LE(o))) as [number, number, number];
  }
  if (position + length > size || count * 46 > length) fail("its directory lies outside of the file");
  return { position, size: length, count };
}

/** Values of 0xffffffff stand in the zip64 part of the extra field, in order. */
function wide(values: number[], extra: Buffer): number[] {
  let at = 0;
  while (at + 4 <= extra.length && extra.readUInt16LE(at) !== 1) at += 4 + extra.readUInt16LE(at + 2);
  at += 4;
  return values.map((value) => {
    if (value !== 0xffffffff || at + 8 > extra.length) return value;
    at += 8;
    return Number(extra.readBigUInt64LE(at - 8));
  });
}
