/** What `ams` has beside the verbs: functions over their results, for code alone. */
import type { Widgets } from "../../kernel/plugin.js";
import { AmsError } from "../errors.js";
import { frame } from "../frame.js";

export interface Helpers {
  /**
   * A data set, a run, an evaluation or the list of runs as a danfo.js DataFrame, which shows as a table.
   *
   * `ams.frame(scenes).groupby(["split"]).col(["words"]).mean()`
   */
  frame: typeof frame;
  /**
   * A widget in JavaScript (anywidget) with a state that the page and the cells share; controls are under `widgets`.
   *
   * `ams.widget({ esm: "export default { render({ model, el }) { el.textContent = model.get('text') } }", state: { text: "hi" } })`
   */
  widget: Widgets["any"];
}

export const helpers: Helpers = {
  frame,
  // The kernel's plugin puts the notebook's own in its place.
  widget: () => {
    throw new AmsError("widgets need a notebook", {
      where: "ams.widget",
      hint: "run it in a cell of the TypeScript (AMS) kernel",
    });
  },
};
