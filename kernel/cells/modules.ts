/** What `import` means in a cell: packages beside the notebook first, then the kernel's own; CommonJS, ES modules, JSON. */
import { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";
import type { CellErrors } from "./errors.js";
import { createFiles } from "./files.js";

export interface Modules {
  /** `import(specifier)`, and what static imports are compiled to: the module's namespace, with `default` as TypeScript means it. */
  import: (specifier: string) => Promise<unknown>;
  require: NodeJS.Require;
  /** The next import runs the module again, if `require` has loaded it. */
  forget: (specifier: string) => void;
}

/** Failures of `require` that say: this is an ES module, ask `import()`. */
const esModuleErrors = new Set(["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE", "ERR_PACKAGE_PATH_NOT_EXPORTED"]);

export function createModules(folder: string, packageRoot: string, errors: CellErrors): Modules {
  const own = placeAt(packageRoot);
  const beside = placeAt(folder);

  const requirePackage = (specifier: string, first: NodeJS.Require): unknown => {
    try {
      return first(specifier) as unknown;
    } catch (error) {
      if (!isMissing(error, specifier)) throw error;
      try {
        return own.require(specifier) as unknown;
      } catch (second) {
        throw isMissing(second, specifier) ? missing(specifier, folder, error) : second;
      }
    }
  };

  const importES = async (specifier: string, place: Place): Promise<unknown> => {
    try {
      return await place.import(specifier);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND" || isRelative(specifier)) throw error;
      return own.import(specifier);
    }
  };

  const importAny = async (specifier: string, place: Place): Promise<unknown> => {
    try {
      return namespace(requirePackage(specifier, place.require));
    } catch (error) {
      if (!esModuleErrors.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
      return importES(specifier, place);
    }
  };

  const files = createFiles({
    folder,
    own: path.join(__dirname, "..", ".."),
    errors,
    requirePackage,
    importFrom: (specifier, from) => importAny(specifier, from === folder ? beside : placeAt(from)),
  });

  const requireCell = (specifier: string): unknown => {
    const file = files.find(specifier, folder);
    return file === undefined ? requirePackage(specifier, beside.require) : files.require(file);
  };

  return {
    async import(specifier) {
      const file = files.find(specifier, folder);
      if (file === undefined) return importAny(specifier, beside);
      await files.prepare(file);
      return namespace(files.load(file));
    },
    require: Object.assign(requireCell, beside.require) as NodeJS.Require,
    forget(specifier) {
      for (const { require } of [beside, own]) {
        try {
          Reflect.deleteProperty(require.cache, require.resolve(specifier));
        } catch {
          // not there: nothing to forget
        }
      }
    },
  };
}

/** `require` and `import()` as seen from a file in a folder. */
interface Place {
  require: NodeJS.Require;
  import: (specifier: string) => Promise<unknown>;
}

function placeAt(folder: string): Place {
  const filename = path.join(folder, "notebook.js");
  return { require: createRequire(filename), import: importFrom(filename) };
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
    `the package ${name} is neither beside the notebook (${folder}) nor among the kernel's own: %npm install ${name}`,
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
