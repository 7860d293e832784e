/** `ams install` as people type it: seen by a real Jupyter, in words that help where there is none. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";

const cli = path.join(__dirname, "..", "..", "src", "cli.js");
const home = process.env["AMS_HOME"] ?? path.join(__dirname, "..", "..", "..", ".ams");
const programs = path.join(home, "python", "bin");
const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), "ams install ")));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs a program without the Jupyter folders that `npm test` sets. */
function run(
  file: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): { status: number | null; out: string; err: string } {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("JUPYTER")));
  const done = spawnSync(file, args, { encoding: "utf8", env: { ...clean, ...env } });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

describe(
  "ams install, with a Jupyter",
  { skip: existsSync(path.join(programs, "jupyter")) ? false : "no JupyterLab here" },
  () => {
    const env = {
      PATH: `${programs}${path.delimiter}${process.env["PATH"] ?? ""}`,
      JUPYTER_DATA_DIR: path.join(scratch, "user data"),
    };
    const listed = (more: NodeJS.ProcessEnv = {}): string | undefined => {
      const { out } = run("jupyter", ["kernelspec", "list", "--json"], { ...env, ...more });
      const { kernelspecs } = JSON.parse(out) as { kernelspecs: Record<string, { resource_dir: string }> };
      return kernelspecs["ams"]?.resource_dir;
    };

    for (const [what, flags, folder, more] of [
      ["--user", ["--user"], path.join(scratch, "user data", "kernels", "ams"), {}],
      ["--sys-prefix", ["--sys-prefix"], path.join(home, "python", "share", "jupyter", "kernels", "ams"), {}],
      [
        "--prefix of a folder with a space",
        ["--prefix", path.join(scratch, "a prefix")],
        path.join(scratch, "a prefix", "share", "jupyter", "kernels", "ams"),
        { JUPYTER_PATH: path.join(scratch, "a prefix", "share", "jupyter") },
      ],
    ] as const)
      test(`${what}: jupyter kernelspec list shows it, and does no more after uninstall`, () => {
        const installed = run(process.execPath, [cli, "install", ...flags], { ...env, ...more });
        assert.equal(installed.status, 0, installed.err);
        assert.match(installed.out, /^installed in /);
        assert.equal(path.resolve(listed(more) ?? ""), path.resolve(folder));
        const removed = run(process.execPath, [cli, "uninstall", ...flags], { ...env, ...more });
        assert.equal(removed.status, 0, removed.err);
        assert.equal(listed(more), undefined);
      });
  },
);

test("without a Jupyter, install says that nobody could be asked", () => {
  const empty = { PATH: path.join(scratch, "nothing here"), JUPYTER_DATA_DIR: path.join(scratch, "alone") };
  const { status, out } = run(process.execPath, [cli, "install"], empty);
  assert.equal(status, 0);
  assert.match(out, /written to .*alone.* \(no jupyter on PATH to ask whether it is listed\)/);
  const prefixed = run(process.execPath, [cli, "install", "--sys-prefix"], empty);
  assert.equal(prefixed.status, 1);
  assert.match(prefixed.err, /no Python environment is active[^]*--prefix/);
});

test("with a Jupyter that does not list it, install fails, and says where the kernel was written", () => {
  const bin = path.join(scratch, "other jupyter");
  mkdirSync(bin);
  for (const answer of [`echo '{"kernelspecs": {}}'`, "echo no such command >&2; exit 1"]) {
    writeFileSync(path.join(bin, "jupyter"), `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
    const prefix = path.join(scratch, "not looked at");
    const { status, err } = run(process.execPath, [cli, "install", "--prefix", prefix], { PATH: bin });
    assert.equal(status, 1);
    assert.match(err, /the kernel was written, but jupyter kernelspec list does not show it[^]*not looked at/);
  }
});
