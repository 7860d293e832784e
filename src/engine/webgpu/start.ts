/** tfjs's WebGPU backend on Dawn: any GPU with Vulkan, Metal or Direct3D 12. */
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../../errors.js";
import { choosing } from "../environment.js";
import { gigabytes } from "../machineMemory.js";
import type { EngineInfo } from "../types.js";
import { openDawn, readBufferSync, type Gpu, type GpuAdapter, type GpuBuffer, type GpuDevice } from "./dawn.js";

export const backendName = "webgpu";

/** The parts of tfjs-backend-webgpu's WebGPUBackend that are used here. */
interface Backend extends tf.KernelBackend {
  tensorMap: { get(dataId: object): TensorEntry };
  bufferManager: {
    acquireBuffer(size: number, usage: number): GpuBuffer;
    releaseBuffer(buffer: GpuBuffer): void;
  };
  commandEncoder: { copyBufferToBuffer(...args: [GpuBuffer, number, GpuBuffer, number, number]): void };
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

interface TensorEntry {
  dtype: tf.DataType;
  /** On the host, when they are there too. */
  values?: tf.backend_util.BackendValues | null;
  resource?: GpuBuffer | null;
  complexTensorInfos?: { real: tf.TensorInfo; imag: tf.TensorInfo };
}

type BackendClass = new (device: GpuDevice, info: GpuAdapter["info"]) => Backend;

let started: EngineInfo | undefined;

/**
 * The graphics processor that WebGPU would use.
 * @throws AmsError when there is no package or no graphics processor with a driver.
 */
export async function findAdapter(): Promise<{ gpu: Gpu; adapter: GpuAdapter; device: string; software: boolean }> {
  const gpu = await openDawn();
  const quietly = await silencer();
  const adapter = await quietly(() => gpu.requestAdapter({ powerPreference: "high-performance" }));
  if (adapter === null) {
    throw new AmsError("WebGPU finds no graphics processor", {
      where: "engine webgpu",
      hint: `${driverHint()}, or use: ${choosing("wasm")}`,
    });
  }
  const { info } = adapter;
  return { gpu, adapter, device: info.description || info.device || info.vendor, software: isSoftware(info) };
}

/**
 * Registers the backend `webgpu`. With `allowSoftware` a graphics processor that is only software (SwiftShader, llvmpipe) will
 * do: it is slower than WASM, so that only who asks for it gets it.
 * @throws AmsError when there is no package, no graphics processor with a driver, or only a software one.
 */
export async function startWebgpu(allowSoftware: boolean): Promise<{ backend: string; info: EngineInfo }> {
  const { gpu, adapter, device, software } = await findAdapter();
  if (software && !allowSoftware) {
    throw new AmsError(`WebGPU finds only a software renderer (${device}), which is slower than WASM`, {
      where: "engine webgpu",
      hint: `${driverHint()}; to use it all the same: ${choosing("webgpu")}`,
    });
  }
  if (started === undefined) {
    await register(gpu, adapter);
    started = {
      name: "webgpu",
      device,
      detail: `WebGPU (Dawn) on ${device}${software ? ", a software renderer" : ""}`,
      threads: 1,
      memory: `not told by WebGPU; one tensor may have ${gigabytes(adapter.limits["maxStorageBufferBindingSize"] ?? 0)}`,
      versions: { "tfjs-backend-webgpu": tf.version_core, webgpu: packageVersion() },
    };
  }
  return { backend: backendName, info: started };
}

/** On Linux Dawn writes to stderr when it finds no Vulkan; the error says it better. */
async function silencer(): Promise<<T>(work: () => T) => T> {
  if (process.platform !== "linux") return (work) => work();
  return (await import("../native/libc.js")).withSilentStderr;
}

function isSoftware({ isFallbackAdapter, architecture, description }: GpuAdapter["info"]): boolean {
  return isFallbackAdapter || /swiftshader|llvmpipe|lavapipe/i.test(`${architecture} ${description}`);
}

function driverHint(): string {
  return process.platform === "linux"
    ? "install the GPU's Vulkan driver and its loader (Debian: apt install libvulkan1 mesa-vulkan-drivers)"
    : "install the GPU's own driver";
}

function packageVersion(): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- data of a package that may be missing
  return (require("webgpu/package.json") as { version: string }).version;
}

/** Limits that tfjs's own start asks for: all that the adapter has. */
const wantedLimits = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupSizeX",
  "maxComputeInvocationsPerWorkgroup",
];

async function register(gpu: Gpu, adapter: GpuAdapter): Promise<void> {
  const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredLimits });
  // Loaded without `navigator.gpu`, the package registers its kernels and no backend of its own making.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only where it can work
  const { WebGPUBackend } = require("@tensorflow/tfjs-backend-webgpu") as { WebGPUBackend: BackendClass };
  const backend = withNavigator(gpu, () => new WebGPUBackend(device, adapter.info));
  backend.readSync = (dataId) => readSync(backend, dataId);
  tf.registerBackend(backendName, () => backend, 2);
}

/** The backend's class wants `navigator.gpu` while it is made; afterwards nothing that libraries take for a browser stays. */
function withNavigator<T>(gpu: Gpu, work: () => T): T {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  try {
    return work();
  } finally {
    if (before === undefined) delete (globalThis as { navigator?: unknown }).navigator;
    else Object.defineProperty(globalThis, "navigator", before);
  }
}

/** Reads a tensor's values now. The backend's own way draws them on an OffscreenCanvas, which Node does not have. */
function readSync(backend: Backend, dataId: object): tf.backend_util.BackendValues {
  const entry = backend.tensorMap.get(dataId);
  if (entry.values) return entry.values;
  if (entry.complexTensorInfos !== undefined) {
    const { real, imag } = entry.complexTensorInfos;
    const parts = [real, imag].map((part) => readSync(backend, part.dataId) as Float32Array);
    return tf.backend_util.mergeRealAndImagArrays(...(parts as [Float32Array, Float32Array]));
  }
  const [mapRead, copyDst] = [1, 8]; // GPUBufferUsage.MAP_READ, COPY_DST
  const source = entry.resource!;
  const staging = backend.bufferManager.acquireBuffer(source.size, mapRead | copyDst);
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.commandEncoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  backend.submitQueue();
  const bytes = readBufferSync(staging);
  backend.bufferManager.releaseBuffer(staging);
  entry.values = tf.util.convertBackendValuesAndArrayBuffer(bytes, entry.dtype);
  return entry.values;
}
