/** Signals that arrive while TensorFlow computes: they are heard, and damage nothing. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { refusal } from "../../src/engine/refusals.js";
import { packageRoot } from "../../src/paths.js";
import { nativeHere } from "./setup.js";

/** Ten training steps, between whose parts signals are heard; prints how many were. */
const busy = `
let heard = 0;
process.on("SIGWINCH", () => heard++);
console.log("begins");
require("./build/test/engine/trainingLosses.js").trainingLosses("small", "native", 10).then(() => {
  console.log("heard " + heard);
});`;

test("signals while TensorFlow computes are heard and do no harm", { skip: refusal("native")?.found }, async () => {
  await nativeHere();
  const child = spawn(process.execPath, ["-e", busy], { cwd: packageRoot(), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  const ended = once(child, "exit");
  let sending: NodeJS.Timeout | undefined;
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
    sending ??= setInterval(() => {
      for (let n = 0; n < 5; n++) child.kill("SIGWINCH");
    }, 1);
  });
  const [code, signal] = (await ended) as [number | null, string | null];
  clearInterval(sending);
  assert.deepEqual([code, signal], [0, null], output);
  assert.ok(Number(/heard (\d+)/.exec(output)?.[1]) > 100, output);
});
