/** Which npm there is: for hints and for the kernel's %npm. */
import { existsSync } from "node:fs";
import path from "node:path";

/** The npm that the running Node brings, as the words that start it (PyPI's Node has none on PATH); `npm` of PATH where it brings none. */
export function npmCommand(node = process.execPath): string {
  const folder = path.dirname(node);
  const program = [path.join(folder, "..", "lib"), folder]
    .map((place) => path.join(place, "node_modules", "npm", "bin", "npm-cli.js"))
    .find((file) => existsSync(file));
  return program === undefined ? "npm" : `"${node}" "${program}"`;
}
