import type { Recipe } from "../recipe.js";
import { vse } from "./vse.js";

/**
 * FNE (ACM MM 2023): mean vectors of the encoders' last states, and negatives drawn from a long queue so that those which are
 * probably no negatives are seldom taken.
 */
export const fne: Recipe = {
  ...vse,
  name: "fne",
  summary: "FNE: mean vectors; one negative a row, sampled from a queue of momentum features by how false it may be",
  head: { score: "pooled", layer: "last", norm: "none", projection: false, captions: "plain" },
  queue: { size: 8224, momentum: 0.995, from: 1, enough: 200, prior: 9999, certain: 0.999 },
  randAugment: { operations: 2, magnitude: 7 },
};
