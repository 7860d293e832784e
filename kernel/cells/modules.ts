/** What `import` means in a cell: packages beside the notebook first, then the kernel's own; CommonJS, ES modules, JSON. */
import Module, { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";

export interface Modules {
  /** `import(specifier)`, and what static imports are compiled to: the module's namespace, with `default` as TypeScript means it. */
  import: (specifier: string) => Promise<unknown>;
  require: NodeJS.Require;
  /** Takes TypeScript files beside the notebook, compiled to CommonJS; replaces earlier versions. */
  addFiles: (files: { path: string; data: string }[]) => void;
}

/** Failures of `require` that say: this is an ES module, ask `import()`. */
const esModuleErrors = new Set(["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE", "ERR_PACKAGE_PATH_NOT_EXPORTED"]);

export function createModules(folder: string, packageRoot: string): Modules {
  const places = [folder, packageRoot].map((place) => {
    const filename = path.join(place, "notebook.js");
    return { require: createRequire(filename), import: importFrom(filename) };
  });
  const files = new Map<string, string>();
  const loaded = new Map<string, Module>();

  /** Compiled files beside the notebook, by the path that a relative import means. */
  const loadFile = (specifier: string, from: string): Module | undefined => {
    if (!/^\.{0,2}\//.test(specifier)) return undefined;
    const target = path.resolve(from, specifier);
    const found = [target, `${target}.js`, target.replace(/\.tsx?$/, ".js"), path.join(target, "index.js")].find(
      (name) => files.has(name),
    );
    if (found === undefined) return undefined;
    const done = loaded.get(found);
    if (done !== undefined) return done;
    const module = new Module(found);
    module.filename = found;
    const nearby = createRequire(found);
    module.require = Object.assign(
      (id: string) => (loadFile(id, path.dirname(found))?.exports as unknown) ?? loadAny(id, nearby),
      nearby,
    );
    loaded.set(found, module);
    try {
      (module as unknown as { _compile(code: string, filename: string): void })._compile(files.get(found) ?? "", found);
    } catch (error) {
      loaded.delete(found);
      throw error;
    }
    return module;
  };

  const loadAny = (specifier: string, first: NodeJS.Require | undefined = places[0]?.require): unknown => {
    const own = places[1]?.require;
    if (first === undefined || own === undefined) throw new Error("no place to load modules from");
    try {
      return first(specifier) as unknown;
    } catch (error) {
      if (!isMissing(error, specifier)) throw error;
      try {
        return own(specifier) as unknown;
      } catch (second) {
        throw isMissing(second, specifier) ? missing(specifier, folder, error) : second;
      }
    }
  };

  const importES = async (specifier: string): Promise<unknown> => {
    const [beside, own] = places;
    try {
      return await beside?.import(specifier);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND" || isRelative(specifier)) throw error;
      return own?.import(specifier);
    }
  };

  const requireCell = (specifier: string): unknown =>
    (loadFile(specifier, folder)?.exports as unknown) ?? loadAny(specifier);

  return {
    async import(specifier) {
      const file = loadFile(specifier, folder);
      if (file !== undefined) return namespace(file.exports);
      try {
        return namespace(loadAny(specifier));
      } catch (error) {
        if (!esModuleErrors.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
        return importES(specifier);
      }
    },
    require: Object.assign(requireCell, places[0]?.require) as NodeJS.Require,
    addFiles(added) {
      for (const { path: name, data } of added) files.set(path.resolve(name), data);
      // A changed file may be imported by any other: load all of them again.
      if (added.length > 0) loaded.clear();
    },
  };
}

/** `import()` as seen from a file of that name: the notebook's folder decides what a package name means. */
function importFrom(filename: string): (specifier: string) => Promise<unknown> {
  return vm.runInThisContext("(specifier) => import(specifier)", {
    filename,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER as never,
  }) as (specifier: string) => Promise<unknown>;
}

const isRelative = (specifier: string): boolean => /^\.{0,2}\//.test(specifier);

/** Whether the package itself is missing, and not something that it needs. */
function isMissing(error: unknown, specifier: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "MODULE_NOT_FOUND" && !isRelative(specifier) && message.includes(`'${specifier}'`);
}

function missing(specifier: string, folder: string, cause: unknown): Error {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const error = new Error(
    `the package ${name} is neither beside the notebook (${folder}) nor among the kernel's own: !npm install ${name}`,
    { cause },
  );
  return Object.assign(error, { code: "MODULE_NOT_FOUND" });
}

const namespaces = new WeakMap<object, object>();

/** esModuleInterop: a CommonJS module that is not compiled from an ES module is the `default` of a namespace. */
function namespace(exported: unknown): unknown {
  if (isNamespace(exported)) return exported;
  if ((typeof exported !== "object" && typeof exported !== "function") || exported === null)
    return { default: exported };
  const known = namespaces.get(exported);
  if (known !== undefined) return known;
  const result = {};
  for (const name of Object.keys(exported))
    if (name !== "default")
      Object.defineProperty(result, name, {
        enumerable: true,
        get: () => (exported as Record<string, unknown>)[name],
      });
  Object.defineProperty(result, "default", { enumerable: true, value: exported });
  namespaces.set(exported, result);
  return result;
}

function isNamespace(exported: unknown): boolean {
  return (
    typeof exported === "object" &&
    exported !== null &&
    ("__esModule" in exported || Object.prototype.toString.call(exported) === "[object Module]")
  );
}
