/** Gives a plain value of the library a way to show itself. */
import { displaySymbol, renderTable, type Displayable, type MimeBundle, type Table } from "../../display.js";

/** The same object, which from now on shows itself; the library sees no difference (the method is not enumerable). */
export function shown<T extends object>(value: T, display: () => MimeBundle | Promise<MimeBundle>): T & Displayable {
  return Object.defineProperty(value, displaySymbol, {
    value: display,
    configurable: true,
    enumerable: false,
  }) as T & Displayable;
}

/** Tables below each other, as text and HTML. */
export function tablesBundle(...tables: Table[]): MimeBundle {
  const rendered = tables.map(renderTable);
  return {
    "text/html": rendered.map(({ html }) => html).join(""),
    "text/plain": rendered.map(({ text }) => text).join("\n\n"),
  };
}
