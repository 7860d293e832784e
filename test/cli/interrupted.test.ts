/** Evaluations on the command line that are stopped, by Ctrl-C or by force: the same line goes on. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentContext } from "../../src/context.js";
import { closeImageWorkers, openScenes } from "../../src/data/index.js";
import { amsHome, packageRoot } from "../../src/paths.js";

describe("ams eval that is stopped", () => {
  const home = mkdtempSync(path.join(tmpdir(), "ams-stopped-"));
  after(() => {
    rmSync(home, { recursive: true, force: true });
  });
  const scenes = path.join(home, "scenes");
  before(async () => {
    await openScenes({ counts: { train: 2, val: 2, test: 36, "test-pairs": 2, "test-style": 2 }, folder: scenes }, silentContext); // prettier-ignore
    await closeImageWorkers();
    const engine = path.join(amsHome(), "engine");
    if (existsSync(engine)) symlinkSync(engine, path.join(home, "engine"), "dir");
  });
  // Little memory makes many small blocks.
  const line = ["eval", "--checkpoint", "scenes-small", "--data", scenes, "--split", "test", "--memory", "1e-6", "--json"]; // prettier-ignore

  /** Bytes of the journals of finished blocks. */
  const finished = (): number => {
    try {
      const folder = path.join(home, "scoring");
      return readdirSync(folder).reduce((sum, name) => sum + statSync(path.join(folder, name, "blocks.jsonl")).size, 0);
    } catch {
      return 0; // not yet
    }
  };
  const start = (): {
    ended: Promise<number | null>;
    text: () => string;
    out: () => string;
    kill: (signal: NodeJS.Signals) => void;
  } => {
    const child = spawn(process.execPath, [path.join(packageRoot(), "build", "src", "cli.js"), ...line], {
      env: { ...process.env, AMS_HOME: home },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [text, out] = ["", ""];
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    return { ended, text: () => text, out: () => out, kill: (signal) => child.kill(signal) };
  };

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    test(`by ${signal} goes on where it was`, async () => {
      const before = finished();
      const first = start();
      let code: number | null | undefined;
      void first.ended.then((value) => (code = value));
      while (finished() <= before && code === undefined) await sleep(20);
      first.kill(signal);
      await first.ended;
      assert.equal(code, signal === "SIGINT" ? 130 : null, first.text());
      assert.ok(finished() > before, first.text());
      if (signal === "SIGINT")
        assert.match(first.text(), /the scores of [\d,]+ of [\d,]+ pairs are kept: the same line goes on/);
    });
  }

  test("ends with the recalls, and leaves nothing behind", async () => {
    const last = start();
    assert.equal(await last.ended, 0, last.text());
    assert.match(last.text(), /going on with the scores of [\d,]+ of [\d,]+ pairs/);
    assert.ok((JSON.parse(last.out()) as { rsum: number }).rsum > 100);
    assert.deepEqual(readdirSync(path.join(home, "scoring")), []);
  });
});
