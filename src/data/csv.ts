/** Comma or tab separated text (RFC 4180): quoted fields may hold separators, doubled quotes and line breaks. */
import { AmsError } from "../errors.js";

/** A record with the line it starts in, counted from 1. Empty lines are left out. */
export interface CsvRecord {
  line: number;
  fields: string[];
}

/** Throws an `AmsError` with file and line for a quote that is never closed or text after a closing quote. */
export function parseCsv(text: string, separator: "," | "\t", file: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let line = 1;
  let record: CsvRecord = { line, fields: [] };
  const bad = (message: string): AmsError =>
    new AmsError(message, {
      where: `${file}, line ${record.line}`,
      hint: 'put fields with separators or line breaks in "quotes", and double the quotes inside them',
    });
  for (let at = 0; at <= text.length;) {
    let field: string;
    if (text[at] === '"') {
      let end = at;
      do {
        end = text.indexOf('"', end + 1);
        if (end < 0) throw bad("a quoted field is never closed");
        if (text[end + 1] === '"') end++;
        else break;
      } while (end < text.length);
      field = text.slice(at + 1, end).replaceAll('""', '"');
      line += field.split("\n").length - 1;
      at = end + 1;
    } else {
      const start = at;
      while (at < text.length && text[at] !== separator && text[at] !== "\n") at++;
      field = text.slice(start, at).replace(/\r$/, "");
    }
    record.fields.push(field);
    if (text[at] === "\r" && text[at + 1] === "\n") at++;
    if (text[at] === separator) {
      at++;
      continue;
    }
    if (at < text.length && text[at] !== "\n")
      throw bad(`text follows the closing quote of ${JSON.stringify(field.slice(0, 40))}`);
    if (record.fields.length > 1 || record.fields[0] !== "") records.push(record);
    at++;
    line++;
    record = { line, fields: [] };
  }
  return records;
}
