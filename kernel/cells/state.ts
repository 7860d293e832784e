/** What a session remembers from cell to cell: values in one object, their types as declarations. */
import ts from "typescript";

export interface SessionState {
  /** All shared names: `exports` of the cells' code. A plain object, so that V8 keeps its properties fast. */
  values: Record<string, unknown>;
  /** TypeScript declarations of everything in force. */
  declarations: () => string;
  /** Declarations for the cell that starts now. */
  beginCell: () => CellStart;
  /** Takes what the cell leaves in force; what %load_ext, %reset or a cell of a subshell did while it ran is kept. */
  endCell: (start: CellStart, declarations: string) => void;
  /** Whether cells share a value of that name. */
  has: (name: string) => boolean;
  /** A name that every cell sees and that %reset keeps. */
  addGlobal: (name: string, value: unknown, declaration: string) => void;
  /** Makes a variable, or gives a value to the one of that name. */
  define: (name: string, value: unknown) => void;
  /** The user's variables, by name. */
  variables: () => [string, unknown][];
  reset: () => void;
}

/** What is in force when a cell starts. */
export interface CellStart {
  declarations: string;
  /** How often the session was reset before. */
  resets: number;
}

export function createState(): SessionState {
  const values: Record<string, unknown> = {};
  const globals = new Map<string, { value: unknown; declaration: string }>();
  let declarations = "";
  let resets = 0;
  const has = (name: string): boolean => Object.hasOwn(values, name) && values[name] !== forgotten;
  return {
    values,
    declarations: () => declarations,
    beginCell: () => ({ declarations, resets }),
    endCell(start, next) {
      if (start.resets !== resets) return;
      declarations = start.declarations === declarations ? next : merge(declarations, start.declarations, next);
    },
    has,
    addGlobal(name, value, declaration) {
      globals.set(name, { value, declaration });
      values[name] = value;
      // A plugin that is loaded again declares its names again.
      const others = keepDeclared(statements(declarations), (other) => other !== name);
      declarations = [declaration, ...others].map((text) => `${text}\n`).join("");
    },
    define(name, value) {
      if (!has(name)) declarations = `declare let ${name}: any;\n${declarations}`;
      values[name] = value;
    },
    variables: () =>
      Object.entries(values)
        .filter(([name, value]) => !name.startsWith("__") && value !== forgotten)
        .filter(([name, value]) => globals.get(name)?.value !== value)
        .sort(([a], [b]) => a.localeCompare(b)),
    reset() {
      resets++;
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
  const isValue = (statement: ts.Statement): boolean =>
    ts.isVariableStatement(statement) || ts.isClassDeclaration(statement);
  const all = statements(declarations);
  const kept = [...keepDeclared(all.filter(isValue), assigned), ...all.filter((one) => !isValue(one)).map(textOf)];
  return kept.map((text) => `${text}\n`).join("");
}

/**
 * What is in force when a cell ends that others have declared names beside: the change from `before` to `after`, done to `now`.
 * A name that both declared is the cell's that ends last.
 */
export function merge(now: string, before: string, after: string): string {
  const [old, kept] = [new Set(statements(before).map(textOf)), new Set(statements(after).map(textOf))];
  const added = statements(after).filter((statement) => !old.has(textOf(statement)));
  const redeclared = new Set(added.flatMap(namesOf));
  const others = keepDeclared(
    statements(now).filter((statement) => !old.has(textOf(statement)) || kept.has(textOf(statement))),
    (name) => !redeclared.has(name),
  );
  return [...added.map(textOf), ...others].map((text) => `${text}\n`).join("");
}

function statements(declarations: string): ts.Statement[] {
  return [...ts.createSourceFile("kept.d.ts", declarations, ts.ScriptTarget.Latest, true).statements];
}

/** With its documentation. */
const textOf = (statement: ts.Statement): string => statement.getFullText().trim();

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.flatMap(({ name }) => (ts.isIdentifier(name) ? [name.text] : []));
  const { name } = statement as { name?: ts.Node };
  return name !== undefined && ts.isIdentifier(name) ? [name.text] : [];
}

/** Statements as texts, without the names that are not kept. */
function keepDeclared(all: ts.Statement[], keep: (name: string) => boolean): string[] {
  return all.flatMap((statement) => {
    if (!ts.isVariableStatement(statement)) return namesOf(statement).every(keep) ? [textOf(statement)] : [];
    const { declarations: list, flags } = statement.declarationList;
    const names = list.filter(({ name }) => !ts.isIdentifier(name) || keep(name.text));
    if (names.length === list.length) return [textOf(statement)];
    const keyword = flags & ts.NodeFlags.Const ? "const" : flags & ts.NodeFlags.Let ? "let" : "var";
    return names.length === 0
      ? []
      : [`declare ${keyword} ${names.map((declaration) => declaration.getText()).join(", ")};`];
  });
}
