/** The plugin interface: what a package gives the kernel, so that the kernel knows nothing of any package. Types only. */
import type { Context } from "../src/context.js";
import type { MimeBundle } from "../src/display.js";
import type { Comms, Widgets } from "./widgets/types.js";

/** What a magic is given: the interrupt's signal, a progress display, notes, and the place it runs in. */
export interface MagicContext extends Context {
  /** The folder that relative paths start from. */
  cwd: string;
  /** Shows a bundle; a second call with the same `displayId` in one cell replaces the first picture in place. */
  display(bundle: MimeBundle, displayId?: string): void;
}

/** What Tab offers inside a magic's arguments: each match replaces `args.slice(start, end)` (UTF-16 offsets). */
export interface MagicCompletions {
  matches: { text: string; type?: string; help?: string }[];
  start: number;
  end: number;
}

/** A magic of a plugin: `%name` in a line, `%%name` for a whole cell, or both. */
export interface Magic {
  /** Written after `%` or `%%`: letters, digits, `_`, `.` and `-`. */
  name: string;
  /** One line for `%lsmagic`. */
  summary: string;
  /** Shown for `%name?`, `?name` and Shift-Tab; `args` is what stands between the name and the question mark. */
  help(args: string): MimeBundle;
  /** `%name args`: the value it resolves to is the result of the expression. */
  line(args: string, context: MagicContext): Promise<unknown>;
  /** `%%name args` on the first line of a cell: the rest of the cell is `body`. */
  cell?(args: string, body: string, context: MagicContext): Promise<unknown>;
  /** Completions at the UTF-16 offset `cursor` of `args`. */
  complete?(args: string, cursor: number): Promise<MagicCompletions>;
  /** The TypeScript type of what `line` resolves to, e.g. `import("/absolute/build/src/index").Run`; without it, `any`. */
  returnType?(args: string): string;
}

/** The first rule whose `test` holds shows the value. */
export interface DisplayRule {
  /** Whether this rule shows the value. */
  test(value: unknown): boolean;
  /** The value by mime type. */
  show(value: unknown): Record<string, unknown> | Promise<Record<string, unknown>>;
}

/** What the kernel offers a plugin when it starts. */
export interface PluginHost {
  /** The folder of the notebook. */
  cwd: string;
  /**
   * Runs long work that a global's function does (`ams.train({...})`) as a magic is run: with the running cell's signal and
   * one progress display. An interrupt waits for such work to end by itself.
   */
  run<T>(work: (context: MagicContext) => Promise<T>): Promise<T>;
  /** A line under the running cell. */
  note(line: string): void;
  /** What cells have as `widgets` and `comms`. A comm to a target that nobody listens to yet loads the kernel's own plugins. */
  widgets: Widgets;
  comms: Comms;
}

/** A package exports one of these as `plugin`; `%load_ext package` (or the kernel's own settings) loads it. */
export interface KernelPlugin {
  name: string;
  version: string;
  magics: Magic[];
  /** How values look that have no `Symbol.for("Jupyter.display")` of their own. */
  displays?: DisplayRule[];
  /** Values that every cell sees, with their TypeScript type, e.g. `import("/absolute/build/src/index").Api`. */
  globals?: { name: string; value: unknown; type: string }[];
  /** Called once, when the plugin is loaded. */
  start?(host: PluginHost): Promise<void>;
}

export type { Comms, Context, MimeBundle, Widgets };
