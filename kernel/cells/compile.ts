/** One cell of TypeScript -> JavaScript that runs, or the errors of its types; keeps the declarations for the next cell. */
import { SourceMap } from "node:module";
import ts from "typescript";
import { nextDeclarations } from "./declarations.js";
import type { CellText } from "../magics/rewrite.js";
import { applyEdits, lineAndColumn, offsetAt, type Edit, type Edited } from "./edits.js";
import { resultName, rewriteCell } from "./rewrite.js";
import { createTypes, parseDiagnostics, topLevelSymbols, type Program, type Types } from "./typescript.js";

/** Zero-based, in the cell as the user wrote it. */
export interface Position {
  line: number;
  column: number;
  /** Set when the place is in a file beside the notebook, which the cell runs or imports. */
  file?: { name: string; text: string };
}

export interface TypeProblem {
  code: number;
  message: string;
  start: Position;
  /** In UTF-16 units; at least 1. */
  length: number;
}

export interface CompiledCell {
  /** The body of `async function (exports, require, $import, $meta)`. */
  code: string;
  /** The name under `exports` that holds the value of the last expression. */
  resultName?: string;
  /** Declarations for the next cell: all that are in force after this one. */
  declarations: string;
  /** Name -> the statement of this cell that declares it, as written. */
  sources: Map<string, string>;
  /** Zero-based position in `code` -> position in the cell. */
  toCell: (position: Position) => Position;
}

export type Compiled = { ok: true; cell: CompiledCell } | { ok: false; problems: TypeProblem[] };

export interface Compiler {
  /**
   * @param source the cell after its magics became calls, with the way back to what the user wrote
   * @param written the cell as the user wrote it
   */
  compile: (source: CellText, written: string, declarations: string, known: { has(name: string): boolean }) => Compiled;
  types: Types;
}

/** The folder of the notebook is the process's current one; the first cell waits for the libraries' types (a second). */
export function createCompiler(packageRoot: string): Compiler {
  const types = createTypes(process.cwd(), packageRoot);
  return {
    types,
    compile(source, written, declarations, known) {
      const plain = dropExports(source.text);
      const position = (offset: number): Position => {
        const at = plain.toOriginal(Math.min(Math.max(0, offset), plain.text.length));
        const inside = source.inclusions?.find(({ start, end }) => start <= at && at < end);
        if (inside === undefined) return lineAndColumn(written, source.toOriginal(at));
        const { file: name, written: text, toFile } = inside.inclusion;
        return { ...lineAndColumn(text, toFile(at - inside.start)), file: { name, text } };
      };
      const parsed = ts.createSourceFile("cell.ts", plain.text, ts.ScriptTarget.ES2022, true);
      const broken = parseDiagnostics(parsed);
      if (broken.length > 0) return { ok: false, problems: broken.map((one) => describe(one, position)) };
      const names = [...topLevelSymbols(parsed).keys()].map((name) => ts.unescapeLeadingUnderscores(name));
      // Exported, imports that only a later cell uses stay, and every name gets into the declarations.
      const exported = names.length === 0 ? "" : `\nexport { ${names.join(", ")} };`;
      const program = types.update(declarations, plain.text + exported, true);
      const problems = findProblems(program, position);
      if (problems.length > 0) return { ok: false, problems };
      const { code, map, emitted } = emit(program);
      const last = parsed.statements.findLast((statement) => !ts.isExportDeclaration(statement));
      const showsLast = last !== undefined && ts.isExpressionStatement(last);
      const rewritten = rewriteCell(code, known, showsLast);
      const sourceMap = new SourceMap(map as never);
      return {
        ok: true,
        cell: {
          code: rewritten.text,
          ...(showsLast ? { resultName } : {}),
          declarations: names.length === 0 ? declarations : nextDeclarations(program, emitted),
          sources: sourcesOf(parsed, (from, to) =>
            written.slice(source.toOriginal(plain.toOriginal(from)), source.toOriginal(plain.toOriginal(to))),
          ),
          toCell({ line, column }) {
            const compiled = lineAndColumn(code, rewritten.toOriginal(offsetAt(rewritten.text, line, column)));
            const entry = sourceMap.findEntry(compiled.line, compiled.column) as Partial<
              Record<"originalLine" | "originalColumn", number>
            >;
            return position(offsetAt(plain.text, entry.originalLine ?? 0, entry.originalColumn ?? 0));
          },
        },
      };
    },
  };
}

/** A cell exports everything by itself: `export const x` of pasted code becomes `const x`. */
function dropExports(source: string): Edited {
  if (!source.includes("export")) return applyEdits(source, []);
  const file = ts.createSourceFile("cell.ts", source, ts.ScriptTarget.Latest);
  const edits: Edit[] = [];
  const drop = (start: number, end: number): void => {
    edits.push({ start, end, text: "" });
  };
  for (const statement of file.statements) {
    // `export { a }` names what is shared anyway; `export default 1` leaves its value.
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier === undefined)
      drop(statement.getStart(file), statement.end);
    else if (ts.isExportAssignment(statement) && statement.isExportEquals !== true)
      drop(statement.getStart(file), statement.expression.getStart(file));
    if (!ts.canHaveModifiers(statement)) continue;
    for (const modifier of ts.getModifiers(statement) ?? [])
      if (modifier.kind === ts.SyntaxKind.ExportKeyword || modifier.kind === ts.SyntaxKind.DefaultKeyword)
        drop(modifier.getStart(file), modifier.end);
  }
  return applyEdits(source, edits);
}

function findProblems({ program, checker, cell }: Program, position: (offset: number) => Position): TypeProblem[] {
  const problems = [...filesBeside(cell, checker), cell].flatMap((file) =>
    // Not the declaration diagnostics ("cannot be named", TS2742, TS4094): they are about publishing a package, and would
    // refuse `const { z } = await import("zod")`.
    [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map((one) =>
      describe(one, position, file === cell ? undefined : file),
    ),
  );
  // JavaScript that %run runs has no types to be wrong. TypeScript numbers its grammar's errors from 1000 to 1999.
  return problems.filter(({ code, start }) => code < 2000 || !/\.[mc]?js$/.test(start.file?.name ?? ""));
}

/** The TypeScript files beside the notebook that a file imports, directly or through others; each after what it imports. */
function filesBeside(file: ts.SourceFile, checker: ts.TypeChecker): ts.SourceFile[] {
  const found: ts.SourceFile[] = [];
  const seen = new Set<ts.SourceFile>();
  const visit = (from: ts.SourceFile): void => {
    const { imports = [] } = from as { imports?: readonly ts.Node[] };
    for (const literal of imports) {
      const target = checker.getSymbolAtLocation(literal)?.declarations?.find((one) => ts.isSourceFile(one));
      if (target === undefined || seen.has(target) || target.isDeclarationFile) continue;
      if (target.fileName.includes("/node_modules/") || !/\.[mc]?tsx?$/.test(target.fileName)) continue;
      seen.add(target);
      visit(target);
      found.push(target);
    }
  };
  visit(file);
  return found;
}

function describe(
  { start = 0, length = 0, code, messageText }: ts.Diagnostic,
  position: (offset: number) => Position,
  file?: ts.SourceFile,
): TypeProblem {
  const message = ts.flattenDiagnosticMessageText(messageText, "\n");
  const problem = { code, message, length: Math.max(1, length) };
  if (file === undefined) return { ...problem, start: position(start) };
  const { fileName: name, text } = file;
  return { ...problem, start: { ...lineAndColumn(text, start), file: { name, text } } };
}

function emit({ program, cell }: Program): { code: string; map: object; emitted: string } {
  const outputs = new Map<string, string>();
  const write = (name: string, text: string): void => {
    outputs.set(/(\.d\.ts|\.js\.map|\.js)$/.exec(name)?.[1] ?? "", text);
  };
  // The last argument: the declarations are written even where a declaration diagnostic would hold them back.
  (program as { emit(...args: unknown[]): unknown }).emit(cell, write, undefined, false, undefined, true);
  const code = (outputs.get(".js") ?? "").replace(/\/\/# sourceMappingURL=.*\s*$/, "");
  return { code, map: JSON.parse(outputs.get(".js.map") ?? "{}") as object, emitted: outputs.get(".d.ts") ?? "" };
}

function sourcesOf(file: ts.SourceFile, text: (start: number, end: number) => string): Map<string, string> {
  const sources = new Map<string, string>();
  for (const [name, { declarations = [] }] of topLevelSymbols(file)) {
    const statements = new Set(declarations.map((declaration) => statementOf(declaration)));
    const whole = [...statements].map((node) => text(node.getStart(file, true), node.end));
    if (whole.length > 0) sources.set(ts.unescapeLeadingUnderscores(name), whole.join("\n"));
  }
  return sources;
}

function statementOf(node: ts.Node): ts.Node {
  let at = node;
  while (!ts.isSourceFile(at.parent)) at = at.parent;
  return at;
}
