import { quirks } from "../../model/quirks.js";
import type { Recipe } from "../recipe.js";

export const amsPublished: Recipe = {
  name: "ams-published",
  summary: "AMS exactly as its published code trains it, quirks included",
  score: "attention",
  loss: "hinge",
  margin: 0.2,
  scale: 1,
  negligible: 0,
  evaluationThreshold: "safe",
  quirks: quirks.published,
  batchSize: 32,
  epochs: 25,
  learningRate: 2e-5,
  schedule: { kind: "drops", epochs: [5, 15] },
  weightDecay: 0,
  clip: 2,
  sampling: "captions",
  cropScale: [0.5, 1],
  cropRatio: [3 / 4, 4 / 3],
  flip: 0.5,
  patches: { keep: 1, until: 0 },
  labels: 0,
  precision: "float32",
  seed: 3407,
};
