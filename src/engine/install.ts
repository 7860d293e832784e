/** Installs what the fast engines need beyond npm. */
import type { Context } from "../context.js";
import { isInstalled } from "./native/files.js";
import { installCpu } from "./native/install.js";
import { installGpu } from "./native/installGpu.js";
import type { InstallAround } from "./native/installInto.js";
import { refusal } from "./refusals.js";
import { surroundings } from "./surroundings.js";

/**
 * Fetches TensorFlow's libraries into the AMS folder: for the CPU (214 MB to download, 632 MB on disk), or with `gpu` for
 * NVIDIA GPUs (2.6 GB to download, 4.7 GB on disk), which a note says first where nothing here can run them. Nothing happens when
 * they are there and whole.
 * @throws AmsError when the machine is not supported, there is no Python with pip or no room, or the download fails.
 */
export async function installNative(
  { gpu = false }: { gpu?: boolean },
  context: Context,
  around: InstallAround = {},
): Promise<void> {
  const { machine = surroundings() } = around;
  const onlyDriverMissing = machine.nvidia === undefined && refusal("gpu", { ...machine, nvidia: {} }) === undefined;
  if (gpu && onlyDriverMissing && !isInstalled("gpu")) {
    context.note(
      "there is no NVIDIA driver on this machine: TensorFlow for NVIDIA GPUs can be installed but will not run here; 2.6 GB are fetched, 4.7 GB stay",
    );
  }
  await (gpu ? installGpu(context, around) : installCpu(context, around));
}
