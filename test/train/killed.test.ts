/** A training whose process is killed again and again ends with the weights of one that was left alone. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { silentContext } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { Random } from "../../src/random.js";
import { checkpointsIn } from "../../src/train/checkpoint.js";
import { scenesOfTest } from "./killedTraining.js";

const home = mkdtempSync(path.join(tmpdir(), "ams-killed-"));
const runs = path.join(home, "runs");

before(async () => {
  process.env["AMS_HOME"] = home;
  await openScenes(scenesOfTest, silentContext);
});

after(() => {
  rmSync(home, { recursive: true, force: true });
});

/** When to kill: so many ms after so many lines of output, the first of which comes before the model is built. */
interface Moment {
  lines: number;
  delay: number;
}

/** Runs the training to its end, or until it is killed. */
function training(name: string, moment?: Moment): Promise<"finished" | "killed"> {
  const resume = checkpointsIn(path.join(runs, name, "checkpoints")).length > 0;
  const words = [path.join(__dirname, "killedTraining.js"), home, name, ...(resume ? ["--resume"] : [])];
  const environment = { ...process.env };
  delete environment["AMS_HOME"]; // the engine's files are in the real one
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += String(chunk)));
    let lines = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      const before = lines;
      lines += String(chunk).split("\n").length - 1;
      if (moment !== undefined && before < moment.lines && lines >= moment.lines) {
        setTimeout(() => child.kill("SIGKILL"), moment.delay).unref();
      }
    });
    child.on("close", (code, signal) => {
      if (signal === "SIGKILL") resolve("killed");
      else if (code === 0) resolve("finished");
      else reject(new Error(`the training ended with ${String(code ?? signal)}: ${errors}`));
    });
  });
}

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Checksums of the weights at the end and of the best, and the losses of all steps as the log has them. */
function ending(name: string): Record<string, unknown> {
  const folder = path.join(runs, name);
  const last = checkpointsIn(path.join(folder, "checkpoints")).at(-1) ?? "";
  const lines = readFileSync(path.join(folder, "steps.jsonl"), "utf8").trim().split("\n");
  const steps = lines.map((line) => JSON.parse(line) as { step: number; loss: number });
  const { epochs } = JSON.parse(readFileSync(path.join(last, "state.json"), "utf8")) as {
    epochs: { epoch: number; loss: number; evaluation: { rsum: number } }[];
  };
  return {
    step: path.basename(last),
    model: digest(path.join(last, "model.safetensors")),
    optimiser: digest(path.join(last, "optimiser.safetensors")),
    best: digest(path.join(folder, "best", "model.safetensors")),
    steps: steps.map(({ step, loss }) => [step, loss]),
    epochs: epochs.map(({ epoch, loss, evaluation }) => [epoch, loss, evaluation.rsum]),
  };
}

test("killed at 20 random moments, training resumes and ends with exactly the weights of an uninterrupted run", async (t) => {
  assert.equal(await training("alone"), "finished");
  const wanted = ending("alone");
  assert.equal(wanted["step"], "step-00000030");

  const random = new Random(20);
  const moments = new Set<string>();
  let kills = 0;
  for (let trial = 0; kills < 20; trial++) {
    const name = `killed-${trial}`;
    for (let ended = ""; ended !== "finished";) {
      // The last of the 20 kills behind it, a run may finish in peace.
      const moment = { lines: 1 + random.int(8), delay: random.uniform(0, 100) };
      ended = await training(name, kills < 20 ? moment : undefined);
      if (ended === "killed") kills++;
      const checkpoints = path.join(runs, name, "checkpoints");
      const left = existsSync(checkpoints) ? readdirSync(checkpoints) : [];
      moments.add(
        left.length === 0 ? "before a checkpoint" : left.some((n) => n.endsWith(".tmp")) ? "writing one" : "between",
      );
    }
    assert.deepEqual(ending(name), wanted, name);
    const { status } = JSON.parse(readFileSync(path.join(runs, name, "run.json"), "utf8")) as { status: string };
    assert.equal(status, "finished");
  }
  t.diagnostic(`${kills} kills: ${[...moments].join(", ")}`);
});
