/** What an engine is to the rest of the library. */

/** gpu and native are TensorFlow; webgpu is Dawn; wasm is XNNPACK in WebAssembly; plain is JavaScript alone. */
export const engineNames = ["gpu", "native", "webgpu", "wasm", "plain"] as const;

/** What `ams engine NAME` takes. */
export type EngineName = (typeof engineNames)[number];

/** More than any machine has use for; TensorFlow would make hundreds of thousands without a word, and hang. */
export const mostThreads = 256;

/** An engine that was tried and not taken. */
export interface PassedOver {
  name: EngineName;
  /** What stands in its way, and what to do about it. */
  found: string;
  hint?: string;
}

/** The engine that runs. */
export interface EngineInfo {
  name: EngineName;
  /** What computes: "CPU", a GPU's name. */
  device: string;
  /** One sentence for people. */
  detail: string;
  threads: number;
  versions: Record<string, string>;
  /** How much memory it has, for people. */
  memory: string;
  /** Bytes that its tensors can take in all, where less than the machine's memory or another one's: a GPU's, WebAssembly's. */
  memoryLimit?: number;
  /** gpu only: float32 products round their inputs to TF32. */
  tf32?: boolean;
  /** What to know before using it (the first run on a new GPU). */
  remark?: string;
  /** The faster engines that `auto` tried before, and why each is not used. */
  passedOver?: PassedOver[];
}

/** One line of the doctor's report. */
export interface Check {
  name: string;
  ok: boolean;
  /** Not there, and not needed: fine all the same. */
  optional?: boolean;
  found: string;
  /** The exact command or step that mends it. */
  hint?: string;
}
