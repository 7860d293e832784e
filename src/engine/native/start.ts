/** Starts TensorFlow as tfjs's engine, from the CPU wheel's libraries or the CUDA wheel's. */
import { availableParallelism } from "node:os";
import { AmsError } from "../../errors.js";
import type { EngineInfo } from "../types.js";
import { backendName, registerNative } from "./backend.js";
import { findLibraries, gpuFolder, nativeFolder } from "./files.js";
import { koffi } from "./koffi.js";
import { createNativeOps, type NativeOps } from "./ops.js";

let ops: NativeOps | undefined;
let started: { name: "native" | "gpu"; threads: number } | undefined;

export function nativeOpsIfStarted(): NativeOps | undefined {
  return ops;
}

/**
 * Registers the backend `tensorflow` -> what it is. TensorFlow starts once in a process: the libraries and the number of
 * threads then stay.
 * @throws AmsError when files are missing or damaged, TensorFlow does not start, or other threads or libraries are asked for.
 */
export function startNative(name: "native" | "gpu", threads?: number): { backend: string; info: EngineInfo } {
  if (started !== undefined && (started.name !== name || started.threads !== (threads ?? started.threads))) {
    throw new AmsError(
      `TensorFlow already runs as engine ${started.name} with ${String(started.threads)} threads in this process`,
      { hint: "restart the kernel (or the command) to start it otherwise" },
    );
  }
  const [folder, command] =
    name === "native" ? [nativeFolder(), "ams engine install"] : [gpuFolder(), "ams engine install --gpu"];
  const libraries = findLibraries(folder, command);
  const backend = registerNative(libraries, { threads });
  const { binding } = backend;
  const gpu = binding.devices.find((device) => device.type === "GPU");
  if (name === "gpu" && gpu === undefined) {
    throw new AmsError("TensorFlow finds no GPU", {
      where: libraries.cc,
      hint: "check that nvidia-smi lists a GPU and that the driver is version 525 or newer",
    });
  }
  ops ??= createNativeOps(backend);
  started ??= { name, threads: threads ?? availableParallelism() };
  return {
    backend: backendName,
    info: {
      name,
      device: gpu === undefined ? "CPU" : gpu.name.replace(/^.*device:/, ""),
      detail: `TensorFlow ${binding.TF_Version} on ${gpu === undefined ? `${String(started.threads)} CPU threads` : "the GPU"}`,
      threads: started.threads,
      versions: { tensorflow: binding.TF_Version, koffi: koffi.version },
    },
  };
}
