/** Paths of the files under test/fixtures, from the sources as well as from build/. */
import path from "node:path";
import { packageRoot } from "../src/paths.js";

export function fixture(name: string): string {
  return path.join(packageRoot(), "test", "fixtures", name);
}
