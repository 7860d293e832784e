/** Decoded images kept in memory within a bound, so that epochs after the first need no decoding. */
import { statSync } from "node:fs";
import type { RgbImage } from "./decode.js";

interface Entry {
  image: RgbImage;
  /** Size and time of the file: a changed file is decoded again. */
  version: string;
  /** The number of the epoch or pass (any growing number) that used it last. */
  pass: number;
}

export interface ImageCache {
  /** The decoded image when it is kept and its file has not changed since. */
  get(file: string, pass: number): RgbImage | undefined;
  put(file: string, image: RgbImage, pass: number): void;
  bytes(): number;
}

/**
 * A cache of at most `limit()` bytes. An epoch visits all images in a new order, where dropping the least recent one
 * would mostly drop what comes next; so a full cache keeps what it has, and only images that neither this pass nor
 * the one before used (another data set's) make room.
 */
export function imageCache(limit: () => number): ImageCache {
  const entries = new Map<string, Entry>(); // least recently used first
  let bytes = 0;
  const drop = (file: string, entry: Entry): void => {
    entries.delete(file);
    bytes -= entry.image.data.length;
  };
  return {
    get(file, pass) {
      const entry = entries.get(file);
      if (entry === undefined) return undefined;
      if (entry.version !== fileVersion(file)) {
        drop(file, entry);
        return undefined;
      }
      entries.delete(file);
      entries.set(file, { ...entry, pass });
      return entry.image;
    },
    put(file, image, pass) {
      for (const [oldest, entry] of entries) {
        if (bytes + image.data.length <= limit() || entry.pass >= pass - 1) break;
        drop(oldest, entry);
      }
      if (bytes + image.data.length > limit()) return;
      const before = entries.get(file);
      if (before !== undefined) drop(file, before);
      entries.set(file, { image, version: fileVersion(file), pass });
      bytes += image.data.length;
    },
    bytes: () => bytes,
  };
}

function fileVersion(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? "missing" : `${String(stat.size)}/${String(stat.mtimeMs)}`;
}
