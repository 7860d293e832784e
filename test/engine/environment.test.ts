/** AMS_ENGINE, AMS_THREADS and AMS_TF32: the choice of an engine for commands that are a process each. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { environmentChoice } from "../../src/engine/environment.js";
import { AmsError } from "../../src/errors.js";
import { missing } from "./setup.js";

test("the variables are read, and what is empty chooses nothing", () => {
  assert.deepEqual(environmentChoice({ AMS_ENGINE: "wasm", AMS_THREADS: "4", AMS_TF32: "1" }), {
    engine: "wasm",
    threads: 4,
    tf32: true,
  });
  assert.deepEqual(environmentChoice({ AMS_ENGINE: "auto", AMS_TF32: "0" }), { tf32: false });
  assert.deepEqual(environmentChoice({ AMS_ENGINE: "", AMS_THREADS: "" }), {});
});

for (const [name, value, hint] of [
  ["AMS_ENGINE", "cuda", /^set it to one of: auto, gpu, native, webgpu, wasm, plain; or unset it$/],
  ["AMS_THREADS", "0", /^set it to 1 to 256/],
  ["AMS_THREADS", "2.5", /^set it to 1 to 256/],
  ["AMS_THREADS", "all", /^set it to 1 to 256/],
  ["AMS_THREADS", "257", /^set it to 1 to 256/],
  ["AMS_TF32", "yes", /^set it to 1 .* or to 0$/],
] as const) {
  test(`${name}=${value} is refused with what it can be`, () => {
    assert.throws(
      () => environmentChoice({ [name]: value }),
      (error: unknown) => {
        assert.ok(error instanceof AmsError);
        assert.equal(error.message, `${name} cannot be "${value}"`);
        assert.match(error.hint ?? "", hint);
        return true;
      },
    );
  });
}

const cli = path.resolve(__dirname, "../../src/cli.js");

/** `ams engine WORDS` with variables set -> its JSON. */
async function engine(words: string[], environment: NodeJS.ProcessEnv): Promise<Record<string, unknown>> {
  const given = [cli, "engine", ...words, "--no-measure", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, given, {
    env: { ...process.env, ...environment },
  }).catch((error: unknown) => error as { stdout: string });
  return JSON.parse(stdout) as Record<string, unknown>;
}

test("a command in a terminal takes the engine of AMS_ENGINE, unless it names another", async () => {
  assert.equal((await engine([], { AMS_ENGINE: "wasm" }))["name"], "wasm");
  assert.equal((await engine(["plain"], { AMS_ENGINE: "wasm" }))["name"], "plain");
  const { error } = await engine([], { AMS_ENGINE: "cuda" });
  assert.equal((error as AmsError).message, 'AMS_ENGINE cannot be "cuda"');
  const home = mkdtempSync(path.join(tmpdir(), "ams-environment-"));
  const refused = (await engine([], { AMS_ENGINE: "gpu", AMS_HOME: home, AMS_SITE_PACKAGES: "" }))["error"];
  rmSync(home, { recursive: true });
  assert.match((refused as AmsError).where ?? "", /^the environment variable AMS_ENGINE=gpu, /);
});

test("TensorFlow has the threads of AMS_THREADS, unless the command names others", async (t) => {
  const reason = await missing("native");
  if (reason !== undefined) {
    t.skip(reason);
    return;
  }
  const threads = async (...words: string[]): Promise<unknown> =>
    (await engine(["native", ...words], { AMS_THREADS: "3" }))["threads"];
  assert.equal(await threads(), 3);
  assert.equal(await threads("--threads", "1"), 1);
  assert.match(String((await engine(["native", "--threads", "1"], {}))["detail"]), / on 1 CPU thread$/);
  const cores = availableParallelism();
  const remark = async (count: number): Promise<unknown> =>
    (await engine(["native"], { AMS_THREADS: String(count) }))["remark"];
  assert.equal(await remark(cores), undefined);
  assert.match(
    String(await remark(cores + 1)),
    new RegExp(`^${cores + 1} threads, but this machine has ${cores} cores`),
  );
});
