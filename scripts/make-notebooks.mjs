// `npm run notebooks`: notebooks/source/NAME.md -> notebooks/NAME.ipynb, so that notebooks are read and reviewed as text.
//
// A fenced block marked `typescript` is a code cell; further words after it are the cell's tags, e.g. `raises-exception`.
// Everything between is a Markdown cell, split where a line holds only `---`.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./setup/paths.mjs";

const folder = path.join(root, "notebooks");

/** The notebook (nbformat 4.5) of one source text. */
export function notebookOf(source) {
  const cells = [];
  const add = (kind, text, tags = []) => {
    const trimmed = text.replace(/^\n+|\s+$/g, "");
    if (trimmed === "") return;
    cells.push({
      cell_type: kind,
      ...(kind === "code" ? { execution_count: null } : {}),
      id: `cell-${String(cells.length + 1).padStart(2, "0")}`,
      metadata: tags.length > 0 ? { tags } : {},
      ...(kind === "code" ? { outputs: [] } : {}),
      source: trimmed.split(/(?<=\n)/),
    });
  };
  // Odd parts are the fenced cells: [text, tags, code, text, tags, code, ..., text].
  const parts = source.split(/^```typescript([^\n]*)\n(.*?)^```$/ms);
  for (let i = 0; i < parts.length; i += 3) {
    for (const text of parts[i].split(/^---$/m)) add("markdown", text);
    if (i + 2 < parts.length) add("code", parts[i + 2], parts[i + 1].split(/\s+/).filter(Boolean));
  }
  return {
    cells,
    metadata: {
      kernelspec: { display_name: "TypeScript (AMS)", language: "typescript", name: "ams" },
      language_info: { file_extension: ".ts", mimetype: "text/typescript", name: "typescript" },
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
}

/** Every source as {name, notebook}: what the .ipynb files must hold. */
export function notebooks() {
  const sources = path.join(folder, "source");
  return readdirSync(sources)
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => ({
      name: file.replace(/\.md$/, ".ipynb"),
      notebook: notebookOf(readFileSync(path.join(sources, file), "utf8")),
    }));
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const { name, notebook } of notebooks()) {
    writeFileSync(path.join(folder, name), `${JSON.stringify(notebook, null, 1)}\n`);
    console.log(`notebooks/${name}: ${notebook.cells.length} cells`);
  }
