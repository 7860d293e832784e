/**
 * The types of a session: one TypeScript language service over two texts, the declarations that are in force and the cell.
 *
 * Names that the cell does not declare are looked up in the declarations: the cell's file has the declarations' file as its
 * parent, as a block has the function around it. Declarations are thus hidden by the cell's own, and never merge with globals.
 */
import { statSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

/** The two texts as the compiler sees them now. */
export interface Program {
  program: ts.Program;
  checker: ts.TypeChecker;
  cell: ts.SourceFile;
  declarations: ts.SourceFile;
}

export interface Types {
  /**
   * Puts both texts in force.
   * @param fresh looks again at what the cell imports, also when its text is the one from before
   */
  update: (declarations: string, cell: string, fresh?: boolean) => Program;
  /** Answers about the texts in force; offsets are those of the cell. */
  service: ts.LanguageService;
  /** The name of the cell's file. */
  cellFile: string;
  /** Packages were installed or removed: what libraries mean is looked up again. */
  forgetPackages: () => void;
}

/** What stock TypeScript has but does not declare. */
interface BoundFile extends ts.SourceFile {
  /** The names that are declared at the top level, also by a `var` in a block. */
  locals?: ts.SymbolTable;
}
type Bind = (file: ts.SourceFile, options: ts.CompilerOptions) => void;
const { bindSourceFile } = ts as unknown as { bindSourceFile: Bind };

/** The symbols of a file's top level. */
export function topLevelSymbols(file: ts.SourceFile): ts.SymbolTable {
  if ((file as BoundFile).locals === undefined) bindSourceFile(file, { target: ts.ScriptTarget.ES2022 });
  return (file as BoundFile).locals ?? new Map<ts.__String, ts.Symbol>();
}

export function parseDiagnostics(file: ts.SourceFile): ts.DiagnosticWithLocation[] {
  return (file as unknown as { parseDiagnostics: ts.DiagnosticWithLocation[] }).parseDiagnostics;
}

/**
 * Reads the libraries at the first `update` (about a second).
 * @param folder the notebook's
 * @param packageRoot holds the kernel's node_modules
 */
export function createTypes(folder: string, packageRoot: string): Types {
  // One name for both threads of thought: TypeScript writes paths with slashes.
  const inFolder = (name: string): string => path.join(folder, name).replaceAll("\\", "/");
  const cellFile = inFolder("__cell__.ts");
  const declarationsFile = inFolder("__declarations__.d.ts");
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts"],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    allowImportingTsExtensions: true,
    allowJs: true,
    resolveJsonModule: true,
    esModuleInterop: true,
    experimentalDecorators: true,
    jsx: ts.JsxEmit.React,
    newLine: ts.NewLineKind.LineFeed,
    declaration: true,
    sourceMap: true,
    skipLibCheck: true,
    types: ["node"],
    typeRoots: typeRoots(folder, packageRoot),
  };
  const texts = new Map([
    [cellFile, { text: "", version: 0 }],
    [declarationsFile, { text: "", version: 0 }],
  ]);
  const put = (file: string, text: string, fresh: boolean): void => {
    const known = texts.get(file);
    if (known?.text === text && !fresh) return;
    texts.set(file, { text, version: (known?.version ?? 0) + 1 });
  };
  let updates = 0;
  /** Counts installations: all libraries are looked at again after one. */
  let packages = 0;
  const resolved = new Map<string, ts.ResolvedModuleWithFailedLookupLocations>();
  const ownFile = path.join(packageRoot, "package.json");
  const isLibrary = (file: string): boolean => file.includes("/node_modules/");
  // The service asks for every file, and its package.json, with every cell: reading them again took most of a cell's time.
  const snapshots = new Map<string, { version: string; snapshot: ts.IScriptSnapshot }>();
  let packageFiles = createPackageCache(folder, options);
  /** Versions of the files that may be edited, looked up once an update. */
  const versions = new Map<string, string>();
  const versionOf = (file: string): string => {
    if (isLibrary(file)) return String(packages);
    let version = versions.get(file);
    if (version === undefined) versions.set(file, (version = changed(file)));
    return version;
  };

  const host: ts.LanguageServiceHost & { getModuleResolutionCache(): ts.ModuleResolutionCache } = {
    getCompilationSettings: () => options,
    getScriptFileNames: () => [declarationsFile, cellFile],
    getProjectVersion: () => String(updates),
    getScriptVersion(file) {
      const text = texts.get(file);
      return text === undefined ? versionOf(file) : String(text.version);
    },
    getScriptSnapshot(file) {
      const own = texts.get(file)?.text;
      if (own !== undefined) return ts.ScriptSnapshot.fromString(own);
      const version = versionOf(file);
      const known = snapshots.get(file);
      if (known?.version === version) return known.snapshot;
      const text = ts.sys.readFile(file);
      if (text === undefined) return undefined;
      const snapshot = ts.ScriptSnapshot.fromString(text);
      snapshots.set(file, { version, snapshot });
      return snapshot;
    },
    getModuleResolutionCache: () => packageFiles,
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    fileExists: (file) => texts.has(file) || ts.sys.fileExists(file),
    readFile: (file, encoding) => texts.get(file)?.text ?? ts.sys.readFile(file, encoding),
    readDirectory: (...args) => ts.sys.readDirectory(...args),
    directoryExists: (name) => ts.sys.directoryExists(name),
    getDirectories: (name) => ts.sys.getDirectories(name),
    realpath: (name) => ts.sys.realpath?.(name) ?? name,
    // The compiler asks again for every import of every library when a cell brings a new import (80 ms). Libraries do not
    // change; what the notebook and its files import may be installed or written at any time.
    resolveModuleNameLiterals(literals, containingFile, redirected, given, sourceFile) {
      return literals.map((literal) => {
        const mode = ts.getModeForUsageLocation(sourceFile, literal, given);
        const resolve = (from: string): ts.ResolvedModuleWithFailedLookupLocations =>
          ts.resolveModuleName(literal.text, from, given, host, undefined, redirected, mode);
        const key = [path.dirname(containingFile), literal.text, mode ?? ""].join("\0");
        const known = resolved.get(key);
        if (known !== undefined) return known;
        let found = resolve(containingFile);
        // Packages beside the notebook first, then the kernel's own.
        if (found.resolvedModule === undefined && !/^[./]/.test(literal.text)) found = resolve(ownFile);
        if (isLibrary(containingFile)) resolved.set(key, found);
        return found;
      });
    },
  };
  const service = ts.createLanguageService(host, ts.createDocumentRegistry(ts.sys.useCaseSensitiveFileNames));
  return {
    service,
    cellFile,
    update(declarations, cell, fresh = false) {
      put(declarationsFile, `${declarations}\nexport {};\n`, false);
      put(cellFile, cell, fresh);
      updates++;
      versions.clear();
      const program = service.getProgram();
      const cellSource = program?.getSourceFile(cellFile);
      const declarationsSource = program?.getSourceFile(declarationsFile);
      if (program === undefined || cellSource === undefined || declarationsSource === undefined)
        throw new Error("the compiler has lost the cell");
      // The checker binds the file, and with that takes its parent away.
      const checker = program.getTypeChecker();
      (cellSource as { parent: ts.Node }).parent = declarationsSource;
      return { program, checker, cell: cellSource, declarations: declarationsSource };
    },
    forgetPackages() {
      packages++;
      resolved.clear();
      packageFiles = createPackageCache(folder, options);
    },
  };
}

function createPackageCache(folder: string, options: ts.CompilerOptions): ts.ModuleResolutionCache {
  return ts.createModuleResolutionCache(folder, (name) => name, options);
}

/** Files beside the notebook are edited while it runs. */
function changed(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? "none" : `${String(stats.mtimeMs)} ${String(stats.size)}`;
}

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
