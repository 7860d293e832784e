/** The magics that are there: built-in ones, and those of plugins, loaded when a cell first needs them. */
import type { DisplayRule, KernelPlugin, Magic, PluginHost } from "../plugin.js";
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
  /** Loads a plugin again that was edited. */
  reload: (module: string) => Promise<KernelPlugin>;
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
    /** The next import of it runs it again. */
    forgetModule(specifier: string): void;
    addGlobal(name: string, value: unknown, type: string): void;
    addDisplay(rule: DisplayRule): void;
    host: PluginHost;
    /** A line in the kernel's log. */
    log(line: string): void;
  },
): Plugins {
  const magics = new Map<string, Magic>();
  const loaded = new Map<string, Promise<KernelPlugin>>();
  const builtins = new Set<string>();
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
      throw refuse(module, "it exports no `plugin` with magics");
    const { magics: own, globals = [], displays = [] } = plugin;
    for (const magic of own) check(module, magic);
    for (const { name, type } of globals)
      if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) || typeof type !== "string" || type === "")
        throw refuse(module, `its global ${name} needs a name that TypeScript knows and a type`);
    await plugin.start?.(options.host);
    for (const magic of own) magics.set(magic.name, magic);
    for (const { name, value, type } of globals) options.addGlobal(name, value, type);
    for (const rule of displays) options.addDisplay(rule);
    return plugin;
  };
  const check = (module: string, { name, line, help }: Partial<Magic>): void => {
    if (name === undefined || !/^[A-Za-z_][\w.-]*$/.test(name))
      throw refuse(module, `${String(name)} cannot be the name of a magic: letters, digits, _, . and -`);
    if (builtins.has(name)) throw refuse(module, `the kernel has a magic %${name} of its own`);
    if (typeof line !== "function" || typeof help !== "function")
      throw refuse(module, `its magic %${name} needs the functions \`line\` and \`help\``);
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
      builtins.add(magic.name);
      magics.set(magic.name, magic);
    },
    load,
    reload(module) {
      loaded.delete(module);
      options.forgetModule(module);
      return load(module);
    },
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

function refuse(module: string, why: string): Error {
  return userError(`${module} is not a kernel plugin: ${why}`, "docs/plugins.md shows one", `%load_ext ${module}`);
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
