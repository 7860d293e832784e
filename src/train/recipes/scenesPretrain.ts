import { quirks } from "../../model/quirks.js";
import type { Recipe } from "../recipe.js";
import { amsPublished } from "./amsPublished.js";

/** The encoders of the small model have no pretraining to start from: this is theirs. */
export const scenesPretrain: Recipe = {
  ...amsPublished,
  name: "scenes-pretrain",
  summary: "first stage for scenes: pooled contrast and the labels of patches and phrases, from random encoders",
  score: "pooled",
  loss: "contrast",
  scale: 10,
  quirks: quirks.corrected,
  batchSize: 128,
  epochs: 20,
  learningRate: 1.3e-3,
  schedule: { kind: "cosine", warmup: 0.05 },
  weightDecay: 0.05,
  dropout: 0,
  sampling: "images",
  cropScale: [0.8, 1],
  cropRatio: [0.9, 1.1],
  flip: 0,
  patches: { keep: 0.5, until: 0.8 },
  labels: 1,
  precision: "bfloat16",
};
