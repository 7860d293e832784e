/**
 * Turns the ES module that the compiler made of a cell into the body of an async function whose top-level names live in the
 * `exports` object that all cells share.
 *
 *     import { a } from "m"          { const $m = await $import("m"); exports.a = $m.a; }
 *     let x = 1, { y } = f()         exports.x = 1, ({ y: exports.y } = (0, exports.f)())
 *     function g() { return x }      function g() { return exports.x }    (and exports.g = g first)
 *     console.log({ x })             console.log({ x: exports.x })
 *
 * A variable is thus one place for every cell: a closure of an old cell sees what a later cell assigns. The edits never add
 * or remove a line, so that the compiler's source map stays right for lines.
 */
import ts from "typescript";
import { applyEdits, type Edit, type Edited } from "./edits.js";

interface Internals {
  isExpressionNode: (node: ts.Node) => boolean;
}
type Checker = ts.TypeChecker & {
  resolveName(name: string, at: ts.Node, meaning: ts.SymbolFlags, excludeGlobals: boolean): ts.Symbol | undefined;
};
type BoundFile = ts.SourceFile & { locals: ts.SymbolTable };

const fileName = "cell.ts";

/** The name under `exports` of a cell's last value. */
export const resultName = "__result";

/**
 * @param known the names that earlier cells and plugins have put into `exports`
 * @param showsLast the last statement is an expression whose value is the cell's result
 */
export function rewriteCell(code: string, known: { has(name: string): boolean }, showsLast = false): Edited {
  const { file, checker } = bind(code);
  const edits: Edit[] = [];
  const replace = (start: number, end: number, text: string): void => {
    edits.push({ start, end, text });
  };
  const insert = (at: number, text: string): void => {
    replace(at, at, text);
  };
  const start = (node: ts.Node): number => node.getStart(file);

  /** Whether an identifier in expression position stands for a name of the cell's top level or of an earlier cell. */
  const isShared = (name: ts.Identifier): boolean => {
    const symbol = checker.resolveName(name.text, name, ts.SymbolFlags.Value, true);
    if (symbol === undefined) return name.text !== "exports" && known.has(name.text);
    return file.locals.get(name.escapedText) === symbol && !isOwnClassName(name, symbol);
  };

  const isTopLevel = (name: ts.Identifier): boolean =>
    file.locals.get(name.escapedText)?.declarations?.includes(name.parent as ts.Declaration) === true;

  // Names that a declaration binds: `x` -> `exports.x` inside a pattern, with defaults visited as expressions.
  const bindName = (name: ts.BindingName): void => {
    if (ts.isIdentifier(name)) {
      insert(start(name), "exports.");
      return;
    }
    for (const element of name.elements) {
      if (ts.isOmittedExpression(element)) continue;
      if (element.propertyName !== undefined && ts.isComputedPropertyName(element.propertyName))
        visit(element.propertyName.expression);
      const shorthand =
        ts.isObjectBindingPattern(name) &&
        element.propertyName === undefined &&
        element.dotDotDotToken === undefined &&
        ts.isIdentifier(element.name);
      if (shorthand) insert(start(element.name), `${element.name.text}: `);
      bindName(element.name);
      if (element.initializer !== undefined) visit(element.initializer);
    }
  };

  const declareVariables = (list: ts.VariableDeclarationList, keepUndeclared: boolean): void => {
    const first = list.declarations[0];
    if (first === undefined) return;
    replace(start(list), start(first), "");
    for (const declaration of list.declarations) {
      const { name, initializer } = declaration;
      const inLoopHead = ts.isForInStatement(list.parent) || ts.isForOfStatement(list.parent);
      const parentheses = ts.isObjectBindingPattern(name) && !inLoopHead;
      if (parentheses) insert(start(declaration), "(");
      bindName(name);
      if (initializer === undefined) {
        if (!inLoopHead && !keepUndeclared) insert(declaration.end, " = undefined");
      } else if (ts.isIdentifier(name) && isAnonymous(initializer)) {
        // An assignment to a property does not name a function, a property of a literal does.
        insert(start(initializer), `{ ${name.text}: `);
        visit(initializer);
        insert(initializer.end, ` }.${name.text}`);
      } else visit(initializer);
      if (parentheses) insert(declaration.end, ")");
    }
  };

  const importStatement = (node: ts.ImportDeclaration): string => {
    const module = `await $import(${node.moduleSpecifier.getText(file)})`;
    const clause = node.importClause;
    if (clause === undefined) return `${module};`;
    const parts: string[] = [];
    if (clause.name !== undefined) parts.push(`exports.${clause.name.text} = $m.default;`);
    const bindings = clause.namedBindings;
    if (bindings !== undefined && ts.isNamespaceImport(bindings)) parts.push(`exports.${bindings.name.text} = $m;`);
    if (bindings !== undefined && ts.isNamedImports(bindings))
      for (const { name, propertyName } of bindings.elements)
        parts.push(`exports.${name.text} = $m[${JSON.stringify((propertyName ?? name).text)}];`);
    return `{ const $m = ${module}; ${parts.join(" ")} }`;
  };

  const isCallee = (node: ts.Node): boolean =>
    (ts.isCallExpression(node.parent) && node.parent.expression === node) ||
    (ts.isTaggedTemplateExpression(node.parent) && node.parent.tag === node);

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      replaceKeepingLines(node, importStatement(node));
      return;
    }
    if (ts.isExportDeclaration(node)) {
      replaceKeepingLines(node, "");
      return;
    }
    if (ts.isVariableDeclarationList(node) && node.declarations.some(({ name }) => isSharedPattern(name))) {
      declareVariables(node, node.parent.parent !== file);
      return;
    }
    if (ts.canHaveModifiers(node) && node.parent === file)
      for (const modifier of ts.getModifiers(node) ?? [])
        if (modifier.kind === ts.SyntaxKind.ExportKeyword || modifier.kind === ts.SyntaxKind.DefaultKeyword)
          replace(start(modifier), modifier.end, "");
    if (ts.isFunctionDeclaration(node) && node.parent === file && node.name !== undefined)
      hoisted.push(`exports.${node.name.text} = ${node.name.text};`);
    if (ts.isClassDeclaration(node) && node.parent === file && node.name !== undefined) {
      insert(start(node), `exports.${node.name.text} = `);
      ts.forEachChild(node, visit);
      insert(node.end, ";");
      return;
    }
    if (ts.isShorthandPropertyAssignment(node)) {
      if (isShared(node.name)) insert(start(node.name), `${node.name.text}: exports.`);
      if (node.objectAssignmentInitializer !== undefined) visit(node.objectAssignmentInitializer);
      return;
    }
    if (ts.isIdentifier(node)) {
      if (!(ts as unknown as Internals).isExpressionNode(node) || !isShared(node)) return;
      if (isCallee(node)) replace(start(node), node.end, `(0, exports.${node.text})`);
      else insert(start(node), "exports.");
      return;
    }
    if (ts.isPropertyAccessExpression(node)) {
      visit(node.expression);
      return;
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      replace(start(node.expression), node.expression.end, "$import");
    if (ts.isMetaProperty(node)) {
      if (node.keywordToken === ts.SyntaxKind.ImportKeyword) replace(start(node), node.end, "$meta");
      return;
    }
    ts.forEachChild(node, visit);
  };

  const isSharedPattern = (name: ts.BindingName): boolean =>
    ts.isIdentifier(name)
      ? isTopLevel(name)
      : name.elements.some((element) => !ts.isOmittedExpression(element) && isSharedPattern(element.name));

  /** A statement over several lines leaves its line breaks behind. */
  const replaceKeepingLines = (node: ts.Node, text: string): void => {
    const lines = node.getText(file).split("\n").length - 1;
    replace(start(node), node.end, text + "\n".repeat(lines));
  };

  const hoisted: string[] = [];
  const last = file.statements.findLast((statement) => !ts.isExportDeclaration(statement));
  const result = showsLast && last !== undefined && ts.isExpressionStatement(last) ? last.expression : undefined;
  if (result !== undefined) insert(start(result), `exports.${resultName} = (`);
  ts.forEachChild(file, visit);
  if (result !== undefined) insert(result.end, ")");
  if (hoisted.length > 0) edits.unshift({ start: 0, end: 0, text: hoisted.join(" ") + " " });
  return applyEdits(code, edits);
}

/** Parses and binds one file without libraries: only the names are of interest. */
function bind(code: string): { file: BoundFile; checker: Checker } {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    noLib: true,
    noResolve: true,
    types: [],
  };
  const source = ts.createSourceFile(fileName, code, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS);
  const program = ts.createProgram([fileName], options, {
    getSourceFile: (name) => (name === fileName ? source : undefined),
    getDefaultLibFileName: () => "lib.d.ts",
    writeFile: () => undefined,
    getCurrentDirectory: () => "",
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    fileExists: (name) => name === fileName,
    readFile: () => undefined,
  });
  return { file: source as BoundFile, checker: program.getTypeChecker() };
}

/** Inside its own body a class is known by its inner name: `exports.A` is not assigned yet when a static field runs. */
function isOwnClassName(name: ts.Identifier, symbol: ts.Symbol): boolean {
  for (let node: ts.Node = name; !ts.isSourceFile(node); node = node.parent)
    if (ts.isClassDeclaration(node) && node === symbol.valueDeclaration) return true;
  return false;
}

function isAnonymous(expression: ts.Expression): boolean {
  return (
    ts.isArrowFunction(expression) ||
    ((ts.isFunctionExpression(expression) || ts.isClassExpression(expression)) && expression.name === undefined)
  );
}
