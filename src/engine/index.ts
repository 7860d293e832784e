/** The engine of tfjs: chosen, installed, started, measured, reported. */
export { startEngine, currentEngine, nativeOps, type StartOptions } from "./start.js";
export { ahead, partsAhead, settle } from "./ahead.js";
export { installNative } from "./install.js";
export { measureMatmul } from "./measure.js";
export { engineReport } from "./report.js";
export { engineNames, mostThreads, type Check, type EngineInfo, type EngineName, type PassedOver } from "./types.js";
export type { AdamOptions, Attribute, NativeOps } from "./native/ops.js";
