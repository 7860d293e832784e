/** Text edits that remember where everything came from, so that positions can be carried both ways. */

/** Replaces `text.slice(start, end)`; `start === end` inserts. */
export interface Edit {
  start: number;
  end: number;
  text: string;
}

export interface Edited {
  text: string;
  /** Offset in the edited text -> offset in the original; inside a replacement: its start. */
  toOriginal: (offset: number) => number;
  /** Offset in the original -> offset in the edited text; inside a replaced range: the replacement's start. */
  toEdited: (offset: number) => number;
}

/** Applies edits that do not overlap. Insertions at one place keep the order in which they are given. */
export function applyEdits(original: string, edits: Edit[]): Edited {
  const sorted = edits.map((edit, i) => ({ edit, i })).sort((a, b) => a.edit.start - b.edit.start || a.i - b.i);
  // Each span: where a replacement starts in both texts and how long both sides are.
  const spans: { original: number; edited: number; removed: number; added: number }[] = [];
  let text = "";
  let position = 0;
  for (const { edit } of sorted) {
    text += original.slice(position, edit.start);
    spans.push({
      original: edit.start,
      edited: text.length,
      removed: edit.end - edit.start,
      added: edit.text.length,
    });
    text += edit.text;
    position = edit.end;
  }
  text += original.slice(position);
  return {
    text,
    toOriginal(offset) {
      let shift = 0;
      for (const span of spans) {
        if (offset < span.edited) break;
        if (offset < span.edited + span.added) return span.original;
        shift = span.original + span.removed - (span.edited + span.added);
      }
      return offset + shift;
    },
    toEdited(offset) {
      let shift = 0;
      for (const span of spans) {
        if (offset < span.original) break;
        if (offset < span.original + span.removed) return span.edited;
        shift = span.edited + span.added - (span.original + span.removed);
      }
      return offset + shift;
    },
  };
}

/** Offset -> zero-based line and column. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const newline = before.lastIndexOf("\n");
  let line = 0;
  for (let i = 0; i < before.length; i++) if (before.charCodeAt(i) === 10) line++;
  return { line, column: offset - newline - 1 };
}

/** Zero-based line and column -> offset, kept inside the text. */
export function offsetAt(text: string, line: number, column: number): number {
  let start = 0;
  for (let i = 0; i < line; i++) {
    const next = text.indexOf("\n", start);
    if (next < 0) return text.length;
    start = next + 1;
  }
  const end = text.indexOf("\n", start);
  return Math.min(start + column, end < 0 ? text.length : end);
}
