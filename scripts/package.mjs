// `npm run package [-- --npm-only]`: out/packages/ams-notebook-VERSION.tgz for npm, and a wheel of the same files with their npm
// packages inside for pip (for the platform that this runs on; no Node is needed to install it).
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { runNpm } from "./setup/npm.mjs";
import { build, checkNode, installPackages } from "./setup/packages.mjs";
import { environment, python, root } from "./setup/paths.mjs";
import { installPython, installPythonForTests } from "./setup/python.mjs";
import { execute, main, step } from "./setup/steps.mjs";

const out = path.join(root, "out", "packages");
const stage = path.join(out, "stage");
const modules = path.join(root, "node_modules");

await main(async () => {
  await step("Node", () => checkNode());
  await step("npm packages", installPackages);
  await step("TypeScript", build);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  await step("npm package", packNpm);
  if (!process.argv.includes("--npm-only")) {
    await step("Python", installPython);
    await step("Python packages for tests", installPythonForTests); // they hold the backend that builds python/
    await step("wheel", packWheel);
  }
  rmSync(stage, { recursive: true, force: true });
});

function tarball() {
  return path.join(
    out,
    readdirSync(out).find((name) => name.endsWith(".tgz")),
  );
}

async function packNpm(say) {
  await runNpm(["pack", "--pack-destination", out], { say }); // built above: its prepack has nothing to do
  return path.relative(root, tarball());
}

async function packWheel(say) {
  await execute("tar", ["-xzf", tarball(), "-C", stage], { say });
  const content = path.join(stage, "package");
  const count = copyModules(path.join(content, "node_modules"));
  say("kernel spec");
  const spec = path.join(stage, "data", "share", "jupyter", "kernels", "ams");
  await writeSpec(spec);
  say("python/");
  const flit = "import flit_core.buildapi as b, sys; b.build_wheel(sys.argv[1])";
  await execute(python, ["-c", flit, stage], { cwd: path.join(root, "python"), env: environment(), say });
  const small = path.join(
    stage,
    readdirSync(stage).find((name) => name.endsWith(".whl")),
  );
  say("compressing");
  const { output } = await execute(
    python,
    [path.join(root, "scripts", "make_wheel.py"), small, content, path.join(stage, "data"), platformTag(), out],
    { env: environment(), say },
  );
  return `${output.trim()}, ${count} npm packages inside`;
}

/** What pip calls this machine. glibc 2.28 is what the Node wheel and sharp's libraries ask for. */
function platformTag() {
  const arch = { x64: "x86_64", arm64: "aarch64" }[process.arch];
  if (process.platform === "linux") return `manylinux_2_28_${arch}`;
  if (process.platform === "win32") return process.arch === "x64" ? "win_amd64" : "win_arm64";
  return process.arch === "x64" ? "macosx_11_0_x86_64" : "macosx_11_0_arm64";
}

/** The kernel's spec for the launcher of the environment: jupyter puts its own Python where argv says python. */
async function writeSpec(folder) {
  const require = createRequire(import.meta.url);
  const { installKernel } = require(path.join(root, "build", "kernel", "install", "index.js"));
  const { kernelSpec } = require(path.join(root, "build", "kernel", "install", "spec.js"));
  const data = path.dirname(path.dirname(folder));
  const { extension } = await installKernel({ folder: data }); // for its pictures, and JupyterLab's extension
  const note = {
    packageManager: "python",
    packageName: "ams-notebook",
    uninstallInstructions: "pip uninstall ams-notebook",
  };
  writeFileSync(path.join(extension, "install.json"), `${JSON.stringify(note, null, 2)}\n`);
  const spec = { ...kernelSpec("."), argv: ["python", "-m", "ams_notebook.launch", "{connection_file}"], env: {} };
  writeFileSync(path.join(folder, "kernel.json"), `${JSON.stringify(spec, null, 2)}\n`);
}

/**
 * The packages that the product needs when it runs, by package-lock.json, without what only browsers, compilers and
 * debuggers read. Returns how many.
 */
function copyModules(target) {
  const { packages } = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8"));
  const wanted = new Set();
  const visit = (place) => {
    const { dependencies = {}, optionalDependencies = {} } = packages[place];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (name.startsWith("@lancedb/")) continue; // 160 MB, more than all the rest: installed where an index is wanted
      const found = resolve(packages, place, name);
      if (found === undefined || wanted.has(found) || !existsSync(path.join(root, found))) continue;
      wanted.add(found);
      visit(found);
    }
  };
  visit("");
  for (const place of wanted) {
    const from = path.join(root, place);
    cpSync(from, path.join(target, path.relative(modules, from)), {
      recursive: true,
      dereference: true,
      filter: (file) => isUsed(place, path.relative(from, file).split(path.sep).join("/")),
    });
  }
  return wanted.size;
}

/** Node's own rule: the nearest node_modules upwards. */
function resolve(packages, place, name) {
  for (let from = place; ; from = from.slice(0, Math.max(0, from.lastIndexOf("node_modules/") - 1))) {
    const candidate = `${from === "" ? "" : `${from}/`}node_modules/${name}`;
    if (packages[candidate] !== undefined) return candidate;
    if (from === "") return undefined;
  }
}

function isUsed(place, file) {
  const name = place.replace(/^.*node_modules\//, "");
  if (file === "node_modules" || /\.map$|\.tsbuildinfo$/.test(file)) return false;
  const here = `${process.platform}/${process.arch}`;
  const leads = (folder) => folder === file || folder.startsWith(`${file}/`) || file.startsWith(`${folder}/`);
  switch (name) {
    case "webgpu":
      return (
        !file.endsWith(".node") ||
        file.includes(`${process.platform}-${process.arch}`) ||
        file.includes(`${process.platform}-universal`)
      );
    case "zeromq":
      return file === "src" ? false : !/^build\/(linux|darwin|win32)/.test(file) || leads(`build/${here}`);
    default:
      // tfjs comes as one file for Node and six for browsers; its type declarations and single modules are needed.
      return !(
        name.startsWith("@tensorflow/") &&
        /^dist\/tf[\w-]*\.(es2017\.|fesm\.)?(min\.)?js$/.test(file) &&
        !file.includes(".node.")
      );
  }
}
