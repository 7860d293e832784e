/** The magics that are there: built-in ones, and those of plugins, loaded when a cell first needs them. */
import type { KernelPlugin, Magic, PluginHost } from "../plugin.js";
import { nearest } from "./nearest.js";

/** A plugin that loads by itself: when a cell names one of its magics or globals, or when the kernel is idle. */
export interface AutoPlugin {
  module: string;
  /** The names of its magics and globals. */
  names: string[];
}

export interface Plugins {
  find: (name: string) => Magic | undefined;
  /** The magic, or an error that names the nearest ones. */
  get: (name: string) => Magic;
  all: () => Magic[];
  isMagic: (name: string) => boolean;
  /** Adds a built-in magic. */
  add: (magic: Magic) => void;
  load: (module: string) => Promise<KernelPlugin>;
  /** Whether a self-loading plugin is not loaded yet. */
  isWaiting: () => boolean;
  /**
   * Loads the self-loading plugins that the text needs; all of them without a text. A failure is logged, and noted under the
   * cell that needs the plugin; the next cell that needs it tries again.
   */
  loadFor: (text?: string) => Promise<void>;
}

export function createPlugins(
  automatic: AutoPlugin[],
  options: {
    importModule(specifier: string): Promise<unknown>;
    addGlobal(name: string, value: unknown, type: string): void;
    host: PluginHost;
    /** A line in the kernel's log. */
    log(line: string): void;
  },
): Plugins {
  const magics = new Map<string, Magic>();
  const loaded = new Map<string, Promise<KernelPlugin>>();
  let pending = automatic;

  const load = (module: string): Promise<KernelPlugin> => {
    const known = loaded.get(module);
    if (known !== undefined) return known;
    const loading = loadNow(module);
    loaded.set(module, loading);
    // A failed one may be mended and loaded again.
    loading.catch(() => loaded.delete(module));
    return loading;
  };
  const loadNow = async (module: string): Promise<KernelPlugin> => {
    const exported = (await options.importModule(module)) as {
      plugin?: KernelPlugin;
      default?: { plugin?: KernelPlugin };
    };
    const plugin = exported.plugin ?? exported.default?.plugin;
    if (plugin === undefined || !Array.isArray(plugin.magics))
      throw new Error(`${module} is not a kernel plugin: it exports no \`plugin\` with magics`);
    await plugin.start?.(options.host);
    for (const magic of plugin.magics) magics.set(magic.name, magic);
    for (const { name, value, type } of plugin.globals) options.addGlobal(name, value, type);
    return plugin;
  };

  return {
    find: (name) => magics.get(name),
    get(name) {
      const magic = magics.get(name);
      if (magic !== undefined) return magic;
      const near = nearest(name, magics.keys());
      const hint = near.length > 0 ? `did you mean ${near.map((n) => `%${n}`).join(" or ")}? ` : "";
      throw userError(`there is no magic %${name}`, `${hint}%lsmagic lists all of them`, `%${name}`);
    },
    all: () => [...magics.values()].sort((a, b) => a.name.localeCompare(b.name)),
    isMagic: (name) => magics.has(name) || pending.some(({ names }) => names.includes(name)),
    add(magic) {
      magics.set(magic.name, magic);
    },
    load,
    isWaiting: () => pending.length > 0,
    async loadFor(text) {
      const needed = pending.filter(
        ({ names }) => text === undefined || names.some((name) => new RegExp(`\\b${name}\\b`).test(text)),
      );
      for (const plugin of needed) {
        try {
          await load(plugin.module);
          pending = pending.filter((other) => other !== plugin);
        } catch (error) {
          options.log(`the plugin ${plugin.module} did not load: ${(error as Error).stack ?? String(error)}`);
          const [reason = ""] = (error as Error).message.split("\n");
          if (text !== undefined)
            options.host.note(`warning: ${plugin.names.join(", ")} cannot be used, the plugin did not load: ${reason}`);
        }
      }
    },
  };
}

/** An error of three lines for people: shown without a stack. */
export function userError(message: string, hint?: string, where?: string): Error {
  const lines = [
    message,
    ...(where === undefined ? [] : [`where: ${where}`]),
    ...(hint === undefined ? [] : [`to do: ${hint}`]),
  ];
  return Object.assign(new Error(message), { name: "AmsError", lines: () => lines });
}
