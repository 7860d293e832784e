/** Scores of finished blocks, in memory or in files: what each scale gave, and what an interrupted evaluation need not do again. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../errors.js";
import { makeFolder, writeWhole, writing } from "../writing.js";

/** Images start .. end-1 with the captions at places from .. to-1 of the scorer's order. */
export interface Block {
  start: number;
  end: number;
  from: number;
  to: number;
}

/** Planes of scores: those of each scale, unweighted, or one, their weighted sum. */
export interface ScoreKeeper {
  planes: number;
  /** The place up to which every image has been scored with the captions from `from` on. */
  reaches(from: number): number;
  /** Whether the block was scored before. */
  has(block: Block): boolean;
  /** [planes][images of the block, captions of the block] */
  read(block: Block): Float32Array[];
  /** Keeps the scores of a block. */
  write(block: Block, planes: readonly Float32Array[]): void;
  /** A plane as [images, captions] in the order of places. */
  plane(k: number): Float32Array;
  /** What was written stays, whatever happens then. */
  commit(): void;
  /** Ends writing; what was kept stays. */
  close(): void;
}

/** Scores that stay on the disk. */
export interface FolderKeeper extends ScoreKeeper {
  /** Pairs that were there already. */
  found: number;
  /** Pairs that are there now. */
  pairs(): number;
}

export interface KeeperShape {
  images: number;
  captions: number;
  planes: number;
}

/** In memory, for the time of one evaluation. */
export function keepInMemory({ images, captions, planes }: KeeperShape): ScoreKeeper {
  const kept = Array.from({ length: planes }, () => new Float32Array(images * captions));
  return {
    planes,
    reaches: (from) => from,
    has: () => false,
    read: () => [],
    write({ start, end, from, to }, values) {
      values.forEach((value, k) => {
        for (let i = start; i < end; i++) {
          kept[k]!.set(value.subarray((i - start) * (to - from), (i - start + 1) * (to - from)), i * captions + from);
        }
      });
    },
    plane: (k) => kept[k]!,
    commit: () => undefined,
    close: () => undefined,
  };
}

/**
 * In a folder: `scores-K.f32` a plane [images, captions], `identity.json` what they are the scores of, and `blocks.jsonl`, one finished block
 * a line, written only once its scores are on the disk. A folder of the same identity goes on, unless `fresh` is set; anything else
 * in it makes place. Throws AmsError where the folder cannot be written.
 */
export function keepInFolder(
  folder: string,
  { images, captions, planes }: KeeperShape,
  { identity, fresh = false }: { identity: string; fresh?: boolean },
): FolderKeeper {
  const [identityFile, journalFile] = [path.join(folder, "identity.json"), path.join(folder, "blocks.jsonl")];
  const same =
    !fresh && existsSync(journalFile) && existsSync(identityFile) && readFileSync(identityFile, "utf8") === identity;
  if (!same) rmSync(folder, { recursive: true, force: true });
  const files = writing(folder, () => {
    makeFolder(folder);
    return Array.from({ length: planes }, (_, k) =>
      openSync(path.join(folder, `scores-${k + 1}.f32`), same ? "r+" : "w+"),
    );
  });
  const covered = Array.from({ length: images }, (): [number, number][] => []);
  const cover = ({ start, end, from, to }: Block): void => {
    for (let i = start; i < end; i++) covered[i] = join([...covered[i]!, [from, to]]);
  };
  const lines = (blocks: readonly Block[]): string => blocks.map((block) => `${JSON.stringify(block)}\n`).join("");
  const before = same ? readJournal(journalFile) : [];
  before.forEach(cover);
  const journal = writing(folder, () => {
    if (!same) writeWhole(identityFile, [identity]);
    writeWhole(journalFile, [lines(before)]); // without a line that a crash has cut
    return openSync(journalFile, "a");
  });
  let pending: Block[] = [];
  const at = (image: number, place: number): number => 4 * (image * captions + place);

  const commit = (): void => {
    if (pending.length === 0) return;
    writing(folder, () => {
      for (const file of files) fsyncSync(file);
      writeSync(journal, lines(pending));
      fsyncSync(journal);
    });
    pending = [];
  };
  const pairs = (): number =>
    covered.reduce((sum, ranges) => sum + ranges.reduce((n, [from, to]) => n + to - from, 0), 0);
  return {
    planes,
    found: pairs(),
    pairs,
    reaches: (from) =>
      covered.reduce(
        (least, ranges) => Math.min(least, ranges.find(([a, b]) => a <= from && from < b)?.[1] ?? from),
        captions,
      ),
    has: ({ start, end, from, to }) =>
      covered.slice(start, end).every((ranges) => ranges.some(([a, b]) => a <= from && to <= b)),
    read: ({ start, end, from, to }) =>
      files.map((file) => {
        const values = new Float32Array((end - start) * (to - from));
        for (let i = start; i < end; i++) {
          const row = values.subarray((i - start) * (to - from), (i - start + 1) * (to - from));
          readFully(file, row, at(i, from));
        }
        return values;
      }),
    write(block, values) {
      const { start, end, from, to } = block;
      writing(folder, () => {
        values.forEach((value, k) => {
          for (let i = start; i < end; i++) {
            writeFully(
              files[k]!,
              value.subarray((i - start) * (to - from), (i - start + 1) * (to - from)),
              at(i, from),
            );
          }
        });
      });
      cover(block);
      pending.push(block);
    },
    plane(k) {
      const values = new Float32Array(images * captions);
      for (let i = 0; i < images; i++)
        readFully(files[k]!, values.subarray(i * captions, (i + 1) * captions), at(i, 0));
      return values;
    },
    commit,
    close() {
      for (const file of [...files, journal]) closeSync(file);
    },
  };
}

/** The finished blocks; a line that was cut short by a crash ends them. */
function readJournal(file: string): Block[] {
  const blocks: Block[] = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "") continue;
    try {
      blocks.push(JSON.parse(line) as Block);
    } catch {
      break;
    }
  }
  return blocks;
}

/** Overlapping and touching ranges become one. */
function join(ranges: [number, number][]): [number, number][] {
  const joined: [number, number][] = [];
  for (const [from, to] of ranges.sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function readFully(file: number, values: Float32Array, position: number): void {
  const bytes = bytesOf(values);
  for (let done = 0; done < bytes.length;) {
    const got = readSync(file, bytes, done, bytes.length - done, position + done);
    if (got === 0) {
      throw new AmsError(`the kept scores end at byte ${position + done}`, {
        where: "the folder of an interrupted evaluation",
        hint: "score anew: the same command with --fresh",
      });
    }
    done += got;
  }
}

function writeFully(file: number, values: Float32Array, position: number): void {
  const bytes = bytesOf(values);
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
