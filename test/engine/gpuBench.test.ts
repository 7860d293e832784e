/** The benchmark for GPUs runs, tried on engines that every machine has: its comparison, table and file. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { sizes } from "../../src/model/config.js";
import { packageRoot } from "../../src/paths.js";
import { forecastMemory } from "../../src/train/memory.js";
import { recipeOf } from "../../src/train/recipe.js";
import { missing } from "./setup.js";

const run = promisify(execFile);
const program = path.join(packageRoot(), "build", "bench", "gpu.js");

test("the GPU benchmark measures a step and compares loss and gradients with another engine", async (t) => {
  const reason = await missing("native");
  if (reason !== undefined) {
    t.skip(reason);
    return;
  }
  const out = mkdtempSync(path.join(tmpdir(), "ams-gpu-bench-"));
  const words = [
    "--engine",
    "native",
    "--against",
    "wasm",
    "--size",
    "tiny",
    "--batch",
    "4",
    "--steps",
    "2",
    "--out",
    out,
  ];
  const { stdout } = await run(process.execPath, [program, ...words]);
  assert.match(stdout, /img\/s/);
  const [file] = readdirSync(out);
  assert.equal(file, "gpu-cpu-tiny-4.json");
  const saved = JSON.parse(readFileSync(path.join(out, file), "utf8")) as {
    table: Record<string, string>[];
    results: Record<
      string,
      { speed: { seconds: number[]; losses: number[] }; agreement: { loss: number; gradients: number } }
    >;
  };
  const { native } = saved.results;
  assert.ok(native);
  assert.equal(native.speed.seconds.length, 3);
  assert.ok(native.speed.losses.every((loss) => loss > 0));
  assert.ok(native.agreement.loss < 1e-5, `loss ${native.agreement.loss}`);
  assert.ok(
    native.agreement.gradients > 0 && native.agreement.gradients < 1e-4,
    `gradients ${native.agreement.gradients}`,
  );
  assert.ok(Number(saved.table[0]?.["img/s"]) > 0);
  const forecast = forecastMemory(sizes.tiny, { ...recipeOf("ams-published"), batchSize: 4 });
  assert.equal(saved.table[0]?.["its arrays by forecast, GB"], ((forecast.total - forecast.process) / 1e9).toFixed(1));
  rmSync(out, { recursive: true });
});

test("without a GPU it says so in the engine's words", async (t) => {
  const { refusal } = await import("../../src/engine/refusals.js");
  const reason = refusal("gpu");
  if (reason === undefined) {
    t.skip("this machine has a GPU");
    return;
  }
  const words = ["--against", "plain", "--size", "tiny", "--batch", "2", "--steps", "1", "--out", tmpdir()];
  await assert.rejects(run(process.execPath, [program, ...words]), (error: { stderr?: string }) =>
    (error.stderr ?? "").includes(reason.found),
  );
});
