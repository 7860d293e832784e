/** Starts TensorFlow as tfjs's engine, from the CPU wheel's libraries or the CUDA wheel's. */
import { availableParallelism } from "node:os";
import { AmsError } from "../../errors.js";
import { mostThreads, type EngineInfo } from "../types.js";
import { backendName, registerNative } from "./backend.js";
import { gigabytes, machineMemory } from "../machineMemory.js";
import { environmentChoice } from "../environment.js";
import { gpuRemark, oldestDriver } from "../refusals.js";
import type { Surroundings } from "../surroundings.js";
import { findLibraries, installCommand, librariesFolder } from "./files.js";
import { koffi } from "./koffi.js";
import { setEnvironment } from "./libc.js";
import { createNativeOps, type NativeOps } from "./ops.js";

export interface NativeOptions {
  threads?: number;
  /**
   * On GPUs since Ampere: products of float32 matrices round their inputs to TF32, several times faster and with 10 bits of
   * mantissa. Default: AMS_TF32, or off, so that results agree with the CPU's, as in PyTorch.
   */
  tf32?: boolean;
}

let ops: NativeOps | undefined;
/** What TensorFlow was started from, which happens once in a process. */
let loaded: { libraries: "native" | "gpu"; threads: number } | undefined;
/** The engine that it proved to be: a GPU that fails its proof leaves the libraries' CPU to the native engine. */
let proved: "native" | "gpu" | undefined;

export function nativeOpsIfStarted(): NativeOps | undefined {
  return ops;
}

/**
 * Registers the backend `tensorflow` -> what it is. TensorFlow starts once in a process: the libraries and the number of
 * threads then stay, and from the call of `proved` on the device.
 * @throws AmsError when files are missing or damaged, TensorFlow does not start, or other threads or libraries are asked for.
 */
export function startNative(
  name: "native" | "gpu",
  { threads, tf32 }: NativeOptions,
  machine: Surroundings,
): { backend: string; info: EngineInfo; proved: () => void } {
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= mostThreads)) {
    throw new AmsError(`an engine cannot have ${String(threads)} threads`, {
      where: `engine ${name}`,
      hint: `choose 1 to ${String(mostThreads)} threads; this machine has ${String(availableParallelism())} cores`,
    });
  }
  const usual = environmentChoice();
  const otherwise =
    loaded !== undefined &&
    (name !== (proved ?? name) ||
      (name === "gpu" && loaded.libraries !== "gpu") ||
      loaded.threads !== (threads ?? loaded.threads));
  if (otherwise) {
    throw new AmsError(
      `TensorFlow already runs as engine ${proved ?? loaded!.libraries} with ${String(loaded!.threads)} threads in this process`,
      { where: `engine ${name}`, hint: "restart the kernel (or the command) to start it otherwise" },
    );
  }
  // TensorFlow of the GPU's libraries has a CPU too.
  const [folder, command] =
    (loaded?.libraries ?? name) === "native"
      ? [librariesFolder("native"), installCommand.native]
      : [librariesFolder("gpu"), installCommand.gpu];
  const libraries = findLibraries(folder, command);
  // The first run on a GPU that is newer than the libraries compiles kernels for minutes: make room to keep them all.
  if (name === "gpu" && process.env["CUDA_CACHE_MAXSIZE"] === undefined) {
    setEnvironment("CUDA_CACHE_MAXSIZE", String(4 * 2 ** 30 - 1));
  }
  const backend = registerNative(libraries, { threads: threads ?? usual.threads });
  const { binding } = backend;
  loaded ??= { libraries: name, threads: threads ?? usual.threads ?? availableParallelism() };
  binding.useGpu(name === "gpu");
  const gpu = name === "gpu" ? binding.devices.find((device) => device.type === "GPU") : undefined;
  if (name === "gpu" && gpu === undefined) {
    throw new AmsError("TensorFlow finds no GPU", {
      where: libraries.cc,
      hint: `check nvidia-smi (driver ${oldestDriver} or newer); TF_CPP_MIN_LOG_LEVEL=0 npx ams engine gpu shows what TensorFlow says`,
    });
  }
  ops ??= createNativeOps(backend);
  const rounded = tf32 ?? usual.tf32 ?? false;
  binding.tensorFloat32(false); // until it has proved itself: rounded products would fail
  const device = gpu === undefined ? "CPU" : (machine.nvidia?.gpus?.[0]?.name ?? gpu.name.replace(/^.*device:/, ""));
  const place = gpu === undefined ? `${String(loaded.threads)} CPU thread${loaded.threads === 1 ? "" : "s"}` : device;
  const build = name === "native" && loaded.libraries === "gpu" ? " of the libraries for GPUs" : "";
  return {
    backend: backendName,
    info: {
      name,
      device,
      detail: `TensorFlow ${binding.TF_Version}${build} on ${place}`,
      threads: loaded.threads,
      memory: gpu === undefined ? machineMemory() : `${gigabytes(gpu.bytes)}, taken as it is needed`,
      ...(gpu !== undefined && { memoryLimit: gpu.bytes, tf32: rounded }),
      ...remarkOf(gpu === undefined ? threadsRemark(loaded.threads) : gpuRemarks(machine)),
      versions: { tensorflow: binding.TF_Version, koffi: koffi.version },
    },
    proved: () => {
      proved = name;
      binding.tensorFloat32(rounded);
    },
  };
}

function remarkOf(remark: string | undefined): { remark?: string } {
  return remark === undefined ? {} : { remark };
}

/** More threads than cores only take turns. */
function threadsRemark(threads: number): string | undefined {
  const cores = availableParallelism();
  return threads > cores
    ? `${String(threads)} threads, but this machine has ${String(cores)} cores: more than those gain nothing`
    : undefined;
}

function gpuRemarks(machine: Surroundings): string {
  const order = "sums on a GPU come in an order of its own: two runs with one seed agree to rounding, not to the bit";
  const first = gpuRemark(machine);
  return first === undefined ? order : `${first}; ${order}`;
}
