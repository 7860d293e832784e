/** tfjs-core's own specs on our native backend: what passes, and exactly which do not, each with its reason. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { fixture } from "../fixtures.js";
import { missing } from "./setup.js";

interface Result {
  passed: number;
  failed: Record<string, string>;
  skipped: number;
}

test("tfjs-core's own specs pass on the native engine, but for the known ones", async (t) => {
  const reason = await missing("native");
  if (reason !== undefined) {
    t.skip(reason);
    return;
  }
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(__dirname, "suite", "run.js")], {
    maxBuffer: 64 * 2 ** 20,
    timeout: 10 * 60_000,
  });
  // Specs of the profiler print to the console too.
  const { passed, failed, skipped } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Result;
  const groups = JSON.parse(readFileSync(fixture("engine/tfjs-core-failures.json"), "utf8")) as Record<
    string,
    string[]
  >;
  const { "depends on the processor": either = [], ...always } = groups;
  const known = Object.values(always).flat();
  const surprises = Object.entries(failed).filter(([name]) => ![...known, ...either].includes(name));
  assert.deepEqual(Object.fromEntries(surprises), {}, "specs that failed and should not");
  assert.deepEqual(
    known.filter((name) => !(name in failed)),
    [],
    "specs that are listed as failing and pass",
  );
  assert.ok(passed >= 3971, `${passed} passed`);
  assert.ok(skipped <= 5, `${skipped} skipped`);
});
