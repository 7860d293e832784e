/**
 * The types that one cell leaves to the next, as text: what it declares, and of the earlier declarations those that it does not
 * replace. A replaced one that others still name (a class whose objects live on) stays under a hidden name.
 */
import ts from "typescript";
import { applyEdits, type Edit } from "./edits.js";
import { topLevelSymbols, type Program } from "./typescript.js";

/** What a name stands for: a value, a type, or both. */
interface Meaning {
  value: boolean;
  type: boolean;
}

/** One name that an earlier statement declares. */
interface Item {
  name: ts.Identifier;
  /** The part of the statement that is this name's alone. */
  node: ts.Node;
  meaning: Meaning;
}

let hidden = 0;

/**
 * @param emitted the declaration file that the compiler wrote for the cell
 * @returns the declarations in force after the cell
 */
export function nextDeclarations({ checker, cell, declarations }: Program, emitted: string): string {
  const replaced = meanings(topLevelSymbols(cell), checker);
  const own = statementsOf(emitted);
  if (declarations.statements.length === 0) return own;
  const isReplaced = ({ name, meaning }: Item): boolean => {
    const now = replaced.get(name.text);
    return now !== undefined && ((now.value && meaning.value) || (now.type && meaning.type));
  };
  const statements = declarations.statements
    .filter((statement) => !ts.isExportDeclaration(statement))
    .map((statement) => ({ statement, items: itemsOf(statement, checker) }));
  const all = statements.flatMap(({ items }) => items);
  const dropped = new Set(all.filter(isReplaced));
  const edits: Edit[] = dropped.size === 0 ? [] : hideNeeded(all, dropped, statements, checker);
  const kept = statements
    .map(({ statement, items }) => keptText(statement, items, dropped, edits))
    .filter((text) => text !== "");
  return [...kept, own].join("\n");
}

function meanings(symbols: ts.SymbolTable, checker: ts.TypeChecker): Map<string, Meaning> {
  const found = new Map<string, Meaning>();
  symbols.forEach((symbol, name) => found.set(ts.unescapeLeadingUnderscores(name), meaningOf(symbol, checker)));
  return found;
}

function meaningOf(symbol: ts.Symbol, checker: ts.TypeChecker): Meaning {
  const { flags } = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const value = (flags & ts.SymbolFlags.Value) !== 0;
  const type = (flags & (ts.SymbolFlags.Type | ts.SymbolFlags.Namespace)) !== 0;
  // Of an import that cannot be resolved nothing is known: it may be both.
  return value || type ? { value, type } : { value: true, type: true };
}

function itemsOf(statement: ts.Statement, checker: ts.TypeChecker): Item[] {
  const item = (name: ts.Identifier, node: ts.Node): Item => {
    const symbol = checker.getSymbolAtLocation(name);
    return { name, node, meaning: symbol === undefined ? { value: true, type: true } : meaningOf(symbol, checker) };
  };
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.flatMap((one) =>
      ts.isIdentifier(one.name) ? [{ name: one.name, node: one, meaning: { value: true, type: false } }] : [],
    );
  if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
    return [{ name: statement.name, node: statement, meaning: { value: false, type: true } }];
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {};
    const items = name === undefined ? [] : [item(name, name)];
    if (namedBindings === undefined) return items;
    if (ts.isNamespaceImport(namedBindings)) return [...items, item(namedBindings.name, namedBindings)];
    return [...items, ...namedBindings.elements.map((element) => item(element.name, element))];
  }
  const { name } = statement as { name?: ts.Node };
  // `declare global` and `declare module "x"` declare no name of the session.
  const isGlobal = ts.isModuleDeclaration(statement) && (statement.flags & ts.NodeFlags.GlobalAugmentation) !== 0;
  return name !== undefined && ts.isIdentifier(name) && !isGlobal ? [item(name, statement)] : [];
}

/** Gives replaced names that kept declarations still use a hidden name, and takes them out of `dropped`. */
function hideNeeded(
  all: Item[],
  dropped: Set<Item>,
  statements: { statement: ts.Statement; items: Item[] }[],
  checker: ts.TypeChecker,
): Edit[] {
  const byNode = new Map(all.map((item) => [declarationOf(item), item]));
  const uses: { identifier: ts.Identifier; from: Item | undefined; to: Item[] }[] = [];
  const droppedNames = new Set([...dropped].map(({ name }) => name.text));
  const collect = (node: ts.Node, from: Item | undefined): void => {
    if (ts.isIdentifier(node) && droppedNames.has(node.text) && node !== from?.name) {
      const symbol = checker.getSymbolAtLocation(node);
      const to = (symbol?.declarations ?? []).flatMap((declaration) => byNode.get(declaration) ?? []);
      if (to.length > 0) uses.push({ identifier: node, from, to });
    }
    ts.forEachChild(node, (child) => {
      collect(child, from);
    });
  };
  for (const { statement, items } of statements)
    if (items.length === 0) collect(statement, undefined);
    else for (const item of items) collect(item.node, item);
  const needed = new Set<Item>();
  for (let grew = true; grew;) {
    grew = false;
    for (const { from, to } of uses) {
      if (from !== undefined && dropped.has(from) && !needed.has(from)) continue;
      for (const item of to)
        if (dropped.has(item) && !needed.has(item)) {
          needed.add(item);
          grew = true;
        }
    }
  }
  if (needed.size === 0) return [];
  hidden++;
  const newName = (name: string): string => `__was${String(hidden)}_${name.replace(/^__was\d+_/, "")}`;
  const edits: Edit[] = [];
  const rename = (identifier: ts.Identifier): void => {
    const asImport = ts.isImportSpecifier(identifier.parent) && identifier.parent.propertyName === undefined;
    const text = newName(identifier.text);
    edits.push({
      start: identifier.getStart(),
      end: identifier.end,
      text: asImport ? `${identifier.text} as ${text}` : text,
    });
  };
  for (const item of needed) {
    dropped.delete(item);
    rename(item.name);
  }
  for (const { identifier, to } of uses) if (to.some((item) => needed.has(item))) rename(identifier);
  return edits;
}

/** The node that the checker names as the declaration of an item. */
function declarationOf({ name, node }: Item): ts.Node {
  return node === name ? name.parent : node;
}

/** The statement's text without the names that are dropped, its edits applied. */
function keptText(statement: ts.Statement, items: Item[], dropped: Set<Item>, edits: Edit[]): string {
  const text = (node: ts.Node, start = node.getStart()): string => {
    const inside = edits.filter((edit) => edit.start >= start && edit.end <= node.end);
    return applyEdits(
      node.getSourceFile().text.slice(start, node.end),
      inside.map((edit) => ({ ...edit, start: edit.start - start, end: edit.end - start })),
    ).text;
  };
  const kept = items.filter((item) => !dropped.has(item));
  // With its documentation.
  if (kept.length === items.length) return text(statement, statement.getFullStart()).trim();
  if (kept.length === 0) return "";
  if (ts.isVariableStatement(statement)) {
    const { flags } = statement.declarationList;
    const keyword = flags & ts.NodeFlags.Const ? "const" : flags & ts.NodeFlags.Let ? "let" : "var";
    return `declare ${keyword} ${kept.map(({ node }) => text(node)).join(", ")};`;
  }
  if (ts.isImportDeclaration(statement)) {
    const named = kept.filter(({ node }) => ts.isImportSpecifier(node)).map(({ node }) => text(node));
    const others = kept.filter(({ node }) => !ts.isImportSpecifier(node)).map(({ node }) => text(node));
    const clause = [...others, ...(named.length === 0 ? [] : [`{ ${named.join(", ")} }`])].join(", ");
    return `import ${clause} from ${statement.moduleSpecifier.getText()};`;
  }
  return text(statement);
}

/** The text of a declaration file without its exports: every name of a cell is shared. */
function statementsOf(emitted: string): string {
  const file = ts.createSourceFile("emitted.d.ts", emitted, ts.ScriptTarget.Latest, true);
  return file.statements
    .filter((statement) => !ts.isExportDeclaration(statement))
    .map((statement) => statement.getFullText(file).trim())
    .join("\n");
}
