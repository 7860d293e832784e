import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { checkpointFolders, findRun, readRuns, readSteps, runFolder } from "../../src/commands/runList.js";
import { panelRuns } from "../../src/commands/runsPanel.js";
import { createSession } from "../../src/commands/session.js";
import { runsCommand } from "../../src/commands/verbs/runs.js";
import { silentContext } from "../../src/context.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { lockRun } from "../../src/train/runLock.js";
import { smallTraining } from "../train/killedTraining.js";

process.env["AMS_HOME"] = mkdtempSync(path.join(tmpdir(), "ams-runs-"));

const record = (step: number, loss: number): string =>
  JSON.stringify({ step, epoch: 0, loss, learningRate: 1, gradientNorm: 1, imagesPerSecond: 1 });

function makeRun(name: string, files: Record<string, string>): void {
  for (const [file, content] of Object.entries(files)) {
    const target = path.join(runFolder(name), file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content);
  }
}

describe("runs on disk", () => {
  test("there are none before the first training", () => {
    assert.deepEqual(readRuns(), []);
  });

  test("a finished run tells its recipe, options and epochs", () => {
    const run = {
      name: "done",
      recipe: "ams-corrected",
      options: { epochs: 2 },
      status: "finished",
      steps: 2,
      epochs: [],
    };
    makeRun("done", { "run.json": JSON.stringify(run), "steps.jsonl": `${record(1, 3)}\n${record(2, 2)}\n` });
    const found = findRun("done");
    assert.deepEqual(
      [found.status, found.recipe, found.options, found.lastStep?.step],
      ["finished", "ams-corrected", { epochs: 2 }, 2],
    );
  });

  test("a run whose process died is known from its last checkpoint", () => {
    const state = (step: number): string =>
      JSON.stringify({ step, recipe: "ams-published", options: { seed: 7 }, epochs: [] });
    makeRun("died", {
      "steps.jsonl": `${record(1, 3)}\n${record(2, 2)}\n{"step":3,"lo`,
      "checkpoints/step-00000001/state.json": state(1),
      "checkpoints/step-00000002/state.json": state(2),
    });
    const found = findRun("died");
    assert.deepEqual([found.status, found.options, found.lastStep?.step], ["unfinished", { seed: 7 }, 2]);
    const folders = ["step-00000002", "step-00000001"].map((step) => path.join(found.folder, "checkpoints", step));
    assert.deepEqual(checkpointFolders(found.folder), folders);
  });

  test("steps that were done again after a resume count once, as done last", () => {
    makeRun("again", {
      "steps.jsonl": [record(1, 5), record(2, 4), record(3, 3), record(2, 9), record(3, 8)].join("\n"),
    });
    assert.deepEqual(readSteps("again").map(({ step, loss }) => [step, loss]), [[1, 5], [2, 9], [3, 8]]); // prettier-ignore
  });

  test("an unknown name offers the nearest; a damaged record names its file", () => {
    assert.throws(
      () => findRun("don"),
      (error: unknown) => error instanceof AmsError && /did you mean done\?/.test(error.hint ?? ""),
    );
    makeRun("broken", { "steps.jsonl": "", "run.json": "{" });
    assert.throws(
      () => findRun("broken"),
      (error: unknown) => error instanceof AmsError && (error.where ?? "").endsWith("run.json"),
    );
  });

  test("a damaged record hides neither the list nor the nearest names", () => {
    makeRun("broken", { "steps.jsonl": `${record(1, 3)}\n`, "run.json": "{" });
    makeRun("empty", { "steps.jsonl": "", "run.json": "null" });
    const status = (name: string): unknown => readRuns().find((run) => run.name === name)?.status;
    assert.deepEqual([status("broken"), status("empty"), status("done")], ["unreadable", "unreadable", "finished"]);
    assert.throws(
      () => findRun("don"),
      (error: unknown) => error instanceof AmsError && /did you mean done\?/.test(error.hint ?? ""),
    );
  });

  test("beside a damaged run.json, a checkpoint still tells of its run", () => {
    makeRun("told", {
      "steps.jsonl": `${record(1, 3)}\n`,
      "checkpoints/step-00000001/state.json": JSON.stringify({ recipe: "scenes-contrast", options: {}, epochs: [] }),
      "run.json": "{",
    });
    assert.deepEqual([findRun("told").recipe, findRun("told").status], ["scenes-contrast", "unfinished"]);
  });

  const statusOf = (name: string): unknown[] =>
    [readRuns(), panelRuns()].map((runs) => runs.find((run) => run.name === name)?.status);

  test("a run trains for as long as its process lives, however long it has written nothing", async () => {
    makeRun("long", { "steps.jsonl": `${record(1, 3)}\n` });
    const hourAgo = Date.now() / 1000 - 3600;
    utimesSync(path.join(runFolder("long"), "steps.jsonl"), hourAgo, hourAgo);
    assert.deepEqual(statusOf("long"), ["unfinished", "unfinished"]);
    const module = JSON.stringify(require.resolve("../../src/train/runLock.js"));
    const hold = `require(${module}).lockRun(process.argv[1]); console.log("held"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["-e", hold, runFolder("long")], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(child.stdout, "data");
      assert.deepEqual(statusOf("long"), ["training", "training"]);
      assert.throws(
        () => lockRun(runFolder("long")),
        (error: unknown) =>
          error instanceof AmsError &&
          error.message === "run long is being trained already" &&
          error.where === `process ${String(child.pid)}, ${runFolder("long")}` &&
          /another --name/.test(error.hint ?? ""),
      );
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    assert.deepEqual(statusOf("long"), ["unfinished", "unfinished"]);
    lockRun(runFolder("long"))(); // what a killed process left is no hindrance
  });

  test("a training says so while it validates, is alone in its run, and gives it back", async () => {
    await startEngine("auto");
    const seen = new Map<string, unknown[]>();
    let second: Promise<unknown> | undefined;
    const progress = ({ note = "" }: { note?: string }): void => {
      const label = /evaluating/.test(note) ? "evaluating" : "training";
      if (seen.has(label)) return;
      seen.set(label, statusOf("live"));
      second ??= smallTraining({ name: "live", resume: true }, silentContext).catch((error: unknown) => error);
    };
    await smallTraining({ name: "live" }, { ...silentContext, progress });
    assert.match(String(await second), /run live is being trained already/);
    assert.deepEqual(seen.get("training"), ["training", "training"], [...seen.keys()].join());
    assert.deepEqual(seen.get("evaluating"), ["training", "training"], [...seen.keys()].join());
    assert.deepEqual(statusOf("live"), ["finished", "finished"]);
    assert.deepEqual(readdirSync(path.dirname(runFolder("live"))).filter((name) => name.startsWith(".live")), []); // prettier-ignore
  });

  test("one that an error ended says that it failed, and why, until it goes on", async () => {
    await startEngine("auto");
    const options = { name: "failing", steps: 3, validate: 0, checkpointSeconds: 600 };
    // With such a rate the first step's weights are as good as infinite.
    await assert.rejects(
      smallTraining({ ...options, learningRate: 1e30 }, silentContext),
      /the loss is (NaN|-?Infinity)/,
    );
    const { status, failure = "", lastStep } = findRun("failing");
    assert.equal(status, "failed");
    assert.match(failure, /^the loss is (NaN|-?Infinity) and the gradient norm /);
    assert.equal(lastStep?.step, 1);
    assert.deepEqual(statusOf("failing"), ["failed", "failed"]);
    assert.equal(panelRuns().find(({ name }) => name === "failing")?.failure, failure);
    const table = async (): Promise<string> => {
      const list = await runsCommand.run({ last: 20 }, silentContext, createSession("."));
      return (await list[displaySymbol]())["text/plain"];
    };
    assert.match(await table(), /^failing +ams-corrected +failed: the loss is /m);
    await smallTraining({ ...options, resume: true }, silentContext);
    assert.deepEqual([findRun("failing").status, findRun("failing").failure], ["finished", undefined]);
    assert.match(await table(), /^failing +ams-corrected +finished /m);
  });
});
