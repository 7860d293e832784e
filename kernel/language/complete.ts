/** Tab: names from the types of the session, magics, and what a magic offers for its arguments. */
import ts from "typescript";
import type { Program, Types } from "../cells/typescript.js";
import { completePath } from "../magics/paths.js";
import { parseMagics, type FoundCall, type Names } from "../magics/parse.js";
import type { Plugins } from "../magics/plugins.js";
import { blankFirstLine, rewriteMagics, takesCode } from "../magics/rewrite.js";
import type { CompleteReply, CompleteRequest } from "../wire/messages.js";
import { toCodePoints, toUtf16 } from "./cursor.js";

export interface LanguageHost {
  types: Types;
  plugins: Plugins;
  declarations: () => string;
  names: Names;
  typeOf: (name: string, args: string) => string;
  /** Name -> the statement that declares it, as written in its cell. */
  sources: Map<string, string>;
  /** The value of a variable of the session. */
  value: (name: string) => { value: unknown } | undefined;
}

interface Match {
  text: string;
  type?: string;
  /** What stands beside the name: the type of a value, the line of a magic's help. */
  signature?: string;
  documentation?: string;
}

/** So many matches get their type and documentation: about a tenth of a millisecond each. */
const described = 100;

/** @returns cursors in code points, as the protocol counts them */
export async function complete(request: CompleteRequest, host: LanguageHost): Promise<CompleteReply> {
  const { code } = request;
  const cursor = toUtf16(code, request.cursor_pos);
  const { matches, start, end } =
    (await completeMagic(code, cursor, host)) ??
    (await completeOption(code, cursor, host)) ??
    completeTypes(code, cursor, host);
  const startPoint = toCodePoints(code, start);
  const endPoint = toCodePoints(code, end);
  return {
    status: "ok",
    matches: matches.map(({ text }) => text),
    cursor_start: startPoint,
    cursor_end: endPoint,
    metadata: {
      _jupyter_types_experimental: matches.map((match) => ({ ...match, start: startPoint, end: endPoint })),
    },
  };
}

interface Found {
  matches: Match[];
  start: number;
  end: number;
}

async function completeMagic(code: string, cursor: number, host: LanguageHost): Promise<Found | undefined> {
  const lineStart = code.lastIndexOf("\n", cursor - 1) + 1;
  const before = code.slice(lineStart, cursor);
  // The name itself: `%am|`.
  const partial = /^(?:[^=]*=)?[ \t]*(%{1,2})([\w.-]*)$/.exec(before);
  if (partial !== null) {
    await host.plugins.loadFor();
    const [, percent = "%", name = ""] = partial;
    const matches = host.plugins
      .all()
      .filter((magic) => magic.name.startsWith(name) && (percent === "%" || takesCell(magic)))
      .map((magic) => ({ text: percent + magic.name, type: "magic", signature: magic.summary }));
    return { matches, start: cursor - name.length - percent.length, end: cursor };
  }
  const parsed = parseMagics(code, host.names);
  const shell = parsed.calls.find(({ call, start }) => call.kind === "shell" && onLine(code, start, cursor));
  if (shell !== undefined) {
    const { matches, start, end } = completePath(lineFrom(code, shell.argsStart), cursor - shell.argsStart, () => true);
    return { matches, start: shell.argsStart + start, end: shell.argsStart + end };
  }
  const inside = parsed.calls.find(({ call, start }) => call.kind === "magic" && onLine(code, start, cursor));
  const target =
    inside !== undefined && inside.call.kind === "magic"
      ? { name: inside.call.name, args: lineFrom(code, inside.argsStart), argsStart: inside.argsStart }
      : parsed.cell !== undefined && cursor <= parsed.cell.bodyStart
        ? { name: parsed.cell.name, args: parsed.cell.args, argsStart: parsed.cell.argsStart }
        : undefined;
  if (target === undefined || cursor < target.argsStart) return undefined;
  await host.plugins.loadFor(`%${target.name}`);
  const completions = await host.plugins.find(target.name)?.complete?.(target.args, cursor - target.argsStart);
  if (completions === undefined) return takesCode({ name: target.name }) ? undefined : none(cursor);
  const { start, end } = completions;
  const matches = completions.matches.map(({ text, type, help }) => matchOf(text, type, help));
  return { matches, start: target.argsStart + start, end: target.argsStart + end };
}

/** A string among the options of a call that is a magic's too: `ams.eval({ split: "te|` is asked as `%ams eval --split te|`. */
async function completeOption(code: string, cursor: number, host: LanguageHost): Promise<Found | undefined> {
  const file = ts.createSourceFile("cell.ts", code, ts.ScriptTarget.Latest, true);
  const inside = (node: ts.Node): ts.Node =>
    ts.forEachChild(node, (child) => (child.getFullStart() < cursor && cursor <= child.end ? child : undefined)) ??
    node;
  let text = inside(file);
  for (let next = inside(text); next !== text; next = inside(text)) text = next;
  if (!ts.isStringLiteralLike(text) || cursor <= text.getStart()) return undefined;
  const call = ts.findAncestor(text, ts.isCallExpression);
  const property = ts.findAncestor(text, ts.isPropertyAssignment);
  if (call === undefined || property === undefined || !ts.isIdentifier(property.name)) return undefined;
  if (property.parent !== call.arguments[0] || !ts.isPropertyAccessExpression(call.expression)) return undefined;
  const { expression, name: verb } = call.expression;
  if (!ts.isIdentifier(expression)) return undefined;
  await host.plugins.loadFor(`%${expression.text}`);
  const flag = property.name.text.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const start = text.getStart() + 1;
  const asked = `${verb.text} --${flag} `;
  const typed = code.slice(start, cursor);
  if (/[\s"'\\]/.test(typed)) return undefined; // a line of arguments would take it for another word
  const found = await host.plugins.find(expression.text)?.complete?.(asked + typed, asked.length + typed.length);
  if (found === undefined || found.matches.length === 0) return undefined;
  const matches = found.matches.map(({ text, type, help }) =>
    matchOf(text.replace(/^(["'])(.*)\1$/, "$2"), type, help),
  );
  return { matches, start: start + found.start - asked.length, end: start + found.end - asked.length };
}

function matchOf(text: string, type: string | undefined, help: string | undefined): Match {
  return { text, ...(type === undefined ? {} : { type }), ...(help === undefined ? {} : { signature: help }) };
}

function takesCell({ name, cell }: { name: string; cell?: unknown }): boolean {
  return cell !== undefined || takesCode({ name });
}

function onLine(code: string, start: number, cursor: number): boolean {
  return start < cursor && !code.slice(start, cursor).includes("\n");
}

function lineFrom(code: string, start: number): string {
  const end = code.indexOf("\n", start);
  return code.slice(start, end < 0 ? code.length : end);
}

function none(cursor: number): Found {
  return { matches: [], start: cursor, end: cursor };
}

function completeTypes(code: string, cursor: number, host: LanguageHost): Found {
  const parsed = parseMagics(code, host.names);
  if (parsed.cell !== undefined && !takesCode(parsed.cell)) return none(cursor);
  const body = parsed.cell === undefined ? code : blankFirstLine(code, parsed.cell);
  const source = rewriteMagics(body, withoutTimed(parsed.calls), host.typeOf);
  const { service, cellFile, update } = host.types;
  const program = update(host.declarations(), source.text);
  const at = source.toEdited(cursor);
  // Details by the service's own call would compute all completions once more for each of them.
  const info = service.getCompletionsAtPosition(cellFile, at, { includeSymbol: true });
  if (info === undefined) return none(cursor);
  const word = wordAt(source.text, at, info);
  const typed = source.text.slice(word.start, at);
  const entries = info.entries
    .filter(({ name }) => !name.startsWith("__") && rank(name, typed) < 3)
    .sort((a, b) => rank(a.name, typed) - rank(b.name, typed) || order(a, b));
  const matches = entries.map((entry, i): Match => {
    const match = { text: entry.name, type: jupyterKind(entry.kind) };
    return i >= described || entry.symbol === undefined ? match : { ...match, ...detailsOf(entry.symbol, program) };
  });
  return { matches, start: source.toOriginal(word.start), end: source.toOriginal(word.end) };
}

/** The word that a match replaces: an identifier, or a part of a path in a string. */
function wordAt(text: string, at: number, info: ts.CompletionInfo): { start: number; end: number } {
  const span = info.entries.find(({ replacementSpan }) => replacementSpan !== undefined)?.replacementSpan;
  const given = span ?? info.optionalReplacementSpan;
  if (given !== undefined && given.start <= at) return { start: given.start, end: given.start + given.length };
  const before = /[\p{ID_Continue}$]*$/u.exec(text.slice(0, at))?.[0].length ?? 0;
  const after = /^[\p{ID_Continue}$]*/u.exec(text.slice(at))?.[0].length ?? 0;
  return { start: at - before, end: at + after };
}

/** 0: begins with what is typed; 1: but for upper and lower case; 2: holds it; 3: does not. */
function rank(name: string, typed: string): number {
  if (name.startsWith(typed)) return 0;
  const [lower, wanted] = [name.toLowerCase(), typed.toLowerCase()];
  return lower.startsWith(wanted) ? 1 : lower.includes(wanted) ? 2 : 3;
}

function order(a: ts.CompletionEntry, b: ts.CompletionEntry): number {
  return a.sortText === b.sortText ? a.name.localeCompare(b.name) : a.sortText < b.sortText ? -1 : 1;
}

/** `map<U>(f: ...): U[]`, `length: number`; nothing for a type. */
function detailsOf(found: ts.Symbol, { checker, cell }: Program): Partial<Match> {
  const symbol = found.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(found) : found;
  const documentation = ts.displayPartsToString(symbol.getDocumentationComment(checker));
  const details = documentation === "" ? {} : { documentation };
  if ((symbol.flags & ts.SymbolFlags.Value) === 0) return details;
  const type = checker.getTypeOfSymbolAtLocation(symbol, cell);
  const [call, ...more] = type.getCallSignatures();
  const overloads = more.length === 0 ? "" : ` (+${String(more.length)} overload${more.length === 1 ? "" : "s"})`;
  const signature =
    call === undefined
      ? `${found.name}: ${checker.typeToString(type)}`
      : found.name + checker.signatureToString(call) + overloads;
  return { signature, ...details };
}

/** `%time code`: the code after the name is completed as code. */
function withoutTimed(calls: FoundCall[]): FoundCall[] {
  return calls.filter(({ call }) => call.kind !== "magic" || !takesCode(call));
}

/** TypeScript's kinds -> the words that JupyterLab has icons for. */
function jupyterKind(kind: ts.ScriptElementKind): string {
  switch (kind) {
    case ts.ScriptElementKind.memberFunctionElement:
    case ts.ScriptElementKind.functionElement:
    case ts.ScriptElementKind.localFunctionElement:
    case ts.ScriptElementKind.constructorImplementationElement:
      return "function";
    case ts.ScriptElementKind.constElement:
    case ts.ScriptElementKind.letElement:
    case ts.ScriptElementKind.variableElement:
    case ts.ScriptElementKind.localVariableElement:
    case ts.ScriptElementKind.parameterElement:
      return "instance";
    case ts.ScriptElementKind.memberVariableElement:
    case ts.ScriptElementKind.memberGetAccessorElement:
    case ts.ScriptElementKind.memberSetAccessorElement:
      return "property";
    case ts.ScriptElementKind.classElement:
    case ts.ScriptElementKind.localClassElement:
      return "class";
    case ts.ScriptElementKind.interfaceElement:
      return "interface";
    case ts.ScriptElementKind.typeElement:
    case ts.ScriptElementKind.alias:
    case ts.ScriptElementKind.typeParameterElement:
      return "type";
    case ts.ScriptElementKind.enumElement:
    case ts.ScriptElementKind.enumMemberElement:
      return "enum";
    case ts.ScriptElementKind.moduleElement:
    case ts.ScriptElementKind.externalModuleName:
    case ts.ScriptElementKind.scriptElement:
      return "module";
    case ts.ScriptElementKind.directory:
      return "path";
    case ts.ScriptElementKind.string:
      return "value";
    default:
      return kind;
  }
}
