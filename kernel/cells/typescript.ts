/**
 * Stock TypeScript with what tslab's converter expects of its own patched copy, and the compiler settings of cells.
 *
 * The converter asks for `@tslab/typescript-for-tslab`; `installTypeScript` answers that request with an object that has
 * every name of stock TypeScript plus the ones the patched copy adds. Cells then get today's TypeScript and its types.
 */
import Module from "node:module";
import path from "node:path";
import ts from "typescript";

/** What stock TypeScript has but does not declare. */
interface Internals {
  nullTransformationContext: ts.TransformationContext;
  sortAndDeduplicateDiagnostics: (diagnostics: readonly ts.Diagnostic[]) => readonly ts.Diagnostic[];
  getTouchingPropertyName: (file: ts.SourceFile, position: number) => ts.Node;
  getContainerNode: (node: ts.Node) => ts.Node | undefined;
  Completions: { getCompletionsAtPosition(...args: unknown[]): ts.CompletionInfo | undefined } & Record<
    string,
    unknown
  >;
  SymbolDisplay: {
    getSymbolDisplayPartsDocumentationAndSymbolKind(
      checker: ts.TypeChecker,
      symbol: ts.Symbol,
      file: ts.SourceFile,
      enclosing: ts.Node | undefined,
      location: ts.Node,
    ): {
      displayParts: ts.SymbolDisplayPart[];
      documentation: ts.SymbolDisplayPart[];
      symbolKind: ts.ScriptElementKind;
      tags?: ts.JSDocTagInfo[];
    };
  };
}
const internals = ts as unknown as Internals;

/** The prefix that the converter puts before a cell to make it a module. */
export const cellPrefix = "export {};" + ts.sys.newLine;
/** The converter's name for the cell, without its folder. */
const cellFile = "__tslab__.ts";

/** Makes `require("tslab/dist/converter")` run on stock TypeScript. `packageRoot` holds the kernel's node_modules. */
export function installTypeScript(packageRoot: string): void {
  const shim = createShim(packageRoot);
  const loader = Module as unknown as {
    _load: (request: string, parent: unknown, isMain: boolean) => unknown;
  };
  const load = loader._load;
  loader._load = function (request, parent, isMain) {
    return request === "@tslab/typescript-for-tslab" ? shim : load(request, parent, isMain);
  };
}

function createShim(packageRoot: string): Record<string, unknown> {
  const shim: Record<string, unknown> = {};
  for (const name of Object.keys(ts))
    Object.defineProperty(shim, name, {
      enumerable: true,
      configurable: true,
      writable: true,
      value: ts[name as keyof typeof ts],
    });
  return Object.assign(shim, {
    // The names that the patched copy adds.
    getDefaultTypeRoots: (folder: string) => typeRoots(folder, packageRoot),
    getPreEmitDiagnosticsOfFiles,
    getNullTransformationContext: () => internals.nullTransformationContext,
    Completions: {
      ...internals.Completions,
      // The string completions of stock TypeScript (paths of imports) ask the host for folders.
      getCompletionsAtPositionForTslab: (_host: unknown, ...args: unknown[]) =>
        internals.Completions.getCompletionsAtPosition(completionHost, ...args),
    },
    getQuickInfoAtPosition,
    // The settings of cells.
    createWatchCompilerHost: (files: string[], options: ts.CompilerOptions, ...rest: unknown[]) =>
      createCellHost(packageRoot, files, options, rest),
    transpileModule: (input: string, options: ts.TranspileOptions) =>
      // A cell stays an ES module with its source map: rewrite.ts turns it into the body of an async function.
      isCellOutput(input) ? { outputText: input } : ts.transpileModule(input, options),
    sys: createSys(),
  });
}

const completionHost = {
  ...ts.sys,
  fileExists: (file: string) => ts.sys.fileExists(file),
  readFile: (file: string) => ts.sys.readFile(file),
  getCurrentDirectory: () => ts.sys.getCurrentDirectory(),
  useCaseSensitiveFileNames: () => true,
};

/** The notebook's own @types first, then the kernel's. */
function typeRoots(folder: string, packageRoot: string): string[] {
  const roots: string[] = [];
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const root = path.join(at, "node_modules", "@types");
    if (ts.sys.directoryExists(root)) roots.push(root);
    if (at === path.dirname(at)) break;
  }
  const own = path.join(packageRoot, "node_modules", "@types");
  return roots.includes(own) ? roots : [...roots, own];
}

function getPreEmitDiagnosticsOfFiles(program: ts.Program, files: ts.SourceFile[]): readonly ts.Diagnostic[] {
  return internals.sortAndDeduplicateDiagnostics([
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => [
      // Not the declaration diagnostics ("cannot be named", TS2742, TS4094): they are about publishing a package, and would
      // refuse `const { z } = await import("zod")`.
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]),
  ]);
}

function getQuickInfoAtPosition(
  file: ts.SourceFile,
  checker: ts.TypeChecker,
  _cancellation: unknown,
  position: number,
): ts.QuickInfo | undefined {
  const node = internals.getTouchingPropertyName(file, position);
  const symbol = checker.getSymbolAtLocation(node);
  if (symbol === undefined) return undefined;
  const info = internals.SymbolDisplay.getSymbolDisplayPartsDocumentationAndSymbolKind(
    checker,
    symbol,
    file,
    internals.getContainerNode(node),
    node,
  );
  const start = node.getStart(file);
  return {
    kind: info.symbolKind,
    kindModifiers: "",
    textSpan: { start, length: node.getEnd() - start },
    displayParts: info.displayParts,
    documentation: info.documentation,
    ...(info.tags === undefined ? {} : { tags: info.tags }),
  };
}

/** Watches only the files beside the notebook: polling every library file costs time and never finds a change. */
function createSys(): ts.System {
  const sys = Object.create(ts.sys) as ts.System;
  const watchFile = ts.sys.watchFile?.bind(ts.sys);
  const never = { close: () => undefined };
  if (watchFile !== undefined)
    sys.watchFile = (file, ...rest) => (/node_modules|\.d\.[mc]?ts$/.test(file) ? never : watchFile(file, ...rest));
  return sys;
}

function createCellHost(
  packageRoot: string,
  files: string[],
  options: ts.CompilerOptions,
  rest: unknown[],
): ts.WatchCompilerHost<ts.BuilderProgram> {
  const create = ts.createWatchCompilerHost as (...args: unknown[]) => ts.WatchCompilerHost<ts.BuilderProgram>;
  const settings: ts.CompilerOptions = {
    ...options,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts"],
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    types: ["node"],
    allowImportingTsExtensions: false,
    inlineSourceMap: true,
    removeComments: false,
  };
  const host = create(files, settings, ...rest);
  const createBuilder = host.createProgram;
  host.createProgram = (...given) => {
    const builder = createBuilder(...given);
    const program = builder.getProgram() as ts.Program & { emit: (...args: unknown[]) => ts.EmitResult };
    const emit = program.emit.bind(program);
    // The declarations of a cell are written even where a declaration diagnostic would hold them back.
    program.emit = (file, write, token, onlyDeclarations, transformers) =>
      emit(file, write, token, onlyDeclarations, transformers, true);
    return builder;
  };
  const kernelFile = path.join(packageRoot, "package.json");
  const folder = ts.sys.getCurrentDirectory();
  // The compiler asks again for every import of every library with every cell (80 ms). Libraries do not change; what the
  // notebook imports may be installed or written at any time.
  const resolved = new Map<string, ts.ResolvedModuleWithFailedLookupLocations>();
  host.resolveModuleNameLiterals = (literals, containingFile, redirected, resolveOptions, sourceFile) => {
    return literals.map((literal) => {
      const mode = ts.getModeForUsageLocation(sourceFile, literal, resolveOptions);
      const resolve = (from: string): ts.ResolvedModuleWithFailedLookupLocations =>
        ts.resolveModuleName(literal.text, from, resolveOptions, host, undefined, redirected, mode);
      const inPackage = containingFile.includes("/node_modules/");
      const isPackage = !/^[./]/.test(literal.text);
      const key = [path.dirname(containingFile), literal.text, mode ?? ""].join("\0");
      const known = resolved.get(key);
      if (known !== undefined) return known;
      let found = resolve(containingFile);
      // Packages beside the notebook first, then the kernel's own.
      if (found.resolvedModule === undefined && isPackage) found = resolve(kernelFile);
      const stays = inPackage || (found.resolvedModule !== undefined && path.dirname(containingFile) !== folder);
      if (stays) resolved.set(key, found);
      return found;
    });
  };
  return host;
}

const mapMark = "//# sourceMappingURL=data:application/json;base64,";

/** The JavaScript of a cell and its source map, as the compiler wrote them. */
export function splitSourceMap(output: string): { code: string; map: { sources: string[] } & Record<string, unknown> } {
  const mark = output.lastIndexOf(mapMark);
  const json = Buffer.from(output.slice(mark + mapMark.length), "base64").toString("utf8");
  return { code: output.slice(0, mark), map: JSON.parse(json) as { sources: string[] } };
}

function isCellOutput(output: string): boolean {
  return (
    output.includes(mapMark) && splitSourceMap(output).map.sources.some((source) => path.basename(source) === cellFile)
  );
}
