/** Where the compiled code of a cell stands in the cell: a table that goes to the wire thread, where the debugger lives. */

/** Rows of [compiled line, compiled column, line, column], from 0, in the order of the compiled code. */
export type PositionTable = Int32Array;

export interface Position {
  line: number;
  column: number;
}

/** The place in the cell of a place in the compiled code: that of the nearest token before it; undefined behind the last line. */
export function toCell(table: PositionTable, line: number, column: number): Position | undefined {
  if (line > (table.at(-4) ?? -1)) return undefined;
  let found = 0;
  for (let i = 0; i < table.length; i += 4) {
    if (table[i]! > line || (table[i] === line && table[i + 1]! > column)) break;
    found = i;
  }
  return { line: table[found + 2]!, column: table[found + 3]! };
}

/** Where to stop for a line of the cell: the first code of it, or of the next line that has code. */
export function toCompiled(table: PositionTable, line: number): (Position & { cellLine: number }) | undefined {
  let best: number | undefined;
  for (let i = 0; i < table.length; i += 4) {
    const here = table[i + 2]!;
    if (here >= line && (best === undefined || here < table[best + 2]!)) best = i;
  }
  if (best === undefined) return undefined;
  return { line: table[best]!, column: table[best + 1]!, cellLine: table[best + 2]! };
}
