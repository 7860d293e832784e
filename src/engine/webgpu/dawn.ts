/** Dawn (npm `webgpu`), Chromium's WebGPU, in Node: the GPU, and a way to wait for it without giving up the thread. */
import { AmsError } from "../../errors.js";
import { choosing } from "../environment.js";

type Method = (this: object, ...args: unknown[]) => unknown;
type Classes = Record<string, { prototype: Record<string, Method> } | undefined>;

/** The parts of WebGPU's interfaces that are used here. */
export interface GpuBuffer {
  readonly size: number;
  readonly mapState: "unmapped" | "pending" | "mapped";
  mapAsync(mode: number): Promise<unknown>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
}
export interface GpuDevice {
  readonly lost: Promise<{ message: string }>;
}
export interface GpuAdapter {
  readonly info: {
    vendor: string;
    architecture: string;
    device: string;
    description: string;
    isFallbackAdapter: boolean;
  };
  readonly limits: Record<string, number>;
  readonly features: ReadonlySet<string>;
  requestDevice(descriptor: object): Promise<GpuDevice>;
}
export interface Gpu {
  requestAdapter(options: object): Promise<GpuAdapter | null>;
}

/** What starts work that ends later. Dawn then looks for its end from `setImmediate`, again and again. */
const starters: Record<string, string[]> = {
  GPU: ["requestAdapter"],
  GPUAdapter: ["requestDevice"],
  GPUBuffer: ["mapAsync"],
  GPUDevice: ["createComputePipelineAsync", "createRenderPipelineAsync", "popErrorScope"],
  GPUQueue: ["onSubmittedWorkDone"],
  GPUShaderModule: ["getCompilationInfo"],
};

const nativeSetImmediate = globalThis.setImmediate;

/** Looks that Dawn has asked for and that have not happened yet; there is at most one. */
const pending = new Set<() => void>();

/**
 * Runs `work`, a call into Dawn, and keeps the callback that Dawn hands to `setImmediate` meanwhile: it still runs in the event
 * loop's time, or earlier when `look` is called.
 */
function keepingLooks<T>(work: () => T): T {
  const before = globalThis.setImmediate;
  globalThis.setImmediate = ((callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    const once = (): void => {
      clearImmediate(immediate);
      if (pending.delete(once)) keepingLooks(() => callback(...args));
    };
    pending.add(once);
    const immediate = nativeSetImmediate(once);
    return immediate;
  }) as typeof setImmediate;
  try {
    return work();
  } finally {
    globalThis.setImmediate = before;
  }
}

/** To wait a moment for: nobody wakes it. */
const nobody = new Int32Array(new SharedArrayBuffer(4));

let gpu: Gpu | undefined;

/**
 * Loads Dawn and puts WebGPU's classes among the globals, where tfjs's backend looks for them.
 * @throws AmsError when the optional package is not installed or has no library for this machine.
 */
export async function openDawn(): Promise<Gpu> {
  if (gpu !== undefined) return gpu;
  let dawn: { create: (options: string[]) => Gpu; globals: Classes };
  try {
    // webgpu is an ES module without types of its own here, and an optional package.
    const name = "webgpu";
    dawn = (await import(name)) as typeof dawn;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
    throw new AmsError(
      missing ? "the package webgpu is not installed, or not for this machine" : "the package webgpu cannot be loaded",
      {
        where: `${process.platform} ${process.arch}: ${message.split("\n", 1)[0] ?? message}`,
        hint: `run: npm install webgpu (it comes for Linux, macOS and Windows), or use: ${choosing("wasm")}`,
        cause: error,
      },
    );
  }
  for (const [type, names] of Object.entries(starters)) {
    const prototype = dawn.globals[type]?.prototype;
    for (const name of names) {
      const original = prototype?.[name];
      if (prototype === undefined || original === undefined) continue;
      prototype[name] = function (...args) {
        return keepingLooks(() => original.apply(this, args));
      };
    }
  }
  Object.assign(globalThis, dawn.globals);
  gpu = dawn.create([]);
  return gpu;
}

/**
 * Maps a buffer for reading and stays in this call until the GPU is done -> a copy of its bytes.
 * @throws AmsError when the device is lost meanwhile.
 */
export function readBufferSync(buffer: GpuBuffer): ArrayBuffer {
  const mapRead = 1; // GPUMapMode.READ
  let failure: unknown;
  buffer.mapAsync(mapRead).catch((error: unknown) => (failure = error));
  const start = performance.now();
  for (let looks = 0; buffer.mapState === "pending" && pending.size > 0; looks++) {
    for (const look of [...pending]) look(); // each asks for the next one
    // A look leaves some kB that V8 may free only when the event loop turns. Waiting a tenth of the time so far makes few of them, for a
    // tenth more time at most, and leaves the processor to others: a software renderer computes on it too.
    if (looks >= 10) Atomics.wait(nobody, 0, 0, (performance.now() - start) / 10);
  }
  if (buffer.mapState !== "mapped") {
    throw new AmsError("the GPU does not give its results back", {
      where: failure instanceof Error ? failure.message : "WebGPU: the device was lost, or ran out of memory",
      hint: `restart the kernel; use a smaller batch, or another engine: ${choosing("wasm")}`,
    });
  }
  const copy = buffer.getMappedRange().slice(0);
  buffer.unmap();
  return copy;
}
