import { quirks } from "../../model/quirks.js";
import type { Recipe } from "../recipe.js";
import { amsPublished } from "./amsPublished.js";

export const amsCorrected: Recipe = {
  ...amsPublished,
  name: "ams-corrected",
  summary: "AMS as its paper describes it: every quirk of the published code put right",
  quirks: quirks.corrected,
};
