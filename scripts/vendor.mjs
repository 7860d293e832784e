// Copies into build/vendor what a published package cannot ask npm for: danfo.js names a dependency by an outside URL,
// tfjs-node's installation downloads and compiles, plotly.js asks for Node 22 and for what only maps need; this product needs only their
// JavaScript.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runNpm } from "./setup/npm.mjs";
import { root } from "./setup/paths.mjs";
import { execute, SetupError } from "./setup/steps.mjs";

const folder = path.join(root, "build", "vendor");
const modules = path.join(root, "node_modules");
const frameTypes = path.join(root, "build", "src", "frame.d.ts");

/** No dependency, as npm would then run its install script, also for who runs `npm ci` in a clone. */
const tfjsNode = {
  package: "@tensorflow/tfjs-node-gpu@4.22.0",
  sha512: "p//NN6DGiN4hInUmIkRffaFVMcdTREUMjPyjW04J7OXvB2zBlQimj61eFKSgRrH3f5TnOfKzb0n56he/B6a4bw==",
};

/** Rewrites build/vendor; the clone uses it too, so that what is tested is what is packed. */
export async function vendor(say) {
  const tfjs = await fetchTfjsNode(say);
  rmSync(folder, { recursive: true, force: true });
  const packages = await vendorDanfo();
  vendorTfjsNode(tfjs);
  vendorPlotly();
  retarget(frameTypes, '"danfojs-node"', '"../vendor/danfojs-node/index.js"');
  return `danfo.js with ${packages} packages of its own, tfjs-node's backend, plotly.js`;
}

/** danfo.js and all that it needs beyond tfjs, as one file with their licences; its types as they are. */
async function vendorDanfo() {
  const out = path.join(folder, "danfojs-node");
  const { metafile } = await build({
    entryPoints: [path.join(modules, "danfojs-node", "dist", "danfojs-node", "src", "index.js")],
    outfile: path.join(out, "index.js"),
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20",
    alias: { "@tensorflow/tfjs-node": "@tensorflow/tfjs" },
    // danfo.js asks for plotly.js-dist-min only to plot, which is done otherwise here.
    external: ["@tensorflow/tfjs", "plotly.js-dist-min"],
    legalComments: "inline",
    metafile: true,
    logLevel: "error",
  });
  const packages = new Set(
    Object.keys(metafile.inputs).map((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(file)[1]),
  );
  writeFileSync(path.join(out, "LICENSES.txt"), [...packages].sort().map(licenceOf).join("\n"));
  const types = path.join(modules, "danfojs-node", "dist");
  cpSync(types, path.join(out, "types"), {
    recursive: true,
    filter: (file) => !/\.[a-z]+$/.test(path.basename(file)) || (file.endsWith(".d.ts") && !file.includes("/test/")),
  });
  writeFileSync(path.join(out, "index.d.ts"), 'export * from "./types/danfojs-node/src/index.js";\n');
  return packages.size - 1;
}

function licenceOf(place) {
  const at = path.join(root, place);
  const { name, version, license } = JSON.parse(readFileSync(path.join(at, "package.json"), "utf8"));
  const texts = readdirSync(at).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  const body = texts.map((file) => readFileSync(path.join(at, file), "utf8").trim()).join("\n\n");
  return `${"=".repeat(80)}\n${name} ${version}: ${typeof license === "string" ? license : JSON.stringify(license)}\n\n${body}\n`;
}

/** The folder of tfjs-node's files as npm serves them, fetched once for this node_modules; nothing of it is run. */
async function fetchTfjsNode(say) {
  const to = path.join(modules, ".ams-tfjs-node");
  const content = path.join(to, "package");
  if (existsSync(path.join(content, "package.json"))) return content;
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  await runNpm(["pack", tfjsNode.package, "--pack-destination", to], { say });
  const tarball = path.join(
    to,
    readdirSync(to).find((name) => name.endsWith(".tgz")),
  );
  if (createHash("sha512").update(readFileSync(tarball)).digest("base64") !== tfjsNode.sha512)
    throw new SetupError(`${tfjsNode.package} from the npm registry is not the file that this product is made with`, {
      hint: "check the registry that npm uses (npm config get registry)",
    });
  await execute("tar", ["-xzf", tarball, "-C", to], { say });
  rmSync(tarball);
  return content;
}

/** The files of tfjs-node that the native engine loads, found by following their requires. */
function vendorTfjsNode(from) {
  const to = path.join(folder, "@tensorflow", "tfjs-node-gpu");
  const seen = new Set();
  const follow = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const target = path.join(to, path.relative(from, file));
    mkdirSync(path.dirname(target), { recursive: true });
    copyFileSync(file, target);
    for (const [, name] of readFileSync(file, "utf8").matchAll(/require\(["'](\.[^"']+)["']\)/g)) {
      const next = path.resolve(path.dirname(file), name);
      follow([`${next}.js`, path.join(next, "index.js")].find((candidate) => existsSync(candidate)));
    }
  };
  for (const entry of ["nodejs_kernel_backend", "register_all_kernels"]) follow(path.join(from, "dist", `${entry}.js`));
  writeFileSync(path.join(to, "LICENSES.txt"), licenceOf(path.relative(root, from)));
}

/** The bundle that draws pictures of figures (src/plot/plotlyWorker.ts). */
function vendorPlotly() {
  const from = path.join(modules, "plotly.js");
  const to = path.join(folder, "plotly.js");
  mkdirSync(to, { recursive: true });
  copyFileSync(path.join(from, "dist", "plotly-basic.min.js"), path.join(to, "plotly-basic.min.js"));
  writeFileSync(path.join(to, "LICENSES.txt"), licenceOf(path.relative(root, from)));
}

function retarget(file, from, to) {
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(from, to));
}
