/** The verb `engine`: what its table shows, what is refused, and what is said about an engine once. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { displaySymbol } from "../../src/display.js";
import { sayOnce } from "../../src/commands/engines.js";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { engineCommand } from "../../src/commands/verbs/engine.js";
import { silentContext } from "../../src/context.js";
import { startEngine } from "../../src/engine/index.js";
import { gpuFolder, hashesOf, recordName } from "../../src/engine/native/files.js";
import { refusal } from "../../src/engine/refusals.js";
import { surroundings, type Surroundings } from "../../src/engine/surroundings.js";
import type { PassedOver } from "../../src/engine/types.js";
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
    /^holds for +this command; .* choose for every command/m,
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
    assert.match(notes.join("\n"), /\nall files are right, nothing to fetch\ninstalled; to use it: /);
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
  sayOnce({ ...info, name: "wasm", passedOver: [uninstalled, noGraphics] }, context, session, linux);
  assert.equal(said.at(-1), "engine wasm, not the faster native: it is not installed (run: ams engine install)");
  assert.equal(said.length, 2);
});

const linux: Surroundings = { platform: "linux", arch: "x64", node: "22.21.0", glibc: "2.36", nvidia: undefined };
const uninstalled = { name: "native" as const, found: "it is not installed", hint: "run: ams engine install" };
const noGraphics = { name: "webgpu" as const, found: "no graphics processor", hint: "install its driver" };
const noCuda = { name: "gpu" as const, found: "it is too old", hint: "install a driver" };

test("of engines passed over one line says what can be done on this machine", () => {
  const said = (passedOver: PassedOver[], machine: Surroundings): string[] => {
    const lines: string[] = [];
    const context = { note: (line: string): void => void lines.push(line) };
    const info = { name: "wasm" as const, device: "CPU", detail: "", memory: "", threads: 1, versions: {}, passedOver };
    sayOnce(info, context, createSession("/"), machine);
    return lines;
  };
  const onlyNative = ["engine wasm, not the faster native: it is not installed (run: ams engine install)"];
  assert.deepEqual(said([uninstalled, noGraphics], linux), onlyNative);
  assert.deepEqual(
    said([noCuda, uninstalled, noGraphics], linux),
    onlyNative,
    "without a driver there is no GPU to use",
  );
  assert.deepEqual(said([noCuda, uninstalled, noGraphics], { ...linux, nvidia: { driver: "390.1" } }), [
    "engine wasm, not the faster gpu: it is too old (install a driver); nor native: it is not installed (run: ams engine install)",
  ]);
  // Where TensorFlow cannot be had, another graphics processor is the way; where that cannot be either, nothing is.
  const mac: Surroundings = { ...linux, platform: "darwin", arch: "arm64", glibc: undefined };
  assert.deepEqual(said([uninstalled, noGraphics], mac), [
    "engine wasm, not the faster webgpu: no graphics processor (install its driver)",
  ]);
  assert.deepEqual(said([uninstalled], mac), []);
  assert.deepEqual(said([uninstalled, noGraphics], { ...linux, glibc: undefined }), []);
});

test("a command in a terminal says so in one line, and the table of ams engine has them all", async (t) => {
  if (refusal("native") !== undefined || surroundings().nvidia !== undefined) {
    t.skip("for machines that could have TensorFlow and have no GPU of NVIDIA");
    return;
  }
  const home = mkdtempSync(path.join(tmpdir(), "ams-bare-"));
  const ams = (...words: string[]): Promise<{ stdout: string; stderr: string }> =>
    promisify(execFile)(process.execPath, [path.resolve(__dirname, "../../src/cli.js"), ...words], {
      env: { ...process.env, AMS_HOME: home, AMS_ENGINE: "auto" },
    });
  try {
    const { stderr } = await ams("build", "--size", "tiny", "--no-measure");
    assert.match(stderr, /^engine (wasm|webgpu), not the faster native: [^\n]*\(run: ams engine install\)\n$/);
    const { stdout } = await ams("engine", "--no-measure", "--json");
    const { name, passedOver } = JSON.parse(stdout) as { name: string; passedOver: PassedOver[] };
    assert.deepEqual(
      passedOver.map((one) => one.name),
      name === "wasm" ? ["native", "webgpu"] : ["native"],
    );
  } finally {
    rmSync(home, { recursive: true });
  }
});
