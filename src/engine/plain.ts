/** tfjs's plain JavaScript backend: works everywhere, slowly. */
import { MathBackendCPU, version_cpu } from "@tensorflow/tfjs-backend-cpu";
import { machineMemory } from "./machineMemory.js";
import { registerSegmentSum } from "./segmentSum.js";
import type { EngineInfo } from "./types.js";

export function startPlain(): { backend: string; info: EngineInfo } {
  silencePlain();
  registerSegmentSum("cpu");
  return {
    backend: "cpu",
    info: {
      name: "plain",
      device: "CPU",
      detail: "plain JavaScript, one thread",
      threads: 1,
      memory: machineMemory(),
      versions: { "tfjs-backend-cpu": version_cpu },
    },
  };
}

/**
 * A backend's first use would print an advertisement for tfjs-node. For the class, not for an instance: tfjs makes another
 * instance when it chooses a backend by itself.
 */
export function silencePlain(): void {
  Object.defineProperty(MathBackendCPU.prototype, "firstUse", {
    get: () => false,
    set: () => undefined,
    configurable: true,
  });
}
