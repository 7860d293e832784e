/** Models: configuration, parameters, encoders, weights on disk. */
export * from "./ams.js";
export * from "./build.js";
export * from "./config.js";
export * from "./grow.js";
export { shapeModel, type ModelHead } from "./head.js";
export { createParameters, type Parameters as ModelParameters } from "./parameters.js";
export * from "./quirks.js";
export * from "./safetensors.js";
export * from "./store.js";
