/** tfjs's backend on a loaded TensorFlow: tfjs-node's own kernels (JavaScript) over our binding. */
import path from "node:path";
import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { vendored } from "../../vendored.js";
import { createBinding, type Binding, type BindingOptions } from "./binding.js";
import type { LibraryFiles } from "./files.js";
import { withSilentStderr } from "./libc.js";
import { loadTensorFlow } from "./library.js";

/** tfjs's name of the backend; tfjs-node's kernels are registered under it. */
export const backendName = "tensorflow";

/** What a tensor's data is inside the backend: `values` until the first op needs it, then TensorFlow's tensor `id`. */
export interface TensorEntry {
  shape: number[];
  dtype: number;
  values: tf.backend_util.BackendValues | null;
  id: number;
  refCount: number;
}

/** The parts of tfjs-node's NodeJSKernelBackend that are used beside its kernels. */
export interface NativeBackend extends tf.KernelBackend {
  binding: Binding;
  tensorMap: { get(dataId: object): TensorEntry; has(dataId: object): boolean };
  getInputTensorIds(tensors: tf.TensorInfo[]): number[];
  createOutputTensor(metadata: { id: number; shape: number[]; dtype: number }): tf.Tensor;
}

type BackendClass = new (binding: Binding, packageName: string) => NativeBackend;

/** Functions that tfjs-node calls and Node 23 removed. */
function restoreUtilFunctions(): void {
  const target = util as unknown as Record<string, unknown>;
  target["isNullOrUndefined"] ??= (value: unknown) => value === null || value === undefined;
  target["isArray"] ??= Array.isArray;
}

/** TensorFlow 2.21 rounds int32 tensors to zeros; a whole number is its own rounding. */
function keepWholeNumbersOnRound(): void {
  const { kernelFunc } = tf.getKernel(tf.Round, backendName);
  tf.unregisterKernel(tf.Round, backendName);
  tf.registerKernel({
    kernelName: tf.Round,
    backendName,
    kernelFunc: (call) => {
      const { x } = call.inputs as { x: tf.TensorInfo };
      if (x.dtype !== "int32") return kernelFunc(call);
      const identity = tf.getKernel(tf.Identity, backendName);
      return identity.kernelFunc({ ...call, attrs: {} });
    },
  });
}

/**
 * Loads the libraries, makes the backend and registers it with tfjs; does not make it the current one.
 * @throws AmsError when a library cannot be loaded or TensorFlow does not start.
 */
export function registerNative(files: Omit<LibraryFiles, "version">, options: BindingOptions): NativeBackend {
  const existing = tf.engine().registry[backendName] as NativeBackend | undefined;
  if (existing !== undefined) return existing;
  restoreUtilFunctions();
  const binding = withSilentStderr(() => createBinding(loadTensorFlow(files), options));
  /* eslint-disable @typescript-eslint/no-require-imports -- inside functions: these files run code when they are loaded */
  const dist = path.join(vendored("@tensorflow/tfjs-node-gpu"), "dist");
  const { NodeJSKernelBackend } = require(path.join(dist, "nodejs_kernel_backend")) as {
    NodeJSKernelBackend: BackendClass;
  };
  require(path.join(dist, "register_all_kernels"));
  /* eslint-enable @typescript-eslint/no-require-imports */
  keepWholeNumbersOnRound();
  const backend = new NodeJSKernelBackend(binding, "@tensorflow/tfjs-node-gpu");
  tf.registerBackend(backendName, () => backend, 3);
  tf.findBackend(backendName);
  return backend;
}
