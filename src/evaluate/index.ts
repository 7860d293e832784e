/** Evaluation: exact scores of all pairs, recalls with intervals, the pointing game. */
export { captionsOf } from "./captions.js";
export {
  curveIntervals,
  measures,
  pairedDifferences,
  recallIntervals,
  rsumInterval,
  wilson,
  type BootstrapOptions,
  type Difference,
  type Interval,
  type Measured,
  type Ranked,
} from "./bootstrap.js";
export { chosenItems, evaluate, evaluateScores, type EvaluateOptions, type GivenOptions } from "./evaluate.js";
export type { Evaluation, EvaluationSummary, Member } from "./evaluation.js";
export { compareEvaluations, type Comparison, type MeasureDifference } from "./compare.js";
export {
  confusionMatrix,
  hardestConfusions,
  type Confusable,
  type Confusion,
  type ConfusionMatrix,
} from "./confusions.js";
export { scoreDistributions, type Distribution, type Distributions } from "./distributions.js";
export { wordRelevance, type WordRelevance, type WordRow } from "./wordRelevance.js";
export { foldsOf, type Folds } from "./folds.js";
export { openEnsemble, type Ensemble } from "./ensemble.js";
export { checkSaveName, readScores, saveScores, scaleFile, type GivenScores } from "./givenScores.js";
export { centreInside, phraseWords, pointedPatch, pointsInside, type PointingView } from "./point.js";
export { phraseRecalls, type PhraseRecall } from "./phraseRecall.js";
export { pointing, type Pointing, type PointingOptions, type PointingScale, type PointingScore } from "./pointing.js";
export { recalls, type Direction, type Recalls } from "./recall.js";
export { references, type Reference, type ReferenceRecalls } from "./references.js";
export { scaleRecalls, type ScaleRecalls, type ScaleSummary } from "./scales.js";
export { keepInFolder, keepInMemory, type ScoreKeeper } from "./scoreKeeper.js";
export { scoreAll, type ScoreAllOptions, type ScoreSource } from "./scorer.js";
