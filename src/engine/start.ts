/** Chooses and starts the engine: every candidate proves that it computes before it is used. */
import { existsSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { AmsError } from "../errors.js";
import { gpuFolder, recordName, unsupported } from "./native/files.js";
import type { NativeOps } from "./native/ops.js";
import { proveEngine } from "./selfTest.js";
import { engineNames, type EngineInfo, type EngineName } from "./types.js";

export interface StartOptions {
  /** Threads of the native engine; default: the number of cores. */
  threads?: number;
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
 * Starts an engine and makes it tfjs's backend. `auto` keeps the one in use, or takes the first that works of: gpu (when
 * installed), native, wasm, plain; its `warning` then says why a faster one was passed over. Tensors of another engine move
 * over when they are used.
 * @throws AmsError when the engine that was named cannot be started.
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
  if (current !== undefined && (choice === "auto" || (choice === current.name && options.threads === undefined))) {
    return current;
  }
  starting = choice === "auto" ? firstThatWorks(options) : start(choice, options);
  try {
    current = await starting;
    return current;
  } finally {
    starting = undefined;
  }
}

async function firstThatWorks(options: StartOptions): Promise<EngineInfo> {
  const candidates: EngineName[] = ["native", "wasm", "plain"];
  if (existsSync(path.join(gpuFolder(), recordName))) candidates.unshift("gpu");
  const reasons: string[] = [];
  for (const name of candidates) {
    try {
      const info = await start(name, options);
      return reasons.length === 0 ? info : { ...info, warning: `slower engine ${name}: ${reasons.join("; ")}` };
    } catch (error) {
      const { message, hint } = error as Partial<AmsError>;
      reasons.push(`${name}: ${message ?? String(error)}${hint === undefined ? "" : ` (${hint})`}`);
    }
  }
  throw new AmsError("no engine works on this machine", {
    where: reasons.join("; "),
    hint: "reinstall the packages (npm ci), then run: ams doctor",
  });
}

async function start(name: EngineName, { threads }: StartOptions): Promise<EngineInfo> {
  // tfjs's union package registers the gradients of all ops; the CommonJS build of tfjs-core alone has none.
  require("@tensorflow/tfjs"); // eslint-disable-line @typescript-eslint/no-require-imports
  const before = current === undefined ? undefined : tf.getBackend();
  const { backend, info } = await register(name, threads);
  try {
    if (!(await tf.setBackend(backend))) throw new Error(`tfjs refuses the backend ${backend}`);
    proveEngine();
  } catch (error) {
    if (before !== undefined) await tf.setBackend(before);
    throw new AmsError(`the engine ${name} does not compute correctly: ${(error as Error).message}`, {
      where: info.detail,
      hint: "use another engine, e.g.: ams engine wasm",
      cause: error,
    });
  }
  ops = name === "native" || name === "gpu" ? (await import("./native/start.js")).nativeOpsIfStarted() : undefined;
  return { ...info, versions: { tfjs: tf.version_core, ...info.versions } };
}

async function register(name: EngineName, threads?: number): Promise<{ backend: string; info: EngineInfo }> {
  switch (name) {
    case "gpu":
    case "native": {
      const reason = unsupported();
      if (reason !== undefined)
        throw new AmsError(reason, { where: `engine ${name}`, hint: "use the WASM engine: ams engine wasm" });
      // Loaded only where it can work: the packages below it are native code.
      return (await import("./native/start.js")).startNative(name, threads);
    }
    case "wasm":
      return (await import("./wasm/start.js")).startWasm();
    case "plain":
      return (await import("./plain.js")).startPlain();
  }
}
