/** Whether a console may run what was typed, or must wait for more lines. */
import ts from "typescript";
import type { IsCompleteReply } from "../wire/messages.js";
import { isCompleteCode } from "./tslab.js";
import { parseMagics } from "../magics/parse.js";
import { rewriteMagics, takesCode } from "../magics/rewrite.js";

export function isComplete(code: string): IsCompleteReply {
  const parsed = parseMagics(code, { isMagic: () => true, isVariable: () => false });
  const { cell } = parsed;
  // Of %%time and the like the body is code.
  if (cell !== undefined && takesCode(cell))
    return cell.body.trim() === "" ? { status: "incomplete", indent: "" } : isComplete(cell.body);
  // Another cell magic takes lines until an empty one.
  if (cell !== undefined)
    return cell.body === "" || /\n[ \t]*\n?$/.test(code)
      ? { status: "complete" }
      : { status: "incomplete", indent: "" };
  const { text } = rewriteMagics(code, parsed.calls, () => "any");
  const file = ts.createSourceFile("cell.ts", text, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);
  const { parseDiagnostics } = file as unknown as { parseDiagnostics: ts.DiagnosticWithLocation[] };
  if (parseDiagnostics.length === 0) return { status: "complete" };
  const { completed, indent } = isCompleteCode(text.trimEnd());
  if (!completed) return { status: "incomplete", indent: indent ?? "" };
  return parseDiagnostics.some(({ code: number }) => number === unterminatedTemplate)
    ? { status: "incomplete", indent: "" }
    : { status: "invalid" };
}

/** A template literal that is still open goes on in the next line, whatever that holds. */
const unterminatedTemplate = 1160;
