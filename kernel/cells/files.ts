/**
 * TypeScript, JavaScript and JSON files beside the notebook: compiled one by one when they are imported, and again when they or
 * what they import was edited. Their types are checked with the cell; here only their code is made.
 */
import { readFileSync, statSync } from "node:fs";
import { createRequire, SourceMap } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import vm from "node:vm";
import ts from "typescript";
import { applyEdits, lineAndColumn, offsetAt, type Edit } from "./edits.js";
import type { CellErrors } from "./errors.js";

export interface Files {
  /** The file that a relative or absolute specifier means, if it is one for this loader. */
  find: (specifier: string, from: string) => string | undefined;
  /** Compiles the file and what it imports, if anything changed; afterwards `load` gives the newest. */
  prepare: (file: string) => Promise<void>;
  /** The exports of a prepared file; runs it the first time and after a change. */
  load: (file: string) => unknown;
  /** The exports of a file that no import has prepared. */
  require: (file: string) => unknown;
}

export interface FilesHost {
  /** The notebook's folder. */
  folder: string;
  /** JavaScript and JSON below this folder is Node's business: the kernel's own code. */
  own: string;
  errors: CellErrors;
  /** A package as `require` in that file gives it. */
  requirePackage: (specifier: string, nearby: NodeJS.Require) => unknown;
  /** `import()` in a file of that folder. */
  importFrom: (specifier: string, folder: string) => Promise<unknown>;
}

/** One compiled file. */
interface Compiled {
  /** Changes with the file. */
  version: string;
  code: string;
  /** The local files that it imports. */
  needs: string[];
  /** Packages that only `import()` can load; those that wait for it, and the loaded ones. */
  waiting: string[];
  modules: Map<string, unknown>;
  /** It awaits at the top level. */
  awaits: boolean;
}

interface Loaded {
  exports: unknown;
}

const extensions = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json"];
const typescript = /\.[mc]?tsx?$/;

export function createFiles({ folder, own, errors, requirePackage, importFrom }: FilesHost): Files {
  const compiled = new Map<string, Compiled>();
  const loaded = new Map<string, Loaded>();

  const isOurs = (file: string): boolean => {
    if (/[\\/]node_modules[\\/]/.test(file) || /\.d\.[mc]?ts$/.test(file)) return false;
    if (typescript.test(file)) return true;
    return extensions.includes(path.extname(file)) && isInside(file, folder) && !isInside(file, own);
  };
  const find: Files["find"] = (specifier, from) => {
    if (!/^\.{0,2}\//.test(specifier) && !/^\.{1,2}$/.test(specifier) && !path.isAbsolute(specifier)) return undefined;
    const target = path.resolve(from, specifier);
    // `./a.js` means a.ts where TypeScript is written in the way of ES modules.
    const written = /\.[mc]?jsx?$/.test(target) ? [target.replace(/\.([mc]?)js(x?)$/, ".$1ts$2")] : [];
    const names = [target, ...written, ...extensions.map((extension) => target + extension)];
    const indexes = extensions.map((extension) => path.join(target, `index${extension}`));
    const found = [...names, ...indexes].find((name) => statSync(name, { throwIfNoEntry: false })?.isFile() === true);
    return found !== undefined && isOurs(found) ? found : undefined;
  };

  const compile = (file: string, version: string): Compiled => {
    const text = readFileSync(file, "utf8");
    const modules = new Map<string, unknown>();
    if (file.endsWith(".json")) return { version, code: text, needs: [], waiting: [], modules, awaits: false };
    const needs: string[] = [];
    const waiting: string[] = [];
    for (const { fileName: specifier } of ts.preProcessFile(text, true, true).importedFiles) {
      const local = find(specifier, path.dirname(file));
      if (local !== undefined) needs.push(local);
      else if (isModule(specifier, file)) waiting.push(specifier);
    }
    return { version, ...toCommonJs(text, file, errors), needs, waiting, modules };
  };

  /** Compiles what changed and forgets what must run again. Returns the files, each after what it imports. */
  const refresh = (root: string): string[] => {
    const seen = new Set<string>();
    const order: string[] = [];
    const visit = (file: string): void => {
      if (seen.has(file)) return; // also a circle of imports
      seen.add(file);
      const version = versionOf(file);
      let current = compiled.get(file);
      if (current?.version !== version) {
        current = compile(file, version);
        compiled.set(file, current);
        forget(file);
      }
      current.needs.forEach(visit);
      order.push(file);
    };
    visit(root);
    return order;
  };
  /** The file, and all that comes to it by imports, also in a circle or from another root, runs again. */
  const forget = (changed: string): void => {
    const stale = new Set([changed]);
    for (const file of stale) {
      loaded.delete(file);
      for (const [importer, { needs }] of compiled) if (needs.includes(file)) stale.add(importer);
    }
  };

  const prepare: Files["prepare"] = async (file) => {
    for (const name of refresh(file)) {
      const found = compiled.get(name);
      for (let specifier; (specifier = found?.waiting.pop()) !== undefined;)
        found?.modules.set(specifier, await importFrom(specifier, path.dirname(name)));
      // Who imports it calls `require`, which cannot wait: run now what awaits.
      if (found?.awaits === true && !loaded.has(name)) await run(name, found);
    }
  };

  const run = async (file: string, { code, modules }: Compiled): Promise<void> => {
    try {
      await start(file, code, modules, true);
    } catch (error) {
      loaded.delete(file);
      throw error;
    }
  };
  const start = (file: string, code: string, modules: Map<string, unknown>, asynchronous: boolean): unknown => {
    const module: Loaded & { id: string; filename: string } = { exports: {}, id: file, filename: file };
    loaded.set(file, module);
    const directory = path.dirname(file);
    const nearby = createRequire(file);
    const requireHere = (specifier: string): unknown => {
      const local = find(specifier, directory);
      if (local !== undefined) return load(local);
      return modules.get(specifier) ?? requirePackage(specifier, nearby);
    };
    const importHere = async (specifier: string): Promise<unknown> => {
      const local = find(specifier, directory);
      if (local === undefined) return importFrom(specifier, directory);
      await prepare(local);
      return load(local);
    };
    const meta = { url: pathToFileURL(file).href, filename: file, dirname: directory };
    const prefix = `(${asynchronous ? "async " : ""}function (exports, require, module, __filename, __dirname, $import, $meta) { `;
    const script = new vm.Script(`${prefix}${code}\n})`, { filename: file, columnOffset: -prefix.length });
    const body = script.runInThisContext() as (...args: unknown[]) => unknown;
    return body.call(
      module.exports,
      module.exports,
      Object.assign(requireHere, nearby),
      module,
      file,
      directory,
      importHere,
      meta,
    );
  };

  const load = (file: string): unknown => {
    const done = loaded.get(file);
    if (done !== undefined) return done.exports;
    const found = compiled.get(file);
    if (found === undefined) throw new Error(`${file} was not compiled`);
    if (file.endsWith(".json")) {
      const exported = parseJson(found.code, file);
      loaded.set(file, { exports: exported });
      return exported;
    }
    if (found.awaits) throw new Error(`${file} awaits at its top level, so that require() cannot load it: import it`);
    try {
      start(file, found.code, found.modules, false);
    } catch (error) {
      loaded.delete(file);
      throw error;
    }
    return loaded.get(file)?.exports;
  };

  return {
    find,
    prepare,
    load,
    require(file) {
      refresh(file);
      return load(file);
    },
  };
}

function isInside(file: string, folder: string): boolean {
  return file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);
}

function versionOf(file: string): string {
  const { mtimeMs, size } = statSync(file);
  return `${String(mtimeMs)} ${String(size)}`;
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new SyntaxError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** Whether a package is an ES module, which `require` may refuse. */
function isModule(specifier: string, file: string): boolean {
  if (specifier.startsWith("node:")) return false;
  try {
    const resolved = createRequire(file).resolve(specifier);
    if (!path.isAbsolute(resolved)) return false;
    if (resolved.endsWith(".mjs")) return true;
    if (!resolved.endsWith(".js")) return false;
    for (let at = path.dirname(resolved); at !== path.dirname(at); at = path.dirname(at)) {
      const manifest = path.join(at, "package.json");
      if (statSync(manifest, { throwIfNoEntry: false })?.isFile() === true)
        return (JSON.parse(readFileSync(manifest, "utf8")) as { type?: string }).type === "module";
    }
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ERR_PACKAGE_PATH_NOT_EXPORTED";
  }
}

/** The file as the body of a CommonJS function; its stack frames are mapped back from now on. */
function toCommonJs(text: string, file: string, errors: CellErrors): { code: string; awaits: boolean } {
  const { outputText, sourceMapText } = ts.transpileModule(text, {
    // An .mts file would stay an ES module.
    fileName: file.replace(/\.[mc](ts|js)$/, ".$1"),
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.CommonJS,
      esModuleInterop: true,
      experimentalDecorators: true,
      allowJs: true,
      jsx: ts.JsxEmit.React,
      sourceMap: true,
    },
    // `import()` stays one: as a call of require() it could not load an ES module.
    transformers: { before: [keepDynamicImports] },
  });
  const plain = outputText.replace(/\/\/# sourceMappingURL=.*\s*$/, "");
  const { edited, awaits } = finish(plain);
  const map = new SourceMap(JSON.parse(sourceMapText ?? "{}") as never);
  errors.add(file, {
    written: text,
    code: edited.text,
    lines: Infinity,
    toCell({ line, column }) {
      const at = lineAndColumn(plain, edited.toOriginal(offsetAt(edited.text, line, column)));
      const entry = map.findEntry(at.line, at.column) as Partial<Record<"originalLine" | "originalColumn", number>>;
      return { line: entry.originalLine ?? line, column: entry.originalColumn ?? column };
    },
  });
  return { code: edited.text, awaits };
}

/** `import(x)` -> `$import(x)`. */
const keepDynamicImports: ts.TransformerFactory<ts.SourceFile> = (context) => (file) => {
  const visit = (node: ts.Node): ts.Node =>
    ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
      ? ts.factory.updateCallExpression(
          node,
          ts.factory.createIdentifier("$import"),
          undefined,
          ts.visitNodes(node.arguments, visit) as ts.NodeArray<ts.Expression>,
        )
      : ts.visitEachChild(node, visit, context);
  return ts.visitNode(file, visit) as ts.SourceFile;
};

/** `import.meta` -> `$meta`, which a function body may hold; and whether the file awaits at its top level. */
function finish(code: string): { edited: ReturnType<typeof applyEdits>; awaits: boolean } {
  if (!/\bawait\b|\bimport\s*\./.test(code)) return { edited: applyEdits(code, []), awaits: false };
  const file = ts.createSourceFile("file.js", code, ts.ScriptTarget.ES2022, true);
  const edits: Edit[] = [];
  let awaits = false;
  const visit = (node: ts.Node, inFunction: boolean): void => {
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      edits.push({ start: node.getStart(file), end: node.end, text: "$meta" });
    if (!inFunction && (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined)))
      awaits = true;
    ts.forEachChild(node, (child) => {
      visit(child, inFunction || ts.isFunctionLike(node) || ts.isClassStaticBlockDeclaration(node));
    });
  };
  visit(file, false);
  return { edited: applyEdits(code, edits), awaits };
}
