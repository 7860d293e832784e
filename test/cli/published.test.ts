/** The published README's two commands as people type them, `ams train` for `python train.py`: a training and its test, in real processes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { packageRoot } from "../../src/paths.js";

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

describe("the published commands", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-published-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const program = path.join(__dirname, "..", "..", "src", "cli.js");
  const hub = path.join(folder, "hub");
  let data = "";

  /** `interrupt`: Ctrl-C as soon as stderr has it. */
  const ams = (line: string, interrupt?: RegExp): Promise<Ended> =>
    new Promise((resolve, reject) => {
      // Without TensorFlow's libraries in this AMS_HOME: WASM, which starts at once.
      const env = { ...process.env, AMS_HOME: path.join(folder, "home"), HF_HUB_CACHE: hub };
      const child = spawn(process.execPath, [program, ...line.split(" ")], { cwd: folder, env });
      let [out, err, sent] = ["", "", false];
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => {
        err += chunk.toString();
        if (sent || interrupt === undefined || !interrupt.test(err)) return;
        sent = true;
        child.kill("SIGINT");
      });
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, out, err }));
    });

  /** The one object on stdout of a command that has to end well. */
  const done = async (line: string): Promise<Record<string, unknown>> => {
    const { code, out, err } = await ams(`${line} --json`);
    assert.equal(code, 0, err);
    return JSON.parse(out) as Record<string, unknown>;
  };

  before(async () => {
    // The scenes lie in Flickr30K's layout on disk.
    await done("data scenes --train 4 --val 2 --test 3 --pixels 32");
    const sets = path.join(folder, "home", "data");
    data = path.join(sets, readdirSync(sets)[0]!);
  });

  const flags = (): string =>
    `--data_path ${data} --dataset flickr --max_violation --batch_size_train 4 --learning_rate 2e-5 --lambda_softmax 20 --alpha 2`;

  test("training, then --test with the same flags", async () => {
    const run = await done(
      `train ${flags()} --num_epochs=1 --grad_clip 2 --logger_name runs/flickr --size tiny --validate 0`,
    );
    assert.deepEqual(
      [run["name"], run["recipe"], run["status"], run["steps"]],
      ["flickr", "ams-published", "finished", 5],
    );
    const test = await done(`train ${flags()} --resume flickr --test`);
    assert.deepEqual([test["split"], test["images"], test["captions"]], ["test", 3, 15]);
  });

  test("without weights or a size the encoders are the published ones of the hub's cache, refused in three lines where they are not there", async () => {
    const line = `train ${flags()} --num_epochs 1 --steps 1 --logger_name runs/as-typed --validate 0`;
    const { code, out, err } = await ams(line);
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, /a training on flickr30k starts from encoders pretrained on photographs, and none are given\nwhere: .*hub\)\nto do: .*\n$/); // prettier-ignore
    assert.match(
      err,
      /hf download google\/vit-base-patch16-384 and hf download bert-base-uncased; or .* --out ams-start/,
    );

    // Their place is taken by small ones, in the cache's layout.
    for (const name of ["google--vit-base-patch16-384", "bert-base-uncased"]) {
      const snapshots = path.join(hub, `models--${name}`, "snapshots");
      mkdirSync(snapshots, { recursive: true });
      symlinkSync(path.join(packageRoot(), "models", "scenes-encoders"), path.join(snapshots, "1"));
    }
    const run = await done(line);
    assert.deepEqual([run["name"], run["recipe"], run["steps"]], ["as-typed", "ams-published", 1]);
  });

  test("Ctrl-C in a training ends with code 130, a checkpoint, and how to go on", async () => {
    const { code, err } = await ams(
      `train ${flags()} --num_epochs 500 --logger_name long --size tiny`,
      /training [1-9]/,
    );
    assert.equal(code, 130);
    assert.match(err, /to go on: ams train --resume long/);
    assert.ok(readdirSync(path.join(folder, "home", "runs", "long", "checkpoints")).length > 0);
  });
});
