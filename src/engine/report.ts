/** What the doctor says about engines: what is installed, what runs, and the exact command for what is missing. */
import { availableParallelism } from "node:os";
import { AmsError } from "../errors.js";
import { findLibraries, gpuDriverHere, gpuFolder, nativeFolder, unsupported } from "./native/files.js";
import { startEngine } from "./start.js";
import type { Check } from "./types.js";

/** Starts the default engine when none runs; never throws for what is merely missing. */
export async function engineReport(): Promise<Check[]> {
  return [nativeCheck(), gpuCheck(), await runningCheck()];
}

function nativeCheck(): Check {
  const name = "native engine";
  const reason = unsupported();
  if (reason !== undefined) return { name, ok: false, found: reason, hint: "nothing to do: the WASM engine is used" };
  try {
    const { version } = findLibraries(nativeFolder(), "ams engine install");
    return { name, ok: true, found: `TensorFlow ${version} in ${nativeFolder()}` };
  } catch (error) {
    return failed(name, error);
  }
}

function gpuCheck(): Check {
  const name = "GPU engine";
  if (!gpuDriverHere()) return { name, ok: true, found: "no NVIDIA driver on this machine; not needed" };
  try {
    const { version } = findLibraries(gpuFolder(), "ams engine install --gpu");
    return { name, ok: true, found: `TensorFlow ${version} with CUDA in ${gpuFolder()}` };
  } catch (error) {
    return failed(name, error);
  }
}

async function runningCheck(): Promise<Check> {
  const name = "engine in use";
  try {
    const { detail, warning } = await startEngine();
    const cores = `${String(availableParallelism())} cores`;
    if (warning === undefined) return { name, ok: true, found: `${detail} (${cores})` };
    return { name, ok: false, found: `${detail} (${cores}): ${warning}`, hint: "run: ams engine install" };
  } catch (error) {
    return failed(name, error);
  }
}

function failed(name: string, error: unknown): Check {
  const hint = error instanceof AmsError ? error.hint : undefined;
  return { name, ok: false, found: error instanceof Error ? error.message : String(error), ...(hint && { hint }) };
}
