// Stamps: a hash of what a step depends on, written when it is done, so that a second run does nothing.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Hash of files and of all files below folders (names and contents), and of plain values given as `{text}`. */
export function hashOf(...sources) {
  const hash = createHash("sha256");
  for (const source of sources) {
    if (typeof source === "object") hash.update(`\0${source.text}`);
    else
      for (const file of filesBelow(source)) hash.update(`\0${file.slice(source.length)}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
}

/** All files at or below a path in a fixed order; a missing path has none. */
export function filesBelow(place) {
  if (!existsSync(place)) return [];
  const entries = (() => {
    try {
      return readdirSync(place, { withFileTypes: true });
    } catch (error) {
      if (error.code === "ENOTDIR") return undefined;
      throw error;
    }
  })();
  if (entries === undefined) return [place];
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(place, entry.name);
      return entry.isDirectory() ? filesBelow(file) : [file];
    });
}

export function isCurrent(stamp, hash) {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === hash;
}

export function writeStamp(stamp, hash) {
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
}
