/** Magics in colour: `%name`, `%%name` and `!command` with their options and texts, over what TypeScript makes of such a line. */
import { wanted } from "./share.js";

/** A stretch of a line with its class. */
export interface Stretch {
  from: number;
  to: number;
  kind: "magic" | "option" | "text" | "comment" | "rest";
}

/** The parts of a line that is a magic or has one as its value (`const run = %ams train`); none for other lines. */
export function magicStretches(line: string): Stretch[] {
  const start = /^\s*(?:(?:(?:const|let|var)\s+)?[\w$.{}, ]+=\s*(?:await\s+)?)?(?=%%?[A-Za-z_]|!\S)/.exec(line);
  if (start === null) return [];
  const out: Stretch[] = [];
  const part = /(%%?[\w.-]+|^!)|(--?[A-Za-z][\w-]*)|("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)|((?<=\s)\/\/.*$)|(\S+)/gy;
  part.lastIndex = start[0].length;
  let first = true;
  for (;;) {
    while (/\s/.test(line[part.lastIndex] ?? "")) part.lastIndex++;
    const from = part.lastIndex;
    if (from >= line.length) return out;
    if (first && line[from] === "!") {
      out.push({ from, to: from + 1, kind: "magic" });
      part.lastIndex = from + 1;
      first = false;
      continue;
    }
    const found = part.exec(line);
    if (found === null) return out;
    const kind = first ? "magic" : found[2] ? "option" : found[3] ? "text" : found[4] ? "comment" : "rest";
    out.push({ from, to: part.lastIndex, kind });
    first = false;
  }
}

interface Line {
  from: number;
  to: number;
  text: string;
}

interface View {
  state: { doc: { lineAt(at: number): Line } };
  visibleRanges: readonly { from: number; to: number }[];
}

/** As much of CodeMirror as is used. */
interface CodeMirror {
  ViewPlugin: { fromClass(plugin: unknown, options: unknown): unknown };
  Decoration: {
    mark(options: { class: string }): { range(from: number, to: number): unknown };
    set(of: unknown[]): unknown;
  };
  EditorView: { baseTheme(rules: object): unknown };
}

/** A CodeMirror extension for editors of the mime type, which may become known only when the kernel is. */
export async function magicsExtension(model: { mimeType: string }): Promise<unknown[]> {
  return extensionOf(await wanted<CodeMirror>("@codemirror/view"), model);
}

export function extensionOf(
  { ViewPlugin, Decoration, EditorView }: CodeMirror,
  model: { mimeType: string },
): unknown[] {
  const marks = Object.fromEntries(
    (["magic", "option", "text", "comment", "rest"] as const).map((kind) => [
      kind,
      Decoration.mark({ class: `ams-${kind}` }),
    ]),
  ) as Record<Stretch["kind"], ReturnType<typeof Decoration.mark>>;
  const draw = ({ state, visibleRanges }: View): unknown => {
    const ranges: unknown[] = [];
    if (!/typescript/.test(model.mimeType)) return Decoration.set(ranges);
    for (const { from, to } of visibleRanges)
      for (let at = from; at <= to;) {
        const line = state.doc.lineAt(at);
        for (const stretch of magicStretches(line.text))
          ranges.push(marks[stretch.kind].range(line.from + stretch.from, line.from + stretch.to));
        at = line.to + 1;
      }
    return Decoration.set(ranges);
  };
  class Magics {
    decorations: unknown;
    constructor(view: View) {
      this.decorations = draw(view);
    }
    update({ view }: { view: View }): void {
      this.decorations = draw(view);
    }
  }
  const colour = (name: string, fallback: string): object => {
    const rule = { color: `var(--jp-mirror-editor-${name}-color, ${fallback})`, textDecoration: "none" };
    return rule;
  };
  const rules = {
    magic: { ...colour("keyword", "#d55e00"), fontWeight: "bold" },
    option: colour("attribute", "#0072b2"),
    text: colour("string", "#a11"),
    comment: { ...colour("comment", "#777"), fontStyle: "italic" },
    rest: { color: "inherit" },
  };
  return [
    ViewPlugin.fromClass(Magics, { decorations: (plugin: Magics) => plugin.decorations }),
    // The spans of TypeScript's own colours lie inside of these.
    EditorView.baseTheme(
      Object.fromEntries(
        Object.entries(rules).flatMap(([kind, rule]) => [
          [`.ams-${kind}`, rule],
          [`.ams-${kind} span`, { color: "inherit", font: "inherit", textDecoration: "none" }],
        ]),
      ),
    ),
  ];
}
