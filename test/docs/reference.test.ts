/** The reference of functions and types can be made, and whatever the package exports is explained (typedoc.json: a warning is an error). */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/paths.js";

test("typedoc reads the public API without a warning", () => {
  const program = path.join(packageRoot(), "node_modules", "typedoc", "bin", "typedoc");
  const done = spawnSync(process.execPath, [program, "--emit", "none"], { cwd: packageRoot(), encoding: "utf8" });
  assert.equal(done.status, 0, `${done.stdout}\n${done.stderr}`);
});
