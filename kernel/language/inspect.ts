/** Shift-Tab, `name?` and `name??`: type, documentation, value and source of a name, or the help of a magic. */
import path from "node:path";
import ts from "typescript";
import { inspect as inspectValue } from "node:util";
import { parseMagics } from "../magics/parse.js";
import { blankFirstLine, rewriteMagics, takesCode } from "../magics/rewrite.js";
import type { InspectReply, InspectRequest } from "../wire/messages.js";
import type { LanguageHost } from "./complete.js";
import { toUtf16 } from "./cursor.js";

const nothing: InspectReply = { status: "ok", found: false, data: {}, metadata: {} };

/** With `detail_level` 1 also where the name is declared, with the code. */
export async function inspect(request: InspectRequest, host: LanguageHost): Promise<InspectReply> {
  const { code } = request;
  const cursor = toUtf16(code, request.cursor_pos);
  const parsed = parseMagics(code, host.names);
  const magic =
    parsed.cell !== undefined && cursor <= parsed.cell.bodyStart
      ? parsed.cell
      : parsed.calls.find(({ call, start, end }) => call.kind === "magic" && start <= cursor && cursor <= end)?.call;
  if (magic !== undefined && "name" in magic && !(takesCode(magic) && magic.args !== "")) {
    await host.plugins.loadFor(`%${magic.name}`);
    const found = host.plugins.find(magic.name);
    return found === undefined ? nothing : { ...nothing, found: true, data: found.help(magic.args) };
  }
  if (parsed.cell !== undefined && !takesCode(parsed.cell)) return nothing;
  const body = parsed.cell === undefined ? code : blankFirstLine(code, parsed.cell);
  const calls = parsed.calls.filter(({ call }) => call.kind !== "magic" || !takesCode(call));
  const source = rewriteMagics(body, calls, host.typeOf);
  host.types.update(host.declarations(), source.text);
  const described = describe(source.text, source.toEdited(cursor), request.detail_level === 1, host);
  return described === undefined ? nothing : { ...nothing, found: true, data: described };
}

/** The name at the cursor; inside a call's brackets the call's signatures; else the name before the cursor. */
function describe(
  text: string,
  cursor: number,
  withSource: boolean,
  host: LanguageHost,
): Record<string, unknown> | undefined {
  const { service, cellFile } = host.types;
  const isName = (at: number): boolean => /[\p{ID_Continue}$]/u.test(text.charAt(at));
  const name = (at: number): Record<string, unknown> | undefined => {
    const info = service.getQuickInfoAtPosition(cellFile, at);
    // A name that nobody declares is of kind "" and type any.
    if (info === undefined || info.kind === ts.ScriptElementKind.unknown) return undefined;
    return page(info, [valueOf(text, info, host), ...(withSource ? [sourceOf(text, at, info, host)] : [])]);
  };
  if (isName(cursor) || isName(cursor - 1)) {
    const found = name(isName(cursor) ? cursor : cursor - 1);
    if (found !== undefined) return found;
  }
  const help = service.getSignatureHelpItems(cellFile, cursor, undefined);
  if (help !== undefined) return signatures(help);
  const before = text.slice(0, cursor).search(/[\p{ID_Continue}$][^\p{ID_Continue}$]*$/u);
  return before < 0 ? undefined : name(before);
}

/** What follows the signature and its documentation: a heading, a text, and whether it is code. */
interface Part {
  title: string;
  text: string;
  code: boolean;
}

function page(info: ts.QuickInfo, parts: (Part | undefined)[]): Record<string, unknown> {
  const signature = ts.displayPartsToString(info.displayParts);
  const documentation = ts.displayPartsToString(info.documentation);
  const tags = (info.tags ?? []).map(({ name, text }) => `@${name} ${ts.displayPartsToString(text)}`.trim());
  const notes = [documentation, tags.join("\n")].filter((part) => part !== "");
  const more = parts.filter((part) => part !== undefined);
  return {
    "text/plain": [signature, ...notes, ...more.map(({ title, text }) => `${title}\n${text}`)].join("\n\n"),
    "text/markdown": [
      fenced(signature),
      ...notes,
      ...more.map(({ title, text, code }) => `**${title}**\n\n${code ? fenced(text) : text}`),
    ].join("\n\n"),
  };
}

/** Code for Markdown; the fence is longer than any inside. */
function fenced(code: string): string {
  const fence = "`".repeat(Math.max(3, ...[...code.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1)));
  return `${fence}typescript\n${code}\n${fence}`;
}

function valueOf(text: string, { textSpan }: ts.QuickInfo, { value }: LanguageHost): Part | undefined {
  const name = text.slice(textSpan.start, textSpan.start + textSpan.length);
  const found = text[textSpan.start - 1] === "." ? undefined : value(name);
  if (found === undefined || typeof found.value === "function") return undefined;
  const shown = inspectValue(found.value, { depth: 1, maxArrayLength: 10, maxStringLength: 200, breakLength: 80 });
  return { title: "value", text: shown.length > 1000 ? `${shown.slice(0, 1000)}…` : shown, code: true };
}

/** A name of a cell: its statement as written. Others: what their file declares; for a function without types its text. */
function sourceOf(text: string, at: number, { textSpan }: ts.QuickInfo, host: LanguageHost): Part | undefined {
  const name = text.slice(textSpan.start, textSpan.start + textSpan.length);
  const own = text[textSpan.start - 1] === "." ? undefined : host.sources.get(name);
  if (own !== undefined) return { title: "source", text: own, code: true };
  const { service, cellFile } = host.types;
  const [definition] = (service.getDefinitionAtPosition(cellFile, at) ?? []).filter(
    ({ fileName }) => path.dirname(fileName) !== path.dirname(cellFile) || !/\/__\w+__\.(d\.)?ts$/.test(fileName),
  );
  if (definition !== undefined) {
    const file = service.getProgram()?.getSourceFile(definition.fileName);
    const span = definition.contextSpan ?? definition.textSpan;
    const code = file?.text.slice(span.start, span.start + span.length) ?? "";
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(span.start).line + 1;
    const lines = code.split("\n");
    const shown = lines.length > 60 ? [...lines.slice(0, 60), "…"].join("\n") : code;
    return { title: `declared in ${definition.fileName}:${String(line)}`, text: shown, code: true };
  }
  const found = host.value(name);
  return typeof found?.value === "function"
    ? { title: "source", text: Function.prototype.toString.call(found.value), code: true }
    : undefined;
}

/** All overloads, the one that fits first; the active parameter is set off. */
function signatures({ items, selectedItemIndex, argumentIndex }: ts.SignatureHelpItems): Record<string, unknown> {
  const ordered = [...items.slice(selectedItemIndex), ...items.slice(0, selectedItemIndex)];
  const show = (item: ts.SignatureHelpItem): string =>
    ts.displayPartsToString(item.prefixDisplayParts) +
    item.parameters
      .map(({ displayParts }) => ts.displayPartsToString(displayParts))
      .join(ts.displayPartsToString(item.separatorDisplayParts)) +
    ts.displayPartsToString(item.suffixDisplayParts);
  const [first] = ordered;
  const active = first?.parameters[Math.min(argumentIndex, first.parameters.length - 1)];
  const notes = [
    ts.displayPartsToString(first?.documentation),
    ...(active === undefined || active.documentation.length === 0
      ? []
      : [`${active.name}: ${ts.displayPartsToString(active.documentation)}`]),
    ...(first?.tags ?? [])
      .filter(({ name }) => name !== "param")
      .map(({ name, text }) => `@${name} ${ts.displayPartsToString(text)}`.trim()),
  ].filter((part) => part !== "");
  const all = ordered.map(show).join("\n");
  return { "text/plain": [all, ...notes].join("\n\n"), "text/markdown": [fenced(all), ...notes].join("\n\n") };
}
