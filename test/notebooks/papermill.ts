/** Runs a notebook of the repository as papermill does, with other parameters, and takes the numbers that it wrote. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/paths.js";
import { differences, type Cell } from "./shapes.js";

interface Paths {
  home: string;
  python: string;
  environment: () => NodeJS.ProcessEnv;
}

interface Finished<T> {
  /** What the notebook wrote into the file of its parameter `out`. */
  numbers: T;
  /** The outputs of all cells. */
  outputs: { output_type: string }[];
  /** Removes a training's folder. */
  forget: (run: string) => void;
}

interface Ended {
  status: number | null;
  stderr: string;
}

/**
 * The executed notebook; undefined (and the test skipped) where papermill is not in the private Python environment. Fails when a
 * cell fails, except by the `mistake` that a cell makes on purpose, of which papermill tells after the last cell, and when the
 * outputs that are saved in the repository are of other kinds, or have other labels, than those of this run. Wall
 * time depends on what else runs: the limit only ends what hangs.
 */
export async function papermill<T>(
  t: TestContext,
  name: string,
  parameters: Record<string, unknown>,
  mistake?: RegExp,
): Promise<Finished<T> | undefined> {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-notebook-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const out = path.join(folder, "numbers.json");
  const executed = path.join(folder, "executed.ipynb");
  const ended = await run(t, name, executed, { ...parameters, out });
  if (ended === undefined) return undefined;
  if (mistake === undefined) assert.equal(ended.status, 0, ended.stderr.slice(-3000));
  else assert.match(ended.stderr, mistake);
  const { home } = await paths();
  const cells = cellsOf(executed);
  assert.deepEqual(
    differences(cellsOf(path.join(packageRoot(), "notebooks", `${name}.ipynb`)), cells),
    [],
    `the saved outputs of ${name} are not what its cells show now: npm run notebooks -- --execute ${name}`,
  );
  return {
    numbers: JSON.parse(readFileSync(out, "utf8")) as T,
    outputs: cells.flatMap(({ outputs = [] }) => outputs),
    forget: (name) => rmSync(path.join(home, "runs", name), { recursive: true, force: true }),
  };
}

/** What papermill says about a notebook that must fail; undefined (and the test skipped) without papermill. */
export async function failure(
  t: TestContext,
  name: string,
  parameters: Record<string, unknown>,
): Promise<string | undefined> {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-notebook-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const ended = await run(t, name, path.join(folder, "executed.ipynb"), parameters);
  if (ended === undefined) return undefined;
  assert.notEqual(ended.status, 0);
  return ended.stderr;
}

function cellsOf(notebook: string): Cell[] {
  return (JSON.parse(readFileSync(notebook, "utf8")) as { cells: Cell[] }).cells;
}

async function paths(): Promise<Paths> {
  const file = pathToFileURL(path.join(packageRoot(), "scripts", "setup", "paths.mjs")).href;
  return (await import(file)) as Paths;
}

async function run(
  t: TestContext,
  name: string,
  executed: string,
  parameters: Record<string, unknown>,
): Promise<Ended | undefined> {
  const { python, environment } = await paths();
  if (!existsSync(path.join(path.dirname(python), "papermill"))) {
    t.skip("papermill is not in the private Python environment");
    return undefined;
  }
  const notebooks = path.join(packageRoot(), "notebooks");
  // What the program of that name does. It cannot be told to wait longer than 4 s for the last outputs of a cell that has ended, and goes
  // on without them: too short on a machine that is busy.
  const papermill =
    "import json, sys, papermill; source, executed, parameters, cwd = sys.argv[1:]; " +
    "papermill.execute_notebook(source, executed, json.loads(parameters), cwd=cwd, progress_bar=False, start_timeout=120, iopub_timeout=120)";
  const args = [path.join(notebooks, `${name}.ipynb`), executed, JSON.stringify(parameters), notebooks];
  return new Promise((resolve, reject) => {
    const child = spawn(python, ["-c", papermill, ...args], {
      env: environment(),
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 1_100_000,
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stderr }));
  });
}
