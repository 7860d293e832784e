/** The curves of a training for TensorBoard: an event file (TFRecords of Event messages), which grows with every step. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { crc32c } from "../model/weights/crc32.js";
import { makeFolder, writeWhole, writing } from "../writing.js";
import type { EpochRecord, StepRecord } from "./records.js";

export interface EventLog {
  /** train/loss, train/learning_rate, train/gradient_norm and train/images_per_second at the record's step. */
  step(record: StepRecord): void;
  /** epoch/loss, and of a validation val/i2t_r1 .. val/t2i_r10 and val/rsum in percent, at the epoch's last step. */
  epoch(record: EpochRecord): void;
}

/** The folder of a run's event files: the run's own, or one of its name in a folder that was chosen; undefined where none are wanted. */
export function eventFolder(runFolder: string, tensorboard: boolean | string | undefined): string | undefined {
  if (tensorboard === undefined || tensorboard === false) return undefined;
  return tensorboard === true ? runFolder : path.join(tensorboard, path.basename(runFolder));
}

/** Our event files in a folder, the oldest first; those of other programs are left alone. */
export function eventFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^events\.out\.tfevents\.\d+\.ams$/.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/**
 * Begins an event file with what the training has done so far; the files of before go, so that a resumed run has every step once,
 * at the time when it was made (now, where no file tells). A TensorBoard that looks on is told to forget what it had.
 * Throws an AmsError where it cannot be written.
 */
export function openEventLog(
  folder: string,
  { steps, epochs }: { steps: readonly StepRecord[]; epochs: readonly EpochRecord[] },
): EventLog {
  const old = eventFiles(folder);
  const now = Date.now() / 1000;
  const times = new Map(old.flatMap((file) => timesIn(readFileSync(file))));
  const begun = [
    ...steps.map((record) => ({ step: record.step, scalars: stepScalars(record) })),
    ...epochs.map((record) => ({ step: record.step, scalars: epochScalars(record) })),
  ].sort((a, b) => a.step - b.step);
  // TensorBoard reads the files of a folder in the order of their names.
  const last = Number(/\.(\d+)\.ams$/.exec(old.at(-1) ?? "")?.[1] ?? 0);
  const stamp = String(Math.max(Math.floor(now), last + 1)).padStart(10, "0");
  const file = path.join(folder, `events.out.tfevents.${stamp}.ams`);
  writing(file, () => {
    makeFolder(folder);
    writeWhole(file, [
      tfRecord(Buffer.concat([double(1, now), bytes(3, Buffer.from("brain.Event:2"))])),
      tfRecord(Buffer.concat([double(1, now), bytes(7, varintField(1, sessionStart))])),
      ...begun.map(({ step, scalars }) => scalarEvent(times.get(step) ?? now, step, scalars)),
    ]);
    for (const before of old) rmSync(before);
  });
  const add = (step: number, scalars: Scalars): void => {
    writing(file, () => {
      appendFileSync(file, scalarEvent(Date.now() / 1000, step, scalars));
    });
  };
  return {
    step: (record) => {
      add(record.step, stepScalars(record));
    },
    epoch: (record) => {
      add(record.step, epochScalars(record));
    },
  };
}

/** Moves our event files into a folder of this name beside them, which TensorBoard shows as a run of its own. */
export function setEventsAside(folder: string, name: string): void {
  const files = eventFiles(folder);
  if (files.length === 0) return;
  mkdirSync(path.join(folder, name));
  for (const file of files) renameSync(file, path.join(folder, name, path.basename(file)));
}

/** Tag -> value. */
type Scalars = Record<string, number>;

function stepScalars({ loss, learningRate, gradientNorm, imagesPerSecond }: StepRecord): Scalars {
  return {
    "train/loss": loss,
    "train/learning_rate": learningRate,
    "train/gradient_norm": gradientNorm,
    "train/images_per_second": imagesPerSecond,
  };
}

function epochScalars({ loss, evaluation }: EpochRecord): Scalars {
  const recalls = (["i2t", "t2i"] as const).flatMap((way) =>
    (["r1", "r5", "r10"] as const).flatMap((cut): [string, number][] =>
      evaluation === undefined ? [] : [[`val/${way}_${cut}`, evaluation[way][cut]]],
    ),
  );
  return {
    "epoch/loss": loss,
    ...Object.fromEntries(recalls),
    ...(evaluation === undefined ? {} : { "val/rsum": evaluation.rsum }),
  };
}

// TensorFlow's core/util/event.proto: Event {double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5;
// SessionLog session_log = 7}; Summary {repeated Value value = 1}; Value {string tag = 1; float simple_value = 2}.

/** SessionLog.START: readers forget the events from this step (none given: from the first) on. */
const sessionStart = 1;

function scalarEvent(time: number, step: number, scalars: Scalars): Buffer {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])),
  );
  return tfRecord(Buffer.concat([double(1, time), varintField(2, step), bytes(5, Buffer.concat(values))]));
}

/** [step, time] of the scalar events in one of our files; a record that a kill has cut short ends it. */
function timesIn(file: Buffer): [number, number][] {
  const found: [number, number][] = [];
  for (let at = 0; at + 16 <= file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    const event = file.subarray(at + 12, at + 12 + length);
    at += length + 16;
    if (at > file.length) break;
    if (event[9] === 0x10) found.push([readVarint(event, 10), event.readDoubleLE(1)]);
  }
  return found;
}

/** Length, its checksum, the data, its checksum; all little-endian. */
function tfRecord(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

/** CRC-32C turned right by 15 bits plus a constant, as TensorFlow's lib/hash/crc32c.h masks it. */
function maskedChecksum(data: Buffer): Buffer {
  const crc = crc32c(data);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

function double(field: number, value: number): Buffer {
  const out = Buffer.alloc(9, (field << 3) | 1);
  out.writeDoubleLE(value, 1);
  return out;
}

function float(field: number, value: number): Buffer {
  const out = Buffer.alloc(5, (field << 3) | 5);
  out.writeFloatLE(value, 1);
  return out;
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2), varint(value.length), value]);
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([Buffer.of(field << 3), varint(value)]);
}

/** Seven bits a byte, the lowest first; all but the last byte have their highest bit set. */
function varint(value: number): Buffer {
  const out: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) + 128);
  return Buffer.of(...out, value);
}

function readVarint(from: Buffer, at: number): number {
  let value = 0;
  for (let weight = 1; ; weight *= 128) {
    const byte = from[at++] ?? 0;
    value += (byte & 127) * weight;
    if (byte < 128) return value;
  }
}
