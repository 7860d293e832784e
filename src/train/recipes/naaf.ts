import { quirks } from "../../model/quirks.js";
import type { Recipe } from "../recipe.js";
import { amsPublished } from "./amsPublished.js";

/**
 * NAAF (Zhang et al., CVPR 2022), the score and the mining that AMS took over: one scale, cosines (the L2 norm comes after the
 * projection), the mined threshold in training too, captions of their true length.
 */
export const naaf: Recipe = {
  ...amsPublished,
  name: "naaf",
  summary: "NAAF: one scale of cosines, mined thresholds in training and evaluation",
  head: { score: "attention", layer: "deepest scale", norm: "after", projection: true, captions: "as written" },
  // The negative branch asks a caption's own words in evaluation only, as published.
  quirks: { ...quirks.corrected, evaluationPropagation: false },
  batchSize: 128,
  epochs: 20,
  learningRate: 5e-4,
  schedule: { kind: "drops", epochs: [10] },
};
