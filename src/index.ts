/** The public API: `ams.data`, `ams.build`, `ams.train`, `ams.eval`, `ams.plot`, `ams.search` ... and the library behind them. */
import { callsOf } from "./commands/api.js";
import type { Api } from "./commands/apiTypes.js";
import { helpers } from "./commands/helpers.js";
import { createSession } from "./commands/session.js";
import { commands } from "./commands/table.js";
import { silentContext, type Context } from "./context.js";

export type * from "./commands/apiTypes.js";
export type * from "./commands/results.js";
export type { StoredRun } from "./commands/runList.js";
export { silentContext, type Context, type Progress } from "./context.js";
export { displaySymbol, type Displayable, type MimeBundle } from "./display.js";
export { AmsError } from "./errors.js";
export { frame, type Frame } from "./frame.js";
export { amsHome, packageRoot } from "./paths.js";
export * from "./data/index.js";
export * from "./data/emojiScenes/index.js";
export * from "./engine/index.js";
export * from "./evaluate/index.js";
export * from "./match/index.js";
export * from "./model/index.js";
export * from "./plot/index.js";
export * from "./search/index.js";
export * from "./train/index.js";

/** What `createApi` may be given. */
export interface ApiOptions {
  /** The folder of relative paths; default the process's. */
  cwd?: string;
  /** Gets progress and notes, and can abort; default: silent. */
  context?: Context;
}

/** The verbs over a session of their own: data set, model and results stay from one call to the next. */
export function createApi({ cwd = process.cwd(), context = silentContext }: ApiOptions = {}): Api {
  const calls = callsOf(commands, createSession(cwd), (work) => work(context));
  return { ...calls, ...helpers } as unknown as Api;
}

/** The verbs for scripts: `import { ams } from "ams-notebook"; await ams.data("scenes");`. */
export const ams: Api = createApi();
