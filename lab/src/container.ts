/**
 * The extension's entry, as JupyterLab loads it: a module-federation container with `init` and `get` (its names are fixed by
 * JupyterLab's bootstrap). Written by hand, so that neither webpack nor JupyterLab's builder is needed.
 */
import { extensionPlugins } from "./extension.js";
import { mimeExtensions } from "./mime.js";
import { setShareScope, type ShareScope } from "./share.js";

const modules: Record<string, () => Promise<unknown>> = {
  "./extension": extensionPlugins,
  "./mime": mimeExtensions,
};

const page = globalThis as unknown as { _JUPYTERLAB?: Record<string, unknown> };
page._JUPYTERLAB ??= {};
page._JUPYTERLAB["@ams-notebook/lab"] = {
  init: setShareScope,
  async get(name: string): Promise<() => unknown> {
    const load = modules[name];
    if (load === undefined) throw new Error(`@ams-notebook/lab has no module ${name}`);
    const value = await load();
    return () => ({ __esModule: true, default: value });
  },
} satisfies { init: (scope: ShareScope) => void; get: (name: string) => Promise<() => unknown> };
