/** Event files for TensorBoard, read here by a plain parser of TFRecords and protobuf that shares nothing with the writer. */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"; // prettier-ignore
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { silentContext, type Context } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { closeImageWorkers } from "../../src/data/index.js";
import { startEngine } from "../../src/engine/index.js";
import { crc32c } from "../../src/model/weights/crc32.js";
import { checkpointsIn } from "../../src/train/checkpoint.js";
import { eventFiles } from "../../src/train/eventLog.js";
import type { Run, TrainOptions } from "../../src/train/trainer.js";
import { scenesOfTest, smallTraining } from "./killedTraining.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-events-"));

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = home;
  await openScenes(scenesOfTest, silentContext);
});

after(async () => {
  await closeImageWorkers();
  rmSync(home, { recursive: true, force: true });
});

interface Event {
  time: number;
  step: number;
  version?: string;
  session?: boolean;
  values: { tag: string; value: number }[];
}

/** The checksum bit by bit: polynomial 0x1EDC6F41, reflected. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const low = (crc ^ (byte >> bit)) & 1;
      crc = (crc >>> 1) ^ (low === 1 ? 0x82f63b78 : 0);
    }
  }
  const value = BigInt((crc ^ 0xffffffff) >>> 0);
  return Number((((value >> 15n) | (value << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** [field number, value] of a message; the value is a number for varints and floats, else bytes. */
function fields(message: Buffer): [number, number | Buffer][] {
  const found: [number, number | Buffer][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  while (at < message.length) {
    const key = varint();
    const [number, wire] = [Math.floor(key / 8), key % 8];
    if (wire === 0) found.push([number, varint()]);
    else if (wire === 1) found.push([number, message.readDoubleLE((at += 8) - 8)]);
    else if (wire === 5) found.push([number, message.readFloatLE((at += 4) - 4)]);
    else if (wire === 2) {
      const length = varint();
      found.push([number, message.subarray(at, (at += length))]);
    } else assert.fail(`wire type ${String(wire)}`);
  }
  return found;
}

function readEvents(file: string): Event[] {
  const bytes = readFileSync(file);
  const events: Event[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.equal(bytes.readUInt32LE(at + 8), checksum(bytes.subarray(at, at + 8)), "checksum of the length");
    assert.equal(bytes.readUInt32LE(at + 12 + length), checksum(data), "checksum of the data");
    at += length + 16;
    const event: Event = { time: NaN, step: 0, values: [] };
    for (const [number, value] of fields(data)) {
      if (number === 1) event.time = value as number;
      else if (number === 2) event.step = value as number;
      else if (number === 3) event.version = (value as Buffer).toString();
      else if (number === 7) event.session = fields(value as Buffer).some(([n, v]) => n === 1 && v === 1);
      else if (number === 5) {
        for (const [, entry] of fields(value as Buffer)) {
          const parts = new Map(fields(entry as Buffer));
          event.values.push({ tag: (parts.get(1) as Buffer).toString(), value: parts.get(2) as number });
        }
      } else assert.fail(`field ${String(number)}`);
    }
    events.push(event);
  }
  return events;
}

/** step/tag -> value; fails where a scalar comes twice. */
function scalars(events: Event[]): Record<string, number> {
  const found = new Map<string, number>();
  for (const { step, values } of events) {
    for (const { tag, value } of values) {
      assert.ok(!found.has(`${String(step)} ${tag}`), `${tag} at step ${String(step)} comes twice`);
      found.set(`${String(step)} ${tag}`, value);
    }
  }
  return Object.fromEntries(found);
}

/** What a run's records say that its event file holds, as float32. */
function expected({ steps, epochs }: Pick<Run, "steps" | "epochs">): Record<string, number> {
  const entries = [
    ...steps.flatMap((s): [string, number][] => [
      [`${s.step} train/loss`, s.loss],
      [`${s.step} train/learning_rate`, s.learningRate],
      [`${s.step} train/gradient_norm`, s.gradientNorm],
      [`${s.step} train/images_per_second`, s.imagesPerSecond],
    ]),
    ...epochs.flatMap(({ step, loss, evaluation }): [string, number][] => [
      [`${step} epoch/loss`, loss],
      ...(["i2t", "t2i"] as const).flatMap((way) =>
        (["r1", "r5", "r10"] as const).map((cut): [string, number] => [
          `${step} val/${way}_${cut}`,
          evaluation?.[way][cut] ?? NaN,
        ]),
      ),
      [`${step} val/rsum`, evaluation?.rsum ?? NaN],
    ]),
  ];
  return Object.fromEntries(entries.map(([key, value]) => [key, Math.fround(value)]));
}

function stopAfter(steps: number): Context {
  const controller = new AbortController();
  return {
    ...silentContext,
    signal: controller.signal,
    progress: ({ done }) => {
      if (done >= steps) controller.abort();
    },
  };
}

const training = (options: TrainOptions, context: Context = silentContext): Promise<Run> =>
  smallTraining({ validate: 6, batchSize: 24, ...options }, context);

describe("event files for TensorBoard", () => {
  test("hold every scalar once at its step, over a stop, a kill in the middle of a record and a resume", async () => {
    const name = "stopped";
    const first = await training({ name, tensorboard: true }, stopAfter(7));
    assert.deepEqual([first.status, first.epochs.length], ["stopped", 1]);
    const [file = "", ...others] = eventFiles(first.folder);
    assert.deepEqual(others, []);
    const before = readEvents(file);
    assert.deepEqual(scalars(before), expected(first));
    // The last step has no checkpoint, and the record after it was cut short.
    rmSync(checkpointsIn(path.join(first.folder, "checkpoints")).at(-1)!, { recursive: true });
    appendFileSync(file, readFileSync(file).subarray(0, 20));

    const whole = await training({ name, tensorboard: true, resume: true });
    assert.deepEqual([whole.status, whole.steps.length, whole.epochs.length], ["finished", 10, 2]);
    const [last = "", ...more] = eventFiles(whole.folder);
    assert.deepEqual(more, []);
    assert.ok(path.basename(last) > path.basename(file), "TensorBoard reads the new file after the old one");
    const events = readEvents(last);
    assert.deepEqual(scalars(events), expected(whole));
    const [version, start, ...rest] = events;
    assert.deepEqual([version?.version, start?.session, start?.step], ["brain.Event:2", true, 0]);
    const timesOf = (list: Event[]): Map<number, number> =>
      new Map(list.filter(({ values }) => values.length > 0).map(({ step, time }) => [step, time]));
    const kept = timesOf(events);
    for (const [step, time] of timesOf(before)) {
      if (step < 7) assert.equal(kept.get(step), time, `the time of step ${step}`);
      else assert.ok(kept.get(step)! > time, "the last step was made again");
    }
    rest.slice(1).forEach(({ step, time }, i) => {
      assert.ok(step >= rest[i]!.step && time >= rest[i]!.time, `event ${i + 1} comes after the one before`);
    });
    assert.ok(Math.abs(kept.get(10)! - Date.now() / 1000) < 600, "seconds since 1970");
  });

  test("are begun by a resume that asks for them first, with all that was done before", async () => {
    const first = await training({ name: "later" }, stopAfter(3));
    assert.deepEqual(eventFiles(first.folder), []);
    const run = await training({ name: "later", resume: true, steps: 5, tensorboard: true });
    assert.deepEqual(scalars(readEvents(eventFiles(run.folder)[0]!)), expected(run));
    assert.equal(run.steps.length, 5);
  });

  test("of a training that begins again are set aside", async () => {
    const quirks = { resumeSchedule: false };
    const options = { name: "again", tensorboard: true, quirks, validate: 0 };
    await training({ ...options, steps: 3 });
    const { folder, steps } = await training({ ...options, steps: 2, resume: true });
    assert.equal(steps.length, 2);
    assert.equal(Object.keys(scalars(readEvents(eventFiles(folder)[0]!))).length, 2 * 4 + 1);
    const aside = readdirSync(folder).filter((name) => name.startsWith("until-step-3-"));
    assert.equal(aside.length, 1);
    assert.equal(Object.keys(scalars(readEvents(eventFiles(path.join(folder, aside[0]!))[0]!))).length, 3 * 4 + 1);
  });

  test("stand in a folder of the run's name where one is given, beside files of others, and are not mixed with another run's", async () => {
    const logs = path.join(home, "logs");
    mkdirSync(path.join(logs, "given"), { recursive: true });
    const foreign = path.join(logs, "given", "events.out.tfevents.1700000000.host.1.0");
    writeFileSync(foreign, "of another program");
    await training({ name: "given", steps: 2, tensorboard: logs, validate: 0 });
    assert.equal(eventFiles(path.join(logs, "given")).length, 1);
    assert.equal(readFileSync(foreign, "utf8"), "of another program");
    rmSync(path.join(home, "runs", "given"), { recursive: true });
    await assert.rejects(training({ name: "given", steps: 2, tensorboard: logs, validate: 0 }), (error: unknown) => {
      const { message, where, hint } = error as { message: string; where: string; hint: string };
      assert.match(message, /event files of a run named given already/);
      assert.equal(where, path.join(logs, "given"));
      assert.match(hint, /--tensorboard/);
      return true;
    });
  });

  test("in a place that cannot be written are refused with the place", async () => {
    const file = path.join(home, "file");
    writeFileSync(file, "");
    await assert.rejects(training({ name: "nowhere", steps: 1, tensorboard: file, validate: 0 }), (error: unknown) => {
      const { message, where } = error as { message: string; where: string };
      assert.match(message, /cannot be written/);
      assert.match(where, /file.nowhere.events/);
      return true;
    });
  });
});

test("CRC-32C gives the values of RFC 3720", () => {
  const rising = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.deepEqual(
    [new Uint8Array(32), new Uint8Array(32).fill(255), rising, Buffer.from("123456789")].map(crc32c),
    [0x8a9136aa, 0x62a8ab43, 0x46dd794e, 0xe3069283],
  );
});
