// The whole set-up, step by step; every step that is already done costs next to nothing.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { installPython } from "./python.mjs";
import { build, checkNode, installPackages } from "./packages.mjs";
import { environment, home, root } from "./paths.mjs";
import { step } from "./steps.mjs";

const require = createRequire(import.meta.url);

/** A clone brings its sources; a published package comes compiled, with its npm packages installed by npm. */
export const isClone = existsSync(path.join(root, "tsconfig.json"));

/** Installs packages, compiles, makes the Python environment, fetches the native engine, writes the kernel's spec. */
export async function setUp() {
  await step("Node", () => checkNode());
  if (isClone) {
    await step("npm packages", installPackages);
    await step("TypeScript", build);
  }
  await step("Python with JupyterLab", installPython);
  await step("native engine", installEngine);
  await step("notebook kernel", writeKernel);
}

/** TensorFlow's libraries; where they cannot be had the WASM engine does the same work slower. */
async function installEngine(say) {
  Object.assign(process.env, environment());
  const { installNative } = require(path.join(root, "build", "src", "engine", "index.js"));
  let worked = false; // an installation that is there and whole reports no progress
  const context = {
    signal: new AbortController().signal,
    progress: ({ label, done, total, note = "" }) => {
      worked = true;
      say(`${label}, ${Math.round((100 * done) / Math.max(total, 1))} % of ${note === "MB" ? `${total} ` : ""}${note}`);
    },
    note: (line) => say(line),
  };
  try {
    await installNative({}, context);
    return worked ? "TensorFlow's libraries installed" : "already there";
  } catch (error) {
    const reason = typeof error.lines === "function" ? error.lines().join("; ") : error.message;
    return `not available (${reason}); going on with the WASM engine, which is slower`;
  }
}

async function writeKernel() {
  const { installKernel } = require(path.join(root, "build", "kernel", "install", "index.js"));
  await installKernel({ folder: path.join(home, "share", "jupyter") });
  return "TypeScript (AMS)";
}
