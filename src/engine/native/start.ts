/** Starts TensorFlow as tfjs's engine, from the CPU wheel's libraries or the CUDA wheel's. */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { AmsError } from "../../errors.js";
import type { EngineInfo } from "../types.js";
import { backendName, registerNative } from "./backend.js";
import { findLibraries, gpuDriverHere, gpuFolder, nativeFolder } from "./files.js";
import { koffi } from "./koffi.js";
import { setEnvironment } from "./libc.js";
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
      { where: `engine ${name}`, hint: "restart the kernel (or the command) to start it otherwise" },
    );
  }
  const [folder, command] =
    name === "native" ? [nativeFolder(), "ams engine install"] : [gpuFolder(), "ams engine install --gpu"];
  const libraries = findLibraries(folder, command);
  // Checked before anything is loaded: a process can hold one TensorFlow only, and without a GPU it should be the smaller one.
  if (name === "gpu" && !gpuDriverHere()) {
    throw new AmsError("there is no NVIDIA driver on this machine", {
      where: "engine gpu",
      hint: "use the native engine: ams engine native",
    });
  }
  // The first run on a GPU that is newer than the libraries compiles kernels for minutes: make room to keep them all.
  if (name === "gpu" && process.env["CUDA_CACHE_MAXSIZE"] === undefined) {
    setEnvironment("CUDA_CACHE_MAXSIZE", String(4 * 2 ** 30 - 1));
  }
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
  const device = gpu === undefined ? "CPU" : (gpuModel() ?? gpu.name.replace(/^.*device:/, ""));
  const place = gpu === undefined ? `${String(started.threads)} CPU threads` : device;
  return {
    backend: backendName,
    info: {
      name,
      device,
      detail: `TensorFlow ${binding.TF_Version} on ${place}`,
      threads: started.threads,
      versions: { tensorflow: binding.TF_Version, koffi: koffi.version },
    },
  };
}

/** The name of the first NVIDIA GPU, as its driver tells it. */
function gpuModel(): string | undefined {
  const folder = "/proc/driver/nvidia/gpus";
  try {
    const [first] = readdirSync(folder);
    return first && /Model:\s*(.+)/.exec(readFileSync(`${folder}/${first}/information`, "utf8"))?.[1]?.trim();
  } catch {
    return undefined; // containers may hide this folder: the device's number does as well
  }
}
