/** Packages that a published build carries inside, because their own installation needs more than the npm registry. */
import { existsSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "./paths.js";

/** What to give to `require`: the copy made by scripts/vendor.mjs where there is one, else (in a clone) the package itself. */
export function vendored(name: "danfojs-node" | "@tensorflow/tfjs-node-gpu"): string {
  const copy = path.join(packageRoot(), "build", "vendor", name);
  return existsSync(copy) ? copy : name;
}
