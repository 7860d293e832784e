/** Makes the table of positions of a cell, where TypeScript is loaded. */
import ts from "typescript";
import type { Position, PositionTable } from "./positions.js";

/** One row for each token of the compiled code, where its place in the cell is another than the token's before it. */
export function positionTable(compiled: string, toCell: (position: Position) => Position): PositionTable {
  const rows: number[] = [];
  const starts = [0, ...[...compiled.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true, ts.LanguageVariant.Standard, compiled);
  let line = 0;
  while (scanner.scan() !== ts.SyntaxKind.EndOfFileToken) {
    const start = scanner.getTokenStart();
    while (starts[line + 1] !== undefined && starts[line + 1]! <= start) line++;
    const column = start - starts[line]!;
    const at = toCell({ line, column });
    const last = rows.length - 4;
    if (last >= 0 && rows[last] === line && rows[last + 2] === at.line && rows[last + 3] === at.column) continue;
    rows.push(line, column, at.line, at.column);
  }
  return Int32Array.from(rows);
}
