/** The main thread's side of the debugger: tells the wire thread where compiled code stands in cells and files. */
import type { CellSource } from "../cells/errors.js";
import type { Script } from "./adapter.js";
import { positionTable } from "./table.js";

export interface DebugScripts {
  /** Code that will run under that name. */
  add: (name: string, source: CellSource) => void;
  /** Resolves once the breakpoints in all of it are set; at once where nobody debugs. */
  ready: () => Promise<void>;
  /** The debugger was attached: it learns of everything that ran before. */
  attached: () => void;
  /** The breakpoints of a script are set. */
  done: (name: string) => void;
}

/** @param isDebugging whether the debugger is attached: without it nothing is computed */
export function createDebugScripts(isDebugging: () => boolean, tell: (script: Script) => void): DebugScripts {
  const sources = new Map<string, CellSource>();
  const pending = new Set<string>();
  let wake: (() => void)[] = [];
  const send = (name: string, { written, code, toCell }: CellSource): void => {
    tell({ name, source: written, positions: positionTable(code, toCell) });
  };
  return {
    add(name, source) {
      sources.set(name, source);
      if (!isDebugging()) return;
      pending.add(name);
      send(name, source);
    },
    ready: async () => {
      if (pending.size > 0) await new Promise<void>((resolve) => wake.push(resolve));
    },
    attached() {
      for (const [name, source] of sources) send(name, source);
    },
    done(name) {
      pending.delete(name);
      if (pending.size > 0) return;
      for (const resolve of wake) resolve();
      wake = [];
    },
  };
}
