/** tfjs's WebAssembly backend (XNNPACK, SIMD, one thread), with the kernels that training needs. */
import path from "node:path";
import { BackendWasm, setWasmPaths, version_wasm } from "@tensorflow/tfjs-backend-wasm";
import { AmsError } from "../../errors.js";
import { gigabytes } from "../machineMemory.js";
import { registerSegmentSum } from "../segmentSum.js";
import type { EngineInfo } from "../types.js";
import { registerMatMul } from "./matMul.js";

let registered = false;

/** What 32-bit addresses reach. */
const memoryLimit = 2 ** 32;

/** The parts of tfjs-backend-wasm's BackendWasm that are used here. */
interface Backend {
  dataIdMap: { get(dataId: object): { memoryOffset: number | null } };
  move: (this: Backend, dataId: object, values: unknown, shape: number[], dtype: string, references: number) => void;
}

/**
 * Where WebAssembly has no memory for a tensor, tfjs does not look: it would write the values beyond the end (a RangeError without a
 * word about memory), or take the address 0 for the tensor's and let kernels write there.
 */
function sayWhenMemoryIsFull(): void {
  const prototype = BackendWasm.prototype as unknown as Backend;
  const { move } = prototype;
  prototype.move = function (dataId, values, shape, dtype, references) {
    const full = (cause?: unknown): AmsError =>
      new AmsError(`WebAssembly has no memory left for a tensor [${shape.join(", ")}] of ${dtype}`, {
        where: `engine wasm, ${gigabytes(memoryLimit)} at most`,
        hint: "use a smaller batch or model, or an engine with the machine's whole memory: ams engine install",
        cause,
      });
    try {
      move.call(this, dataId, values, shape, dtype, references);
    } catch (error) {
      throw error instanceof RangeError ? full(error) : error;
    }
    if (this.dataIdMap.get(dataId).memoryOffset === 0 && !shape.includes(0)) throw full();
  };
}

export function startWasm(): { backend: string; info: EngineInfo } {
  if (!registered) {
    const folder = path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));
    setWasmPaths(folder + path.sep);
    registerSegmentSum("wasm");
    registerMatMul();
    sayWhenMemoryIsFull();
    registered = true;
  }
  return {
    backend: "wasm",
    info: {
      name: "wasm",
      device: "CPU",
      detail: "WebAssembly (XNNPACK, SIMD), one thread",
      threads: 1,
      memory: `at most ${gigabytes(memoryLimit)}, what 32-bit addresses reach`,
      memoryLimit,
      versions: { "tfjs-backend-wasm": version_wasm },
    },
  };
}
