/** What a training step will need of memory, roughly, so that a batch that cannot fit is refused before it kills the process. */
import { freemem } from "node:os";
import { AmsError } from "../errors.js";
import { regions, type ModelConfig } from "../model/config.js";
import type { Recipe } from "./recipe.js";

/**
 * Bytes of a step: activations of both encoders that are kept for the gradient, and of the pairs that are scored with one.
 * An estimate by counting arrays (about 20 of the encoders' width a layer, 4 of the features and 20 similarity maps a pair);
 * the step of the small model at batch 32 is within a factor of two.
 */
export function stepMemory(config: ModelConfig, recipe: Pick<Recipe, "batchSize" | "score" | "loss">): number {
  const { batchSize, score, loss } = recipe;
  const { image, text, embed, maxLength } = config;
  const depth = Math.max(...config.scales);
  const R = regions(config);
  const perToken = (encoder: { width: number; hidden: number }): number =>
    depth * (20 * encoder.width + 3 * encoder.hidden);
  const encoders = batchSize * (R * perToken(image) + maxLength * perToken(text));
  const pairs = score === "pooled" ? 0 : loss === "hinge" ? 3 * batchSize : batchSize ** 2;
  const perPair = config.scales.length * (4 * (R + maxLength) * embed + 20 * R * maxLength);
  return 4 * (encoders + pairs * perPair);
}

/** Throws an AmsError that names a batch size that fits, when a step needs more memory than is free. */
export function checkMemory(config: ModelConfig, recipe: Recipe, free = freemem()): void {
  const needed = stepMemory(config, recipe);
  if (needed <= free) return;
  let fits = recipe.batchSize;
  while (fits > 2 && stepMemory(config, { ...recipe, batchSize: fits }) > free) fits--;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new AmsError(
    `a step of ${recipe.batchSize} pairs needs about ${gigabytes(needed)} of memory; ${gigabytes(free)} are free`,
    {
      where: `recipe ${recipe.name}, model of size ${config.size}`,
      hint: `give --batch-size ${fits}${fits > 2 ? " or less" : ""}, or free memory`,
    },
  );
}
