/** HTML and SVG read back as elements. jsdom is loaded without its types: they would put the whole DOM into every file's scope. */
import { createRequire } from "node:module";

/** What the tests read of an element. */
export interface Element {
  tagName: string;
  textContent: string | null;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element> & { length: number };
}

const { JSDOM } = createRequire(__filename)("jsdom") as {
  JSDOM: new (text: string, options?: object) => { window: { document: Element & { documentElement: Element } } };
};

export function readHtml(html: string): Element {
  return new JSDOM(html).window.document.documentElement;
}

/** The root element; throws when the text is not well-formed XML. */
export function readSvg(svg: string): Element {
  return new JSDOM(svg, { contentType: "image/svg+xml" }).window.document.documentElement;
}
