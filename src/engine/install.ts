/** Installs what the fast engines need beyond npm. */
import type { Context } from "../context.js";
import { installCpu } from "./native/install.js";
import { installGpu } from "./native/installGpu.js";
import type { InstallAround } from "./native/installInto.js";

/**
 * Fetches TensorFlow's libraries into the AMS folder: for the CPU (214 MB to download, 632 MB on disk), or with `gpu` for
 * NVIDIA GPUs (2.6 GB to download, 4.7 GB on disk). Nothing happens when they are there and whole.
 * @throws AmsError when the machine is not supported, there is no Python with pip or no room, or the download fails.
 */
export async function installNative(
  { gpu = false }: { gpu?: boolean },
  context: Context,
  around: InstallAround = {},
): Promise<void> {
  await (gpu ? installGpu(context, around) : installCpu(context, around));
}
