/** What a magic is given while it runs. */
import type { MagicContext, MimeBundle } from "../plugin.js";
import { createProgressDisplay } from "./progress.js";

export interface ContextHost {
  signal: () => AbortSignal;
  cooperate: <T>(work: () => Promise<T>) => Promise<T>;
  /** Shows a bundle; with `update`, in place of the earlier one of that id. */
  show: (bundle: MimeBundle, displayId: string | undefined, update: boolean) => void;
  setTimer: (callback: () => void, ms: number) => NodeJS.Timeout;
  /** The picture that the running cell's latest live display ended with: a result that looks the same is not shown again. */
  livePicture?: MimeBundle | undefined;
}

let displays = 0;

/** Runs work with a fresh context; its progress display ends as a static picture even when the work fails. */
export async function withContext<T>(host: ContextHost, work: (context: MagicContext) => Promise<T>): Promise<T> {
  const progressId = `progress-${String(process.pid)}-${String(++displays)}`;
  const progress = createProgressDisplay((bundle, update) => {
    host.show(bundle, progressId, update);
  }, host.setTimer);
  const shown = new Set<string>();
  const context: MagicContext = {
    signal: host.signal(),
    cwd: process.cwd(),
    progress: progress.update,
    note(line) {
      process.stdout.write(`${line}\n`);
    },
    display(bundle, displayId) {
      host.show(bundle, displayId, displayId !== undefined && shown.has(displayId));
      if (displayId !== undefined) shown.add(displayId);
    },
  };
  let done = false;
  try {
    const result = await host.cooperate(() => work(context));
    done = true;
    return result;
  } finally {
    host.livePicture = progress.finish(!done && context.signal.aborted) ?? host.livePicture;
  }
}
