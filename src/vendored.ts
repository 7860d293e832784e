/** Packages that a published build carries inside, because their own installation needs more than the npm registry. */
import path from "node:path";
import { packageRoot } from "./paths.js";

/** What to give to `require`: the copy that scripts/vendor.mjs makes at every build. */
export function vendored(name: "danfojs-node" | "@tensorflow/tfjs-node-gpu" | "plotly.js"): string {
  return path.join(packageRoot(), "build", "vendor", name);
}
