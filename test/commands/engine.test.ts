/** The verb `engine`: what its table shows, what is refused, and what is said about an engine once. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { displaySymbol } from "../../src/display.js";
import { sayOnce } from "../../src/commands/engines.js";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { engineCommand } from "../../src/commands/verbs/engine.js";
import { silentContext } from "../../src/context.js";
import { startEngine } from "../../src/engine/index.js";
import { gpuFolder, hashesOf, recordName } from "../../src/engine/native/files.js";
import { refusal } from "../../src/engine/refusals.js";
import { surroundings } from "../../src/engine/surroundings.js";
import { createApi } from "../../src/index.js";

test("the table shows device, memory, versions and the measured speed of a product", async () => {
  const api = createApi();
  const engine = await api.engine({ choice: "wasm" });
  assert.ok((engine.gflops ?? 0) > 0.1, `${engine.gflops} GFLOP/s`);
  const text = (await engine[displaySymbol]())["text/plain"];
  for (const row of [
    /^device +CPU/m,
    /^memory +at most 4\.3 GB/m,
    /^matrix product +[\d.e+]+ GFLOP\/s/m,
    /^tfjs +4\.22/m,
  ]) {
    assert.match(text, row);
  }
  assert.equal((await api.engine({ choice: "wasm", measure: false })).gflops, undefined);
});

test("an unknown engine is refused with the names of those that exist", async () => {
  await assert.rejects(createApi().engine({ choice: "cuda" as "gpu" }), /"cuda"|cuda/);
});

test("an option that would do nothing is refused, and so are more threads than any machine has use for", async () => {
  const api = createApi();
  await assert.rejects(api.engine({ gpu: true }), /--gpu does nothing here/);
  await assert.rejects(api.engine({ choice: "wasm", threads: 4 }), /--threads does nothing here/);
  await assert.rejects(api.engine({ choice: "wasm", tf32: true }), /--tf32 does nothing here/);
  await assert.rejects(api.engine({ choice: "install", tf32: true }), /--tf32 does nothing here/);
  await assert.rejects(api.engine({ choice: "native", threads: 100_000 }), /256/);
});

test("an installation that cannot be used in this process ends with a note, not with an error", async (t) => {
  if (refusal("gpu", { ...surroundings(), nvidia: {} }) !== undefined) {
    t.skip("no CUDA for this platform");
    return;
  }
  const before = process.env["AMS_HOME"];
  const home = mkdtempSync(path.join(tmpdir(), "ams-installed-"));
  process.env["AMS_HOME"] = home;
  try {
    mkdirSync(gpuFolder(), { recursive: true });
    const names = ["libtensorflow_framework.so.2", "libtensorflow_cc.so.2"];
    for (const name of names) writeFileSync(path.join(gpuFolder(), name), "no library\n");
    const files = Object.fromEntries(names.map((name) => [name, 11]));
    const hashes = await hashesOf(gpuFolder(), names, silentContext.signal);
    writeFileSync(path.join(gpuFolder(), recordName), JSON.stringify({ version: "2.21.0", files, hashes }));
    const notes: string[] = [];
    const context = { ...silentContext, note: (line: string) => notes.push(line) };
    const options = checkOptions(engineCommand, { choice: "install", gpu: true, measure: false });
    await startEngine("wasm");
    const engine = await engineCommand.run(options as never, context, createSession("/"));
    assert.equal(engine.name, "wasm");
    assert.match(notes.join("\n"), /^installed; to use it: /m);
  } finally {
    if (before === undefined) Reflect.deleteProperty(process.env, "AMS_HOME");
    else process.env["AMS_HOME"] = before;
    rmSync(home, { recursive: true });
  }
});

test("a warning and a remark are said once, and again when they change", () => {
  const [session, said] = [createSession("/"), [] as string[]];
  const context = {
    note: (line: string): void => {
      said.push(line);
    },
  };
  const info = { name: "gpu" as const, device: "H100", detail: "", memory: "", threads: 1, versions: {} };
  sayOnce(info, context, session);
  assert.equal(said.length, 0);
  const first = { ...info, remark: "the first run takes minutes longer" };
  sayOnce(first, context, session);
  sayOnce(first, context, session);
  assert.deepEqual(said, ["the first run takes minutes longer"]);
  const passedOver = [{ name: "native" as const, found: "it is not installed", hint: "run: ams engine install" }];
  sayOnce({ ...info, name: "wasm", passedOver }, context, session);
  assert.equal(said.at(-1), "engine wasm, not the faster native: it is not installed (run: ams engine install)");
  assert.equal(said.length, 2);
});
