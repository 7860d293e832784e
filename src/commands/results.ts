/** What the verbs return where the library has no type of its own for it. */
import type { Displayable } from "../display.js";
import type { Check, EngineInfo } from "../engine/types.js";
import type { StoredRun } from "./runList.js";

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
}

/** Of `export`. */
export interface Exported extends Displayable {
  /** Absolute paths of what was written. */
  files: string[];
}
