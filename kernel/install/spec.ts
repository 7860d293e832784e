/** What a Jupyter client reads to start this kernel: kernel.json. */
import path from "node:path";
import { product } from "../product.js";

export interface KernelSpec {
  argv: string[];
  display_name: string;
  language: string;
  interrupt_mode: "message" | "signal";
  env: Record<string, string>;
  metadata: Record<string, unknown>;
}

/**
 * The spec for the compiled kernel in `buildFolder` (the folder that holds kernel/main.js).
 * Absolute paths: clients start kernels from any folder, and VS Code hides a spec whose program it cannot find.
 */
export function kernelSpec(buildFolder: string, env: Record<string, string> = {}): KernelSpec {
  return {
    argv: [
      process.execPath,
      // With the checks on, an interrupt that terminates running code aborts the whole process.
      "--no-force-async-hooks-checks",
      path.join(buildFolder, "kernel", "main.js"),
      "{connection_file}",
    ],
    display_name: product.displayName,
    language: "typescript",
    interrupt_mode: "message",
    env,
    metadata: { debugger: true, supported_encryption: "curve" },
  };
}
