/** Chooses and starts the engine: every candidate proves that it computes before it is used. */
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../errors.js";
import { choosing, environmentChoice } from "./environment.js";
import { isInstalled } from "./native/files.js";
import type { NativeOps } from "./native/ops.js";
import { assertPossible, refusal } from "./refusals.js";
import { proveEngine } from "./selfTest.js";
import { surroundings, type Surroundings } from "./surroundings.js";
import { engineNames, type EngineInfo, type EngineName, type PassedOver } from "./types.js";

export interface StartOptions {
  /** Threads of the native engine; default: AMS_THREADS, or the number of cores. */
  threads?: number;
  /** On the GPU: products of float32 matrices in TF32 (default: AMS_TF32, or false); see `NativeOptions`. */
  tf32?: boolean;
  /** The machine to decide for; default: this one. Tests give others. */
  machine?: Surroundings;
}

let current: EngineInfo | undefined;
let ops: NativeOps | undefined;
let starting: Promise<EngineInfo> | undefined;

/** The engine in use, or undefined before the first `startEngine`. */
export function currentEngine(): EngineInfo | undefined {
  return current;
}

/** TensorFlow's own ops while the native or GPU engine is in use, else undefined. */
export function nativeOps(): NativeOps | undefined {
  return ops;
}

/**
 * Starts an engine and makes it tfjs's backend. `auto` keeps the one in use, or takes that of AMS_ENGINE, or the first that works of: gpu (when
 * installed), native, webgpu, wasm, plain; `passedOver` then says why a faster one is not used. Tensors of another engine move
 * over when they are used.
 * @throws AmsError when the engine that was named cannot be started, here or in AMS_ENGINE.
 */
export async function startEngine(
  choice: EngineName | "auto" = "auto",
  options: StartOptions = {},
): Promise<EngineInfo> {
  if (choice !== "auto" && !engineNames.includes(choice)) {
    throw new AmsError(`there is no engine "${choice}"`, {
      where: "the name of the engine",
      hint: `choose one of: auto, ${engineNames.join(", ")}`,
    });
  }
  // One start at a time: two would both register backends.
  while (starting !== undefined) await starting.catch(() => undefined);
  const asked = options.threads !== undefined || options.tf32 !== undefined;
  if (current !== undefined && (choice === "auto" || choice === current.name) && !asked) return current;
  // A change of settings concerns the engine in use.
  const ofEnvironment = choice === "auto" && current === undefined ? environmentChoice().engine : undefined;
  const wanted = choice === "auto" ? (current?.name ?? ofEnvironment ?? choice) : choice;
  starting = wanted === "auto" ? firstThatWorks(options) : start(wanted, options);
  try {
    current = await starting;
    return current;
  } catch (error) {
    if (ofEnvironment === undefined || !(error instanceof AmsError)) throw error;
    const { message, where, hint, usage } = error;
    throw new AmsError(message, {
      where: [`the environment variable AMS_ENGINE=${ofEnvironment}`, where].filter(Boolean).join(", "),
      ...(hint === undefined ? {} : { hint }),
      usage,
      cause: error,
    });
  } finally {
    starting = undefined;
  }
}

async function firstThatWorks(options: StartOptions): Promise<EngineInfo> {
  const candidates: EngineName[] = ["native", "webgpu", "wasm", "plain"];
  const installed = isInstalled("gpu");
  if (installed) candidates.unshift("gpu");
  const machine = options.machine ?? surroundings();
  const unused = !installed && machine.nvidia?.gpus !== undefined && refusal("gpu", machine) === undefined;
  const passedOver: PassedOver[] = [];
  for (const name of candidates) {
    try {
      const started = await start(name, options, false);
      const remarks = [started.remark, ...(unused ? ["an NVIDIA GPU is here: ams engine install --gpu"] : [])];
      const remark = remarks.filter((one) => one !== undefined).join("; ");
      const info = { ...started, ...(remark !== "" && { remark }) };
      return passedOver.length === 0 ? info : { ...info, passedOver };
    } catch (error) {
      const { message, hint } = error as Partial<AmsError>;
      passedOver.push({ name, found: message ?? String(error), ...(hint !== undefined && { hint }) });
    }
  }
  throw new AmsError("no engine works on this machine", {
    where: passedOver.map(({ name, found }) => `${name}: ${found}`).join("; "),
    hint: "reinstall the packages (npm ci), then run: ams doctor",
  });
}

/** `named`: a person asked for this very engine. */
async function start(name: EngineName, options: StartOptions, named = true): Promise<EngineInfo> {
  // tfjs's union package registers the gradients of all ops; the CommonJS build of tfjs-core alone has none.
  require("@tensorflow/tfjs"); // eslint-disable-line @typescript-eslint/no-require-imports
  const before = current === undefined ? undefined : tf.getBackend();
  const { backend, info, proved } = await register(name, options, named);
  try {
    if (!(await tf.setBackend(backend))) throw new Error(`tfjs refuses the backend ${backend}`);
    proveEngine();
    proved?.();
  } catch (error) {
    if (before !== undefined) await tf.setBackend(before);
    throw new AmsError(`the engine ${name} does not compute correctly: ${(error as Error).message}`, {
      where: info.detail,
      hint: `use another engine, e.g.: ${choosing(name === "wasm" ? "plain" : "wasm")}`,
      cause: error,
    });
  }
  ops = name === "native" || name === "gpu" ? (await import("./native/start.js")).nativeOpsIfStarted() : undefined;
  return { ...info, versions: { tfjs: tf.version_core, ...info.versions } };
}

async function register(
  name: EngineName,
  { machine = surroundings(), ...options }: StartOptions,
  named: boolean,
): Promise<{ backend: string; info: EngineInfo; proved?: () => void }> {
  assertPossible(name, machine);
  // Loaded only where it can work: the packages below are native code.
  switch (name) {
    case "gpu":
    case "native":
      return (await import("./native/start.js")).startNative(name, options, machine);
    case "webgpu":
      return (await import("./webgpu/start.js")).startWebgpu(named);
    case "wasm":
      return (await import("./wasm/start.js")).startWasm();
    case "plain":
      return (await import("./plain.js")).startPlain();
  }
}
