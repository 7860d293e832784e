/** What the doctor says about engines: what is installed, what runs, why not, and the exact command for what is missing. */
import { availableParallelism } from "node:os";
import { AmsError } from "../errors.js";
import { findLibraries, librariesFolder } from "./native/files.js";
import { findPython, pythonCandidates } from "./native/python.js";
import { refusal } from "./refusals.js";
import { startEngine } from "./start.js";
import { atLeast, surroundings, type Surroundings } from "./surroundings.js";
import type { Check, EngineName, PassedOver } from "./types.js";

/** Starts the default engine when none runs; never throws for what is merely missing. Tests give other machines. */
export async function engineReport(
  machine: Surroundings = surroundings(),
  pythons: string[] = pythonCandidates(),
): Promise<Check[]> {
  const [running, passedOver] = await runningCheck(machine);
  // Files of the right length may still be no libraries: only a start tells.
  const started = (check: Check, engine: EngineName): Check => {
    const refused = check.ok ? passedOver.find(({ name }) => name === engine) : undefined;
    return refused === undefined ? check : { ...check, ok: false, ...refused, name: check.name };
  };
  const native = started(nativeCheck(machine), "native");
  return [
    nodeCheck(machine),
    native,
    started(gpuCheck(machine), "gpu"),
    await webgpuCheck(machine),
    await pythonCheck(native, pythons),
    running,
  ];
}

function nodeCheck({ node, platform, arch, glibc }: Surroundings): Check {
  const libc = platform === "linux" ? (glibc === undefined ? ", no glibc" : `, glibc ${glibc}`) : "";
  // tfjs-node 4.22 calls util.isNullOrUndefined and util.isArray.
  const restored = atLeast(node, "23")
    ? "; functions of util that tfjs-node needs and Node 23 removed are put back"
    : "";
  return {
    name: "Node",
    ok: atLeast(node, "20"),
    found: `v${node} on ${platform} ${arch}${libc}${restored}`,
    hint: "install Node 20, 22 or 24",
  };
}

function nativeCheck(machine: Surroundings): Check {
  const name = "native engine";
  const reason = refusal("native", machine);
  if (reason !== undefined) return { name, ok: false, ...reason };
  try {
    const { version } = findLibraries(librariesFolder("native"), "ams engine install");
    return { name, ok: true, found: `TensorFlow ${version} in ${librariesFolder("native")}` };
  } catch (error) {
    return failed(name, error);
  }
}

/** A machine without an NVIDIA driver misses nothing; one with a driver that cannot be used does. */
function gpuCheck(machine: Surroundings): Check {
  const name = "GPU engine";
  const reason = refusal("gpu", machine);
  if (machine.nvidia === undefined) {
    const why = reason?.found ?? "there is no NVIDIA driver on this machine";
    return { name, ok: true, optional: true, found: `${why}; not needed` };
  }
  if (reason !== undefined) return { name, ok: false, ...reason };
  const { driver, gpus } = machine.nvidia;
  const gpu = `${gpus?.[0]?.name ?? "a GPU"}, driver ${driver ?? "unknown"}`;
  try {
    const { version } = findLibraries(librariesFolder("gpu"), "ams engine install --gpu");
    return { name, ok: true, found: `${gpu}: TensorFlow ${version} with CUDA in ${librariesFolder("gpu")}` };
  } catch (error) {
    const check = failed(name, error);
    return { ...check, found: `${gpu}: ${check.found}` };
  }
}

/** Not needed where TensorFlow runs, so that only a machine without it misses WebGPU. */
async function webgpuCheck(machine: Surroundings): Promise<Check> {
  const name = "WebGPU engine";
  const needed = refusal("native", machine) !== undefined;
  const reason = refusal("webgpu", machine);
  if (reason !== undefined) return { name, ok: !needed, optional: !needed, ...reason };
  try {
    const { findAdapter } = await import("./webgpu/start.js");
    const { device, software } = await findAdapter();
    return { name, ok: true, found: software ? `${device}, a software renderer: only when named` : device };
  } catch (error) {
    const check = failed(name, error);
    return needed ? check : { ...check, ok: true, optional: true, found: `${check.found}; not needed` };
  }
}

/** Python only fetches TensorFlow's wheels: where they are, or cannot be used, it is not needed. */
async function pythonCheck(native: Check, pythons: string[]): Promise<Check> {
  const name = "Python with pip";
  try {
    const { program, version } = await findPython(pythons);
    return {
      name,
      ok: true,
      found: `${program} (${version}): fetches TensorFlow's wheels, of which only the C libraries are used, so that any version does`,
    };
  } catch (error) {
    const check = failed(name, error);
    const { message, where } = error as AmsError;
    return { ...check, ok: native.ok, optional: native.ok, found: `${message}: ${where ?? ""}` };
  }
}

/** The engine in use, and what `auto` passed over to get there. */
async function runningCheck(machine: Surroundings): Promise<[Check, PassedOver[]]> {
  const name = "engine in use";
  try {
    const { detail, passedOver = [] } = await startEngine("auto", { machine });
    const found = `${detail} (${String(availableParallelism())} cores)`;
    if (passedOver.length === 0) return [{ name, ok: true, found }, []];
    // Of those that this machine could have; the lines above say what stands in their way.
    const possible = passedOver.filter((one) => refusal(one.name, machine) === undefined);
    const mended = possible.find(({ name: one, hint }) => (one === "native" || one === "gpu") && hint !== undefined);
    const faster = passedOver.map((one) => one.name).join(", ");
    return [
      {
        name,
        ok: mended === undefined,
        found: `${found}, slower than ${faster}`,
        ...(mended !== undefined && { hint: mended.hint! }),
      },
      passedOver,
    ];
  } catch (error) {
    return [failed(name, error), []];
  }
}

function failed(name: string, error: unknown): Check {
  const hint = error instanceof AmsError ? error.hint : undefined;
  return { name, ok: false, found: error instanceof Error ? error.message : String(error), ...(hint && { hint }) };
}
