/** Whether a console may run what was typed, or must wait for more lines. */
import ts from "typescript";
import type { IsCompleteReply } from "../wire/messages.js";
import { parseMagics } from "../magics/parse.js";
import { rewriteMagics } from "../magics/rewrite.js";

export function isComplete(code: string): IsCompleteReply {
  const parsed = parseMagics(code, { isMagic: () => true, isVariable: () => false });
  // A cell magic takes lines until an empty one.
  if (parsed.cell !== undefined)
    return parsed.cell.body === "" || /\n[ \t]*\n?$/.test(code)
      ? { status: "complete" }
      : { status: "incomplete", indent: "" };
  const { text } = rewriteMagics(code, parsed.calls, () => "any");
  const file = ts.createSourceFile("cell.ts", text, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);
  const { parseDiagnostics } = file as unknown as { parseDiagnostics: ts.DiagnosticWithLocation[] };
  if (parseDiagnostics.length === 0) return { status: "complete" };
  const end = text.trimEnd().length;
  // What is missing at the very end, or a comment or template that is still open, can be typed next.
  const open = parseDiagnostics.some(
    ({ start, length, code: number }) => start + length >= end && (start >= end || openEnded.has(number)),
  );
  if (!open) return { status: "invalid" };
  return { status: "incomplete", indent: indent(code) };
}

/** Unterminated template literal; unterminated comment. */
const openEnded = new Set([1160, 1010]);

/** As deep as the brackets that are open on the last line. */
function indent(code: string): string {
  const last = code.split("\n").at(-1) ?? "";
  const current = /^\s*/.exec(last)?.[0] ?? "";
  return /[{([]\s*$|=>\s*$/.test(last) ? `${current}  ` : current;
}
