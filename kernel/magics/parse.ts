/**
 * Finds the magics of a cell. A line is one only where a statement may start: TypeScript's scanner tells strings, templates,
 * comments and brackets apart, so `% b` that continues a division-like expression stays TypeScript.
 *
 *     %name args     const r = %name args     %%name args (whole cell)     !command     name?     ?name     %name args?
 */
import ts from "typescript";

export type MagicCall =
  | { kind: "magic"; name: string; args: string; statement: boolean }
  | { kind: "shell"; command: string; statement: true }
  /** `detail` 1 for `name??`. */
  | { kind: "help"; name: string; args: string; magic: boolean; detail: 0 | 1; statement: true };

export interface FoundCall {
  call: MagicCall;
  /** UTF-16 offsets of the whole call in the cell, without indentation and line break. */
  start: number;
  end: number;
  /** Where the arguments start. */
  argsStart: number;
  /** No other statement follows. */
  last: boolean;
}

export interface CellMagic {
  name: string;
  args: string;
  argsStart: number;
  body: string;
  /** Offset of the body in the cell. */
  bodyStart: number;
}

export interface ParsedMagics {
  /** Set when the cell's first line is `%%name`: everything else is its data. */
  cell?: CellMagic;
  calls: FoundCall[];
}

export interface Names {
  isMagic: (name: string) => boolean;
  /** Whether `!name` can be TypeScript: the name of a variable. */
  isVariable: (name: string) => boolean;
}

const cellMagic = /^(?:[ \t]*\n)*[ \t]*%%([A-Za-z_][\w.-]*)[ \t]*([^\n]*)(?:\n|$)/;
const lineMagic = /%([A-Za-z_][\w.-]*)([^\n]*)/y;
const shellCommand = /!(?!function\b|async\b|await\b)(?=[A-Za-z./~_$])([^\n]*)/y;
const nameHelp = /(?:\?{1,2}(%{0,2}[A-Za-z_$][\w.$-]*)|(%{0,2}[A-Za-z_$][\w.$-]*)\?{1,2})[ \t]*(?=\n|$)/y;

export function parseMagics(source: string, names: Names): ParsedMagics {
  const whole = cellMagic.exec(source);
  if (whole !== null && !/\?[ \t]*$/.test(whole[2] ?? "")) {
    const [text, name = "", args = ""] = whole;
    const bodyStart = text.length;
    const argsStart = text.trimEnd().length - args.trimEnd().length;
    return {
      cell: { name, args: withoutComment(args).trim(), argsStart, body: source.slice(bodyStart), bodyStart },
      calls: [],
    };
  }
  if (!/[%!?]/.test(source)) return { calls: [] };
  return { calls: scan(source, names) };
}

function scan(source: string, names: Names): FoundCall[] {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, false, ts.LanguageVariant.Standard, source);
  const calls: FoundCall[] = [];
  const brackets: ts.SyntaxKind[] = [];
  let previous: ts.SyntaxKind | undefined;
  let lineStart = true;
  let lastSignificant = 0;
  const add = (found: Omit<FoundCall, "last">): void => {
    calls.push({ ...found, last: false });
    scanner.resetTokenState(found.end);
    previous = ts.SyntaxKind.SemicolonToken;
    lineStart = false;
    lastSignificant = found.end;
  };
  for (;;) {
    const position = scanner.getTokenEnd();
    if (lineStart || previous === ts.SyntaxKind.EqualsToken) {
      const start = position + (/^[ \t]*/.exec(source.slice(position))?.[0].length ?? 0);
      const found = match(source, start, lineStart, previous, brackets, names);
      if (found !== undefined) {
        add(found);
        continue;
      }
    }
    let token = scanner.scan();
    if (token === ts.SyntaxKind.EndOfFileToken) break;
    if (token === ts.SyntaxKind.NewLineTrivia) {
      lineStart = true;
      continue;
    }
    if (ts.SyntaxKind.FirstTriviaToken <= token && token <= ts.SyntaxKind.LastTriviaToken) continue;
    lineStart = false;
    if ((token === ts.SyntaxKind.SlashToken || token === ts.SyntaxKind.SlashEqualsToken) && !endsExpression(previous))
      token = scanner.reScanSlashToken();
    const top = brackets.at(-1);
    if (token === ts.SyntaxKind.CloseBraceToken && top === ts.SyntaxKind.TemplateHead) {
      token = scanner.reScanTemplateToken(false);
      if (token === ts.SyntaxKind.TemplateTail) brackets.pop();
    } else if (opening.has(token)) brackets.push(token);
    else if (closing.has(token)) brackets.pop();
    previous = token;
    lastSignificant = scanner.getTokenEnd();
  }
  for (const found of calls) found.last = found.end === lastSignificant;
  return calls;
}

const opening = new Set([
  ts.SyntaxKind.OpenBraceToken,
  ts.SyntaxKind.OpenParenToken,
  ts.SyntaxKind.OpenBracketToken,
  ts.SyntaxKind.TemplateHead,
]);
const closing = new Set([
  ts.SyntaxKind.CloseBraceToken,
  ts.SyntaxKind.CloseParenToken,
  ts.SyntaxKind.CloseBracketToken,
]);

function match(
  source: string,
  start: number,
  lineStart: boolean,
  previous: ts.SyntaxKind | undefined,
  brackets: ts.SyntaxKind[],
  names: Names,
): Omit<FoundCall, "last"> | undefined {
  const at = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = start;
    return pattern.exec(source);
  };
  // `const r = %name args`: a percent sign cannot follow `=` otherwise.
  const assigned = previous === ts.SyntaxKind.EqualsToken;
  const inBlock = brackets.every((bracket) => bracket === ts.SyntaxKind.OpenBraceToken);
  if (!assigned && !(lineStart && inBlock)) return undefined;
  const unfinished = endsExpression(previous);

  if (!assigned && brackets.length === 0) {
    const help = at(nameHelp);
    if (help !== null && (help[2] !== undefined || !unfinished)) {
      const text = help[1] ?? help[2] ?? "";
      const magic = text.startsWith("%");
      const name = text.replace(/^%+/, "");
      const end = start + help[0].trimEnd().length;
      const detail = help[0].includes("??") ? 1 : 0;
      return {
        call: { kind: "help", name, args: "", magic, detail, statement: true },
        start,
        end,
        argsStart: end,
      };
    }
    const shell = at(shellCommand);
    if (shell !== null) {
      const command = shell[1] ?? "";
      const word = /^[A-Za-z_$][\w$]*/.exec(command)?.[0];
      if (word === undefined || !names.isVariable(word))
        return {
          call: { kind: "shell", command: command.trim(), statement: true },
          start,
          end: start + 1 + command.trimEnd().length,
          argsStart: start + 1,
        };
    }
  }

  const magic = at(lineMagic);
  if (magic === null) return undefined;
  const [, name = "", written = ""] = magic;
  const rest = withoutComment(written);
  // After `a` without a semicolon `%b` is a remainder, unless b is a magic.
  if (unfinished && !names.isMagic(name)) return undefined;
  const end = start + 1 + name.length + rest.trimEnd().length;
  const argsStart = start + 1 + name.length + (rest.length - rest.trimStart().length);
  const question = /(\?{1,2})[ \t]*$/.exec(rest)?.[1];
  if (!assigned && question !== undefined) {
    const args = rest.trim().slice(0, -question.length).trim();
    return {
      call: { kind: "help", name, args, magic: true, detail: question.length === 2 ? 1 : 0, statement: true },
      start,
      end,
      argsStart,
    };
  }
  const args = assigned ? rest.trim().replace(/;$/, "") : rest.trim();
  return { call: { kind: "magic", name, args, statement: !assigned }, start, end, argsStart };
}

/** Without a `// comment` at its end. One follows a blank, outside quotes: the slashes of http://host are none. */
function withoutComment(text: string): string {
  // A quote opens only where a word could begin, so that "the dog's ball" holds none.
  for (const { 0: found, index } of text.matchAll(/(?<!\w)(["'`])(?:\\.|(?!\1).)*\1|(?<![^ \t])\/\/.*/g))
    if (found.startsWith("//")) return text.slice(0, index);
  return text;
}

/** Whether an expression can end with the token, so that `/` divides and `%` takes a remainder. A block's `}` does not. */
function endsExpression(token: ts.SyntaxKind | undefined): boolean {
  if (token === undefined) return false;
  // Words like `type` or `of` are keywords to the scanner and names to the parser.
  const word = token >= ts.SyntaxKind.FirstFutureReservedWord && token <= ts.SyntaxKind.LastKeyword;
  return word || endTokens.has(token);
}

const endTokens = new Set([
  ts.SyntaxKind.CloseParenToken,
  ts.SyntaxKind.CloseBracketToken,
  ts.SyntaxKind.Identifier,
  ts.SyntaxKind.NumericLiteral,
  ts.SyntaxKind.BigIntLiteral,
  ts.SyntaxKind.StringLiteral,
  ts.SyntaxKind.RegularExpressionLiteral,
  ts.SyntaxKind.NoSubstitutionTemplateLiteral,
  ts.SyntaxKind.TemplateTail,
  ts.SyntaxKind.ThisKeyword,
  ts.SyntaxKind.SuperKeyword,
  ts.SyntaxKind.TrueKeyword,
  ts.SyntaxKind.FalseKeyword,
  ts.SyntaxKind.NullKeyword,
  ts.SyntaxKind.PlusPlusToken,
  ts.SyntaxKind.MinusMinusToken,
]);
