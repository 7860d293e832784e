/** What every cell finds: `display`, `prompt`, and the functions that magics become. */
import path from "node:path";
import { withContext, type ContextHost } from "../magics/context.js";
import type { Plugins } from "../magics/plugins.js";
import { magicDeclarations } from "../magics/rewrite.js";
import { runShell } from "../magics/shell.js";
import { createTiming } from "../magics/timing.js";
import type { WidgetCenter } from "../widgets/index.js";
import { capturedType } from "./capture.js";
import type { Display, Prompt } from "./display.js";
import type { SessionState } from "./state.js";

export interface GlobalsHost {
  state: SessionState;
  plugins: Plugins;
  context: ContextHost;
  display: Display;
  prompt: Prompt;
  widgets: WidgetCenter;
}

/** What Shift-Tab and `name?` say of them. */
const docs = {
  display:
    '/** Shows a value now, before the cell ends: `display(value)`, `display.html("<b>x</b>")`. An object whose names are all MIME types is shown as that bundle. */',
  prompt: "/** Asks the person and returns the text. Throws where the front end cannot ask. */",
  comms: "/** Lines between cells and JavaScript in the page, opened from either side. */",
  widgets:
    "/** Controls that the page shows and cells read, e.g. `const size = widgets.slider({ min: 1, max: 9 })`; `size.value` is the value. */",
};

export function addGlobals({ state, plugins, context, display, prompt, widgets }: GlobalsHost): void {
  Object.assign(state.values, createTiming(context.signal), {
    __magic: async (name: string, args: string, show: boolean): Promise<unknown> => {
      // An interrupted magic ends well with what it has; the cell's next one does not start.
      context.signal().throwIfAborted();
      const magic = plugins.get(name);
      const value = await withContext(context, (given) => magic.line(args, given));
      if (show && value !== undefined) await display(value);
      return value;
    },
    __magicHelp: (name: string, args: string): Promise<void> => {
      context.show(plugins.get(name).help(args), undefined, false);
      return Promise.resolve();
    },
    __shell: (command: string): Promise<void> => context.cooperate(() => runShell(command, context.signal())),
  });
  const types = `import(${JSON.stringify(path.join(__dirname, "display"))})`;
  state.addGlobal("display", display, `${docs.display}\ndeclare const display: ${types}.Display;`);
  const captured = `declare function __captured(): ${capturedType};`;
  state.addGlobal(
    "prompt",
    prompt,
    `${docs.prompt}\ndeclare const prompt: ${types}.Prompt;\n${magicDeclarations}${captured}`,
  );
  const widgetTypes = `import(${JSON.stringify(path.join(__dirname, "..", "widgets", "types"))})`;
  state.addGlobal("comms", widgets.comms, `${docs.comms}\ndeclare const comms: ${widgetTypes}.Comms;`);
  state.addGlobal("widgets", widgets.widgets, `${docs.widgets}\ndeclare const widgets: ${widgetTypes}.Widgets;`);
}
