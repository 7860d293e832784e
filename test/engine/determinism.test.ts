/** One seed, one engine: the same losses, to the bit. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { trainingLosses } from "./trainingLosses.js";
import { missing } from "./setup.js";

for (const [size, engine, steps] of [
  ["tiny", "native", 50],
  ["tiny", "wasm", 12],
  ["small", "native", 50],
] as const) {
  test(`${steps} training steps of the ${size} size have the same losses in another process (${engine})`, async (t) => {
    const reason = await missing(engine);
    if (reason !== undefined) {
      t.skip(reason);
      return;
    }
    const program = path.join(__dirname, "trainingLosses.js");
    const elsewhere = promisify(execFile)(process.execPath, [program, size, engine, String(steps)]);
    const here = await trainingLosses(size, engine, steps);
    assert.deepEqual(JSON.parse((await elsewhere).stdout), here);
    assert.equal(here.length, steps);
    assert.ok(here.every(Number.isFinite));
    // They are losses of a training: each step changed something, until all hinges stand at their margin.
    assert.equal(new Set(here.slice(0, 12)).size, 12);
  });
}
