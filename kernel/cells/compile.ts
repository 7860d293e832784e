/** One cell of TypeScript -> JavaScript that runs, or the errors of its types; keeps the declarations for the next cell. */
import { createRequire, SourceMap } from "node:module";
import type { Converter, Diagnostic } from "tslab/dist/converter.js";
import ts from "typescript";
import { applyEdits, lineAndColumn, offsetAt, type Edit, type Edited } from "./edits.js";
import { rewriteCell } from "./rewrite.js";
import { cellPrefix, installTypeScript, splitSourceMap } from "./typescript.js";

/** Zero-based, in the cell as the user wrote it. */
export interface Position {
  line: number;
  column: number;
}

export interface TypeProblem {
  code: number;
  message: string;
  start: Position;
  /** In UTF-16 units; at least 1. */
  length: number;
  /** Set when the problem is in a file beside the notebook. */
  file?: string;
}

export interface CompiledCell {
  /** The body of `async function (exports, require, $import, $meta)`. */
  code: string;
  /** The name under `exports` that holds the value of the last expression. */
  resultName?: string;
  /** Declarations for the next cell: all that are in force after this one. */
  declarations: string;
  /** TypeScript files beside the notebook that the cell imports, compiled to CommonJS. */
  files: { path: string; data: string }[];
  /** Zero-based position in `code` -> position in the cell. */
  toCell: (position: Position) => Position;
}

export type Compiled = { ok: true; cell: CompiledCell } | { ok: false; problems: TypeProblem[] };

export interface Compiler {
  /**
   * @param source the cell after its magics became calls, with the way back to what the user wrote
   * @param written the cell as the user wrote it
   */
  compile: (source: Edited, written: string, declarations: string, known: { has(name: string): boolean }) => Compiled;
  converter: Converter;
}

/** Loads TypeScript and reads the libraries once (2 s); the folder of the notebook is the process's current one. */
export function createCompiler(packageRoot: string): Compiler {
  installTypeScript(packageRoot);
  // Loaded here and not at the top: only now does it find its TypeScript.
  const { createConverter } = createRequire(__filename)(
    "tslab/dist/converter",
  ) as typeof import("tslab/dist/converter.js");
  const converter = createConverter();
  return {
    converter,
    compile(source, written, declarations, known) {
      const plain = dropExports(source.text);
      const position = (offset: number): Position =>
        lineAndColumn(written, source.toOriginal(plain.toOriginal(Math.max(0, offset))));
      const result = converter.convert(declarations, plain.text);
      if (result.diagnostics.length > 0) return { ok: false, problems: describe(result.diagnostics, position) };
      const { code, map } = splitSourceMap(result.output ?? "");
      const rewritten = rewriteCell(code, known);
      const sourceMap = new SourceMap(map as never);
      return {
        ok: true,
        cell: {
          code: rewritten.text,
          ...(result.lastExpressionVar === undefined ? {} : { resultName: result.lastExpressionVar }),
          declarations: result.declOutput ?? "",
          files: result.sideOutputs ?? [],
          toCell({ line, column }) {
            const compiled = lineAndColumn(code, rewritten.toOriginal(offsetAt(rewritten.text, line, column)));
            const entry = sourceMap.findEntry(compiled.line, compiled.column) as Partial<
              Record<"originalLine" | "originalColumn", number>
            >;
            const start = offsetAt(cellPrefix + plain.text, entry.originalLine ?? 0, entry.originalColumn ?? 0);
            return position(start - cellPrefix.length);
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
  for (const statement of file.statements) {
    if (!ts.canHaveModifiers(statement)) continue;
    for (const modifier of ts.getModifiers(statement) ?? [])
      if (modifier.kind === ts.SyntaxKind.ExportKeyword)
        edits.push({ start: modifier.getStart(file), end: modifier.end, text: "" });
  }
  return applyEdits(source, edits);
}

/** The converter lists the lines of a message chain one by one at the same place: put them together again. */
function describe(diagnostics: Diagnostic[], position: (offset: number) => Position): TypeProblem[] {
  const problems: TypeProblem[] = [];
  let last: Diagnostic | undefined;
  for (const diagnostic of diagnostics) {
    const { start, end, messageText, code, fileName } = diagnostic;
    const previous = problems.at(-1);
    if (previous !== undefined && last?.start.offset === start.offset && last.end.offset === end.offset)
      previous.message += `\n  ${messageText}`;
    else
      problems.push({
        code,
        message: messageText,
        start: fileName === undefined ? position(start.offset) : { line: start.line, column: start.character },
        length: Math.max(1, end.offset - start.offset),
        ...(fileName === undefined ? {} : { file: fileName }),
      });
    last = diagnostic;
  }
  return problems;
}
