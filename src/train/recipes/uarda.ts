import type { Recipe } from "../recipe.js";
import { naaf } from "./naaf.js";

/**
 * UARDA (Zhang et al., IEEE TMM 2022, 10.1109/TMM.2022.3141603). It has no public code: this is built from its abstract and NAAF's
 * mining. The mined t alone decides what is relevant, in training and in evaluation; the rest takes no part in the score.
 */
export const uarda: Recipe = {
  ...naaf,
  name: "uarda",
  summary: "UARDA: words and regions below the mined threshold take no part (built from its abstract)",
  head: { score: "relevant", layer: "deepest scale", norm: "after", projection: true, captions: "as written" },
  evaluationThreshold: "mined",
};
