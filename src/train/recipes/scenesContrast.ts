import type { Recipe } from "../recipe.js";
import { scenesPretrain } from "./scenesPretrain.js";

/** Second stage: the AMS score itself. Of a batch's 1,024 pairs some 80 carry all but a thousandth of the gradient. */
export const scenesContrast: Recipe = {
  ...scenesPretrain,
  name: "scenes-contrast",
  summary: "second stage for scenes: the AMS score under InfoNCE, from pretrained encoders",
  score: "attention",
  scale: 5,
  negligible: 1e-3,
  batchSize: 32,
  epochs: 1,
  learningRate: 3e-4,
  patches: { keep: 1, until: 0 },
  labels: 0,
};
