/** What an engine is to the rest of the library. */

/** gpu and native are TensorFlow; wasm is XNNPACK in WebAssembly; plain is JavaScript alone. */
export type EngineName = "gpu" | "native" | "wasm" | "plain";
export const engineNames: readonly EngineName[] = ["gpu", "native", "wasm", "plain"];

export interface EngineInfo {
  name: EngineName;
  /** What computes: "CPU", a GPU's name. */
  device: string;
  /** One sentence for people. */
  detail: string;
  threads: number;
  versions: Record<string, string>;
  /** Why it is not a faster engine, when a faster one was asked for. */
  warning?: string;
}

/** One line of the doctor's report. */
export interface Check {
  name: string;
  ok: boolean;
  found: string;
  /** The exact command or step that mends it. */
  hint?: string;
}
