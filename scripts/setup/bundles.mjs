// What runs in a page rather than in Node, bundled by esbuild into build/: the explorer's script, and the JupyterLab extension.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./paths.mjs";
import { execute } from "./steps.mjs";

const from = (...parts) => path.join(root, ...parts);

export async function bundle() {
  // The script that lies inside every saved attention figure.
  await esbuild(from("src/plot/page/inline.ts"), from("build/src/plot/page/inline.js"), ["--format=iife"]);
  await bundleExtension();
}

/**
 * The extension as JupyterLab reads it: package.json names the entry, which is loaded at once and is small; plotly.js comes with the first
 * figure. File names carry the hash of their content, so that no browser keeps an old one.
 */
async function bundleExtension() {
  const out = from("build/lab");
  const made = path.join(out, "static");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(made, { recursive: true });
  const plotly = await hashed(from("node_modules/plotly.js/dist/plotly-cartesian.min.js"), made, "plotly", [
    "--format=esm",
  ]);
  const entry = await hashed(from("lab/src/container.ts"), made, "remoteEntry", [
    "--format=iife",
    `--define:PLOTLY_FILE=${JSON.stringify(plotly)}`,
  ]);
  const about = JSON.parse(readFileSync(from("lab/package.json"), "utf8"));
  const { version } = JSON.parse(readFileSync(from("package.json"), "utf8"));
  const build = { load: `static/${entry}`, extension: "./extension", mimeExtension: "./mime" };
  const jupyterlab = { extension: true, mimeExtension: true, _build: build };
  writeFileSync(path.join(out, "package.json"), `${JSON.stringify({ ...about, version, jupyterlab }, null, 2)}\n`);
}

async function hashed(entry, folder, name, options) {
  const draft = path.join(folder, `${name}.js`);
  await esbuild(entry, draft, options);
  const hash = createHash("sha256").update(readFileSync(draft)).digest("hex").slice(0, 16);
  renameSync(draft, path.join(folder, `${name}.${hash}.js`));
  return `${name}.${hash}.js`;
}

/** esbuild by its own program: works in the same way whether or not its install script ran. */
function esbuild(entry, outfile, options) {
  const program = from("node_modules/esbuild/bin/esbuild");
  const common = ["--bundle", "--minify", "--target=es2022", "--charset=utf8", "--log-level=error"];
  return execute(process.execPath, [program, entry, `--outfile=${outfile}`, ...common, ...options], { cwd: root });
}
