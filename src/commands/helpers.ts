/** What `ams` has beside the verbs: functions over their results, for code alone. */
import { frame } from "../frame.js";

export interface Helpers {
  /**
   * A data set, a run, an evaluation or the list of runs as a danfo.js DataFrame, which shows as a table.
   *
   * `ams.frame(scenes).groupby(["split"]).col(["words"]).mean()`
   */
  frame: typeof frame;
}

export const helpers: Helpers = { frame };
