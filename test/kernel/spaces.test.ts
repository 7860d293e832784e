/** The package and the notebook in folders whose names have spaces and signs that URLs and patterns know. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/paths.js";
import { plain, startKernel } from "./client.js";

test("a package in a folder with spaces runs cells with its types, magics, and files beside the notebook", async (t) => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), "a folder (50% #1) "));
  const home = path.join(scratch, "the package");
  const notebook = path.join(scratch, "my notebook");
  mkdirSync(path.join(home, "build"), { recursive: true });
  mkdirSync(notebook);
  const root = packageRoot();
  for (const part of ["kernel", "src"])
    cpSync(path.join(root, "build", part), path.join(home, "build", part), { recursive: true });
  cpSync(path.join(root, "package.json"), path.join(home, "package.json"));
  symlinkSync(path.join(root, "node_modules"), path.join(home, "node_modules"), "dir");
  writeFileSync(
    path.join(notebook, "beside me.ts"),
    "export function fail(n: number): never {\n  throw new RangeError(`n is ${n}`);\n}\n",
  );
  const kernel = await startKernel({ main: path.join(home, "build", "kernel", "main.js"), folder: notebook });
  t.after(async () => {
    await kernel.stop();
    rmSync(scratch, { recursive: true, force: true });
  });
  const run = async (code: string): Promise<string | undefined> => {
    const { result, error } = await kernel.execute(code);
    return error === undefined ? result : plain(error.traceback);
  };
  assert.equal(await run("const doubled = [1, 2].map((n) => 2 * n); doubled"), "[ 2, 4 ]");
  assert.match(String(await run("display.htm('x')")), /Property 'htm' does not exist on type 'Display'/);
  assert.match(
    String(await run("const help: string = await ams.help")),
    /Property 'help' does not exist on type 'Api'/,
  );
  const failed = String(await run("import { fail } from './beside me';\nfail(3)"));
  assert.match(failed, /RangeError: n is 3/);
  assert.match(failed, /beside me\.ts\n[^]*> 2 \|   throw new RangeError/);
  const { messages } = await kernel.execute("%ams");
  assert.match(JSON.stringify(messages.map(({ content }) => content)), /doctor/);
});
