/** Checkpoints: refused when damaged or edited, and left whole by a disk that is full. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs, {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { silentContext, type Context } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/index.js";
import { startEngine } from "../../src/engine/index.js";
import type { AmsError } from "../../src/errors.js";
import { checkpointsIn } from "../../src/train/checkpoint.js";
import type { Run } from "../../src/train/trainer.js";
import { smallTraining } from "./killedTraining.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-checkpoint-"));
const inRun = (name: string, ...rest: string[]): string => path.join(home, "runs", name, ...rest);

before(async () => {
  await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
  process.env["AMS_HOME"] = home;
});

after(async () => {
  await closeImageWorkers();
  rmSync(home, { recursive: true, force: true });
});

async function run(name: string, steps: number, resume = false): Promise<{ run: Run; notes: string[] }> {
  const notes: string[] = [];
  const context: Context = { ...silentContext, note: (line) => notes.push(line) };
  return { run: await smallTraining({ name, steps, resume, validate: 0 }, context), notes };
}

const weights = (name: string): Buffer =>
  readFileSync(path.join(checkpointsIn(inRun(name, "checkpoints")).at(-1) ?? "", "model.safetensors"));

describe("a checkpoint", () => {
  let whole: Buffer;
  before(async () => {
    await run("whole", 5);
    whole = weights("whole");
    await run("start", 4);
  });

  /** The run after four steps, in a folder of its own. */
  function copied(name: string): string[] {
    cpSync(inRun("start"), inRun(name), { recursive: true });
    const folders = checkpointsIn(inRun(name, "checkpoints"));
    assert.equal(folders.length, 2);
    return folders;
  }

  const flip = (file: string): void => {
    const bytes = readFileSync(file);
    bytes[bytes.length - 20]! ^= 1;
    writeFileSync(file, bytes);
  };
  const damages: [string, string, (file: string) => void][] = [
    ["weights with one bit changed", "model.safetensors", flip],
    ["Adam's moments with one bit changed", "optimiser.safetensors", flip],
    [
      "an edited state",
      "state.json",
      (file) => {
        writeFileSync(file, readFileSync(file, "utf8").replace('"step":4', '"step":3'));
      },
    ],
    ["an edited configuration", "config.json", flip],
    [
      "truncated weights",
      "model.safetensors",
      (file) => {
        truncateSync(file, 1000);
      },
    ],
    [
      "a file that is gone",
      "optimiser.safetensors",
      (file) => {
        rmSync(file);
      },
    ],
    [
      "no checksums",
      "SHA256SUMS",
      (file) => {
        rmSync(file);
      },
    ],
    [
      "checksums that leave a file out",
      "SHA256SUMS",
      (file) => {
        writeFileSync(file, readFileSync(file, "utf8").replace(/.*model\.safetensors\n/, ""));
      },
    ],
  ];
  for (const [what, file, damage] of damages) {
    test(`with ${what} is passed over for the one before, with the same end`, async () => {
      const name = what.replace(/\W+/g, "-");
      const [, last = ""] = copied(name);
      damage(path.join(last, file));
      const { notes } = await run(name, 5, true);
      assert.match(notes.join("\n"), /step-00000004 is damaged \(.*\): using the one before/);
      assert.ok(weights(name).equals(whole));
    });
  }

  test("saved before a damaged one's step does not count it: the last two whole ones stay", async () => {
    await run("order", 4);
    const at = (...rest: string[]): string => inRun("order", "checkpoints", ...rest);
    fs.renameSync(at("step-00000004"), at("step-00000009"));
    truncateSync(at("step-00000009", "model.safetensors"), 1000);
    await run("order", 4, true);
    assert.deepEqual(readdirSync(at()), ["step-00000003", "step-00000004", "step-00000009.damaged"]);
  });

  test("that stepped aside for another of its step comes back after a kill", async () => {
    const [first = "", last = ""] = copied("aside");
    rmSync(first, { recursive: true });
    fs.renameSync(last, `${last}.old`);
    await run("aside", 5, true);
    assert.ok(weights("aside").equals(whole));
    assert.ok(readdirSync(inRun("aside", "checkpoints")).every((name) => /^step-\d+$/.test(name)));
  });

  test("is refused with its place when none is whole, and nothing is overwritten", async () => {
    const folders = copied("none");
    for (const folder of folders) truncateSync(path.join(folder, "state.json"), 10);
    await assert.rejects(run("none", 5, true), (error: AmsError) =>
      /no checkpoint is whole[^]*none/.test(error.lines().join("\n")),
    );
    assert.equal(checkpointsIn(inRun("none", "checkpoints")).length, 2);
  });

  test("can be checked by others: sha256sum -c", (t) => {
    const [last = ""] = checkpointsIn(inRun("whole", "checkpoints")).slice(-1);
    const { status, error, stdout } = spawnSync("sha256sum", ["-c", "SHA256SUMS"], { cwd: last, encoding: "utf8" });
    if (error !== undefined) {
      t.skip("no sha256sum here");
      return;
    }
    assert.equal(status, 0, stdout);
    assert.equal(stdout.trim().split("\n").length, readdirSync(last).length - 1);
  });

  test("that meets a full disk costs the steps since the last one alone", async (t) => {
    const real = fs.writeSync;
    let room = Infinity;
    t.mock.method(fs, "writeSync", ((...words: Parameters<typeof real>) => {
      const wanted = words[3] ?? 0;
      room -= wanted as number;
      if (room < 0)
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
      return real(...words);
    }) as typeof real);
    copied("full");
    room = whole.length * 1.5; // the weights of the fifth step fit, Adam's moments do not
    await assert.rejects(run("full", 5, true), (error: AmsError) => {
      assert.match(error.lines().join("\n"), /the disk is full\nwhere: .*step-00000005[^]*free some space/);
      return true;
    });
    t.mock.restoreAll();
    const left = readdirSync(inRun("full", "checkpoints"));
    assert.deepEqual(left, ["step-00000003", "step-00000004"], "nothing half-written takes room");
    await run("full", 5, true);
    assert.ok(weights("full").equals(whole));
  });

  test("on a real small disk stays whole when that is full", async (t) => {
    const disk = path.join(home, "disk");
    mkdirSync(disk);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk]);
    if (mounted.status !== 0) {
      t.skip("a small disk cannot be mounted here (it needs root)");
      return;
    }
    try {
      mkdirSync(path.join(home, "runs"), { recursive: true });
      cpSync(inRun("start"), path.join(disk, "small"), { recursive: true });
      fs.symlinkSync(path.join(disk, "small"), inRun("small"));
      const { bavail, bsize } = fs.statfsSync(disk);
      const spare = whole.length; // less than a checkpoint, which is three times the weights
      writeFileSync(path.join(disk, "filler"), Buffer.alloc(Math.max(0, bavail * bsize - spare)));
      await assert.rejects(run("small", 5, true), (error: AmsError) => error.message === "the disk is full");
      rmSync(path.join(disk, "filler"));
      await run("small", 5, true);
      assert.ok(weights("small").equals(whole));
    } finally {
      spawnSync("umount", [disk]);
    }
  });
});

test("a run that was killed before its first checkpoint can begin again under its name", async () => {
  mkdirSync(inRun("early", "checkpoints", "step-00000000.tmp"), { recursive: true });
  writeFileSync(inRun("early", "steps.jsonl"), "");
  const { run: begun } = await run("early", 1);
  assert.equal(begun.steps.length, 1);
  assert.deepEqual(readdirSync(inRun("early", "checkpoints")), ["step-00000000", "step-00000001"]);
});

test("a log whose last line was cut short goes on from the checkpoint, line by line", async () => {
  await run("cut", 2);
  fs.appendFileSync(inRun("cut", "steps.jsonl"), '{"step":3,"epo');
  await run("cut", 4, true);
  const lines = readFileSync(inRun("cut", "steps.jsonl"), "utf8").trim().split("\n");
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { step: number }).step),
    [1, 2, 3, 4],
  );
});
