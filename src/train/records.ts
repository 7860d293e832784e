/** What a training writes down about itself. */
import type { EvaluationSummary } from "../evaluate/index.js";
import type { GalleryView } from "../plot/gallery.js";

/** A line of a run's `steps.jsonl`. */
export interface StepRecord {
  /** 1-based over the whole training. */
  step: number;
  /** 0-based. */
  epoch: number;
  /** Sum over the batch (hinge) or mean (contrast). */
  loss: number;
  learningRate: number;
  /** Global L2 norm before clipping. */
  gradientNorm: number;
  imagesPerSecond: number;
  /** Seconds that the step waited for its batch: near 0 where data is prepared as fast as it is used. */
  waited?: number;
}

/** "83 images/s"; where it is below one, "2.5 s an image". */
export function speedText({ imagesPerSecond: speed }: Pick<StepRecord, "imagesPerSecond">): string {
  return speed < 1 ? `${(1 / speed).toFixed(1)} s an image` : `${speed.toFixed(speed < 10 ? 1 : 0)} images/s`;
}

/** What is kept of an epoch at its end. */
export interface EpochRecord {
  /** 0-based. */
  epoch: number;
  /** Steps done at its end. */
  step: number;
  /** Mean over its steps. */
  loss: number;
  seconds: number;
  /** On the validation images; absent when none were asked for. */
  evaluation?: EvaluationSummary;
}

/** Where a training stands, for whoever draws it. */
export interface TrainingState {
  name: string;
  recipe: string;
  steps: StepRecord[];
  epochs: EpochRecord[];
  step: number;
  totalSteps: number;
  stepsPerEpoch: number;
  totalEpochs: number;
  status: "training" | "evaluating" | "saving" | "finished" | "stopped";
  /** What the latest step mined for evaluations, of a recipe that mines a threshold; 0: too little was in its batch. */
  threshold?: number;
  /** Of all that is to come, validations included; NaN before anything is known. */
  secondsLeft: number;
  /** How far the validation is that runs now. */
  validation?: { label: string; done: number; total: number };
  /** What a few validation captions find since the latest validation. */
  samples?: GalleryView;
}
