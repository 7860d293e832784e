/** Why a machine cannot run an engine, and what is tried there instead. */
import { AmsError } from "../errors.js";
import { choosing } from "./environment.js";
import { installCommand, isInstalled, tensorflowVersion } from "./native/files.js";
import { atLeast, surroundings, type Surroundings } from "./surroundings.js";
import type { EngineName, PassedOver } from "./types.js";

export interface Refusal {
  /** What stands in the way. */
  found: string;
  /** What to do, or what is used instead. */
  hint: string;
}

const systems: Partial<Record<NodeJS.Platform, string>> = { darwin: "macOS", win32: "Windows", linux: "Linux" };

/** The CUDA wheel needs at least this driver (CUDA 12), and this one to compile for newer GPUs than its own (CUDA 12.5). */
export const oldestDriver = "525.60.13";
const oldestCompilingDriver = "555.42.02";
/** The wheel has machine code for compute capabilities 6.0, 7.0, 8.0 and 8.9, and an intermediate form for 9.0 and later. */
const [oldestCompute, compiledCompute] = [6, 9];

/** What stands in an engine's way on a machine, before anything is installed or loaded; undefined: nothing. */
export function refusal(engine: EngineName, machine: Surroundings = surroundings()): Refusal | undefined {
  switch (engine) {
    case "native":
      return nativeRefusal(machine);
    case "gpu":
      return gpuRefusal(machine);
    case "webgpu":
      return webgpuRefusal(machine);
    case "wasm":
    case "plain":
      return undefined;
  }
}

/**
 * Of the engines that `auto` passed over those that something can be done about: TensorFlow where this machine can have it, with CUDA
 * where there is a driver for it, and WebGPU only where TensorFlow cannot be had.
 */
export function mendable(passedOver: PassedOver[], machine: Surroundings = surroundings()): PassedOver[] {
  return passedOver.filter(({ name }) => {
    if (name === "gpu") return machine.nvidia !== undefined; // it was installed, so that a refusal says what to do, too
    return refusal(name, machine) === undefined && (name !== "webgpu" || refusal("native", machine) !== undefined);
  });
}

/** @throws AmsError with the refusal, when there is one. */
export function assertPossible(engine: EngineName, machine: Surroundings = surroundings()): void {
  const reason = refusal(engine, machine);
  if (reason !== undefined) throw new AmsError(reason.found, { where: `engine ${engine}`, hint: reason.hint });
}

/** How to compute in all of the machine's memory instead of the 4 GB that WebAssembly's addresses reach; undefined: not here. */
export function beyondWasm(
  machine: Surroundings = surroundings(),
  installed = isInstalled("native"),
): string | undefined {
  if (refusal("native", machine) !== undefined)
    return refusal("webgpu", machine) === undefined ? choosing("webgpu") : undefined;
  return installed ? choosing("native") : `${installCommand.native}, then ${choosing("native")}`;
}

function systemName({ platform }: Surroundings): string {
  return systems[platform] ?? platform;
}

/** Which engine comes next on a machine without TensorFlow. */
function otherwise(machine: Surroundings): string {
  const api = { darwin: "Metal", win32: "Direct3D 12" }[machine.platform as string] ?? "Vulkan";
  return webgpuRefusal(machine) === undefined
    ? `nothing to do: WebGPU (${api}) is tried there, then WASM`
    : "nothing to do: WASM is used there";
}

function nativeRefusal(machine: Surroundings): Refusal | undefined {
  const { platform, arch, glibc } = machine;
  const hint = otherwise(machine);
  if (platform !== "linux") {
    return { found: `TensorFlow's libraries are used on Linux only; this is ${systemName(machine)}`, hint };
  }
  if (arch !== "x64" && arch !== "arm64") {
    return { found: `there is no TensorFlow ${tensorflowVersion} wheel for Linux on ${arch}`, hint };
  }
  return libcRefusal(glibc, "2.17", hint);
}

function gpuRefusal(machine: Surroundings): Refusal | undefined {
  const { platform, arch, glibc, nvidia } = machine;
  if (platform === "win32") {
    return {
      found: "TensorFlow has no CUDA libraries for Windows",
      hint: "use it inside WSL 2; here WebGPU (Direct3D 12) is tried, then WASM",
    };
  }
  if (platform !== "linux") return { found: `there is no CUDA on ${systemName(machine)}`, hint: otherwise(machine) };
  if (arch !== "x64") {
    const native =
      nativeRefusal(machine) === undefined ? `use the native engine: ${choosing("native")}` : otherwise(machine);
    return { found: `there are no CUDA wheels of TensorFlow for Linux on ${arch}`, hint: native };
  }
  const libc = libcRefusal(glibc, "2.27", otherwise(machine));
  if (libc !== undefined) return libc;
  if (nvidia === undefined) {
    return { found: "there is no NVIDIA driver on this machine", hint: `use the native engine: ${choosing("native")}` };
  }
  const { driver, gpus } = nvidia;
  if (driver !== undefined && !atLeast(driver, oldestDriver)) {
    return {
      found: `the NVIDIA driver ${driver} is too old for CUDA 12`,
      hint: `install driver ${oldestDriver} or newer; until then: ${choosing("native")}`,
    };
  }
  if (gpus === undefined) return undefined; // nobody to ask: TensorFlow itself finds out
  const [first] = gpus;
  if (first === undefined) {
    return {
      found: "the NVIDIA driver lists no GPU",
      hint: "in a container, start it with the GPU (docker run --gpus all); check CUDA_VISIBLE_DEVICES and nvidia-smi",
    };
  }
  const newest = Math.max(...gpus.map(({ compute }) => compute ?? oldestCompute));
  if (newest < oldestCompute) {
    return {
      found: `${first.name} has compute capability ${String(newest)}, TensorFlow's CUDA code starts at ${oldestCompute}.0`,
      hint: `use the native engine: ${choosing("native")}`,
    };
  }
  if (newest >= compiledCompute && driver !== undefined && !atLeast(driver, oldestCompilingDriver)) {
    return {
      found: `the NVIDIA driver ${driver} cannot compile TensorFlow's code for ${first.name}`,
      hint: `install driver ${oldestCompilingDriver} or newer; until then: ${choosing("native")}`,
    };
  }
  return undefined;
}

function webgpuRefusal(machine: Surroundings): Refusal | undefined {
  const { platform, arch, glibc } = machine;
  const hint = "nothing to do: WASM is used there";
  if (systems[platform] === undefined || (arch !== "x64" && arch !== "arm64")) {
    return { found: `there is no WebGPU (npm webgpu) for ${systemName(machine)} on ${arch}`, hint };
  }
  return platform === "linux" ? libcRefusal(glibc, "2.34", hint) : undefined;
}

function libcRefusal(glibc: string | undefined, oldest: string, hint: string): Refusal | undefined {
  if (glibc === undefined) {
    return {
      found: "its libraries need glibc; this system has another C library (musl, as in Alpine Linux)",
      hint: `${hint}; a Debian or Ubuntu container has glibc`,
    };
  }
  if (atLeast(glibc, oldest)) return undefined;
  return { found: `glibc ${glibc} is too old: its libraries need ${oldest}`, hint };
}

/**
 * What a person with this GPU should know before the first run; undefined without anything to say. TensorFlow's wheel carries
 * no machine code for GPUs newer than it is: the driver compiles it when a kernel is first used, and keeps it on disk.
 */
export function gpuRemark({ nvidia }: Surroundings): string | undefined {
  const gpu = nvidia?.gpus?.[0];
  if (gpu?.compute === undefined || gpu.compute < compiledCompute) return undefined;
  return (
    `${gpu.name} is newer than TensorFlow's machine code: the driver compiles each kernel on its first use. The first run ` +
    "takes minutes longer; the result is kept in ~/.nv/ComputeCache (4 GB allowed), so that later runs start at once"
  );
}
