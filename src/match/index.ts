/** Matching: scores, losses, mining and attention maps; pure functions over arrays and tensors. */
export * from "./attentionScore.js";
export * from "./batchScores.js";
export * from "./losses.js";
export * from "./maps.js";
export * from "./mining.js";
export * from "./pooledScore.js";
export * from "./wordTerms.js";
