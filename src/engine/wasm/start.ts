/** tfjs's WebAssembly backend (XNNPACK, SIMD, one thread), with the kernels that training needs. */
import path from "node:path";
import { setWasmPaths, version_wasm } from "@tensorflow/tfjs-backend-wasm";
import { registerSegmentSum } from "../segmentSum.js";
import type { EngineInfo } from "../types.js";
import { registerMatMul } from "./matMul.js";

let registered = false;

export function startWasm(): { backend: string; info: EngineInfo } {
  if (!registered) {
    const folder = path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));
    setWasmPaths(folder + path.sep);
    registerSegmentSum("wasm");
    registerMatMul();
    registered = true;
  }
  return {
    backend: "wasm",
    info: {
      name: "wasm",
      device: "CPU",
      detail: "WebAssembly (XNNPACK, SIMD), one thread",
      threads: 1,
      versions: { "tfjs-backend-wasm": version_wasm },
    },
  };
}
