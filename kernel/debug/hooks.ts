/** What the debugger asks of the main thread, also while that one stands still at a breakpoint: it calls these by evaluation. */
import ts from "typescript";
import { toBundle } from "../cells/display.js";
import { unwrapped } from "../cells/parents.js";
import { rewriteCell } from "../cells/rewrite.js";
import type { Runner } from "../cells/run.js";
import type { SessionState } from "../cells/state.js";
import { hooksKey } from "./hooksKey.js";

export interface DebugHooks {
  /** Called before an expression: what it leaves in promises may spin, and is then stopped by force. */
  begin: () => void;
  /** All values that cells share, the kernel's own among them. */
  values: Record<string, unknown>;
  /** The user's variables by name. */
  variables: () => Record<string, unknown>;
  /** TypeScript -> JavaScript that can be evaluated in a frame whose own names are `locals`. Throws for what cannot be read. */
  translate: (code: string, locals: string[]) => string;
  /** Makes a variable of the session. */
  define: (name: string, value: unknown) => void;
  /** What a value looks like, as JSON. */
  bundle: (value: unknown) => Promise<string>;
}

export function installHooks(state: SessionState, late: Runner["late"]): void {
  const hooks: DebugHooks = {
    begin() {
      late.begin();
      unwrapped.setImmediate(late.end);
    },
    values: state.values,
    variables: () =>
      Object.assign(Object.create(null) as Record<string, unknown>, Object.fromEntries(state.variables())),
    translate: (code, locals) => translate(code, (name) => state.has(name) && !locals.includes(name)),
    define: state.define,
    bundle: async (value) => JSON.stringify(await toBundle(value)),
  };
  Object.defineProperty(globalThis, Symbol.for(hooksKey), { value: hooks });
}

function translate(code: string, isShared: (name: string) => boolean): string {
  const { outputText, diagnostics } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    reportDiagnostics: true,
  });
  const [wrong] = diagnostics ?? [];
  if (wrong !== undefined) throw new SyntaxError(ts.flattenDiagnosticMessageText(wrong.messageText, "\n"));
  const { text } = rewriteCell(outputText.replace(/export \{\};\s*$/, ""), { has: isShared });
  const file = ts.createSourceFile("x.ts", text, ts.ScriptTarget.ES2022);
  const [only] = file.statements;
  const isExpression = file.statements.length === 1 && only !== undefined && ts.isExpressionStatement(only);
  const body = isExpression ? `(${text.trim().replace(/;+$/, "")}\n)` : `{ ${text}\n}`;
  const head = awaits(file) ? "async (exports)" : "(exports)";
  const own = `globalThis[Symbol.for(${JSON.stringify(hooksKey)})]`;
  return `(${own}.begin(), (${head} => ${body})(${own}.values))`;
}

/** Whether there is an await outside of all functions. */
function awaits(node: ts.Node): boolean {
  if (ts.isFunctionLike(node)) return false;
  if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined)) return true;
  return ts.forEachChild(node, awaits) ?? false;
}
