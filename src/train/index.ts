/** Training: recipes, the trainer, what it writes down. */
export { checkpointsIn } from "./checkpoint.js";
export * from "./recipe.js";
export * from "./records.js";
export * from "./trainer.js";
