import type { Recipe } from "../recipe.js";
import { amsCorrected } from "./amsCorrected.js";

/** The baseline without any matching of words and regions: one mean vector an image and a caption (VSE++, Faghri et al., BMVC 2018). */
export const vse: Recipe = {
  ...amsCorrected,
  name: "vse",
  summary: "VSE++: cosine of mean vectors under the hardest-negative hinge, the baseline without attention",
  score: "pooled",
  head: { score: "pooled", layer: "deepest scale", norm: "before", projection: true, captions: "as written" },
};
