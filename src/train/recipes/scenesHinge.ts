import type { Recipe } from "../recipe.js";
import { scenesContrast } from "./scenesContrast.js";

/** Third stage: the published loss, with crops that keep things in the picture and no flips (captions say left and right). */
export const scenesHinge: Recipe = {
  ...scenesContrast,
  name: "scenes-hinge",
  summary: "third stage for scenes: the AMS score under the published hinge",
  loss: "hinge",
  negligible: 0,
  learningRate: 1e-4,
};
