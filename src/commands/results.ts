/** What the verbs return where the library has no type of its own for it. */
import type { Displayable } from "../display.js";
import type { Dataset } from "../data/dataset.js";
import type { Check, EngineInfo } from "../engine/types.js";
import type { Comparison } from "../evaluate/index.js";
import type { Frame } from "../frame.js";
import type { Figure } from "../plot/figure.js";
import type { Indexed, StoredIndex } from "../search/index.js";
import type { StoredRun } from "./runList.js";

/** Of `data`. */
export interface OpenedDataset extends Dataset, Displayable {
  /**
   * A danfo.js DataFrame with a row a caption: split, image (its id), file, caption, words. The same as `ams.frame(dataset)`.
   *
   * `scenes.frame().groupby(["split"]).col(["words"]).mean()`
   */
  frame(): Frame;
}

/** Of `doctor`. */
export interface Report extends Displayable {
  checks: Check[];
  /** Nothing is missing. */
  ok: boolean;
}

/** Of `engine`. */
export interface Engine extends EngineInfo, Displayable {
  /** Speed of a float32 matrix product, when it was measured. */
  gflops?: number;
}

/** Of `runs`. */
export interface RunList extends Displayable {
  runs: StoredRun[];
  /** A danfo.js DataFrame with a row a run. The same as `ams.frame(list)`. */
  frame(): Frame;
  /** Their losses and validations over each other: of the first six that can be read. */
  figure(): Promise<Figure>;
}

/** Of `indexes`. */
export interface IndexList extends Displayable {
  /** Those with a name, in its order. */
  indexes: StoredIndex[];
  /** Folders of those that this call has removed. */
  removed: string[];
  /** A danfo.js DataFrame with a row an index. The same as `ams.frame(list)`. */
  frame(): Frame;
}

/** Of `export`. */
export interface Exported extends Displayable {
  /** Absolute paths of what was written. */
  files: string[];
}

/** Of `compare`. */
export interface Compared extends Comparison {
  /** A danfo.js DataFrame with a row a measure: both values, difference, interval, p, real. The same as `ams.frame(compared)`. */
  frame(): Frame;
  /** The differences with their intervals. */
  figure(): Promise<Figure>;
  /** Of two trainings: their losses and validations over each other. */
  curves?: Figure;
}

/** Of `index`. */
export interface IndexReport extends Indexed, Displayable {
  /** The index's name, or its folder as it was given. */
  index: string;
}

/** Of `inspect`. */
export interface Inspection extends Displayable {
  /** Absolute paths of what was written. */
  files: string[];
  /** Name -> shape of every tensor in them. */
  tensors: Record<string, number[]>;
  /** Of scores, where there are as many images as captions. */
  loss?: number;
}

/** Of `run` and of a cell `%%ams`. */
export interface Experiment extends Displayable {
  /** The verbs that ran, in order, each with its result as the typed call gives it and as `--json` prints it. */
  steps: { verb: string; result: unknown; json: unknown }[];
}
