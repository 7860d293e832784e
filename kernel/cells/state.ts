/** What a session remembers from cell to cell: values in one object, their types as declarations. */
import ts from "typescript";

export interface SessionState {
  /** All shared names: `exports` of the cells' code. A plain object, so that V8 keeps its properties fast. */
  values: Record<string, unknown>;
  /** TypeScript declarations of everything in force. */
  declarations: () => string;
  /** Declarations for the cell that starts now. */
  beginCell: () => string;
  /** Takes what the cell leaves in force; what %load_ext or %reset did while it ran is kept. */
  endCell: (declarations: string) => void;
  /** Whether cells share a value of that name. */
  has: (name: string) => boolean;
  /** A name that every cell sees and that %reset keeps. */
  addGlobal: (name: string, value: unknown, declaration: string) => void;
  /** The user's variables, by name. */
  variables: () => [string, unknown][];
  reset: () => void;
}

export function createState(): SessionState {
  const values: Record<string, unknown> = {};
  const globals = new Map<string, { value: unknown; declaration: string }>();
  let declarations = "";
  /** Since the cell began. */
  let added = "";
  let wasReset = false;
  const has = (name: string): boolean => Object.hasOwn(values, name) && values[name] !== forgotten;
  return {
    values,
    declarations: () => declarations,
    beginCell() {
      added = "";
      wasReset = false;
      return declarations;
    },
    endCell(next) {
      if (!wasReset) declarations = added + next;
    },
    has,
    addGlobal(name, value, declaration) {
      globals.set(name, { value, declaration });
      values[name] = value;
      declarations = `${declaration}\n${declarations}`;
      added += `${declaration}\n`;
    },
    variables: () =>
      Object.entries(values)
        .filter(([name, value]) => !name.startsWith("__") && !name.startsWith("tsLastExpr") && value !== forgotten)
        .filter(([name, value]) => globals.get(name)?.value !== value)
        .sort(([a], [b]) => a.localeCompare(b)),
    reset() {
      wasReset = true;
      for (const name of Object.keys(values))
        if (!name.startsWith("__")) values[name] = globals.has(name) ? globals.get(name)?.value : forgotten;
      declarations = [...globals.values()].map(({ declaration }) => `${declaration}\n`).join("");
    },
  };
}

/** What %reset leaves in place of a value: deleting properties would make the object slow for good. */
const forgotten = Symbol("forgotten");

/**
 * The declarations to keep when a cell fails half-way: types and functions, and the variables that were assigned before the
 * failure.
 * @param assigned whether the name has a value
 */
export function keepAssigned(declarations: string, assigned: (name: string) => boolean): string {
  const file = ts.createSourceFile("kept.d.ts", declarations, ts.ScriptTarget.Latest);
  const kept: string[] = [];
  for (const statement of file.statements) {
    if (ts.isVariableStatement(statement)) {
      const { declarations: list, flags } = statement.declarationList;
      const names = list.filter(({ name }) => ts.isIdentifier(name) && assigned(name.text));
      const keyword = flags & ts.NodeFlags.Const ? "const" : flags & ts.NodeFlags.Let ? "let" : "var";
      if (names.length > 0)
        kept.push(`declare ${keyword} ${names.map((declaration) => declaration.getText(file)).join(", ")};`);
    } else if (!ts.isClassDeclaration(statement) || statement.name === undefined || assigned(statement.name.text))
      kept.push(statement.getText(file));
  }
  return kept.map((text) => `${text}\n`).join("");
}
