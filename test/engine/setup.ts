/** Puts the engines in place for the tests, once. */
import { existsSync } from "node:fs";
import path from "node:path";
import { silentContext } from "../../src/context.js";
import { installNative, type EngineName } from "../../src/engine/index.js";
import { findLibraries, gpuFolder, nativeFolder, recordName } from "../../src/engine/native/files.js";
import { refusal } from "../../src/engine/refusals.js";
import { findAdapter } from "../../src/engine/webgpu/start.js";

let installed: Promise<boolean> | undefined;

/** Installs TensorFlow's libraries when they are missing -> false where the platform has none. */
export function nativeHere(): Promise<boolean> {
  installed ??= (async () => {
    if (refusal("native") !== undefined) return false;
    try {
      findLibraries(nativeFolder(), ""); // without the hashes, which an installation would compute in every test's process
    } catch {
      await installNative({}, silentContext);
    }
    return true;
  })();
  return installed;
}

let graphics: Promise<string | undefined> | undefined;

/**
 * Gives WebGPU something to run on -> undefined, or why there is nothing. Without a Vulkan driver of the machine's own that is
 * SwiftShader, a software one that comes with Chromium.
 */
export function noWebgpuHere(): Promise<string | undefined> {
  graphics ??= (async () => {
    const folder = chromiumFolders.find((one) => existsSync(path.join(one, "vk_swiftshader_icd.json")));
    if (folder !== undefined && process.env["VK_ICD_FILENAMES"] === undefined) {
      const { loadForGood, setEnvironment } = await import("../../src/engine/native/libc.js");
      // Dawn opens the loader by its name and finds the one that is already in the process.
      loadForGood(path.join(folder, "libvulkan.so.1"), "install Chromium again");
      setEnvironment("VK_ICD_FILENAMES", path.join(folder, "vk_swiftshader_icd.json"));
    }
    try {
      await findAdapter();
      return undefined;
    } catch (error) {
      return `no WebGPU here: ${(error as Error).message} (a Debian package that brings one: chromium)`;
    }
  })();
  return graphics;
}

export const chromiumFolders = ["/usr/lib/chromium", "/opt/google/chrome"];

/** The one TensorFlow of a test's process: with CUDA where it is installed and there is a GPU. */
export const tensorflow: EngineName =
  refusal("gpu") === undefined && existsSync(path.join(gpuFolder(), recordName)) ? "gpu" : "native";

/** Why an engine cannot be tested here; undefined when it can. */
export async function missing(engine: EngineName): Promise<string | undefined> {
  if (engine === "native") return (await nativeHere()) ? undefined : "no native engine for this platform";
  return engine === "webgpu" ? noWebgpuHere() : undefined;
}
