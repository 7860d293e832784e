/** Figures of the library: each takes plain data and resolves to a Figure that shows and saves itself. */
export {
  attentionComparison,
  attentionFigure,
  type AttentionInput,
  type AttentionScale,
  type AttentionTokens,
} from "./attention.js";
export { confusionFigure, type ConfusionInput } from "./confusion.js";
export { distributionFigure, type DistributionOptions } from "./distribution.js";
export type { Figure, PlotlySpec } from "./figure.js";
export { galleryFigure, galleryOf, type GalleryEvaluation, type GalleryHit, type GalleryRow } from "./gallery.js";
export { historyFigure, type History, type HistoryEpoch, type HistoryStep } from "./history.js";
export { phraseRecallFigure, phrasesFigure } from "./phrases.js";
export { fontsAvailable, svgToPng, thumbnail, type Picture, type Thumbnail } from "./raster.js";
export { recallFigure, type RecallCurve, type RecallOptions, type RecallPoints } from "./recall.js";
export { blockLine, sparkline, type SparklineOptions } from "./sparkline.js";
export { runsFigure } from "./runs.js";
export { scalesFigure } from "./scales.js";
export { sizesFigure, type SplitSizes } from "./sizes.js";
