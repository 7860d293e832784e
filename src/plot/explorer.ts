/** The attention explorer as a saved figure: its data, and HTML that shows a still until its script runs. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../errors.js";
import type { ExplorerSpec } from "./explorerMaps.js";

/** What the JupyterLab extension draws, also in notebooks that are not trusted yet. */
export const explorerMime = "application/vnd.ams.explorer+json";

/**
 * The still, the data and the script in one `<div>`. Where scripts are dropped (untrusted notebooks, code-hosting sites) the still is
 * what stays. Nothing is loaded from anywhere.
 */
export function explorerHtml(spec: ExplorerSpec, still: string): string {
  // "<" would end the script element early, and in text from data it could begin another.
  const data = JSON.stringify(spec).replace(/</g, "\\u003c");
  return (
    `<div data-ams-explorer><div data-still>${still}</div>` +
    `<script type="application/json">${data}</script></div><script>${script()}</script>`
  );
}

let loaded: string | undefined;

/** The page's script, which the build bundles from src/plot/page. */
function script(): string {
  if (loaded !== undefined) return loaded;
  const file = path.join(__dirname, "page", "inline.js");
  if (!existsSync(file))
    throw new AmsError("the script of the attention explorer has not been built", {
      where: file,
      hint: "npm run build",
    });
  loaded = readFileSync(file, "utf8")
    .trim()
    .replace(/<\/script/g, "<\\/script");
  return loaded;
}
