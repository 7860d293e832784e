// The npm packages and the compiled sources.
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { bundle } from "./bundles.mjs";
import { runNpm } from "./npm.mjs";
import { environment, root } from "./paths.mjs";
import { filesBelow, hashOf, isCurrent, writeStamp } from "./stamp.mjs";
import { execute, SetupError } from "./steps.mjs";

const sources = ["src", "kernel", "test", "bench", "lab"];

export function checkNode() {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 20)
    throw new SetupError(`Node ${process.versions.node} is too old, 20 or newer is needed`, {
      hint: "install Node 20, 22 or 24 (nodejs.org, nvm, or your system's package manager) and run this again",
    });
  return `Node ${process.versions.node}`;
}

/** `npm ci` unless node_modules belongs to this package-lock.json. */
export async function installPackages(say) {
  const stamp = path.join(root, "node_modules", ".ams-stamp");
  const hash = hashOf(path.join(root, "package-lock.json"), { text: `${process.platform} ${process.arch}` });
  if (isCurrent(stamp, hash)) return "already there";
  await runNpm(["ci", "--include=dev"], { say });
  writeStamp(stamp, hash);
  return "installed from package-lock.json";
}

/** Compiles with tsc when a source changed, removes what no source makes any more, and copies data files beside the code. */
export async function build(say) {
  const out = path.join(root, "build");
  const stamp = path.join(out, ".ams-stamp");
  const inputs = sources.map((folder) => path.join(root, folder)).filter((folder) => existsSync(folder));
  const code = inputs.flatMap(filesBelow).filter((file) => !file.includes(`${path.sep}fixtures${path.sep}`));
  const hash = hashOf(
    path.join(root, "tsconfig.json"),
    path.join(root, "package-lock.json"),
    path.join(root, "scripts", "vendor.mjs"),
    path.join(root, "scripts", "setup", "bundles.mjs"),
    { text: code.join("\n") },
    ...code,
  );
  if (isCurrent(stamp, hash)) return "already current";
  if (!existsSync(stamp)) rmSync(out, { recursive: true, force: true }); // not ours or half made
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  await execute(process.execPath, [tsc, "-p", root, "--pretty", "false"], { cwd: root, env: environment(), say });
  const made = (file) => path.join(root, path.relative(out, file).replace(/(\.d\.ts|\.js\.map|\.js)$/, ""));
  for (const file of filesBelow(out))
    if (
      !file.startsWith(path.join(out, "vendor")) &&
      /(\.d\.ts|\.js\.map|\.js)$/.test(file) &&
      ![".ts", ".js", ""].some((end) => existsSync(made(file) + end))
    )
      rmSync(file);
  for (const file of code) {
    if (/\.(ts|md|json)$/.test(file)) continue; // JSON that is imported is copied by tsc
    const target = path.join(out, path.relative(root, file));
    mkdirSync(path.dirname(target), { recursive: true });
    copyFileSync(file, target);
  }
  await bundle();
  const { vendor } = await import("../vendor.mjs"); // needs the installed packages
  await vendor(say);
  writeStamp(stamp, hash);
  return "compiled";
}
