/** Installs what the fast engines need beyond npm. */
import type { Context } from "../context.js";
import { AmsError } from "../errors.js";
import { gpuFolder } from "./native/files.js";
import { installCpu } from "./native/install.js";

/**
 * Fetches TensorFlow's libraries into the AMS folder (214 MB to download). Nothing happens when they are there and whole.
 * @throws AmsError when the machine is not supported, there is no Python with pip, or the download fails.
 */
export async function installNative({ gpu = false }: { gpu?: boolean }, context: Context): Promise<void> {
  if (gpu) {
    throw new AmsError("the CUDA libraries have to be installed by hand", {
      where: gpuFolder(),
      hint: `pip install --target ${gpuFolder()} "tensorflow[and-cuda]==2.21.0"`,
    });
  }
  await installCpu(context);
}
