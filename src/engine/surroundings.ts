/** The machine that an engine has to run on; tests put other machines in its place. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

export interface NvidiaGpu {
  name: string;
  /** Total, in MB. */
  megabytes: number;
  /** Compute capability, e.g. 8.9; unknown to old drivers. */
  compute?: number;
}

export interface Nvidia {
  /** Version of the kernel driver, e.g. "550.54.15"; undefined when nothing tells it. */
  driver?: string;
  /** What `nvidia-smi` lists of the GPUs that CUDA shows to this process; undefined where it is missing or fails. */
  gpus?: NvidiaGpu[];
}

export interface Surroundings {
  platform: NodeJS.Platform;
  arch: string;
  /** Version of Node, without the v. */
  node: string;
  /** Version of glibc, e.g. "2.36"; undefined on other C libraries (musl) and other systems. */
  glibc: string | undefined;
  /** Undefined without a driver of NVIDIA. */
  nvidia: Nvidia | undefined;
}

let seen: Surroundings | undefined;

/** This machine; looked at once. */
export function surroundings(): Surroundings {
  seen ??= {
    platform: process.platform,
    arch: process.arch,
    node: process.versions.node,
    glibc: (process.report.getReport() as { header?: { glibcVersionRuntime?: string } }).header?.glibcVersionRuntime,
    nvidia: lookForNvidia(),
  };
  return seen;
}

/** The kernel module's files, a container's device, or WSL's. */
const driverFiles = ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"];

function lookForNvidia(): Nvidia | undefined {
  if (!driverFiles.some((file) => existsSync(file))) return undefined;
  // Drivers before 510 do not know compute_cap and refuse the whole question.
  for (const fields of ["name,memory.total,driver_version,compute_cap", "name,memory.total,driver_version"]) {
    for (const program of ["nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"]) {
      try {
        const text = execFileSync(program, [`--query-gpu=${fields}`, "--format=csv,noheader,nounits"], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
          timeout: 10_000,
        });
        return parseNvidiaSmi(text);
      } catch {
        // Not there, or too old for the question: asked otherwise, and at last the kernel module's file.
      }
    }
  }
  const file = driverFiles[0]!;
  const driver = existsSync(file) ? parseDriverFile(readFileSync(file, "utf8")) : undefined;
  return driver === undefined ? {} : { driver };
}

/**
 * `nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv,noheader,nounits`, a line per GPU -> the driver, and
 * of the GPUs those that CUDA shows to a process of this environment.
 */
export function parseNvidiaSmi(text: string, { CUDA_VISIBLE_DEVICES: visible } = process.env): Nvidia {
  const rows = text
    .split("\n")
    .map((line) => line.split(",").map((field) => field.trim()))
    .filter((fields) => fields.length >= 3);
  const driver = rows[0]?.[2];
  const gpus = rows.map(([name, memory, , compute]): NvidiaGpu => ({
    name: name ?? "",
    megabytes: Number(memory),
    ...(compute !== undefined && { compute: Number(compute) }),
  }));
  return { ...(driver !== undefined && { driver }), gpus: visibleGpus(gpus, visible) };
}

/**
 * The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order: their numbers, up to the first that there is not. All of them, when it is not
 * set or names them otherwise (by UUID). Of different cards CUDA counts the fastest first unless CUDA_DEVICE_ORDER is PCI_BUS_ID.
 */
function visibleGpus(gpus: NvidiaGpu[], visible: string | undefined): NvidiaGpu[] {
  const numbers = visible?.split(",").map((word) => word.trim());
  if (numbers?.every((number) => /^(-?\d+)?$/.test(number)) !== true) return gpus;
  const found = numbers.map((number) => (number === "" ? undefined : gpus[Number(number)]));
  const end = found.indexOf(undefined);
  return found.slice(0, end < 0 ? found.length : end).filter((gpu) => gpu !== undefined);
}

/** /proc/driver/nvidia/version -> e.g. "550.54.15". */
export function parseDriverFile(text: string): string | undefined {
  return /Kernel Module.*?(\d+\.\d+(?:\.\d+)*)/.exec(text)?.[1];
}

/** Whether a dotted version is at least another: "525.60.13" against "525". */
export function atLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (let i = 0; i < want.length; i++) {
    const difference = (have[i] ?? 0) - want[i]!;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
