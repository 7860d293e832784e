/** Shift-Tab and `name?`: the type and documentation of a name, or the help of a magic. */
import ts from "typescript";
import type { InspectReply, InspectRequest } from "../wire/messages.js";
import { parseMagics } from "../magics/parse.js";
import { blankFirstLine, rewriteMagics, takesCode } from "../magics/rewrite.js";
import type { LanguageHost } from "./complete.js";
import { toUtf16 } from "./cursor.js";

const nothing: InspectReply = { status: "ok", found: false, data: {}, metadata: {} };

export async function inspect(request: InspectRequest, host: LanguageHost): Promise<InspectReply> {
  const { code } = request;
  const cursor = toUtf16(code, request.cursor_pos);
  const parsed = parseMagics(code, host.names);
  const magic =
    parsed.cell !== undefined && cursor <= parsed.cell.bodyStart
      ? parsed.cell
      : parsed.calls.find(({ call, start, end }) => call.kind === "magic" && start <= cursor && cursor <= end)?.call;
  if (magic !== undefined && "name" in magic) {
    await host.plugins.loadFor(`%${magic.name}`);
    const found = host.plugins.find(magic.name);
    return found === undefined ? nothing : { ...nothing, found: true, data: found.help(magic.args) };
  }
  if (parsed.cell !== undefined && !takesCode(parsed.cell)) return nothing;
  const body = parsed.cell === undefined ? code : blankFirstLine(code, parsed.cell);
  const source = rewriteMagics(body, parsed.calls, host.typeOf);
  // After a name or inside a call's brackets the name before is meant.
  for (const at of candidates(source.text, source.toEdited(cursor))) {
    const info = host.converter.inspect(host.declarations(), source.text, at) as ts.QuickInfo | undefined;
    if (info?.displayParts === undefined || info.displayParts.length === 0) continue;
    return { ...nothing, found: true, data: describe(info) };
  }
  return nothing;
}

/** The cursor's own place; the end of the name before it; the name before the bracket that is open there. */
function candidates(text: string, cursor: number): number[] {
  const places = [cursor];
  if (cursor > 0) places.push(cursor - 1);
  let depth = 0;
  for (let i = cursor - 1; i >= 0; i--) {
    const character = text[i];
    if (character === ")") depth++;
    else if (character === "(" && depth-- === 0) {
      places.push(i - 1);
      break;
    }
  }
  return places.filter((place) => place >= 0);
}

function describe(info: ts.QuickInfo): Record<string, unknown> {
  const signature = ts.displayPartsToString(info.displayParts);
  const documentation = ts.displayPartsToString(info.documentation);
  const tags = (info.tags ?? []).map(({ name, text }) => `@${name} ${ts.displayPartsToString(text)}`.trim());
  const notes = [documentation, tags.join("\n")].filter((part) => part !== "");
  return {
    "text/plain": [signature, ...notes].join("\n\n"),
    "text/markdown": ["```typescript\n" + signature + "\n```", ...notes].join("\n\n"),
  };
}
