/** Evaluation: exact scores of all pairs, recalls with intervals, the pointing game. */
export { rsumInterval } from "./bootstrap.js";
export { evaluate, evaluateScores, type EvaluateOptions } from "./evaluate.js";
export type { Evaluation, EvaluationSummary } from "./evaluation.js";
export { pointing, pointsInside, type Pointing, type PointingOptions, type PointingScale } from "./pointing.js";
export { recalls, type Direction, type Recalls } from "./recall.js";
export { references, type Reference } from "./references.js";
export { scoreAll, type ScoreAllOptions, type ScoreSource } from "./scorer.js";
