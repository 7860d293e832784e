/** The notebooks in the repository: made from their sources, without outputs, for this kernel. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/paths.js";

interface Cell {
  cell_type: "code" | "markdown";
  source: string[];
  outputs?: unknown[];
  metadata: { tags?: string[] };
}
interface Notebook {
  cells: Cell[];
  metadata: { kernelspec: { name: string } };
}
interface Maker {
  notebookOf(source: string): Notebook;
  notebooks(): { name: string; notebook: Notebook }[];
}

const folder = path.join(packageRoot(), "notebooks");

async function maker(): Promise<Maker> {
  const script = path.join(packageRoot(), "scripts", "make-notebooks.mjs");
  return (await import(pathToFileURL(script).href)) as Maker;
}

describe("the notebooks", () => {
  test("are what `npm run notebooks` makes of their sources", async () => {
    const made = (await maker()).notebooks();
    assert.ok(made.length > 0);
    for (const { name, notebook } of made)
      assert.deepEqual(JSON.parse(readFileSync(path.join(folder, name), "utf8")), notebook, `${name} is out of date`);
    const present = readdirSync(folder).filter((file) => file.endsWith(".ipynb"));
    assert.deepEqual(
      present.sort(),
      made.map(({ name }) => name),
    );
  });

  test("hold no outputs, name this kernel, and only one cell of the tour may fail", async () => {
    for (const { notebook } of (await maker()).notebooks()) {
      assert.equal(notebook.metadata.kernelspec.name, "ams");
      const code = notebook.cells.filter((cell) => cell.cell_type === "code");
      assert.ok(code.length > 0);
      assert.ok(code.every((cell) => cell.outputs?.length === 0));
      assert.ok(code.filter((cell) => cell.metadata.tags?.includes("raises-exception")).length <= 1);
    }
  });
});

describe("a notebook's source", () => {
  test("becomes code cells with tags, and Markdown cells split at rules", async () => {
    const source = "# One\n\n---\n\nTwo\n\n```typescript raises-exception\n%ams nope\n\n1 + 1\n```\n\nThree\n";
    const { cells } = (await maker()).notebookOf(source);
    assert.deepEqual(
      cells.map((cell) => [cell.cell_type, cell.source.join("")]),
      [
        ["markdown", "# One"],
        ["markdown", "Two"],
        ["code", "%ams nope\n\n1 + 1"],
        ["markdown", "Three"],
      ],
    );
    assert.deepEqual(cells[2]?.metadata.tags, ["raises-exception"]);
  });
});
