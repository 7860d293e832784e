/** What every cell finds: `display`, `prompt`, and the functions that magics become. */
import path from "node:path";
import { withContext, type ContextHost } from "../magics/context.js";
import type { Plugins } from "../magics/plugins.js";
import { magicDeclarations } from "../magics/rewrite.js";
import { runShell } from "../magics/shell.js";
import { createTiming } from "../magics/timing.js";
import type { Display, Prompt } from "./display.js";
import type { SessionState } from "./state.js";

export interface GlobalsHost {
  state: SessionState;
  plugins: Plugins;
  context: ContextHost;
  display: Display;
  prompt: Prompt;
}

export function addGlobals({ state, plugins, context, display, prompt }: GlobalsHost): void {
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
  state.addGlobal("display", display, `declare const display: ${types}.Display;`);
  state.addGlobal("prompt", prompt, `declare const prompt: ${types}.Prompt;\n${magicDeclarations}`);
}
