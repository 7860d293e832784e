/** The published README's two commands as people type them, `ams train` for `python train.py`: a training and its test, in real processes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

describe("the published commands", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-published-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const program = path.join(__dirname, "..", "..", "src", "cli.js");
  let data = "";

  /** `interrupt`: Ctrl-C as soon as stderr has it. */
  const ams = (line: string, interrupt?: RegExp): Promise<Ended> =>
    new Promise((resolve, reject) => {
      // Without TensorFlow's libraries in this AMS_HOME: WASM, which starts at once.
      const env = { ...process.env, AMS_HOME: path.join(folder, "home") };
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
